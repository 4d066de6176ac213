//! Calls that make files: what a process makes belongs to who it says it is.
//!
//! Most of these calls come from root and make root's files; the kernel then does them as asked. For the others, and in
//! directories that give their group to what is made in them, the file is made here and its owner put beside it.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::ids::Person;
use super::tracee::Tracee;
use super::{Answer, owner, place};
use crate::seccomp::Asked;
use crate::sys::{Question, Reply};

/// `O_CREAT`.
const CREATE: u32 = 0o100;
/// The set-group-id bit, which directories hand on.
const SET_GROUP: u32 = 0o2000;

/// The calls to ask about: where a flag says so, only if something may be made.
pub(super) fn calls() -> impl Iterator<Item = Asked> {
    let native = [
        Asked { call: libc::SYS_openat, bits: Some((2, CREATE)) },
        // Its flags are in memory.
        Asked { call: libc::SYS_openat2, bits: None },
        Asked { call: libc::SYS_mkdirat, bits: None },
        Asked { call: libc::SYS_symlinkat, bits: None },
        Asked { call: libc::SYS_mknodat, bits: None },
    ];
    #[cfg(target_arch = "x86_64")]
    let old = [
        Asked { call: libc::SYS_open, bits: Some((1, CREATE)) },
        Asked { call: libc::SYS_creat, bits: None },
        Asked { call: libc::SYS_mkdir, bits: None },
        Asked { call: libc::SYS_symlink, bits: None },
        Asked { call: libc::SYS_mknod, bits: None },
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let old = [];
    native.into_iter().chain(old)
}

/// What a call would make.
struct Wish {
    dir: i32,
    path: u64,
    what: What,
}

enum What {
    File {
        flags: u32,
        mode: u32,
    },
    Dir {
        mode: u32,
    },
    /// What cannot carry an owner.
    Other,
}

/// Reads a call; `None` if it makes nothing.
fn wish(tracee: &Tracee<'_>, question: &Question) -> Result<Option<Wish>, Errno> {
    let args = &question.arguments;
    // Arguments are registers: numbers of 32 bits sit in their lower half.
    let number = |at: usize| args[at] as u32;
    let dir = |at: usize| number(at).cast_signed();
    let here = libc::AT_FDCWD;
    let regular = |mode: u32| mode & libc::S_IFMT == libc::S_IFREG || mode & libc::S_IFMT == 0;
    let node = |mode: u32| {
        if regular(mode) {
            What::File { flags: CREATE | libc::O_EXCL.unsigned_abs(), mode }
        } else {
            What::Other
        }
    };
    let (dir, path, what) = match libc::c_long::from(question.call) {
        libc::SYS_openat => (dir(0), args[1], What::File { flags: number(2), mode: number(3) }),
        libc::SYS_openat2 => {
            // struct open_how: flags and mode of 64 bits each.
            let how = tracee.numbers(args[2], 4)?;
            (dir(0), args[1], What::File { flags: how[0], mode: how[2] })
        }
        libc::SYS_mkdirat => (dir(0), args[1], What::Dir { mode: number(2) }),
        libc::SYS_symlinkat => (dir(1), args[2], What::Other),
        libc::SYS_mknodat => (dir(0), args[1], node(number(2))),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => (here, args[0], What::File { flags: number(1), mode: number(2) }),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat => {
            let flags = CREATE | (libc::O_WRONLY | libc::O_TRUNC).unsigned_abs();
            (here, args[0], What::File { flags, mode: number(1) })
        }
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => (here, args[0], What::Dir { mode: number(1) }),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_symlink => (here, args[1], What::Other),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mknod => (here, args[0], node(number(1))),
        _ => return Ok(None),
    };
    let makes = !matches!(what, What::File { flags, .. } if flags & CREATE == 0);
    Ok(makes.then_some(Wish { dir, path, what }))
}

pub(super) fn answer(
    root: &OwnedFd,
    tracee: &Tracee<'_>,
    person: &Person,
    question: &Question,
    note: &mut dyn FnMut(String),
) -> Answer {
    // Whatever cannot be understood here, the kernel does or refuses.
    let Ok(Some(wish)) = wish(tracee, question) else { return Ok(Reply::Continue) };
    match make(root, tracee, person, question, &wish, note) {
        Ok(Some(reply)) => Ok(reply),
        Ok(None) | Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::EXIST | Errno::BADF) => {
            Ok(Reply::Continue)
        }
        Err(error) => Err(error),
    }
}

