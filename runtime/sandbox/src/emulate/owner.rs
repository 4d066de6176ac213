//! `chown` and its kin: the owner is kept in an attribute of the file.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, OFlags, Uid};
use rustix::io::Errno;

use super::ids::Person;
use super::tracee::Tracee;
use super::{Answer, place};
use crate::sys::{Question, Reply};

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
    person: &Person,
    question: &Question,
    note: &mut dyn FnMut(String),
) -> Answer {
    let args = &question.arguments;
    let call = libc::c_long::from(question.call);
    // Arguments are registers: numbers of 32 bits sit in their lower half.
    let number = |at: usize| args[at] as u32;
    if call == libc::SYS_fchown {
        let file = tracee.descriptor(number(0).cast_signed())?;
        return change(&file, (number(1), number(2)), person, "a file", note);
    }
    if call == libc::SYS_fchownat {
        let (dir, flags, to) = (number(0).cast_signed(), number(4), (number(2), number(3)));
        let path = tracee.text(args[1])?;
        let follow = flags & libc::AT_SYMLINK_NOFOLLOW.unsigned_abs() == 0;
        if path.is_empty() && flags & libc::AT_EMPTY_PATH.unsigned_abs() != 0 && dir != libc::AT_FDCWD {
            return change(&tracee.descriptor(dir)?, to, person, "a file", note);
        }
        return at(root, tracee, dir, &path, follow, |file, name| change(file, to, person, name, note));
    }
    let (path, to) = (tracee.text(args[0])?, (number(1), number(2)));
    at(root, tracee, libc::AT_FDCWD, &path, follows(call), |file, name| change(file, to, person, name, note))
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
    follow: bool,
    change: impl FnOnce(&OwnedFd, &str) -> Answer,
) -> Answer {
    let whole = place::whole(tracee, dir, path)?;
    let file = place::open(root, &whole, if follow { OFlags::empty() } else { OFlags::NOFOLLOW })?;
    change(&file, &String::from_utf8_lossy(&whole))
}

/// Gives a file away as far as that can be: the kernel does what it does at a change of owner (drops set-id bits and
/// capabilities, sets the time of change), then the attribute says whose it is.
fn change(
    file: &OwnedFd,
    (uid, gid): (u32, u32),
    person: &Person,
    name: &str,
    note: &mut dyn FnMut(String),
) -> Answer {
    let kept = |id: u32| id == u32::MAX;
    let old = place::owner(file);
    let new = (if kept(uid) { old.0 } else { uid }, if kept(gid) { old.1 } else { gid });
    if !person.may_give(old, new) {
        return Err(Errno::PERM);
    }
    let (real_uid, real_gid) = ((!kept(uid)).then_some(Uid::ROOT), (!kept(gid)).then_some(Gid::ROOT));
    rustix::fs::chownat(file, c"", real_uid, real_gid, AtFlags::EMPTY_PATH)?;
    if new != old {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            place::set_owner(file, new)?;
        } else {
            note(lost(name, new));
        }
    }
    Ok(Reply::Value(0))
}

/// What is said of a file that cannot carry its owner.
pub(super) fn lost(name: &str, (uid, gid): (u32, u32)) -> String {
    format!("`{name}` belongs to root here, not to {uid}:{gid}; give this user subordinate ids")
}
