//! What every command finds: `/proc`, `/dev`, `/sys`, and the files of the network in `/etc`.

use std::os::fd::{AsFd, OwnedFd};

use imgc_base::path::ImagePath;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::mount::MountAttrFlags;

use crate::command::{Command, HOSTNAME, Network, Security};
use crate::error::{Doing, SandboxError};
use crate::idmap;
use crate::mountpoint::{MountPoints, Shape, create};
use crate::rootfs::{attach, clone_mount, new_mount, open_path};
use crate::{machine, sys, userns};

/// Facts of the machine that a command has no business with (moby's list).
const MASKED: &[&str] = &[
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "proc/timer_stats",
    "sys/devices/virtual/powercap",
    "sys/firmware",
];
/// Switches of the machine.
const READ_ONLY: &[&str] = &["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];
/// The devices of a command: name, major, minor.
const DEVICES: &[(&str, u32, u32)] =
    &[("full", 1, 7), ("null", 1, 3), ("random", 1, 8), ("tty", 5, 0), ("urandom", 1, 9), ("zero", 1, 5)];
/// Links in `/dev`.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stderr", "/proc/self/fd/2"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
];
/// Docker's size of `/dev/shm`.
const SHM_SIZE: u64 = 64 << 20;

const PLAIN: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The mount points that this module needs.
pub(crate) fn targets(command: &Command) -> Vec<(ImagePath, Shape)> {
    let mut all = vec![
        (path("proc"), Shape::Dir),
        (path("dev"), Shape::Dir),
        (path("sys"), Shape::Dir),
        (path("etc/hosts"), Shape::File),
        (path("etc/resolv.conf"), Shape::File),
    ];
    if command.hostname_file {
        all.push((path("etc/hostname"), Shape::File));
    }
    all
}

fn path(text: &str) -> ImagePath {
    ImagePath::clean(text).unwrap_or_default()
}

/// `/proc`, `/dev` and `/sys`.
///
/// `place` gives an empty directory outside the root.
pub(crate) fn mount(
    command: &Command,
    points: &mut MountPoints,
    place: impl FnOnce() -> Result<OwnedFd, SandboxError>,
) -> Result<(), SandboxError> {
    let insecure = command.security == Security::Insecure;
    let null = host_device("null", 1, 3)?;
    proc(points)?;
    sys_dir(command, points)?;
    dev(command, points, &null)?;
    if !insecure {
        for name in READ_ONLY {
            read_only(points, name)?;
        }
        if let Some(cpus) = command.shown_cpus() {
            machine::mount(cpus, points, &place()?)?;
        }
        mask(points, &null)?;
    }
    Ok(())
}

fn proc(points: &mut MountPoints) -> Result<(), SandboxError> {
    let target = points.strict_dir(&path("proc"))?;
    match new_mount("proc", &[], PLAIN) {
        Ok(mount) => attach(&mount, &target, "/proc"),
        Err(SandboxError::System { action, source }) => Err(SandboxError::machine(
            format!("failed to {action}: {source}"),
            "in a container, its /proc must not be masked: docker `--security-opt systempaths=unconfined`, \
             Kubernetes `procMount: Unmasked`",
        )),
        Err(error) => Err(error),
    }
}

/// True if the command gets the machine itself: asked for, and this is its root.
fn is_machine(command: &Command) -> bool {
    command.security == Security::Insecure && idmap::is_whole(&userns::own_map("uid_map"))
}

/// A new `/sys` where the network is the command's own; else the machine's, or nothing. Always read-only.
fn sys_dir(command: &Command, points: &mut MountPoints) -> Result<(), SandboxError> {
    let target = points.strict_dir(&path("sys"))?;
    let own = if command.network == Network::None {
        new_mount("sysfs", &[], PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY).ok()
    } else {
        None
    };
    let Some(mount) = own.or_else(|| machines_sys(!is_machine(command))) else { return Ok(()) };
    attach(&mount, &target, "/sys")?;
    if is_machine(command) {
        return Ok(());
    }
    // What is mounted below it (cgroups, debugging, security modules) is the machine's business.
    let mut empty: Option<OwnedFd> = None;
    for name in below_sys() {
        let Ok(there) = open_path(&mount, name.as_str(), OFlags::NOFOLLOW) else { continue };
        hide_dir(&mut empty, there, &format!("/sys/{name}"))?;
    }
    Ok(())
}

