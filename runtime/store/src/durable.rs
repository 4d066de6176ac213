//! Writing so that a crash leaves the old or the new state, and knowing what a power loss may have taken.
//!
//! Blobs, refs and the format file are synced before they are named. Steps, indexes and trees are not synced one by
//! one: each carries a [`Stamp`], and one `syncfs` at a build's end covers all stamps before it ([`Ledger`]). A stamp of
//! an earlier boot that no sync covered is not believed.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::record;

const TAG: &str = "imgc-synced-1";
/// Boots that the ledger remembers.
const BOOTS: usize = 1024;

/// When something was written: which boot of the machine, and nanoseconds since that boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    boot: String,
    at: u64,
}

/// For each boot, the time up to which everything is known to be on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Synced {
    boots: BTreeMap<String, Until>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Until {
    at: u64,
    /// Wall clock, to forget the oldest first.
    seen: u64,
}

/// What is known to have reached the disk.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    boot: String,
    known: Mutex<Option<Synced>>,
}

impl Ledger {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, boot: boot_id(), known: Mutex::new(None) }
    }

    /// The identity of this boot.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// The stamp of what was just written.
    pub(crate) fn now(&self) -> Stamp {
        let time = clock_gettime(ClockId::Boottime);
        let at = time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs();
        Stamp { boot: self.boot.clone(), at }
    }

    /// True if what was complete at this stamp is complete still.
    pub(crate) fn holds(&self, stamp: &Stamp) -> bool {
        if stamp.boot == self.boot {
            return true;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let synced = known.get_or_insert_with(|| self.read());
        synced.boots.get(&stamp.boot).is_some_and(|until| stamp.at <= until.at)
    }

    fn read(&self) -> Synced {
        let bytes = fs_err::read(&self.path).unwrap_or_default();
        record::decode(TAG, &bytes).unwrap_or_default()
    }

    /// Syncs the whole file system of the store; everything stamped before is on disk then. The caller holds the
    /// ledger's lock between processes.
    pub(crate) fn sync(&self, dir: &Path, tmp: &Path) -> Result<(), StoreError> {
        let until = self.now();
        sync_all(dir)?;
        let mut synced = self.read();
        let seen = imgc_base::clock::wall().as_secs();
        synced.boots.insert(until.boot, Until { at: until.at, seen });
        while synced.boots.len() > BOOTS {
            let oldest =
                synced.boots.iter().min_by_key(|(_, until)| until.seen).map(|(boot, _)| boot.clone());
            synced.boots.remove(&oldest.unwrap_or_default());
        }
        let bytes = record::encode(TAG, &synced).map_err(|e| StoreError::io("write", &self.path)(e))?;
        write_synced(tmp, &bytes)?;
        rename_synced(tmp, &self.path)
    }
}

/// Identifies this boot of the machine.
fn boot_id() -> String {
    let read = |path: &str| fs_err::read_to_string(path).ok();
    let id = read("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned());
    // Where the kernel does not say, the time of the boot does.
    let id = id.filter(|id| !id.is_empty()).or_else(|| {
        let stat = read("/proc/stat")?;
        stat.lines().find_map(|line| line.strip_prefix("btime ")).map(|time| format!("btime-{}", time.trim()))
    });
    // Nothing of an unknown boot is believed by another process.
    id.unwrap_or_else(|| format!("unknown-{}-{}", std::process::id(), imgc_base::clock::wall().as_nanos()))
}

/// Writes a new file and syncs it.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_with(path, bytes, true)
}

/// Writes a new file without syncing it.
pub(crate) fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_with(path, bytes, false)
}

fn write_with(path: &Path, bytes: &[u8], sync: bool) -> Result<(), StoreError> {
    let written = || -> Result<(), StoreError> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(StoreError::io("create", path))?;
        file.write_all(bytes).map_err(StoreError::io("write", path))?;
        if sync {
            file.sync_data().map_err(StoreError::io("sync", path))?;
        }
        Ok(())
    };
    let result = written();
    if result.is_err() {
        // Gives the space back; whether that works changes nothing.
        fs_err::remove_file(path).ok();
    }
    result
}

/// Gives a file its name.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    let result = fs_err::rename(from, to).map_err(StoreError::io("name", to));
    if result.is_err() {
        fs_err::remove_file(from).ok();
    }
    result
}

/// Gives a synced file its name for good.
pub(crate) fn rename_synced(from: &Path, to: &Path) -> Result<(), StoreError> {
    rename(from, to)?;
    sync_dir(to.parent().unwrap_or(to))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let file = fs_err::File::open(dir).map_err(StoreError::io("open", dir))?;
    file.sync_all().map_err(StoreError::io("sync", dir))
}

/// Writes out everything of a file system.
fn sync_all(dir: &Path) -> Result<(), StoreError> {
    let file = fs_err::File::open(dir).map_err(StoreError::io("open", dir))?;
    rustix::fs::syncfs(&file).map_err(StoreError::io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(dir: &Path, boot: &str) -> Ledger {
        Ledger { path: dir.join("synced"), boot: boot.to_owned(), known: Mutex::new(None) }
    }

    #[test]
    fn only_synced_stamps_of_earlier_boots_hold() {
        let dir = tempfile::tempdir().unwrap();
        let first = ledger(dir.path(), "one");
        let before = first.now();
        assert!(first.holds(&before));
        first.sync(dir.path(), &dir.path().join("new")).unwrap();
        let after = first.now();
        assert!(first.holds(&after));

        let second = ledger(dir.path(), "two");
        assert!(second.holds(&before));
        assert!(!second.holds(&after), "written after the last sync of its boot");
        assert!(!second.holds(&Stamp { boot: "zero".into(), at: 0 }));
    }

    #[test]
    fn a_torn_ledger_believes_nothing_old() {
        let dir = tempfile::tempdir().unwrap();
        let first = ledger(dir.path(), "one");
        let before = first.now();
        first.sync(dir.path(), &dir.path().join("new")).unwrap();
        let bytes = fs_err::read(dir.path().join("synced")).unwrap();
        fs_err::write(dir.path().join("synced"), &bytes[..bytes.len() - 1]).unwrap();
        assert!(!ledger(dir.path(), "two").holds(&before));
    }

    #[test]
    fn this_machine_says_which_boot_it_is() {
        assert_eq!(boot_id(), boot_id());
    }
}
