//! The one path API below a root descriptor (security rules R1 and R2).
//!
//! A [`Root`] is a directory that this program does not trust: a tree, an upper directory, a build context. No call
//! here takes a host path after opening; none leaves the root, follows a magic link, or crosses a symbolic link
//! unless it says so. The last part of a path is never followed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use imgc_base::path::ImagePath;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};

use crate::entry::{Meta, keeps_xattr};
use crate::error::ImageError;
use crate::{limits, ownership};

/// A directory whose content is not trusted.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

/// The directory of a path, opened, and the last part of the path.
#[derive(Debug)]
pub struct Place<'p> {
    /// The directory.
    pub dir: OwnedFd,
    /// The last part.
    pub name: &'p [u8],
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: Vec<u8>,
    /// What the directory says it is; may be unknown.
    pub kind: FileType,
}

/// Within the root, no links at all.
const STRICT: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// Within the root, links resolved as a process in it would.
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

impl Root {
    /// Opens a directory of the host. This is the only place where a host path is used.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::openat(CWD, path, flags, Mode::empty())? })
    }

    fn openat2(
        &self,
        path: &ImagePath,
        flags: OFlags,
        mode: Mode,
        resolve: ResolveFlags,
    ) -> rustix::io::Result<OwnedFd> {
        let name = if path.is_root() { b"." } else { path.as_bytes() };
        loop {
            match rustix::fs::openat2(&self.fd, name, flags | OFlags::CLOEXEC, mode, resolve) {
                // IN_ROOT and BENEATH report a concurrent rename somewhere above as EAGAIN.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// Opens the directory of `path` without following any link.
    pub fn place<'p>(&self, path: &'p ImagePath) -> Result<Place<'p>, ImageError> {
        let parent = path.parent().unwrap_or_default();
        let dir = self.dir(&parent)?;
        Ok(Place { dir, name: path.name().unwrap_or(b".") })
    }

    /// Opens a directory for use as the base of other calls, without following any link.
    pub fn dir(&self, path: &ImagePath) -> Result<OwnedFd, ImageError> {
        self.openat2(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), STRICT)
            .map_err(ImageError::at("open directory", path))
    }

    /// Opens a regular file for reading, without following any link. Never blocks on a pipe or device.
    pub fn file(&self, path: &ImagePath) -> Result<std::fs::File, ImageError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self.openat2(path, flags, Mode::empty(), STRICT).map_err(ImageError::at("open", path))?;
        Ok(fd.into())
    }

    /// Opens a regular file to change some bytes of it, without following any link.
    pub(crate) fn file_to_patch(&self, path: &ImagePath) -> Result<std::fs::File, ImageError> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || self.openat2(path, flags, Mode::empty(), STRICT);
        match open() {
            // A read-only file of a user who is not privileged.
            Err(rustix::io::Errno::ACCESS) => {
                let file = self.file(path)?;
                let stat = rustix::fs::fstat(&file).map_err(ImageError::at("stat", path))?;
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                rustix::fs::fchmod(&file, mode | Mode::WUSR).map_err(ImageError::at("open", path))?;
                let opened = open().map_err(ImageError::at("open", path));
                rustix::fs::fchmod(&file, mode).map_err(ImageError::at("open", path))?;
                Ok(opened?.into())
            }
            other => Ok(other.map_err(ImageError::at("open", path))?.into()),
        }
    }

    /// Resolves links in all parts and the last one, as a process whose root this is, and says what stands there.
    pub fn stat_resolved(&self, path: &ImagePath) -> io::Result<Stat> {
        let fd = self.openat2(path, OFlags::PATH, Mode::empty(), IN_ROOT)?;
        Ok(rustix::fs::fstat(fd)?)
    }

    /// Opens a file for reading, links resolved as [`Root::stat_resolved`] does. Never blocks on a pipe or device.
    pub fn file_resolved(&self, path: &ImagePath) -> io::Result<std::fs::File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(self.openat2(path, flags, Mode::empty(), IN_ROOT)?.into())
    }

    /// What stands at a path; no link is followed. `None` if nothing does.
    pub fn stat(&self, path: &ImagePath) -> Result<Option<Stat>, ImageError> {
        match self.openat2(
            path,
            OFlags::PATH | OFlags::NOFOLLOW,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS,
        ) {
            Ok(fd) => rustix::fs::fstat(fd).map(Some).map_err(ImageError::at("stat", path)),
            Err(rustix::io::Errno::LOOP) => self.stat_link(path),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(error) => Err(ImageError::at("stat", path)(error)),
        }
    }

    /// `NO_SYMLINKS` also refuses a link as the last part: look at it from its directory.
    fn stat_link(&self, path: &ImagePath) -> Result<Option<Stat>, ImageError> {
        let place = self.place(path)?;
        match rustix::fs::statat(&place.dir, place.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(ImageError::at("stat", path)(error)),
        }
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &ImagePath) -> Result<Vec<u8>, ImageError> {
        let place = self.place(path)?;
        rustix::fs::readlinkat(&place.dir, place.name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(ImageError::at("read link", path))
    }

    /// The names in a directory, sorted, without `.` and `..`.
    pub fn list(&self, path: &ImagePath) -> Result<Vec<Listed>, ImageError> {
        let fd = self
            .openat2(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty(), STRICT)
            .map_err(ImageError::at("list", path))?;
        list_fd(fd).map_err(ImageError::at("list", path))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The names in an open directory, sorted.
pub fn list_fd(fd: OwnedFd) -> io::Result<Vec<Listed>> {
    let mut all = Vec::new();
    for item in Dir::new(fd)? {
        let item = item?;
        let name = item.file_name().to_bytes();
        if name != b"." && name != b".." {
            all.push(Listed { name: name.to_vec(), kind: item.file_type() });
        }
    }
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Mode, owner and time from a stat; the owner is the one on disk.
pub fn meta_of(stat: &Stat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: stat.st_mtime,
        xattrs: Vec::new(),
    }
}

/// Reads the attributes that layers carry from an open file or directory, and the owner if it is kept in one.
pub fn read_xattrs(fd: BorrowedFd<'_>, meta: &mut Meta) -> io::Result<()> {
    let mut names = [0u8; 4096];
    let length = match rustix::fs::flistxattr(fd, &mut names) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        Ok(length) => length,
        Err(rustix::io::Errno::RANGE) => return read_many_xattrs(fd, meta),
        Err(error) => return Err(error.into()),
    };
    read_named(fd, &names[..length], meta)
}

/// The rare file whose names do not fit on the stack.
fn read_many_xattrs(fd: BorrowedFd<'_>, meta: &mut Meta) -> io::Result<()> {
    let mut names = vec![0u8; limits::XATTR_BYTES];
    let length = rustix::fs::flistxattr(fd, &mut names)?;
    read_named(fd, &names[..length], meta)
}

fn read_named(fd: BorrowedFd<'_>, names: &[u8], meta: &mut Meta) -> io::Result<()> {
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        if keeps_xattr(name) {
            let value = get_xattr(fd, name)?;
            let value = if name == b"security.capability" { plain_capability(value) } else { value };
            meta.xattrs.push((name.to_vec(), value));
        } else if name == ownership::XATTR {
            // The disk knows one owner; the image's stands here, unless a command gave the file away since.
            if let Some((uid, gid)) = ownership::parse(&get_xattr(fd, name)?) {
                (meta.uid, meta.gid) = (uid, gid);
            }
        }
    }
    meta.xattrs.sort();
    Ok(())
}

