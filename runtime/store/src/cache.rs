//! Cache mounts: directories that outlive steps and are in no key.

use std::fs::File;
use std::path::{Path, PathBuf};

use imgc_base::Cancel;
use imgc_base::digest::BlobDigest;

use crate::Store;
use crate::error::StoreError;
use crate::layout::make_dir;
use crate::lock::{self, Mode};

/// Who may use a cache mount at the same time (`RUN --mount=type=cache,sharing=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Everybody.
    #[default]
    Shared,
    /// One at a time; a second user gets another directory.
    Private,
    /// One at a time; a second user waits.
    Locked,
}

/// A cache mount in use; given back when dropped.
#[derive(Debug)]
pub struct CacheMount {
    path: PathBuf,
    fresh: bool,
    _lock: File,
}

impl CacheMount {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the directory was made just now.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// A user of private cache mounts cannot have more directories than this.
const PRIVATE: u32 = 4096;

impl Store {
    /// Where the cache mount of an id is (the first one, of a private cache).
    pub fn cache_dir(&self, id: &str) -> PathBuf {
        self.cache_base(id, 0).join("data")
    }

    fn cache_base(&self, id: &str, number: u32) -> PathBuf {
        let name = BlobDigest::of(id.as_bytes()).hex();
        let name = if number == 0 { name } else { format!("{name}.{number}") };
        self.layout().at("cachemounts").join(name)
    }

    /// Takes a cache mount into use; `cancel` ends the wait for a locked one.
    pub fn lock_cache(&self, id: &str, sharing: Sharing, cancel: &Cancel) -> Result<CacheMount, StoreError> {
        self.check_writable()?;
        for number in 0..PRIVATE {
            let base = self.cache_base(id, number);
            let path = base.join("lock");
            let lock = loop {
                make_dir(&base)?;
                // gc may take the directory away between any two of these calls.
                let lock = match lock::open(&path) {
                    Ok(lock) => lock,
                    Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                match sharing {
                    Sharing::Shared => lock::wait(&lock, &path, Mode::Shared, cancel)?,
                    Sharing::Locked => lock::wait(&lock, &path, Mode::Exclusive, cancel)?,
                    Sharing::Private if !lock::try_lock(&lock, &path, Mode::Exclusive)? => break None,
                    Sharing::Private => {}
                }
                if lock::still_named(&lock, &path)? {
                    break Some(lock);
                }
            };
            let Some(lock) = lock else { continue };
            let (name, data) = (base.join("id"), base.join("data"));
            let fresh = !data.is_dir();
            if fresh {
                fs_err::write(&name, id).map_err(StoreError::io("write", &name))?;
                make_dir(&data)?;
            }
            // The lock file's time is the cache's last use.
            Self::touch(&path);
            return Ok(CacheMount { path: data, fresh, _lock: lock });
        }
        Err(StoreError::missing(format!("a free directory for the private cache `{id}`")))
    }
}
