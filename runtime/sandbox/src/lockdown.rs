//! From init's child to the command: identity, limits, capabilities, filter, exec.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use crate::command::{Command, Security};
use crate::error::{Doing, SandboxError};
use crate::helper::{Links, QUESTIONS};
use crate::{seccomp, sys, wire};

/// Docker's default capabilities.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);
/// More than any kernel has.
const LAST_CAPABILITY: u32 = 63;

/// A soft and a hard limit; `None` is no limit.
type Limit = (Option<u64>, Option<u64>);

/// Name, resource, and limit of every command; the same on every machine that allows it.
const LIMITS: &[(&str, Resource, Option<Limit>)] = &[
    ("as", Resource::As, Some((None, None))),
    ("core", Resource::Core, Some((Some(0), Some(0)))),
    ("cpu", Resource::Cpu, Some((None, None))),
    ("data", Resource::Data, Some((None, None))),
    ("fsize", Resource::Fsize, Some((None, None))),
    ("locks", Resource::Locks, Some((None, None))),
    ("memlock", Resource::Memlock, Some((Some(8 << 20), Some(8 << 20)))),
    ("msgqueue", Resource::Msgqueue, None),
    ("nice", Resource::Nice, None),
    ("nofile", Resource::Nofile, Some((Some(1024), Some(524_288)))),
    ("nproc", Resource::Nproc, None),
    ("rss", Resource::Rss, Some((None, None))),
    ("rtprio", Resource::Rtprio, None),
    ("rttime", Resource::Rttime, Some((None, None))),
    ("sigpending", Resource::Sigpending, None),
    ("stack", Resource::Stack, Some((Some(8 << 20), None))),
];

/// Becomes the command; returns only what kept it from that.
pub(crate) fn become_command(
    command: &Command,
    links: &Links,
) -> Result<std::convert::Infallible, SandboxError> {
    limits(command)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    // A kernel may refuse it; addresses are then random, as they would be elsewhere.
    drop(sys::fixed_addresses());
    enter_directory(command)?;
    let insecure = command.security == Security::Insecure;
    if !insecure {
        drop_bounding().doing("drop capabilities")?;
        // Before the identity changes: without `no_new_privs` a filter needs CAP_SYS_ADMIN here. It must not be set,
        // or su, sudo and ping would not work in a step.
        sys::install_filter(&seccomp::filter(), false).doing("install the system call filter")?;
    }
    ask(links)?;
    identity(command)?;
    capabilities(command, links.emulated.single).doing("drop capabilities")?;
    // A user without rights in the directory may still start there, as with runc; one with rights goes in properly.
    let _ = rustix::process::chdir(&*path_of(command));
    sys::close_from(3, true).doing("close descriptors")?;
    sys::reset_signals().doing("reset signals")?;
    let Some(program) = command.args.first() else {
        return Err(SandboxError::Command("there is no command to run".to_owned()));
    };
    let error = exec(program, command);
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    let text = match error.raw_os_error() {
        Some(libc::ENOEXEC) => {
            "not a program of this machine (wrong processor, or a script without `#!`)".to_owned()
        }
        Some(libc::ENOENT) => "not found, or its interpreter or loader is not".to_owned(),
        _ => error.to_string(),
    };
    let line = format!("imgc: cannot run `{program}`: {text}\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
    sys::exit_now(code)
}

/// Has the helper answer some calls.
fn ask(links: &Links) -> Result<(), SandboxError> {
    let calls = links.emulated.calls();
    if calls.is_empty() {
        return Ok(());
    }
    let questions = match sys::install_filter(&seccomp::asking(&calls), true) {
        // Somebody else answers for the kernel already (a container's supervisor), which only one can.
        Err(_) if !links.emulated.single => None,
        result => result.doing("install the filter that asks about owners")?,
    };
    wire::send_fd(&links.services, QUESTIONS, questions.as_ref().map(AsFd::as_fd))
        .doing("hand over the filter's questions")
}

/// Becomes a program, which is looked for in `PATH` if its name has no `/`. Returns if that cannot be.
///
/// Not by the C library: where the kernel knows no such format, that hands the file to `/bin/sh`, and docker does not.
fn exec(program: &str, command: &Command) -> io::Error {
    let text = |bytes: String| CString::new(bytes).map_err(io::Error::from);
    let prepared = || -> io::Result<(Vec<CString>, Vec<CString>)> {
        let args = command.args.iter().cloned().map(text).collect::<io::Result<_>>()?;
        let env = command.env.iter().map(|(name, value)| text(format!("{name}={value}")));
        Ok((args, env.collect::<io::Result<_>>()?))
    };
    let (args, env) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => return error,
    };
    let path = command.env.iter().rev().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
    let candidates: Vec<String> = if program.contains('/') || program.is_empty() {
        vec![program.to_owned()]
    } else {
        path.split(':').map(|dir| format!("{}/{program}", if dir.is_empty() { "." } else { dir })).collect()
    };
    let mut worst = io::Error::from_raw_os_error(libc::ENOENT);
    for candidate in candidates {
        let error = match text(candidate) {
            Ok(path) => sys::exec(&path, &args, &env),
            Err(error) => error,
        };
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            // Another directory may have one that may be run.
            Some(libc::EACCES) => worst = error,
            _ => return error,
        }
    }
    worst
}

