//! The machine that a step is told it runs on: the same everywhere.
//!
//! Programs write what they find out about the machine into files, and choose how to work by it: `make -j$(nproc)`,
//! `xz -T0`, `configure`. So what the kernel tells about processors, memory, load and itself is replaced by constants:
//! its files by files in memory (here), its calls by answers (`emulate/machine.rs`).

use std::fmt::Write as _;
use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use rustix::mount::MountAttrFlags;

use crate::error::{Doing, SandboxError};
use crate::mountpoint::{MountPoints, Shape, create};
use crate::rootfs::{attach, clone_mount, new_mount, open_path};
use crate::{standard, sys};

/// The kernel that commands are told of: older than any that a sandbox needs new calls of, so that nobody tries what
/// is not there.
pub(crate) const RELEASE: &str = "6.1.0-imgc";
/// When and how it was made.
pub(crate) const VERSION: &str = "#1 SMP Thu Jan  1 00:00:00 UTC 2026";
/// Memory in KiB: all, free, and free or easily freed.
pub(crate) const MEMORY: [u64; 3] = [8 << 20, 4 << 20, 6 << 20];
/// Seconds since the start of the machine.
pub(crate) const UPTIME: i64 = 60;
/// When the machine started, in seconds since 1970: the constant epoch.
const BOOT: i64 = 1_767_225_600;
/// The boot's name, a random UUID by its form.
const BOOT_ID: &str = "696d6763-0000-4000-8000-000000000001";
/// What the processor is called by `uname`.
#[cfg(target_arch = "x86_64")]
pub(crate) const ARCHITECTURE: (&str, &str) = ("x86_64", "i686");
#[cfg(target_arch = "aarch64")]
pub(crate) const ARCHITECTURE: (&str, &str) = ("aarch64", "armv8l");

/// Where the kernel tells about processors.
const CPU_DIR: &str = "sys/devices/system/cpu";
/// More than any kernel is made for.
const MOST: u32 = 8192;

/// The files: path, content.
fn files(cpus: u32) -> Vec<(&'static str, String)> {
    let [total, free, available] = MEMORY;
    let busy = free - (1 << 20);
    let mut stat = "cpu  0 0 0 0 0 0 0 0 0 0\n".to_owned();
    for number in 0..cpus {
        let _ = writeln!(stat, "cpu{number} 0 0 0 0 0 0 0 0 0 0");
    }
    let _ = write!(stat, "intr 0\nctxt 0\nbtime {BOOT}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n");
    vec![
        ("proc/cpuinfo", (0..cpus).map(|number| processor(number, cpus)).collect()),
        ("proc/loadavg", "0.00 0.00 0.00 1/1 1\n".to_owned()),
        (
            "proc/meminfo",
            format!(
                "MemTotal:       {total:8} kB\nMemFree:        {free:8} kB\nMemAvailable:   {available:8} kB\n\
                 Buffers:               0 kB\nCached:         {busy:8} kB\nSwapCached:            0 kB\n\
                 Active:                0 kB\nInactive:              0 kB\nSwapTotal:             0 kB\n\
                 SwapFree:              0 kB\nDirty:                 0 kB\nWriteback:             0 kB\n\
                 Shmem:                 0 kB\nSlab:                  0 kB\nSReclaimable:          0 kB\n\
                 HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n"
            ),
        ),
        ("proc/stat", stat),
        ("proc/sys/kernel/osrelease", format!("{RELEASE}\n")),
        ("proc/sys/kernel/random/boot_id", format!("{BOOT_ID}\n")),
        ("proc/sys/kernel/version", format!("{VERSION}\n")),
        ("proc/uptime", format!("{UPTIME}.00 {UPTIME}.00\n")),
        ("proc/version", format!("Linux version {RELEASE} (imgc@imgc) {VERSION}\n")),
    ]
}

/// One processor of the least kind that today's systems are made for (x86-64-v2): whoever chooses instructions by
/// this file chooses what runs elsewhere.
#[cfg(target_arch = "x86_64")]
fn processor(number: u32, cpus: u32) -> String {
    format!(
        "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 26\n\
         model name\t: x86-64-v2\nstepping\t: 3\ncpu MHz\t\t: 2000.000\ncache size\t: 8192 KB\n\
         physical id\t: 0\nsiblings\t: {cpus}\ncore id\t\t: {number}\ncpu cores\t: {cpus}\n\
         apicid\t\t: {number}\ninitial apicid\t: {number}\nfpu\t\t: yes\nfpu_exception\t: yes\n\
         cpuid level\t: 11\nwp\t\t: yes\n\
         flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse \
         sse2 ht syscall nx lm pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm\n\
         bugs\t\t:\nbogomips\t: 4000.00\nclflush size\t: 64\ncache_alignment\t: 64\n\
         address sizes\t: 48 bits physical, 48 bits virtual\npower management:\n\n"
    )
}

