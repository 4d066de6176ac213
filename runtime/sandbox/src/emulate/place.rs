//! Paths of a process, seen from outside, and the owners that stand beside files.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;

use super::tracee::Tracee;

/// The attribute that `imgc-image` reads; holds `uid:gid` in decimal.
const XATTR: &str = "user.imgc.owner";

/// A path of a process, from its root.
pub(super) fn whole(tracee: &Tracee<'_>, dir: i32, path: &[u8]) -> Result<Vec<u8>, Errno> {
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    let mut whole = Vec::new();
    if path[0] != b'/' {
        whole = tracee.start(dir)?;
        whole.push(b'/');
    }
    whole.extend_from_slice(path);
    Ok(whole)
}

/// Opens a path as a place. Nothing that a process says can lead out of its root.
pub(super) fn open(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty(), resolve)
}

/// The owner that stands beside a file; root if none does.
pub(super) fn owner(file: &OwnedFd) -> (u32, u32) {
    recorded(&name(file)).unwrap_or((0, 0))
}

fn recorded(path: &str) -> Option<(u32, u32)> {
    let mut value = [0; 32];
    let length = rustix::fs::getxattr(path, XATTR, &mut value).ok()?;
    let (uid, gid) = std::str::from_utf8(&value[..length]).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// Puts an owner beside a file or directory.
pub(super) fn set_owner(file: &OwnedFd, (uid, gid): (u32, u32)) -> Result<(), Errno> {
    let name = name(file);
    if (uid, gid) != (0, 0) {
        return rustix::fs::setxattr(name, XATTR, format!("{uid}:{gid}").as_bytes(), XattrFlags::empty());
    }
    match rustix::fs::removexattr(name, XATTR) {
        Err(Errno::NODATA) => Ok(()),
        other => other,
    }
}

/// A name for a descriptor that is only a place: such ones give and take no attributes.
fn name(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