fn capabilities(command: &Command, single: bool) -> rustix::io::Result<()> {
    let only =
        |kept| CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    match command.uid {
        0 if command.security == Security::Insecure => Ok(()),
        0 => rustix::thread::set_capabilities(None, only(KEPT)),
        _ if single => {
            // For the kernel it is root still, which must not gain them at exec.
            use rustix::thread::CapabilitiesSecureBits as Bits;
            rustix::thread::set_capabilities_secure_bits(Bits::NO_ROOT | Bits::NO_ROOT_LOCKED)?;
            rustix::thread::set_capabilities(None, only(CapabilitySet::empty()))
        }
        // The kernel took them when the user changed.
        _ => Ok(()),
    }
}

/// True for the name of a limit that a command may be given: `nofile`, `nproc`.
pub fn is_limit(name: &str) -> bool {
    LIMITS.iter().any(|(known, _, _)| *known == name)
}

fn limits(command: &Command) -> Result<(), SandboxError> {
    for (name, _, _) in &command.ulimits {
        if !is_limit(name) {
            return Err(SandboxError::Command(format!("there is no limit `{name}`")));
        }
    }
    for &(name, resource, default) in LIMITS {
        let asked = command.ulimits.iter().rev().find(|(known, _, _)| known == name);
        let finite = |value: u64| (value != u64::MAX).then_some(value);
        let (soft, hard) = match (asked, default) {
            (Some(&(_, soft, hard)), _) => (finite(soft), finite(hard)),
            (None, Some(limits)) => limits,
            (None, None) => continue,
        };
        let has = rustix::process::getrlimit(resource);
        let wanted = Rlimit { current: soft, maximum: hard };
        if has == wanted || rustix::process::setrlimit(resource, wanted).is_ok() {
            continue;
        }
        // Only real root may raise a limit: give as much as there is.
        let hard = least(hard, has.maximum);
        rustix::process::setrlimit(resource, Rlimit { current: least(soft, hard), maximum: hard })
            .doing(format!("set the limit `{name}`"))?;
    }
    Ok(())
}

/// The smaller limit; none is larger than any.
fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn path_of(command: &Command) -> Vec<u8> {
    let mut path = b"/".to_vec();
    path.extend_from_slice(command.cwd.as_bytes());
    path
}

/// The old root is gone and no descriptor of this process is below `/proc`'s reach: a path can only mean the new root.
fn enter_directory(command: &Command) -> Result<(), SandboxError> {
    let path = path_of(command);
    if let Err(rustix::io::Errno::NOENT) = rustix::process::chdir(path.as_slice()) {
        for dir in command.cwd.ancestors().chain([command.cwd.clone()]) {
            let mut path = b"/".to_vec();
            path.extend_from_slice(dir.as_bytes());
            match rustix::fs::mkdir(path.as_slice(), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => {
                    return Err(SandboxError::system(format!(
                        "make the working directory `{}`",
                        command.cwd
                    ))(error));
                }
            }
        }
    }
    rustix::process::chdir(path.as_slice())
        .doing(format!("enter the working directory `{}`", command.cwd))?;
    // CVE-2024-21626: what is not below the root has no name in it.
    match rustix::process::getcwd(Vec::new()) {
        Ok(name) if name.as_bytes().starts_with(b"/") => Ok(()),
        _ => {
            Err(SandboxError::Command(format!("the working directory `{}` is outside the root", command.cwd)))
        }
    }
}

fn drop_bounding() -> rustix::io::Result<()> {
    for number in 0..=LAST_CAPABILITY {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if KEPT.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The first number that this kernel does not have.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn identity(command: &Command) -> Result<(), SandboxError> {
    // The primary group belongs to the list (CVE-2022-2990).
    let mut groups: Vec<Gid> = vec![Gid::from_raw(command.gid)];
    for &group in &command.groups {
        if group != command.gid {
            groups.push(Gid::from_raw(group));
        }
    }
    match rustix::thread::set_thread_groups(&groups) {
        // With one id the kernel forbids it: the groups of the user who builds stay.
        Ok(()) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(SandboxError::system("become a member of its groups")(error)),
    }
    let (uid, gid) = (Uid::from_raw(command.uid), Gid::from_raw(command.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing(format!("become group {}", command.gid))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing(format!("become user {}", command.uid))
}
