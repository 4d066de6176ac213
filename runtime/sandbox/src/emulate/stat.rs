//! `stat` and its kin: a file is told to belong to the owner that stands beside it.
//!
//! For most files none does, and the kernel tells. For the others this module reads the file and writes the kernel's
//! structure with the owner that the image has.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, OFlags, Stat, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

use super::place;
use super::tracee::Tracee;
use crate::sys::{Question, Reply};

/// The calls that this module answers.
#[cfg(target_arch = "x86_64")]
pub(super) const CALLS: &[libc::c_long] =
    &[libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_fstat, libc::SYS_stat, libc::SYS_lstat];
#[cfg(target_arch = "aarch64")]
pub(super) const CALLS: &[libc::c_long] = &[libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_fstat];

pub(super) fn is_about(call: i32) -> bool {
    CALLS.contains(&libc::c_long::from(call))
}

/// Where a call wants to look.
enum Look {
    Descriptor(i32),
    Path { dir: i32, path: Vec<u8>, follow: bool },
}

/// The answer; an error leaves it to the kernel, which has its own.
///
/// `lent` are owners of files that keep none, by device and inode.
pub(super) fn answer(
    root: &OwnedFd,
    lent: &BTreeMap<(u64, u64), (u32, u32)>,
    tracee: &Tracee<'_>,
    question: &Question,
) -> Result<Reply, Errno> {
    let args = &question.arguments;
    let call = libc::c_long::from(question.call);
    let number = |at: usize| args[at] as u32;
    let at = |flags: u32| -> Result<Look, Errno> {
        let dir = number(0).cast_signed();
        let may_be_empty = flags & libc::AT_EMPTY_PATH.unsigned_abs() != 0;
        let path = if args[1] == 0 { Vec::new() } else { tracee.text(args[1])? };
        if path.is_empty() && may_be_empty && dir != libc::AT_FDCWD {
            return Ok(Look::Descriptor(dir));
        }
        Ok(Look::Path { dir, path, follow: flags & libc::AT_SYMLINK_NOFOLLOW.unsigned_abs() == 0 })
    };
    let (look, into) = match call {
        libc::SYS_statx => (at(number(2))?, args[4]),
        libc::SYS_newfstatat => (at(number(3))?, args[2]),
        libc::SYS_fstat => (Look::Descriptor(number(0).cast_signed()), args[1]),
        _ => {
            let path = tracee.text(args[0])?;
            (Look::Path { dir: libc::AT_FDCWD, path, follow: is_stat(call) }, args[1])
        }
    };
    let file = match look {
        Look::Descriptor(number) => tracee.descriptor(number)?,
        Look::Path { dir, path, follow } => {
            let flags = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
            place::open(root, &place::whole(tracee, dir, &path)?, flags)?
        }
    };
    let mut owner = place::owner(&file);
    if !lent.is_empty() {
        let stat = rustix::fs::fstat(&file)?;
        owner = lent.get(&(stat.st_dev, stat.st_ino)).copied().unwrap_or(owner);
    }
    if owner == (0, 0) {
        return Ok(Reply::Continue);
    }
    let bytes = if call == libc::SYS_statx {
        // How fresh it must be is the caller's wish; the rest of its flags has been dealt with.
        let fresh = number(2) & (libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC).unsigned_abs();
        let flags = AtFlags::from_bits_retain(fresh) | AtFlags::EMPTY_PATH;
        long(&rustix::fs::statx(&file, c"", flags, StatxFlags::from_bits_retain(number(3)))?, owner)
    } else {
        short(&rustix::fs::fstat(&file)?, owner)
    };
    tracee.put_bytes(into, &bytes)?;
    Ok(Reply::Value(0))
}

/// True for `stat`, false for `lstat`.
#[cfg(target_arch = "x86_64")]
fn is_stat(call: libc::c_long) -> bool {
    call == libc::SYS_stat
}
#[cfg(not(target_arch = "x86_64"))]
fn is_stat(_call: libc::c_long) -> bool {
    true
}

/// A structure of the kernel, field after field.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    fn time(&mut self, time: StatxTimestamp) {
        self.u64(time.tv_sec.cast_unsigned());
        self.u32(time.tv_nsec);
        self.u32(0);
    }
}

