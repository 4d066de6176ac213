//! Locks between processes: `flock`, with a clear error where a file system has none.
//!
//! A lock dies with its process, so kill -9 leaves nothing locked. The file of a named lock is removed by whoever held
//! it; a waiter that got the lock of a removed file sees that and starts again.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use imgc_base::Cancel;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::error::StoreError;

/// First pause while another process holds a lock; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause: how late a release or a cancellation may be noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How much a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Only exclusive holders.
    Shared,
    /// Everybody.
    Exclusive,
}

/// Opens a lock file, made if missing.
pub(crate) fn open(path: &Path) -> Result<File, StoreError> {
    let file = fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    Ok(file.map_err(StoreError::io("open", path))?.into_parts().0)
}

/// Takes a lock if nobody holds it.
pub(crate) fn try_lock(file: &File, path: &Path, mode: Mode) -> Result<bool, StoreError> {
    let operation = match mode {
        Mode::Shared => FlockOperation::NonBlockingLockShared,
        Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    loop {
        match rustix::fs::flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(failed(error, path)),
        }
    }
}

/// Takes a lock, waiting for its holder; `cancel` ends the wait.
pub(crate) fn wait(file: &File, path: &Path, mode: Mode, cancel: &Cancel) -> Result<(), StoreError> {
    let mut pause = FIRST_PAUSE;
    while !try_lock(file, path, mode)? {
        cancel.check()?;
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

/// Takes a lock that is only ever held for moments.
pub(crate) fn wait_briefly(file: &File, path: &Path, mode: Mode) -> Result<(), StoreError> {
    let operation = match mode {
        Mode::Shared => FlockOperation::LockShared,
        Mode::Exclusive => FlockOperation::LockExclusive,
    };
    loop {
        match rustix::fs::flock(file, operation) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(failed(error, path)),
        }
    }
}

/// Releases a lock that is held by an open file.
pub(crate) fn release(file: &File, path: &Path) -> Result<(), StoreError> {
    rustix::fs::flock(file, FlockOperation::Unlock).map_err(StoreError::io("unlock", path))
}

fn failed(error: Errno, path: &Path) -> StoreError {
    match error {
        Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL | Errno::BADF => {
            StoreError::NoLocks { path: path.to_owned(), source: error.into() }
        }
        other => StoreError::io("lock", path)(other),
    }
}

/// The named locks that threads of this process hold or wait for.
#[derive(Debug, Default)]
pub(crate) struct Table {
    held: Mutex<BTreeSet<PathBuf>>,
    freed: Condvar,
}

/// An exclusive lock on a name, over all threads and processes; released when dropped.
#[derive(Debug)]
pub struct NamedLock {
    path: PathBuf,
    file: Option<File>,
    table: Arc<Table>,
}

impl NamedLock {
    /// Waits for the lock.
    pub(crate) fn wait(table: &Arc<Table>, path: PathBuf, cancel: &Cancel) -> Result<Self, StoreError> {
        table.claim(&path, cancel)?;
        // From here on dropping `lock` gives the name back.
        let mut lock = Self { path, file: None, table: Arc::clone(table) };
        loop {
            let file = open(&lock.path)?;
            wait(&file, &lock.path, Mode::Exclusive, cancel)?;
            if still_named(&file, &lock.path)? {
                lock.file = Some(file);
                return Ok(lock);
            }
        }
    }
}

/// True if a path still leads to this open file.
pub(crate) fn still_named(file: &File, path: &Path) -> Result<bool, StoreError> {
    let own = file.metadata().map_err(StoreError::io("stat", path))?;
    match fs_err::symlink_metadata(path) {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("stat", path)(error)),
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Removed while still locked: see `still_named`. A file that stays is only untidy.
            fs_err::remove_file(&self.path).ok();
            // Closing is not enough while a child that another thread is starting has a copy of the descriptor.
            release(&file, &self.path).ok();
        }
        self.table.give_back(&self.path);
    }
}

impl Table {
    fn claim(&self, path: &Path, cancel: &Cancel) -> Result<(), StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.contains(path) {
            cancel.check()?;
            held = self.freed.wait_timeout(held, LONGEST_PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
        held.insert(path.to_owned());
        Ok(())
    }

    fn give_back(&self, path: &Path) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        self.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Each thread has its own table: they exclude each other as processes do, by the file.
                    let table = Arc::new(Table::default());
                    for _ in 0..50 {
                        let lock = NamedLock::wait(&table, path.clone(), &Cancel::new()).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!path.exists());
    }

    #[test]
    fn waiting_can_be_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let table = Arc::new(Table::default());
        let _held = NamedLock::wait(&table, path.clone(), &Cancel::new()).unwrap();
        let cancel = Cancel::new();
        cancel.cancel();
        for table in [table, Arc::new(Table::default())] {
            let refused = NamedLock::wait(&table, path.clone(), &cancel);
            assert!(matches!(refused, Err(StoreError::Cancelled(_))));
        }
    }
}
