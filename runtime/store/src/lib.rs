//! Content store: blobs, trees, refs, step results, locks (`spec/store.md`).
//!
//! ```text
//! imgc-store                 the format's number
//! oci-layout  index.json     refs; the store is an OCI image layout that other tools can read
//! blobs/sha256/<hex>         manifests, configs, compressed layers
//! trees/<diff-id>/           a layer unpacked; lower directories of overlay mounts
//! stamps/<diff-id>           says that a tree is whole, and since when
//! layers/<diff-id>           a layer's index; its mtime is the layer's last use
//! maps/<diff-id>.<form>      which blob a layer has in which compression
//! steps/<content-key>        a step's result and the components of its key; its mtime is its last use
//! memo/<hash>                remembered answers
//! builds/<id>/               records of builds
//! synced                     what a power loss cannot have taken
//! cachemounts/<hash>/        cache mounts
//! partial/                   downloads to be continued
//! locks/  tmp/  quarantine/
//! ```
//!
//! | module | job |
//! |---|---|
//! | [`error`] | why something failed |
//! | `layout` | paths; whether a directory may be used |
//! | `record` | small files that see their own damage |
//! | `durable` | synced writes, stamps, what survives a power loss |
//! | `lock` | locks between processes |
//! | `session` | a process's lease and its unfinished files |
//! | [`blob`] | bytes under their digest |
//! | [`layer`] | indexes, and the blobs of a layer |
//! | `tree` | unpacked layers |
//! | [`import`] | a layer from elsewhere |
//! | `stream`, `ahead` | hashing what passes, reading ahead |
//! | `serve` | blobs and contents for `imgc_image` |
//! | `remake` | a layer's blob made again |
//! | [`refs`] | names of images |
//! | [`step`] | step results |
//! | `memo` | remembered answers |
//! | [`build`] | the beginning and end of a build |
//! | [`cache`] | cache mounts |
//! | `inventory` | all that is here, and what of it is needed |
//! | [`gc`] | removing what is not |
//! | [`verify`] | looking for broken objects |
//! | `compare` | a tree against its index |
//! | [`usage`] | how much space it takes |
//!
//! Laws: nothing stands under a digest's name before its size and digest are checked; the ref is written last; a crash at
//! any moment leaves the old or the new state; nothing that a ref or a living process uses is ever removed.

mod ahead;
pub mod blob;
pub mod build;
pub mod cache;
mod compare;
mod durable;
pub mod error;
pub mod gc;
pub mod import;
mod inventory;
pub mod layer;
mod layout;
mod lock;
mod memo;
mod record;
pub mod refs;
mod remake;
mod serve;
mod session;
pub mod step;
mod stream;
mod tree;
pub mod usage;
pub mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use imgc_base::Cancel;
use imgc_base::digest::DiffId;
use imgc_image::{LayerIndex, Root};

pub use blob::BlobWriter;
pub use build::BuildGuard;
pub use cache::{CacheMount, Sharing};
pub use error::StoreError;
pub use gc::{Collected, Policy};
pub use import::Import;
pub use layer::LayerBlob;
pub use lock::NamedLock;
pub use session::{WorkDir, make_root};
pub use step::StepRecord;
pub use usage::Usage;
pub use verify::{Depth, Problem, Report};

use crate::durable::Ledger;
use crate::layout::Layout;
use crate::session::{Held, Session};

/// An open store; cheap to clone, for all threads.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
    cancel: Cancel,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    read_only: bool,
    ledger: Ledger,
    locks: Arc<lock::Table>,
    session: OnceLock<Arc<Session>>,
    starting: Mutex<()>,
    indexes: Mutex<BTreeMap<DiffId, Arc<LayerIndex>>>,
    roots: Mutex<BTreeMap<DiffId, Arc<Root>>>,
    /// Something with a stamp was written that no sync covers yet.
    dirty: AtomicBool,
    quarantined: AtomicU64,
    without_lease: Mutex<session::WithoutLease>,
}

