//! The flattened root file system as a directory.
//!
//! The directory is somebody's and may hold files already: nothing is reached through a link of it, and what stands
//! in the way of a file is replaced. Owners, devices and privileged attributes are set where this user may, counted
//! where not.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use imgc_base::path::ImagePath;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::merge::{self, MergedEntry};
use crate::rooted::{Root, make_node, set_time, set_time_at};
use crate::source::Contents;
use crate::tree::Tree;
use crate::unpack::{copy_hashed, retry_cleared};

/// What this user was not allowed to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Paths that belong to the writer instead of their owner.
    pub owners: u64,
    /// Devices that are not there.
    pub devices: u64,
    /// Extended attributes that are not there.
    pub xattrs: u64,
}

/// Writes the root file system below a directory; says what could not be made.
pub fn write_root_dir(tree: &Tree, contents: &dyn Contents, root: &Root) -> Result<LeftOut, ImageError> {
    // The whole stack merged on nothing is the file system.
    let merged = merge::merge(&Tree::default(), tree.layers())?;
    let mut writer = Writer { root, last: None, left_out: LeftOut::default() };
    for entry in merged.entries() {
        writer.put(entry, contents)?;
    }
    // Files made in a directory changed its time, and a read-only one would have taken none.
    for MergedEntry { entry, .. } in merged.entries().iter().rev().filter(|m| m.entry.kind.is_dir()) {
        let fd = writer.open_dir(&entry.path)?;
        writer.set_meta(&fd, &entry.meta).map_err(ImageError::at("set attributes of", &entry.path))?;
    }
    Ok(writer.left_out)
}

struct Writer<'a> {
    root: &'a Root,
    last: Option<(ImagePath, OwnedFd)>,
    left_out: LeftOut,
}

impl Writer<'_> {
    fn put(&mut self, merged: &MergedEntry, contents: &dyn Contents) -> Result<(), ImageError> {
        let MergedEntry { entry: Entry { path, kind, meta }, from, content } = merged;
        let name = path.name().unwrap_or_default();
        if let Kind::Hardlink { to } = kind {
            let first = self.root.place(to)?;
            let dir = self.parent(path)?;
            let link = || rustix::fs::linkat(&first.dir, first.name, dir, name, AtFlags::empty());
            return retry_cleared(dir, name, link).map_err(ImageError::at("link", path));
        }
        let dir = self.parent(path)?;
        match kind {
            Kind::Dir { .. } => return make_dir(dir, name).map_err(ImageError::at("make directory", path)),
            Kind::File { .. } => {
                let (Some(layer), Some(content)) = (from, content) else {
                    return Err(ImageError::Missing(format!("the content of `{path}`")));
                };
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let create = || rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR);
                let file = retry_cleared(dir, name, create).map_err(ImageError::at("create", path))?;
                let mut file = std::fs::File::from(file);
                let mut source = merge::open(contents, layer, content)?;
                if copy_hashed(&mut source, &mut file, path)? != content.digest {
                    return Err(ImageError::Changed(path.clone()));
                }
                return self
                    .set_meta(&OwnedFd::from(file), meta)
                    .map_err(ImageError::at("set attributes of", path));
            }
            Kind::Symlink { target } => {
                retry_cleared(dir, name, || rustix::fs::symlinkat(target.as_slice(), dir, name))
                    .map_err(ImageError::at("link", path))?;
            }
            Kind::Fifo => {
                retry_cleared(dir, name, || make_node(dir, name, FileType::Fifo, meta.mode, 0))
                    .map_err(ImageError::at("make pipe", path))?;
            }
            Kind::Char { major, minor } | Kind::Block { major, minor } => {
                let block = matches!(kind, Kind::Block { .. });
                let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
                let device = rustix::fs::makedev(*major, *minor);
                match retry_cleared(dir, name, || make_node(dir, name, kind, meta.mode, device)) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        self.left_out.devices += 1;
                        return Ok(());
                    }
                    Err(error) => return Err(ImageError::at("make device", path)(error)),
                }
            }
            // Merged on nothing, no whiteout is left.
            Kind::Whiteout | Kind::Hardlink { .. } => return Ok(()),
        }
        let owner = rustix::fs::chownat(
            dir,
            name,
            Some(Uid::from_raw(meta.uid)),
            Some(Gid::from_raw(meta.gid)),
            AtFlags::SYMLINK_NOFOLLOW,
        );
        set_time_at(dir, name, meta.mtime).map_err(ImageError::at("set time of", path))?;
        self.note_owner(owner).map_err(ImageError::at("set owner of", path))
    }

    /// The directory of a path, opened without following a link.
    fn parent(&mut self, path: &ImagePath) -> Result<&OwnedFd, ImageError> {
        let parent = path.parent().unwrap_or_default();
        if self.last.as_ref().is_none_or(|(at, _)| *at != parent) {
            let fd = self.root.dir(&parent)?;
            self.last = Some((parent, fd));
        }
        Ok(&self.last.as_ref().expect("it was just set").1)
    }

    fn open_dir(&mut self, path: &ImagePath) -> Result<OwnedFd, ImageError> {
        let name = path.name().unwrap_or_default();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = self.parent(path)?;
        rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(ImageError::at("open directory", path))
    }

    /// Owner first, for that drops set-id bits and capabilities; time last.
    fn set_meta(&mut self, fd: &OwnedFd, meta: &Meta) -> io::Result<()> {
        let fd = fd.as_fd();
        self.note_owner(rustix::fs::fchown(
            fd,
            Some(Uid::from_raw(meta.uid)),
            Some(Gid::from_raw(meta.gid)),
        ))?;
        rustix::fs::fchmod(fd, Mode::from_raw_mode(meta.mode))?;
        for (name, value) in &meta.xattrs {
            match rustix::fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::OPNOTSUPP) => self.left_out.xattrs += 1,
                Err(error) => return Err(error.into()),
            }
        }
        set_time(fd, meta.mtime)
    }

    fn note_owner(&mut self, result: rustix::io::Result<()>) -> io::Result<()> {
        match result {
            Err(Errno::PERM | Errno::INVAL) => {
                self.left_out.owners += 1;
                Ok(())
            }
            other => Ok(other?),
        }
    }
}

/// Makes a directory that this user can fill; its own mode comes last. Anything else of the name goes.
fn make_dir(dir: &OwnedFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::mkdirat(dir, name, Mode::RWXU) {
        Err(Errno::EXIST) => {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
                rustix::fs::mkdirat(dir, name, Mode::RWXU)?;
            }
            Ok(())
        }
        other => Ok(other?),
    }
}
