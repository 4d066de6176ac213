//! Why the store could not do something.

use std::io;
use std::path::{Path, PathBuf};

use imgc_base::cancel::Cancelled;
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_image::ImageError;
use rustix::io::Errno;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A call to the system failed.
    #[error("failed to {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file system (or the user's quota) is full. What was there before is whole.
    #[error("no space left: failed to {action} `{}`", .path.display())]
    Full {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Made by a newer version of this program; it is left alone.
    #[error("the store `{}` has format {found}, which is newer than this program (it knows {known})", .dir.display())]
    Newer {
        /// The store.
        dir: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this program knows.
        known: u64,
    },
    /// Something else stands there.
    #[error("`{}` is not a store: {reason}", .dir.display())]
    NotAStore {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory belongs to somebody else, or others may enter it.
    #[error("the store `{}` is not safe to use: {reason}", .dir.display())]
    Unsafe {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system has no locks.
    #[error("the file system of `{}` has no locks (flock), which the store needs; put the store on a local disk", .path.display())]
    NoLocks {
        /// The file to be locked.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something is not in the store.
    #[error("{what} is not in the store")]
    Missing {
        /// What.
        what: String,
    },
    /// Received bytes are not the announced ones.
    #[error("the blob has digest {got} instead of {expected}")]
    Digest {
        /// What was announced.
        expected: BlobDigest,
        /// What came.
        got: BlobDigest,
    },
    /// Received bytes are more or fewer than announced.
    #[error("the blob {digest} has {got} bytes instead of {expected}")]
    Size {
        /// Which blob.
        digest: BlobDigest,
        /// What was announced.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// A layer's uncompressed tar is not the announced one.
    #[error("the layer has diff-id {got} instead of {expected}")]
    DiffId {
        /// What was announced.
        expected: DiffId,
        /// What came.
        got: DiffId,
    },
    /// A layer that another tool wrote, whose bytes cannot be made again from its tree.
    #[error("the layer {0} was not written by this program, and its blob is gone: pull the image again")]
    NotCanonical(DiffId),
    /// A stored object is broken. It was moved to `quarantine/`.
    #[error("{what} in the store is broken ({reason}); it was moved away: {remedy}")]
    Corrupt {
        /// Which object.
        what: String,
        /// How.
        reason: String,
        /// What brings it back.
        remedy: &'static str,
    },
    /// A document is longer than accepted.
    #[error("the document {digest} has {size} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Which.
        digest: BlobDigest,
        /// How long it is.
        size: u64,
        /// How much is accepted.
        limit: u64,
    },
    /// The store was opened where nothing can be written.
    #[error("the store `{}` is read-only", .0.display())]
    ReadOnly(PathBuf),
    /// A layer, manifest or tree could not be read or written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// True if the system says that the disk, the inodes or the quota are used up.
pub(crate) fn says_full(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::NOSPC | Errno::DQUOT)) || error.kind() == io::ErrorKind::StorageFull
}

impl StoreError {
    /// For `map_err` on a call that concerned a file of the store.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| {
            let (path, source) = (path.to_owned(), source.into());
            if says_full(&source) {
                Self::Full { action, path, source }
            } else if source.raw_os_error() == Some(Errno::ROFS.raw_os_error()) {
                Self::ReadOnly(path)
            } else {
                Self::Io { action, path, source }
            }
        }
    }

    /// Something is not in the store.
    pub(crate) fn missing(what: impl std::fmt::Display) -> Self {
        Self::Missing { what: what.to_string() }
    }

    /// True if the disk, the inodes or the quota are used up.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Image(error) => error.io_source().is_some_and(says_full),
            Self::Io { source, .. } => says_full(source),
            _ => false,
        }
    }
}
