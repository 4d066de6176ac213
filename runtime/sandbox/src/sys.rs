//! All the `unsafe` of the project: system calls that `rustix` does not have, or has as unsafe.
//!
//! | call | kernel | for |
//! |---|---|---|
//! | `clone` with namespaces, `fork` | any | the helper is single-threaded: a child may do anything |
//! | `unshare` | any | entering a user namespace while single-threaded |
//! | `mount_setattr` | 5.12 | read-only, no set-id, at any depth |
//! | `close_range` | 5.11 | no descriptor reaches a command |
//! | `seccomp` | 3.17 | the filter, without `no_new_privs` |
//! | `signalfd`, `sigprocmask`, `sigaction` | any | signals as events |
//! | `execve` | any | the program itself, without the C library's way out to a shell |
//! | `personality`, `keyctl` | any | no address randomisation; a keyring of its own |
#![allow(unsafe_code, reason = "the one place for it; every block says why it is sound")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Parent(Pid),
    Child,
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Becomes another program; returns why that cannot be.
pub(crate) fn exec(path: &CStr, args: &[CString], env: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both lists end in a null pointer, and they and the texts that they point to live until the call returns.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Makes a child process in new namespaces (`CLONE_NEW*`); with no flag, a plain fork.
///
/// Only the single-threaded helper, and `main` before its first thread, may call this.
pub(crate) fn fork_into(namespaces: UnshareFlags) -> io::Result<Side> {
    let flags = libc::c_long::from(namespaces.bits()) | libc::c_long::from(libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child gets a copy of the address space and, the stack argument being null, goes
    // on on its copy of this stack: as after fork. There is one thread, so no lock is held by another one.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    let pid = check(result)?;
    Ok(Pid::from_raw(pid as i32).map_or(Side::Child, Side::Parent))
}

/// Leaves namespaces for new ones. Only while this process has one thread.
pub(crate) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    // SAFETY: the function is unsafe because CLONE_FILES makes descriptors of threads diverge; this program has one
    // thread when it calls this and never passes that flag.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// Ends this process at once: no destructors, no buffers of the parent that it was copied from.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// As process 1: kills every process of the namespace but this one.
pub(crate) fn kill_all() -> io::Result<()> {
    // SAFETY: no memory is touched. The caller is process 1 of its namespace, so -1 means what is inside.
    check(unsafe { libc::kill(-1, libc::SIGKILL) }.into()).map(drop)
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Adds attributes to a mount, or to it and everything mounted below it.
pub(crate) fn mount_add(mount: impl AsFd, attributes: u64, recursive: bool) -> io::Result<()> {
    let attr = MountAttr { set: attributes, clear: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, the structure lives across the call and its size is the one given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    check(result).map(drop)
}

/// Closes every descriptor from `first` on, or only marks them to be closed by exec.
pub(crate) fn close_from(first: u32, at_exec: bool) -> io::Result<()> {
    let flags = if at_exec { libc::CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: closing is done first thing in a process that owns no descriptor object yet (`at_exec` closes none now).
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    check(result).map(drop)
}

/// Turns address randomisation off for programs that this process becomes.
pub(crate) fn fixed_addresses() -> io::Result<()> {
    // SAFETY: sets a flag of this process; nothing in memory moves.
    let result = unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    check(libc::c_long::from(result)).map(drop)
}

/// Joins a new, empty session keyring, so that the caller's keys cannot be reached.
pub(crate) fn new_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    check(result).map(drop)
}

/// One instruction of a system call filter (`struct sock_filter`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jump_true: u8,
    pub(crate) jump_false: u8,
    pub(crate) value: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Installs a filter for this process and its children; with `notify`, gives the descriptor of its questions.
pub(crate) fn install_filter(filter: &[Instruction], notify: bool) -> io::Result<Option<OwnedFd>> {
    const SET_MODE_FILTER: libc::c_uint = 1;
    const SPECULATION_ALLOWED: libc::c_uint = 1 << 2;
    const NEW_LISTENER: libc::c_uint = 1 << 3;
    let length = u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = Program { length, instructions: filter.as_ptr() };
    let flags = if notify { NEW_LISTENER } else { SPECULATION_ALLOWED };
    // SAFETY: the program points to `length` instructions laid out as `struct sock_filter`, alive across the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program) };
    let result = check(result)?;
    // SAFETY: with NEW_LISTENER the call returns a descriptor that nobody else owns.
    Ok(notify.then(|| unsafe { OwnedFd::from_raw_fd(result as i32) }))
}

/// A call that a filter asks about: the process waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) id: u64,
    /// The thread, in this process's numbering.
    pub(crate) pid: u32,
    pub(crate) call: i32,
    pub(crate) arguments: [u64; 6],
}

/// Waits for a filter's next question; an error when nobody is left to ask.
pub(crate) fn next_question(questions: BorrowedFd<'_>) -> io::Result<Question> {
    loop {
        // SAFETY: all-zero is valid for the structure, and the kernel wants it so.
        let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the request writes one such structure, which lives across the call.
        let result =
            unsafe { libc::ioctl(questions.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) };
        match check(result.into()) {
            Ok(_) => {
                return Ok(Question {
                    id: asked.id,
                    pid: asked.pid,
                    call: asked.data.nr,
                    arguments: asked.data.args,
                });
            }
            // The asker died before it was heard.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => wait_readable(questions)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits for a question, or for the end of all who could ask.
fn wait_readable(questions: BorrowedFd<'_>) -> io::Result<()> {
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(questions, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut fds, None)?;
    if fds[0].revents().contains(rustix::event::PollFlags::HUP) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(())
}

/// True while the process that asked still waits: its number means no other one yet.
pub(crate) fn still_asks(questions: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the request reads one number, which lives across the call.
    unsafe { libc::ioctl(questions.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) == 0 }
}

/// What a process is told.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The call's result.
    Value(i64),
    /// The number of its error.
    Error(i32),
    /// The kernel shall do the call.
    Continue,
    /// A new descriptor of its own for this file; the flag says that exec closes it.
    File(OwnedFd, bool),
}

/// Answers a question.
pub(crate) fn answer(questions: BorrowedFd<'_>, id: u64, reply: &Reply) -> io::Result<()> {
    if let Reply::File(file, close_on_exec) = reply {
        let given = libc::seccomp_notif_addfd {
            id,
            flags: libc::SECCOMP_ADDFD_FLAG_SEND as u32,
            srcfd: file.as_raw_fd().unsigned_abs(),
            newfd: 0,
            newfd_flags: if *close_on_exec { libc::O_CLOEXEC.unsigned_abs() } else { 0 },
        };
        // SAFETY: the request reads one such structure, which lives across the call.
        let result =
            unsafe { libc::ioctl(questions.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const given) };
        return check(result.into()).map(drop);
    }
    let (val, error, flags) = match *reply {
        Reply::Value(value) => (value, 0, 0),
        Reply::Error(errno) => (0, -errno, 0),
        Reply::Continue | Reply::File(..) => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
    };
    let mut answer = libc::seccomp_notif_resp { id, val, error, flags };
    // SAFETY: the request reads one such structure, which lives across the call.
    let result =
        unsafe { libc::ioctl(questions.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
    check(result.into()).map(drop)
}

/// Blocks signals in this thread and delivers them through a descriptor.
pub(crate) fn signal_fd(signals: &[libc::c_int]) -> io::Result<OwnedFd> {
    // SAFETY: an all-zero set is valid; the functions only write to it, and it lives across the calls. The result is
    // a new descriptor.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()).into())?;
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(fd.into())?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Every signal as at the start of the first program: none blocked, none ignored.
pub(crate) fn reset_signals() -> io::Result<()> {
    const LAST: libc::c_int = 64;
    const SET_BYTES: usize = 8;
    // All zero: SIG_DFL, no flags, an empty mask; at least as large as the kernel's structure anywhere.
    let action = [0u64; 8];
    for signal in 1..=LAST {
        // SAFETY: the C library keeps two signals to itself, so the kernel is asked. It reads a structure that is
        // alive across the call and writes none; what a handler of this process would have done is not missed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                action.as_ptr(),
                std::ptr::null_mut::<u64>(),
                SET_BYTES,
            )
        };
        // KILL and STOP cannot be changed.
        drop(check(result));
    }
    // SAFETY: an all-zero set is valid and lives across the calls.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()).into()).map(drop)
    }
}

/// Calls `handler` when one of the signals comes. The handler may only touch atomics and write to descriptors.
pub(crate) fn on_signal(signals: &[libc::c_int], handler: extern "C" fn(libc::c_int)) -> io::Result<()> {
    // SAFETY: an all-zero action with an empty mask is valid; the handler is a function with the C calling
    // convention, and callers keep to what is safe in one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        for &signal in signals {
            check(libc::sigaction(signal, &raw const action, std::ptr::null_mut()).into())?;
        }
    }
    Ok(())
}
