//! How this program becomes root without being root: a user namespace of its own, entered before its first thread.

use std::fmt;
use std::io;

use rustix::process::{WaitOptions, getgid, getuid, waitpid};
use rustix::thread::{CapabilitySet, UnshareFlags};

use crate::error::{Doing, SandboxError};
use crate::idmap::{self, Range};
use crate::sys::{self, Side};

/// How commands will be isolated from the machine. Printed at the start of a build and kept in its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// This program is root of the machine; commands get a user namespace with the same ids.
    Root,
    /// A user namespace with this many ids.
    Ranges {
        /// How many.
        ids: u64,
    },
    /// A user namespace with one id: files have one owner on disk, the image's owner is kept beside them.
    Single {
        /// Why there are no more.
        reason: String,
    },
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root, user namespace per step"),
            Self::Ranges { ids } => write!(f, "rootless, user namespace with {ids} ids"),
            Self::Single { reason } => write!(f, "rootless, user namespace with one id ({reason})"),
        }
    }
}

/// Makes this process root of a user namespace, unless it is root already. To be called first thing in `main`.
pub fn enter_user_namespace() -> Result<Isolation, SandboxError> {
    if is_root() {
        return Ok(current());
    }
    if thread_count() > 1 {
        return Err(SandboxError::Helper("the program already has threads".to_owned()));
    }
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let wanted = wanted_maps(uid, gid);
    let mapper = match &wanted {
        Ok((uids, gids)) => Some(Mapper::fork(uids, gids)?),
        Err(_) => None,
    };
    sys::unshare(UnshareFlags::NEWUSER).map_err(|error| explain(&error))?;
    if confined_by_apparmor() {
        return Err(apparmor());
    }
    let reason = match (mapper.map(Mapper::write), wanted) {
        (Some(Ok(())), Ok((uids, _))) => return Ok(Isolation::Ranges { ids: idmap::size(&uids) }),
        (Some(Err(reason)), _) | (_, Err(reason)) => reason,
        (None, Ok(_)) => "no id map".to_owned(),
    };
    write_single(uid, gid)?;
    Ok(Isolation::Single { reason })
}