/// Makes the file if it is another's than root's; `None` leaves it to the kernel.
fn make(
    root: &OwnedFd,
    tracee: &Tracee<'_>,
    person: &Person,
    question: &Question,
    wish: &Wish,
    note: &mut dyn FnMut(String),
) -> Result<Option<Reply>, Errno> {
    let mut whole = place::whole(tracee, wish.dir, &tracee.text(wish.path)?)?;
    // `mkdir a/` is `mkdir a`; nothing else may end so.
    while matches!(wish.what, What::Dir { .. }) && whole.len() > 1 && whole.last() == Some(&b'/') {
        whole.pop();
    }
    let cut = whole.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let (above, name) = (&whole[..cut], &whole[cut + 1..]);
    if name.is_empty() || name == b"." || name == b".." {
        return Ok(None);
    }
    let dir = place::open(root, if above.is_empty() { b"/" } else { above }, OFlags::DIRECTORY)?;
    let mut whose = person.makes();
    if rustix::fs::fstat(&dir)?.st_mode & SET_GROUP != 0 {
        whose.1 = place::owner(&dir).1;
    }
    if whose == (0, 0) || place::open(root, &whole, OFlags::empty()).is_ok() {
        return Ok(None);
    }
    let mode = |mode: u32| Mode::from_raw_mode(mode & 0o7777 & !tracee.umask());
    match wish.what {
        What::Other => {
            note(owner::lost(&String::from_utf8_lossy(&whole), whose));
            Ok(None)
        }
        What::Dir { mode: asked } => {
            rustix::fs::mkdirat(&dir, name, mode(asked))?;
            own(&open_in(&dir, name), whose)?;
            Ok(Some(Reply::Value(0)))
        }
        What::File { flags, mode: asked } => {
            let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            drop(rustix::fs::openat(&dir, name, new, mode(asked))?);
            let file = open_in(&dir, name);
            own(&file, whose)?;
            let file = file?;
            if flags & libc::O_EXCL.unsigned_abs() == 0 {
                // The kernel finds it there.
                return Ok(None);
            }
            if is_mknod(question.call) {
                return Ok(Some(Reply::Value(0)));
            }
            let close_on_exec = flags & libc::O_CLOEXEC.unsigned_abs() != 0;
            let flags = (OFlags::from_bits_retain(flags) - OFlags::CREATE - OFlags::EXCL) | OFlags::CLOEXEC;
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            let opened = rustix::fs::open(path, flags - OFlags::NOFOLLOW, Mode::empty())?;
            Ok(Some(Reply::File(opened, close_on_exec)))
        }
    }
}

/// Puts the owner beside what was just made; from here on the kernel must not make it again.
fn own(made: &Result<OwnedFd, Errno>, whose: (u32, u32)) -> Result<(), Errno> {
    made.as_ref().map_err(|_| Errno::IO).and_then(|file| place::set_owner(file, whose).map_err(|_| Errno::IO))
}

/// A place in a directory; links are not followed.
fn open_in(dir: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(target_arch = "x86_64")]
fn is_mknod(call: i32) -> bool {
    [libc::SYS_mknod, libc::SYS_mknodat].contains(&libc::c_long::from(call))
}
#[cfg(not(target_arch = "x86_64"))]
fn is_mknod(call: i32) -> bool {
    libc::c_long::from(call) == libc::SYS_mknodat
}
