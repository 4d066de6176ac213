//! `chown` and its kin: the owner is kept in an attribute of the file.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::Answer;
use super::tracee::Tracee;
use crate::sys::Question;

/// The attribute that `imgc-image` reads; holds `uid:gid` in decimal.
const XATTR: &str = "user.imgc.owner";

/// The calls that this module answers.
#[cfg(target_arch = "x86_64")]
pub(super) const CALLS: &[libc::c_long] =
    &[libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_chown, libc::SYS_lchown];
#[cfg(target_arch = "aarch64")]
pub(super) const CALLS: &[libc::c_long] = &[libc::SYS_fchown, libc::SYS_fchownat];

pub(super) fn is_about(call: i32) -> bool {
    CALLS.contains(&libc::c_long::from(call))
}

pub(super) fn answer(
    root: &OwnedFd,
    tracee: &Tracee<'_>,
    question: &Question,
    note: &mut dyn FnMut(String),
) -> Answer {
    let args = &question.arguments;
    let call = libc::c_long::from(question.call);
    // Arguments are registers: numbers of 32 bits sit in their lower half.
    let number = |at: usize| args[at] as u32;
    if call == libc::SYS_fchown {
        let file = tracee.descriptor(number(0).cast_signed())?;
        return change(&file, number(1), number(2), "a file", note);
    }
    if call == libc::SYS_fchownat {
        let (dir, flags) = (number(0).cast_signed(), number(4));
        let path = tracee.text(args[1])?;
        let follow = flags & libc::AT_SYMLINK_NOFOLLOW.unsigned_abs() == 0;
        if path.is_empty() && flags & libc::AT_EMPTY_PATH.unsigned_abs() != 0 && dir != libc::AT_FDCWD {
            return change(&tracee.descriptor(dir)?, number(2), number(3), "a file", note);
        }
        return at(root, tracee, dir, &path, (number(2), number(3)), follow, note);
    }
    let path = tracee.text(args[0])?;
    at(root, tracee, libc::AT_FDCWD, &path, (number(1), number(2)), follows(call), note)
}

/// True for `chown`, false for `lchown`.
#[cfg(target_arch = "x86_64")]
fn follows(call: libc::c_long) -> bool {
    call == libc::SYS_chown
}
#[cfg(target_arch = "aarch64")]
fn follows(_call: libc::c_long) -> bool {
    true
}

fn at(
    root: &OwnedFd,
    tracee: &Tracee<'_>,
    dir: i32,
    path: &[u8],
    owner: (u32, u32),
    follow: bool,
    note: &mut dyn FnMut(String),
) -> Answer {
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    let mut whole = Vec::new();
    if path[0] != b'/' {
        whole = tracee.start(dir)?;
        whole.push(b'/');
    }
    whole.extend_from_slice(path);
    // Nothing that a process says can lead out of its root.
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, !follow);
    let file = rustix::fs::openat2(root, whole.as_slice(), flags, Mode::empty(), resolve)?;
    change(&file, owner.0, owner.1, &String::from_utf8_lossy(&whole), note)
}

/// Gives a file away as far as that can be: the kernel does what it does at a change of owner (drops set-id bits and
/// capabilities, sets the time of change), then the attribute says whose it is.
fn change(file: &OwnedFd, uid: u32, gid: u32, name: &str, note: &mut dyn FnMut(String)) -> Answer {
    let kept = |id: u32| id == u32::MAX;
    let (real_uid, real_gid) = ((!kept(uid)).then_some(Uid::ROOT), (!kept(gid)).then_some(Gid::ROOT));
    rustix::fs::chownat(file, c"", real_uid, real_gid, AtFlags::EMPTY_PATH)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let (old_uid, old_gid) = recorded(&path).unwrap_or((0, 0));
    let new = (if kept(uid) { old_uid } else { uid }, if kept(gid) { old_gid } else { gid });
    if new == (old_uid, old_gid) {
        return Ok(0);
    }
    let kind = FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        note(format!(
            "`{name}` belongs to root here, not to {}:{}; give this user subordinate ids",
            new.0, new.1
        ));
        return Ok(0);
    }
    if new == (0, 0) {
        match rustix::fs::removexattr(&path, XATTR) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    } else {
        let value = format!("{}:{}", new.0, new.1);
        rustix::fs::setxattr(&path, XATTR, value.as_bytes(), XattrFlags::empty())?;
    }
    Ok(0)
}

fn recorded(path: &str) -> Option<(u32, u32)> {
    let mut value = [0; 32];
    let length = rustix::fs::getxattr(path, XATTR, &mut value).ok()?;
    let (uid, gid) = std::str::from_utf8(&value[..length]).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}