impl Store {
    /// Opens a store; makes one in a missing or empty directory.
    ///
    /// A store that cannot be written to opens too, for reading.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let (layout, read_only) = Layout::open(dir)?;
        if !read_only {
            session::remove_dead(&layout.at("tmp"))?;
        }
        let ledger = Ledger::new(layout.at("synced"));
        let inner = Inner {
            layout,
            read_only,
            ledger,
            locks: Arc::default(),
            session: OnceLock::new(),
            starting: Mutex::new(()),
            indexes: Mutex::default(),
            roots: Mutex::default(),
            dirty: AtomicBool::new(false),
            quarantined: AtomicU64::new(0),
            without_lease: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner), cancel: Cancel::new() })
    }

    /// The same store; its long work and its waits end when `cancel` is asked to.
    #[must_use]
    pub fn cancelled_by(&self, cancel: &Cancel) -> Self {
        Self { inner: Arc::clone(&self.inner), cancel: cancel.clone() }
    }

    /// The store's directory.
    pub fn dir(&self) -> &Path {
        self.inner.layout.dir()
    }

    /// True if nothing can be written.
    pub fn is_read_only(&self) -> bool {
        self.inner.read_only
    }

    /// A directory for unfinished work on the store's file system; removed when dropped, or after this process's death.
    pub fn work_dir(&self, purpose: &str) -> Result<WorkDir, StoreError> {
        WorkDir::new(self.session()?, purpose)
    }

    /// Takes a lock on a name over all threads and processes; `cancel` ends the wait.
    pub fn lock(&self, name: &str, cancel: &Cancel) -> Result<NamedLock, StoreError> {
        self.check_writable()?;
        NamedLock::wait(&self.inner.locks, self.layout().lock(name), cancel)
    }

    fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        if self.inner.read_only { Err(StoreError::ReadOnly(self.dir().to_owned())) } else { Ok(()) }
    }

    /// This process's session, started on first use.
    fn session(&self) -> Result<Arc<Session>, StoreError> {
        self.check_writable()?;
        if let Some(session) = self.inner.session.get() {
            return Ok(Arc::clone(session));
        }
        let _starting = locked(&self.inner.starting);
        if let Some(session) = self.inner.session.get() {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::start(self.layout())?);
        Ok(Arc::clone(self.inner.session.get_or_init(|| session)))
    }

    /// Says that this process uses something. Nothing is held in a store that cannot be written to.
    fn hold(&self, what: Held) -> Result<(), StoreError> {
        if self.inner.read_only {
            return Ok(());
        }
        match self.session().and_then(|session| session.hold(&what)) {
            // What is here stays usable on a full disk: instead of a line in the lease, collecting is kept out altogether.
            Err(error) if error.is_full() => {
                let mut without_lease = locked(&self.inner.without_lease);
                without_lease.keep_out(self.layout())?;
                without_lease.held.insert(what);
                Ok(())
            }
            other => other,
        }
    }

    /// Writes a small file that need not survive a power loss, whole or not at all.
    fn write_small(&self, target: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let new = self.session()?.new_path("new");
        durable::write_unsynced(&new, bytes)?;
        durable::rename(&new, target)
    }

    /// Marks a file as used now; false if it is not there. A store that cannot be written to keeps no such times.
    fn touch(path: &Path) -> bool {
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
        rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            != Err(rustix::io::Errno::NOENT)
    }

    /// Moves a broken object away; where it went.
    fn quarantine(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let class =
            path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let number = self.inner.quarantined.fetch_add(1, Ordering::Relaxed);
        let stamp = imgc_base::clock::wall().as_nanos();
        let target = self.layout().at("quarantine").join(format!("{class}-{name}-{stamp:x}-{number}"));
        match fs_err::rename(path, &target) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("move to quarantine", path)(error))
            }
            _ => Ok(target),
        }
    }
}

/// Locks a mutex; what it guards is whole even if a thread panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most small files are no longer than this.
const SMALL: usize = 4096;

/// Reads a file if it exists.
fn read_optional(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    use std::io::Read;
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", path)(error)),
    };
    let failed = || StoreError::io("read", path);
    // A regular file gives less than was asked for only at its end: a small one is read with a single call.
    let mut bytes = vec![0; SMALL];
    let count = file.read(&mut bytes).map_err(failed())?;
    bytes.truncate(count);
    if count == SMALL {
        let length = file.metadata().map_err(failed())?.len().min(limit);
        bytes.reserve(length.saturating_sub(SMALL as u64).min(64 << 20) as usize + 1);
        file.take(limit.saturating_sub(SMALL as u64)).read_to_end(&mut bytes).map_err(failed())?;
    }
    Ok(Some(bytes))
}