fn get_xattr(fd: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut value = vec![0; 256];
    loop {
        match rustix::fs::fgetxattr(fd, name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(rustix::io::Errno::RANGE) if value.len() < limits::XATTR_BYTES => {
                value.resize(limits::XATTR_BYTES, 0);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A capability set inside a user namespace carries that namespace's root (revision 3, `linux/capability.h`); in an
/// image it is the image's root: revision 2, so that root and rootless give the same bytes.
fn plain_capability(mut value: Vec<u8>) -> Vec<u8> {
    const REVISION_MASK: u8 = 0xff;
    if value.len() == 24 && value[3] & REVISION_MASK == 3 {
        value[3] = 2;
        value.truncate(20);
    }
    value
}

/// Sets mode, owner, attributes and time of an open file or directory, in the order that keeps them all.
pub fn set_meta(fd: BorrowedFd<'_>, meta: &Meta) -> io::Result<()> {
    // Changing the owner drops set-id bits and capabilities: owner first, then mode, then attributes, time last.
    ownership::set(fd, meta.uid, meta.gid)?;
    rustix::fs::fchmod(fd, Mode::from_raw_mode(meta.mode))?;
    for (name, value) in &meta.xattrs {
        match rustix::fs::fsetxattr(fd, name.as_slice(), value, rustix::fs::XattrFlags::empty()) {
            // A capability that this user may not set stays in the index.
            Err(rustix::io::Errno::PERM | rustix::io::Errno::OPNOTSUPP) | Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
    }
    set_time(fd, meta.mtime)
}

/// Makes a pipe or device with exactly this mode, whatever the umask is.
pub(crate) fn make_node(
    dir: &OwnedFd,
    name: &[u8],
    kind: FileType,
    mode: u32,
    device: u64,
) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    rustix::fs::mknodat(dir, name, kind, mode, device)?;
    let fd = rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if rustix::fs::fstat(&fd)?.st_mode & 0o7777 == mode.as_raw_mode() {
        return Ok(());
    }
    // Opening a device can act on it, and fchmod takes no O_PATH descriptor: its name in /proc does.
    rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), mode)
}

/// Sets the modification time of an open file or directory, in whole seconds.
pub fn set_time(fd: BorrowedFd<'_>, seconds: i64) -> io::Result<()> {
    Ok(rustix::fs::futimens(fd, &times(seconds))?)
}

/// Sets the modification time of a name, also of a symbolic link.
pub fn set_time_at(dir: impl AsFd, name: &[u8], seconds: i64) -> io::Result<()> {
    Ok(rustix::fs::utimensat(dir, name, &times(seconds), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