/// Uid 0 with the capabilities that this program uses, in whatever namespace.
fn is_root() -> bool {
    let needed = CapabilitySet::SYS_ADMIN
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE;
    rustix::process::geteuid().is_root()
        && rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// What a process that is root already has.
fn current() -> Isolation {
    let map = own_map("uid_map");
    if idmap::is_whole(&map) {
        Isolation::Root
    } else if idmap::size(&map) > 1 {
        Isolation::Ranges { ids: idmap::size(&map) }
    } else {
        Isolation::Single { reason: "the surrounding user namespace has one id".to_owned() }
    }
}

/// The map of the namespace that this process is in: `uid_map` or `gid_map`.
pub(crate) fn own_map(which: &str) -> Vec<Range> {
    fs_err::read_to_string(format!("/proc/self/{which}"))
        .map(|text| idmap::parse_map(&text))
        .unwrap_or_default()
}

fn thread_count() -> usize {
    fs_err::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// The maps with subordinate ids, or why there are none.
fn wanted_maps(uid: u32, gid: u32) -> Result<(Vec<Range>, Vec<Range>), String> {
    let name = user_name(uid);
    let read = |file: &str| {
        let text = fs_err::read_to_string(file).unwrap_or_default();
        let ranges = idmap::subordinate(&text, name.as_deref(), uid);
        if ranges.is_empty() { Err(format!("no range for this user in {file}")) } else { Ok(ranges) }
    };
    let (uids, gids) = (read("/etc/subuid")?, read("/etc/subgid")?);
    Ok((idmap::with_subordinate(uid, &uids), idmap::with_subordinate(gid, &gids)))
}

fn user_name(uid: u32) -> Option<String> {
    let text = fs_err::read_to_string("/etc/passwd").ok()?;
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

/// A child outside the namespace, where `newuidmap` has its privilege.
struct Mapper {
    pid: rustix::process::Pid,
    go: std::io::PipeWriter,
    answer: std::io::PipeReader,
}

impl Mapper {
    fn fork(uids: &[Range], gids: &[Range]) -> Result<Self, SandboxError> {
        let doing = "start the id mapper";
        let target = std::process::id().to_string();
        let (go_read, go) = io::pipe().doing(doing)?;
        let (answer, answer_write) = io::pipe().doing(doing)?;
        match sys::fork_into(UnshareFlags::empty()).doing(doing)? {
            Side::Parent(pid) => Ok(Self { pid, go, answer }),
            Side::Child => {
                drop((go, answer));
                map_from_outside(&target, uids, gids, go_read, answer_write);
                sys::exit_now(0)
            }
        }
    }

    /// Lets the child write the maps; the error is what went wrong there.
    fn write(mut self) -> Result<(), String> {
        use io::{Read as _, Write as _};
        let mut said = String::new();
        let result = self.go.write_all(b"g").and_then(|()| self.answer.read_to_string(&mut said));
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
        match result {
            Ok(_) if said == "ok" => Ok(()),
            Ok(_) => Err(said),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn map_from_outside(
    target: &str,
    uids: &[Range],
    gids: &[Range],
    mut go: std::io::PipeReader,
    mut answer: std::io::PipeWriter,
) {
    use io::{Read as _, Write as _};
    let mut byte = [0];
    if !matches!(go.read(&mut byte), Ok(1)) {
        return;
    }
    let result = [("newuidmap", uids), ("newgidmap", gids)].into_iter().try_for_each(|(program, map)| {
        let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
        let output = std::process::Command::new(program)
            .arg(target)
            .args(numbers.map(|number| number.to_string()))
            .output()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => format!("`{program}` is not installed (package uidmap or shadow)"),
                _ => format!("`{program}`: {error}"),
            })?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
    });
    drop(answer.write_all(result.err().as_deref().unwrap_or("ok").as_bytes()));
}

/// Maps this user alone, as root.
fn write_single(uid: u32, gid: u32) -> Result<(), SandboxError> {
    let write = |file: &str, text: String| fs_err::write(format!("/proc/self/{file}"), text);
    write("setgroups", "deny".to_owned())
        .and_then(|()| write("uid_map", format!("0 {uid} 1\n")))
        .and_then(|()| write("gid_map", format!("0 {gid} 1\n")))
        .map_err(|error| {
            if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
                apparmor()
            } else {
                explain(&error)
            }
        })
}

fn setting(name: &str) -> Option<u64> {
    fs_err::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}

fn confined_by_apparmor() -> bool {
    fs_err::read_to_string("/proc/self/attr/current")
        .is_ok_and(|text| text.starts_with("unprivileged_userns"))
}

fn apparmor() -> SandboxError {
    SandboxError::machine(
        "AppArmor forbids user namespaces to programs without a profile",
        "run as root, or give this program a profile with `userns,`, or \
         `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    )
}

/// Says why this machine gives no namespace.
pub(crate) fn explain(error: &io::Error) -> SandboxError {
    let message = |why: &str| format!("this machine gives no namespaces: {why}");
    if setting("user/max_user_namespaces") == Some(0) {
        return SandboxError::machine(
            message("user.max_user_namespaces is 0"),
            "`sudo sysctl user.max_user_namespaces=15000`, or run as root",
        );
    }
    if setting("kernel/unprivileged_userns_clone") == Some(0) {
        return SandboxError::machine(
            message("kernel.unprivileged_userns_clone is 0"),
            "`sudo sysctl kernel.unprivileged_userns_clone=1`, or run as root",
        );
    }
    if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return apparmor();
    }
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EUSERS) => SandboxError::machine(
            message("there are too many, or too deep in each other"),
            "raise user.max_user_namespaces, or run as root",
        ),
        Some(libc::EINVAL | libc::ENOSYS) => SandboxError::machine(
            message("the kernel is built without them"),
            "run as root, or use a kernel with CONFIG_USER_NS",
        ),
        _ => SandboxError::machine(
            message(&error.to_string()),
            "in a container, allow `unshare` and `mount`: docker `--security-opt seccomp=unconfined \
             --security-opt systempaths=unconfined`, or `--privileged`",
        ),
    }
}