/// Where things may be mounted below `/sys`: always the cgroups, and what this machine has, outermost only.
fn below_sys() -> Vec<String> {
    let table = fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = table.lines().filter_map(|line| line.split(' ').nth(4)?.strip_prefix("/sys/"));
    let mut all: Vec<String> = mounted.map(str::to_owned).collect();
    all.push("fs/cgroup".to_owned());
    all.sort();
    all.dedup_by(|later, earlier| {
        later.strip_prefix(earlier.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    all
}

/// Puts an empty directory over one; the first serves for all that follow.
fn hide_dir(first: &mut Option<OwnedFd>, there: OwnedFd, name: &str) -> Result<(), SandboxError> {
    let mount = match first {
        Some(first) => clone_mount(first, name)?,
        None => empty_dir()?,
    };
    attach(&mount, there, name)?;
    first.get_or_insert(mount);
    Ok(())
}

fn machines_sys(readonly: bool) -> Option<OwnedFd> {
    let host = open_path(CWD, "/sys", OFlags::DIRECTORY).ok()?;
    let mount = clone_mount(&host, "/sys").ok()?;
    if !readonly {
        return Some(mount);
    }
    sys::mount_add(&mount, u64::from((PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY).bits()), true).ok()?;
    Some(mount)
}

fn empty_dir() -> Result<OwnedFd, SandboxError> {
    new_mount("tmpfs", &[("size", "4k"), ("mode", "0555")], PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY)
}

/// A device of the machine, checked to be the one that its name says.
fn host_device(name: &str, major: u32, minor: u32) -> Result<OwnedFd, SandboxError> {
    let path = format!("/dev/{name}");
    let doing = format!("open `{path}`");
    let fd = open_path(CWD, path.as_str(), OFlags::NOFOLLOW).doing(&doing)?;
    let stat = rustix::fs::fstat(&fd).doing(&doing)?;
    let is = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (major, minor);
    if is {
        Ok(fd)
    } else {
        Err(SandboxError::machine(format!("`{path}` is not the device {major}:{minor}"), "repair /dev"))
    }
}

fn dev(command: &Command, points: &mut MountPoints, null: &OwnedFd) -> Result<(), SandboxError> {
    let target = points.strict_dir(&path("dev"))?;
    if is_machine(command) {
        let host = open_path(CWD, "/dev", OFlags::DIRECTORY).doing("open `/dev`")?;
        return attach(clone_mount(host, "/dev")?, &target, "/dev");
    }
    let doing = "fill `/dev`";
    let noexec = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let dev = new_mount("tmpfs", &[("size", "64k"), ("mode", "0755")], noexec)?;
    for (name, to) in LINKS {
        rustix::fs::symlinkat(*to, &dev, *name).doing(doing)?;
    }
    for name in ["pts", "shm", "mqueue"] {
        create(&dev, name.as_bytes(), Shape::Dir).doing(doing)?;
    }
    for (name, _, _) in DEVICES {
        create(&dev, name.as_bytes(), Shape::File).doing(doing)?;
    }
    attach(&dev, &target, "/dev")?;
    let place = |name: &str| open_path(&dev, name, OFlags::NOFOLLOW).doing(doing);
    for &(name, major, minor) in DEVICES {
        let device = if name == "null" {
            clone_mount(null, name)?
        } else {
            clone_mount(host_device(name, major, minor)?, name)?
        };
        attach(device, place(name)?, name)?;
    }
    let tty = idmap::contains(&userns::own_map("gid_map"), 5);
    let mut options = vec![("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
    if tty {
        options.push(("gid", "5"));
    }
    attach(new_mount("devpts", &options, noexec)?, place("pts")?, "/dev/pts")?;
    let size = command.shm_size.unwrap_or(SHM_SIZE).to_string();
    attach(new_mount("tmpfs", &[("mode", "1777"), ("size", &size)], PLAIN)?, place("shm")?, "/dev/shm")?;
    // Not every kernel has message queues.
    if let Ok(queue) = new_mount("mqueue", &[], PLAIN) {
        attach(queue, place("mqueue")?, "/dev/mqueue")?;
    }
    Ok(())
}

/// A path below `/proc` or `/sys` that was just mounted: it is the kernel's, no image can have put a link there.
fn kernel_path(points: &MountPoints, name: &str) -> Option<OwnedFd> {
    open_path(points.root(), name, OFlags::NOFOLLOW).ok()
}

fn read_only(points: &MountPoints, name: &str) -> Result<(), SandboxError> {
    let Some(there) = kernel_path(points, name) else { return Ok(()) };
    let mount = clone_mount(&there, name)?;
    sys::mount_add(&mount, u64::from((PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY).bits()), true)
        .doing(format!("make `/{name}` read-only"))?;
    attach(mount, there, name)
}

fn mask(points: &MountPoints, null: &OwnedFd) -> Result<(), SandboxError> {
    let mut empty: Option<OwnedFd> = None;
    for name in MASKED.iter().map(|name| (*name).to_owned()).chain(thermal_throttles(points)) {
        let Some(there) = kernel_path(points, &name) else { continue };
        let stat = rustix::fs::fstat(&there).doing(format!("mask `/{name}`"))?;
        if Shape::of(&stat) == Shape::File {
            attach(clone_mount(null, &name)?, there, &name)?;
            continue;
        }
        hide_dir(&mut empty, there, &name)?;
    }
    Ok(())
}

/// `sys/devices/system/cpu/cpuN/thermal_throttle` of every processor that has it.
fn thermal_throttles(points: &MountPoints) -> Vec<String> {
    const DIR: &str = "sys/devices/system/cpu";
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if kernel_path(points, "sys/devices/system/cpu/cpu0/thermal_throttle").is_none() {
        return Vec::new();
    }
    let Ok(fd) = rustix::fs::openat(points.root(), DIR, flags, Mode::empty()) else { return Vec::new() };
    let Ok(dir) = rustix::fs::Dir::new(fd) else { return Vec::new() };
    dir.filter_map(Result::ok)
        .map(|item| item.file_name().to_string_lossy().into_owned())
        .filter(|name| name.strip_prefix("cpu").is_some_and(|n| n.parse::<u32>().is_ok()))
        .map(|name| format!("{DIR}/{name}/thermal_throttle"))
        .collect()
}

/// The generated files: target and content.
pub(crate) fn files(command: &Command) -> Vec<(ImagePath, String)> {
    let mut all = vec![(path("etc/hosts"), hosts(command)), (path("etc/resolv.conf"), resolv_conf(command))];
    if command.hostname_file {
        all.push((path("etc/hostname"), format!("{}\n", hostname(command))));
    }
    all
}

/// The machine's name inside.
pub(crate) fn hostname(command: &Command) -> &str {
    if command.hostname.is_empty() { HOSTNAME } else { &command.hostname }
}

fn hosts(command: &Command) -> String {
    use std::fmt::Write as _;
    let mut text =
        format!("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", hostname(command));
    for (name, address) in &command.hosts {
        let _ = writeln!(text, "{address}\t{name}");
    }
    text
}

/// The machine's own resolver where the network is the machine's: also one on loopback can be reached then.
fn resolv_conf(command: &Command) -> String {
    match (&command.resolv_conf, command.network) {
        (Some(text), _) => text.clone(),
        (None, Network::None) => String::new(),
        (None, Network::Host) => fs_err::read_to_string("/etc/resolv.conf").unwrap_or_default(),
    }
}

/// Writes a file with an owner and a mode into a directory of our own.
pub(crate) fn put_file(
    dir: impl AsFd,
    name: &str,
    bytes: &[u8],
    mode: u32,
    owner: (u32, u32),
) -> rustix::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = &rest[rustix::io::write(&fd, rest)?..];
    }
    let (uid, gid) = (rustix::fs::Uid::from_raw(owner.0), rustix::fs::Gid::from_raw(owner.1));
    match rustix::fs::fchown(&fd, Some(uid), Some(gid)) {
        // With one id everybody inside is its owner already.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(error),
    }
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o7777))
}