/// One processor with nothing beyond the first version of its architecture.
#[cfg(target_arch = "aarch64")]
fn processor(number: u32, _: u32) -> String {
    format!(
        "processor\t: {number}\nBogoMIPS\t: 100.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n\
         CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n\n"
    )
}

/// Puts the constants over what the kernel tells. `/proc` and `/sys` are mounted; `place` is where the files are made.
pub(crate) fn mount(cpus: u32, points: &MountPoints, place: &OwnedFd) -> Result<(), SandboxError> {
    let doing = "describe the machine";
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let memory = new_mount("ramfs", &[("mode", "0755")], attributes)?;
    attach(&memory, place, "the description of the machine")?;
    let files = files(cpus);
    let put = |dir: &OwnedFd, name: &str, text: &str| {
        standard::put_file(dir, name, text.as_bytes(), 0o444, (0, 0)).doing(doing)
    };
    for (number, (_, text)) in files.iter().enumerate() {
        put(&memory, &number.to_string(), text)?;
    }
    create(&memory, b"cpu", Shape::Dir).doing(doing)?;
    let dir = open_path(&memory, "cpu", OFlags::DIRECTORY).doing(doing)?;
    let possible = possible(cpus, fs_err::read_to_string("/sys/devices/system/cpu/possible").ok().as_deref());
    put(&dir, "online", &list(cpus))?;
    put(&dir, "present", &list(possible))?;
    put(&dir, "possible", &list(possible))?;
    for number in 0..possible {
        create(&dir, format!("cpu{number}").as_bytes(), Shape::Dir).doing(doing)?;
    }
    sys::mount_add(&memory, u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), false).doing(doing)?;
    for (number, (path, _)) in files.iter().enumerate() {
        let made = open_path(&memory, number.to_string(), OFlags::NOFOLLOW).doing(doing)?;
        show(points, path, &made)?;
    }
    show(points, CPU_DIR, &dir)
}

/// Shows a file or directory at a place of the kernel's, if this kernel has it.
fn show(points: &MountPoints, path: &str, made: &OwnedFd) -> Result<(), SandboxError> {
    let Ok(there) = open_path(points.root(), path, OFlags::NOFOLLOW) else { return Ok(()) };
    attach(clone_mount(made, path)?, there, path)
}

/// How many processors there may ever be. Programs make tables of that size and look into them by the number of the
/// processor that they run on, so a machine with more must say so.
fn possible(cpus: u32, machine: Option<&str>) -> u32 {
    let last = machine.and_then(|text| text.trim().rsplit(['-', ',']).next()?.parse::<u32>().ok());
    last.map_or(cpus, |last| cpus.max(last.saturating_add(1).min(MOST)))
}

/// The first so many, as the kernel writes it.
fn list(count: u32) -> String {
    match count {
        0 | 1 => "0\n".to_owned(),
        count => format!("0-{}\n", count - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_by_processor_are_never_too_small() {
        for (machine, want) in [
            (Some("0-3\n"), 4),
            (Some("0\n"), 4),
            (Some("0-63\n"), 64),
            (Some("0-1,8-127\n"), 128),
            (Some("junk"), 4),
            (Some("0-4294967295"), MOST),
            (None, 4),
        ] {
            assert_eq!(possible(4, machine), want, "{machine:?}");
        }
        assert_eq!((list(1), list(4)), ("0\n".to_owned(), "0-3\n".to_owned()));
    }

    #[test]
    fn every_file_tells_of_as_many_processors() {
        for cpus in [1, 4, 64] {
            let files = files(cpus);
            let lines = |path: &str, start: &str| {
                let (_, text) = files.iter().find(|(name, _)| *name == path).unwrap();
                text.lines().filter(|line| line.starts_with(start)).count()
            };
            assert_eq!(lines("proc/cpuinfo", "processor\t: "), cpus as usize);
            assert_eq!(lines("proc/stat", "cpu"), cpus as usize + 1);
        }
    }
}
