//! Owners that this user may not set, kept beside the file.
//!
//! Without a range of subordinate ids only one owner exists on disk. The owner that a file has in the image then
//! stands in an extended attribute, which overlayfs copies up together with the file; whoever reads a tree asks
//! here, so that root, rootless and single-id builds give the same bytes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Gid, Uid, XattrFlags};
use rustix::io::Errno;

/// Holds `uid:gid` in decimal.
pub const XATTR: &[u8] = b"user.imgc.owner";
const XATTR_NAME: &str = "user.imgc.owner";

/// Sets the owner of an open file or directory; falls back to the attribute when the system refuses.
pub fn set(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> io::Result<()> {
    match rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
        // EINVAL: the id has no mapping here. EPERM: not allowed to give files away.
        Err(Errno::INVAL | Errno::PERM) => {
            let value = format!("{uid}:{gid}");
            rustix::fs::fsetxattr(fd, XATTR_NAME, value.as_bytes(), XattrFlags::empty())?;
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Sets the owner of a symbolic link or special file by name. Such files cannot carry the attribute: an owner that
/// cannot be set is kept by the index alone.
pub fn set_at(dir: impl AsFd, name: &[u8], uid: u32, gid: u32) -> io::Result<()> {
    match rustix::fs::chownat(
        dir,
        name,
        Some(Uid::from_raw(uid)),
        Some(Gid::from_raw(gid)),
        AtFlags::SYMLINK_NOFOLLOW,
    ) {
        Err(Errno::INVAL | Errno::PERM) => Ok(()),
        other => Ok(other?),
    }
}

/// Parses the attribute.
pub fn parse(value: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_is_read_strictly() {
        assert_eq!(parse(b"0:42"), Some((0, 42)));
        for bad in ["", "1", "1:", "a:b", "-1:0", "1:2:3", "4294967296:0"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
