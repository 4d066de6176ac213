//! The beginning and end of a build: its id, its directory for records, and the one sync at its end.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::Store;
use crate::error::StoreError;
use crate::session::Held;

/// A running build. What it uses is held by the lease of its process.
#[derive(Debug)]
pub struct BuildGuard {
    store: Store,
    id: String,
    dir: PathBuf,
}

impl BuildGuard {
    /// Names the build; ids sort by the time of their start.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its records go.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends the build: what its steps stored survives a power loss from here on. Does nothing if nothing was stored.
    pub fn finish(self) -> Result<(), StoreError> {
        self.store.sync()
    }
}

impl Store {
    /// Starts a build.
    pub fn begin_build(&self) -> Result<BuildGuard, StoreError> {
        self.session()?;
        let mut time = imgc_base::clock::wall();
        loop {
            let id = build_id(time.as_secs(), time.subsec_nanos());
            let dir = self.build_dir(&id);
            self.hold(Held::Build(id.clone()))?;
            match std::fs::create_dir(&dir) {
                Ok(()) => return Ok(BuildGuard { store: self.clone(), id, dir }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    time += std::time::Duration::from_nanos(1 << 12);
                }
                Err(error) => return Err(StoreError::io("make directory", &dir)(error)),
            }
        }
    }

    /// Where the records of a build go.
    pub fn build_dir(&self, id: &str) -> PathBuf {
        self.layout().at("builds").join(id)
    }

    /// The ids of all recorded builds, oldest first.
    pub fn builds(&self) -> Result<Vec<String>, StoreError> {
        let dir = self.layout().at("builds");
        let mut ids = Vec::new();
        for item in fs_err::read_dir(&dir).map_err(StoreError::io("list", &dir))? {
            let name = item.map_err(StoreError::io("list", &dir))?.file_name();
            ids.extend(name.to_str().map(str::to_owned));
        }
        ids.sort();
        Ok(ids)
    }

    /// Makes everything that was stored so far survive a power loss. Without new steps or trees there is nothing to do:
    /// blobs and names are durable by themselves, and all else is made again where it is missing.
    pub fn sync(&self) -> Result<(), StoreError> {
        if !self.inner.dirty.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let synced = || {
            let _lock = self.lock("synced", &self.cancel)?;
            self.inner.ledger.sync(self.dir(), &self.session()?.new_path("synced"))
        };
        let result = synced();
        if result.is_err() {
            self.inner.dirty.store(true, Ordering::SeqCst);
        }
        result
    }
}

/// `20260131-235959-1a2b3`: UTC, and a fraction of the second.
fn build_id(seconds: u64, nanos: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    // 4096 ns steps: 18 bits are five hexadecimal digits.
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{:05x}", nanos >> 12)
}

/// Days since 1970 to a date: eras of 400 years that start on the first of March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_dates() {
        assert_eq!(build_id(0, 0), "19700101-000000-00000");
        assert_eq!(build_id(951_782_400, 999_999_999), "20000229-000000-3b9ac");
        assert_eq!(build_id(1_767_225_599, 4096), "20251231-235959-00001");
    }
}