/// `struct stat`.
fn short(stat: &Stat, (uid, gid): (u32, u32)) -> Vec<u8> {
    let mut out = Fields::default();
    out.u64(stat.st_dev);
    out.u64(stat.st_ino);
    #[cfg(target_arch = "x86_64")]
    {
        out.u64(stat.st_nlink);
        out.u32(stat.st_mode);
        out.u32(uid);
        out.u32(gid);
        out.u32(0);
        out.u64(stat.st_rdev);
        out.u64(stat.st_size.cast_unsigned());
        out.u64(stat.st_blksize.cast_unsigned());
    }
    #[cfg(target_arch = "aarch64")]
    {
        out.u32(stat.st_mode);
        out.u32(stat.st_nlink);
        out.u32(uid);
        out.u32(gid);
        out.u64(stat.st_rdev);
        out.u64(0);
        out.u64(stat.st_size.cast_unsigned());
        out.u32(stat.st_blksize.cast_unsigned());
        out.u32(0);
    }
    out.u64(stat.st_blocks.cast_unsigned());
    for (seconds, nanoseconds) in [
        (stat.st_atime, stat.st_atime_nsec),
        (stat.st_mtime, stat.st_mtime_nsec),
        (stat.st_ctime, stat.st_ctime_nsec),
    ] {
        out.u64(seconds.cast_unsigned());
        out.u64(nanoseconds);
    }
    // Unused: three longs, or two ints.
    out.0.resize(if cfg!(target_arch = "x86_64") { 144 } else { 128 }, 0);
    out.0
}

/// `struct statx`.
fn long(stat: &Statx, (uid, gid): (u32, u32)) -> Vec<u8> {
    const SIZE: usize = 256;
    let mut out = Fields::default();
    out.u32(stat.stx_mask);
    out.u32(stat.stx_blksize);
    out.u64(stat.stx_attributes.bits());
    out.u32(stat.stx_nlink);
    out.u32(uid);
    out.u32(gid);
    out.u16(stat.stx_mode);
    out.u16(0);
    out.u64(stat.stx_ino);
    out.u64(stat.stx_size);
    out.u64(stat.stx_blocks);
    out.u64(stat.stx_attributes_mask.bits());
    for time in [stat.stx_atime, stat.stx_btime, stat.stx_ctime, stat.stx_mtime] {
        out.time(time);
    }
    for number in [stat.stx_rdev_major, stat.stx_rdev_minor, stat.stx_dev_major, stat.stx_dev_minor] {
        out.u32(number);
    }
    out.u64(stat.stx_mnt_id);
    out.u32(stat.stx_dio_mem_align);
    out.u32(stat.stx_dio_offset_align);
    out.u64(stat.stx_subvol);
    out.0.resize(SIZE, 0);
    out.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C library's own view of the structures says where each field is.
    #[test]
    fn structures_are_the_kernels() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        let bytes = short(&stat, (7, 8));
        assert_eq!(bytes.len(), size_of::<libc::stat>());
        let u32_at = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(u64_at(std::mem::offset_of!(libc::stat, st_ino)), stat.st_ino);
        assert_eq!(u32_at(std::mem::offset_of!(libc::stat, st_mode)), stat.st_mode);
        assert_eq!(u32_at(std::mem::offset_of!(libc::stat, st_uid)), 7);
        assert_eq!(u32_at(std::mem::offset_of!(libc::stat, st_gid)), 8);
        assert_eq!(u64_at(std::mem::offset_of!(libc::stat, st_size)), stat.st_size.cast_unsigned());
        assert_eq!(u64_at(std::mem::offset_of!(libc::stat, st_mtime)), stat.st_mtime.cast_unsigned());
        let statx = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).unwrap();
        let bytes = long(&statx, (7, 8));
        assert_eq!(bytes.len(), size_of::<Statx>());
        let u32_at = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(u32_at(std::mem::offset_of!(Statx, stx_uid)), 7);
        assert_eq!(u32_at(std::mem::offset_of!(Statx, stx_gid)), 8);
        assert_eq!(u64_at(std::mem::offset_of!(Statx, stx_ino)), statx.stx_ino);
        assert_eq!(u64_at(std::mem::offset_of!(Statx, stx_mtime)), statx.stx_mtime.tv_sec.cast_unsigned());
        assert_eq!(u32_at(std::mem::offset_of!(Statx, stx_dev_minor)), statx.stx_dev_minor);
        assert_eq!(u64_at(std::mem::offset_of!(Statx, stx_subvol)), statx.stx_subvol);
    }
}
