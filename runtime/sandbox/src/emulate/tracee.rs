//! A process that waits for an answer: its memory and its places, seen from outside.

use std::cell::OnceCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::rootfs::open_path;

/// Longest path that the kernel takes.
const PATH_MAX: usize = 4096;
/// A path is read in pieces that end where a page may end.
const PAGE: u64 = 4096;

/// A process that waits for an answer.
pub(crate) struct Tracee<'a> {
    /// The thread that asks.
    pid: u32,
    /// Looked at after something of it was opened: until then its number may have become another process's.
    still_asks: &'a dyn Fn() -> bool,
    /// Read when it is first needed: questions about files are many.
    about: OnceCell<About>,
}

#[derive(Debug, Clone, Copy)]
struct About {
    process: u32,
    parent: u32,
    umask: u32,
}

impl<'a> Tracee<'a> {
    pub(crate) fn new(pid: u32, still_asks: &'a dyn Fn() -> bool) -> Self {
        Self { pid, still_asks, about: OnceCell::new() }
    }

    fn about(&self) -> About {
        *self.about.get_or_init(|| {
            let status = status(self.pid).unwrap_or_default();
            let (process, parent) = relatives(&status).unwrap_or((self.pid, 0));
            let umask = field(&status, "Umask:").and_then(|text| u32::from_str_radix(text, 8).ok());
            About { process, parent, umask: umask.unwrap_or(0o022) }
        })
    }

    /// The process that it belongs to.
    pub(crate) fn process(&self) -> u32 {
        self.about().process
    }

    /// That one's parent.
    pub(crate) fn parent(&self) -> u32 {
        self.about().parent
    }

    /// Device and inode of the program that it runs.
    pub(crate) fn program(&self) -> Option<(u64, u64)> {
        let stat = rustix::fs::stat(format!("/proc/{}/exe", self.pid)).ok()?;
        self.its((stat.st_dev, stat.st_ino)).ok()
    }

    /// The bits that its files do not get.
    pub(crate) fn umask(&self) -> u32 {
        self.about().umask
    }

    /// The text at an address, up to its NUL.
    pub(crate) fn text(&self, address: u64) -> Result<Vec<u8>, Errno> {
        let memory = self.memory(false)?;
        let mut text = Vec::new();
        let mut at = address;
        while text.len() < PATH_MAX {
            let mut piece = vec![0; (PAGE - at % PAGE) as usize];
            let length = memory.read_at(&mut piece, at).map_err(|_| Errno::FAULT)?;
            if length == 0 {
                return Err(Errno::FAULT);
            }
            if let Some(end) = piece[..length].iter().position(|&byte| byte == 0) {
                text.extend_from_slice(&piece[..end]);
                return Ok(text);
            }
            text.extend_from_slice(&piece[..length]);
            at += length as u64;
        }
        Err(Errno::NAMETOOLONG)
    }

    /// The bits of its `personality`; none if they cannot be read.
    pub(crate) fn personality(&self) -> u32 {
        let text = fs_err::read_to_string(format!("/proc/{}/personality", self.pid)).unwrap_or_default();
        u32::from_str_radix(text.trim(), 16).unwrap_or_default()
    }

    /// Bytes at an address.
    pub(crate) fn bytes(&self, address: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; count];
        self.memory(false)?.read_exact_at(&mut bytes, address).map_err(|_| Errno::FAULT)?;
        Ok(bytes)
    }

    /// Numbers of 32 bits at an address.
    pub(crate) fn numbers(&self, address: u64, count: usize) -> Result<Vec<u32>, Errno> {
        Ok(self
            .bytes(address, count * 4)?
            .chunks_exact(4)
            .map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
            .collect())
    }

    /// Writes numbers of 32 bits to an address.
    pub(crate) fn put(&self, address: u64, numbers: &[u32]) -> Result<(), Errno> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        self.put_bytes(address, &bytes)
    }

    /// Writes bytes to an address.
    pub(crate) fn put_bytes(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.memory(true)?.write_all_at(bytes, address).map_err(|_| Errno::FAULT)
    }

    fn memory(&self, write: bool) -> Result<File, Errno> {
        let mut options = fs_err::OpenOptions::new();
        let file = options.read(true).write(write).open(format!("/proc/{}/mem", self.pid));
        let file = file.map_err(|_| Errno::FAULT)?;
        self.its(file.into_parts().0)
    }

    /// What one of its descriptors is open on.
    pub(crate) fn descriptor(&self, number: i32) -> Result<OwnedFd, Errno> {
        let path = format!("/proc/{}/fd/{number}", self.pid);
        self.its(open_path(CWD, path, OFlags::empty()).map_err(|_| Errno::BADF)?)
    }

    /// The name, inside, of a directory that paths start at: a descriptor, or `AT_FDCWD`.
    pub(crate) fn start(&self, number: i32) -> Result<Vec<u8>, Errno> {
        let link = match number {
            libc::AT_FDCWD => format!("/proc/{}/cwd", self.pid),
            number => format!("/proc/{}/fd/{number}", self.pid),
        };
        let name = rustix::fs::readlink(link, Vec::new()).map_err(|_| Errno::BADF)?;
        self.its(name.into_bytes())
    }

    /// What was found, if it was the asker's.
    fn its<T>(&self, found: T) -> Result<T, Errno> {
        if (self.still_asks)() { Ok(found) } else { Err(Errno::SRCH) }
    }
}

/// When a process started, in ticks since the machine did (`/proc/PID/stat`, field 22).
pub(super) fn started(process: u32) -> Option<u64> {
    let stat = fs_err::read(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    let rest = &stat[stat.iter().rposition(|&byte| byte == b')')? + 1..];
    std::str::from_utf8(rest).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The process of a thread and its parent.
pub(crate) fn family(pid: u32) -> Option<(u32, u32)> {
    relatives(&status(pid)?)
}

fn status(pid: u32) -> Option<String> {
    fs_err::read_to_string(format!("/proc/{pid}/status")).ok()
}

fn relatives(status: &str) -> Option<(u32, u32)> {
    let number = |name: &str| field(status, name)?.parse().ok();
    Some((number("Tgid:")?, number("PPid:")?))
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim())
}

/// The root of a process, as a place.
pub(crate) fn root_of(pid: Pid) -> Result<OwnedFd, Errno> {
    open_path(CWD, format!("/proc/{}/root", pid.as_raw_nonzero()), OFlags::DIRECTORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_start() {
        let own = started(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let its = started(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(its >= own && own > 0);
        assert_eq!(started(child.id()), None);
    }
}
