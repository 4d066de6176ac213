//! Build contexts: a directory of this machine as the source of copies.
//!
//! Nothing is walked before a copy asks for it, and only what it asks for. What the ignore file leaves out does not
//! exist. The directory is not trusted: every access goes through a [`Root`], no link is followed, pipes and devices
//! are never opened. Owners and times of the machine are not part of a context: all files are 0:0, and copies give
//! them the time of the step.

mod archives;
mod fingerprint;
mod hash;
mod stat_cache;
#[cfg(test)]
mod tests;
mod walk;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use imgc_image::rooted::read_xattrs;
use imgc_image::{ImageError, Meta, Root};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use crate::file::FileError;
use crate::file::source::{Content, Item, Place, SameFile, What};

pub use hash::Opened;
pub use stat_cache::{Known, RootCache, Signature, StatCache};

/// How deep directories may be nested.
pub const MAX_DEPTH: usize = 256;

/// A directory of this machine as the source of copies.
#[derive(Debug)]
pub struct Context {
    root: Root,
    dir: PathBuf,
    ignore: Ignore,
    cache: Arc<RootCache>,
    /// Keeps a directory alive that was made for this context.
    held: Option<Box<dyn Held>>,
}

/// Something that a context needs for as long as it lives: a temporary directory.
pub trait Held: Send + Sync + std::fmt::Debug {}

impl<T: Send + Sync + std::fmt::Debug> Held for T {}

impl Context {
    /// Opens a directory. Nothing in it is looked at yet.
    pub fn open(dir: &Path, ignore: Ignore, cache: &StatCache) -> Result<Self, FileError> {
        let failed = |source: io::Error| FileError::Context { dir: dir.display().to_string(), source };
        let root = Root::open(dir).map_err(failed)?;
        let stat = rustix::fs::fstat(root.as_fd()).map_err(|error| failed(error.into()))?;
        Ok(Self { root, dir: dir.to_owned(), ignore, cache: cache.root(&stat), held: None })
    }

    /// A context in a directory that goes when `held` does.
    #[must_use]
    pub fn holding(mut self, held: impl Held + 'static) -> Self {
        self.held = Some(Box::new(held));
        self
    }

    /// Where it is on this machine, for messages and mounts.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is left out.
    pub fn ignore(&self) -> &Ignore {
        &self.ignore
    }

    /// True if something stands at the path that the ignore file hides.
    pub fn hides(&self, path: &ImagePath) -> bool {
        self.ignore.excludes(path) && matches!(self.root.stat(path), Ok(Some(_)))
    }

    /// What stands at exactly this path; no link is followed. `input` is the number that contents get.
    pub fn get(&self, input: usize, path: &ImagePath) -> Result<Option<Item>, FileError> {
        let Some(stat) = self.root.stat(path)? else { return Ok(None) };
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if self.ignore.excludes(path)
            && (!is_dir || self.ignore.prunes(path) || self.below(input, path)?.is_empty())
        {
            return Ok(None);
        }
        if is_dir {
            let mut meta = meta(&stat);
            let fd = self.open_dir(path)?;
            read_xattrs(fd.as_fd(), &mut meta).map_err(ImageError::at("read attributes of", path))?;
            return Ok(Some(Item { path: path.clone(), what: What::Dir, meta: owned(meta), same: None }));
        }
        let place = self.root.place(path)?;
        self.item(input, path.clone(), &place.dir, place.name, &stat).map(Some)
    }

    fn open_dir(&self, path: &ImagePath) -> Result<OwnedFd, FileError> {
        let fd = self.root.dir(path)?;
        // An O_PATH descriptor neither lists nor gives attributes.
        Ok(rustix::fs::openat(fd, c".", DIRECTORY, Mode::empty())
            .map_err(ImageError::at("open directory", path))?)
    }

    /// The item of anything but a directory.
    fn item(
        &self,
        input: usize,
        path: ImagePath,
        dir: impl AsFd,
        name: &[u8],
        stat: &Stat,
    ) -> Result<Item, FileError> {
        let mut meta = meta(stat);
        let mut same = None;
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let signature = Signature::of(stat);
                if stat.st_nlink > 1 {
                    same = Some(SameFile::Inode(signature.dev, signature.ino));
                }
                let known = self.cache.get(&signature);
                let digest = known.as_ref().map(|known| known.digest);
                meta.xattrs = known.map(|known| known.xattrs).unwrap_or_default();
                let place = Place::Context(input, path.clone(), signature);
                What::File(Content { size: signature.size, digest, place })
            }
            FileType::Symlink => What::Symlink(
                rustix::fs::readlinkat(dir, name, Vec::new())
                    .map_err(ImageError::at("read link", &path))?
                    .into_bytes(),
            ),
            FileType::Directory => What::Dir,
            // As the reference has it: a socket arrives as an empty file.
            FileType::Socket => {
                What::File(Content { size: 0, digest: Some(empty_digest()), place: Place::Empty })
            }
            FileType::Fifo => What::Fifo,
            _ => return Err(FileError::Special { path, noun: "device" }),
        };
        Ok(Item { path, what, meta: owned(meta), same })
    }

    /// The names in a directory, in order; nothing if it is no directory.
    pub fn names(&self, dir: &ImagePath) -> Result<Vec<Vec<u8>>, FileError> {
        match self.root.list(dir) {
            Ok(names) => Ok(names.into_iter().map(|listed| listed.name).collect()),
            Err(ImageError::At { source, .. })
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// How directories are opened for listing.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn stat_at(dir: impl AsFd, name: &CStr, path: &ImagePath) -> Result<Option<Stat>, FileError> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        // It went away between listing and looking.
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(ImageError::at("stat", path)(error).into()),
    }
}

/// The mode; owners and times of this machine are no part of a context.
fn meta(stat: &Stat) -> Meta {
    Meta { mode: stat.st_mode & 0o7777, ..Meta::default() }
}

/// An attribute may have set the owner of a tree of this program; in a context it means nothing.
fn owned(mut meta: Meta) -> Meta {
    (meta.uid, meta.gid) = (0, 0);
    meta
}

fn empty_digest() -> imgc_base::FileDigest {
    imgc_base::FileDigest::of(b"")
}
