//! What git notes of the machine in a working tree: times and numbers of files in its index, and its clock in reflogs.
//!
//! An entry of the index holds what `stat` said of its file (`gitformat-index`). Change times, devices and inodes are another
//! image's at once when it is unpacked, so git looks at the files again in any case; without them it does the same.

use std::fs::File;
use std::io;

use imgc_base::path::ImagePath;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::{Patches, Window, low, read_at, whole};

/// Magic, version, number of entries.
const HEADER: usize = 12;
/// Change time and its fraction, modification time and its fraction, device, inode; then mode, owner, group, size.
const STAT: usize = 40;
const VARYING: usize = 24;
/// A larger file is left as it is.
const MOST: u64 = 32 << 20;
/// Digits of a time in a reflog, from 2001 to 2286.
const DIGITS: usize = 10;

/// True for the name of an index; its magic says whether it is one.
pub(super) fn is_index(path: &ImagePath) -> bool {
    path.name() == Some(b"index")
}

/// True below `.git/logs`, also of submodules and worktrees.
pub(super) fn is_reflog(path: &ImagePath) -> bool {
    let mut parts = path.parts();
    parts.any(|part| part == b".git") && parts.any(|part| part == b"logs")
}

/// What must change in an index: the first six numbers of each entry, and the checksum. Nothing if anything is not as
/// its format says.
pub(super) fn index_patches(file: &File, window: Window) -> io::Result<Patches> {
    if read_at::<4>(file, 0)?.as_ref() != Some(b"DIRC") {
        return Ok(Patches::new());
    }
    let Some(bytes) = whole(file, MOST)? else { return Ok(Patches::new()) };
    Ok(patched_index(&bytes, window).unwrap_or_default())
}

fn patched_index(bytes: &[u8], window: Window) -> Option<Patches> {
    // The checksum tells which digest the repository uses.
    let sum = [20, 32].into_iter().find(|length| {
        bytes.len().checked_sub(*length).is_some_and(|end| checksum(&bytes[..end], *length) == bytes[end..])
    })?;
    let body = bytes.len() - sum;
    let mut new = bytes[..body].to_vec();
    let version = number(bytes, 4)?;
    let count = number(bytes, 8)?;
    let mut patches = Patches::new();
    let mut at = HEADER;
    for _ in 0..count {
        let stat = new.get_mut(at..at + VARYING)?;
        let mtime = u32::from_be_bytes(stat[8..12].try_into().ok()?);
        let is_now = window.has(i64::from(mtime));
        let mut numbers = [0; VARYING];
        numbers[8..12].copy_from_slice(&if is_now { low(window.time) } else { mtime }.to_be_bytes());
        if *stat != numbers {
            stat.copy_from_slice(&numbers);
            patches.push((at as u64, numbers.to_vec()));
        }
        at = next(bytes, at, sum, version)?;
    }
    if at > body {
        return None;
    }
    if !patches.is_empty() {
        patches.push((body as u64, checksum(&new, sum)));
    }
    Some(patches)
}

/// Where the entry behind this one starts.
fn next(bytes: &[u8], at: usize, sum: usize, version: u32) -> Option<usize> {
    let mut name = at + STAT + sum + 2;
    let flags = u16::from_be_bytes(bytes.get(name - 2..name)?.try_into().ok()?);
    if version >= 3 && flags & 0x4000 != 0 {
        name += 2;
    }
    if version >= 4 {
        // How much of the name before is kept, as a number of bytes with a high bit on all but the last.
        name += bytes.get(name..)?.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    }
    let length = bytes.get(name..)?.iter().position(|&byte| byte == 0)?;
    match version {
        // Names end in one to eight zero bytes, so that entries have multiples of eight.
        2 | 3 => Some(at + (name + length - at + 8) / 8 * 8),
        4 => Some(name + length + 1),
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn checksum(bytes: &[u8], length: usize) -> Vec<u8> {
    if length == 20 { Sha1::digest(bytes).to_vec() } else { Sha256::digest(bytes).to_vec() }
}

/// What must change in a reflog: the time behind the address of who did it, in each line.
pub(super) fn reflog_patches(file: &File, window: Window) -> io::Result<Patches> {
    let time = format!("{:0DIGITS$}", window.time).into_bytes();
    if window.time < 0 || time.len() != DIGITS {
        return Ok(Patches::new());
    }
    let Some(bytes) = whole(file, MOST)? else { return Ok(Patches::new()) };
    let mut patches = Patches::new();
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let head = line.split(|&byte| byte == b'\t').next().unwrap_or_default();
        let place = head.windows(2).rposition(|pair| pair == b"> ").map(|found| found + 2);
        let held = place.and_then(|place| head.get(place..place + DIGITS));
        let seconds = held.and_then(|held| std::str::from_utf8(held).ok()?.parse().ok());
        if let (Some(place), Some(seconds)) = (place, seconds)
            && head.get(place + DIGITS) == Some(&b' ')
            && window.with_a_tick().has(seconds)
        {
            patches.push(((at + place) as u64, time.clone()));
        }
        at += line.len();
    }
    Ok(patches)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WINDOW, edited, file, patched};
    use super::*;
    use crate::testing::path;

    /// An index of two files and an extension, as a machine writes it; `sum` is the length of its digests.
    fn index(version: u32, sum: usize, stats: [[u32; 6]; 2]) -> Vec<u8> {
        let mut bytes =
            [b"DIRC".to_vec(), version.to_be_bytes().to_vec(), 2u32.to_be_bytes().to_vec()].concat();
        for (stat, name) in stats.iter().zip(["a", "dir/long-name"]) {
            let start = bytes.len();
            let fixed = [0o100_644, 0, 0, 3];
            bytes.extend(stat.iter().chain(&fixed).flat_map(|number| number.to_be_bytes()));
            bytes.extend(vec![7; sum]);
            let extended = version >= 3;
            bytes.extend((name.len() as u16 | if extended { 0x4000 } else { 0 }).to_be_bytes());
            bytes.extend(extended.then_some([0x20, 0]).into_iter().flatten());
            if version == 4 {
                bytes.extend([0x80, 1]);
            }
            bytes.extend(name.bytes());
            bytes.push(0);
            while version < 4 && !(bytes.len() - start).is_multiple_of(8) {
                bytes.push(0);
            }
        }
        bytes.extend(b"TREE\0\0\0\x02xy");
        let sum = checksum(&bytes, sum);
        [bytes, sum].concat()
    }

    #[test]
    fn an_index_says_nothing_of_the_machine() {
        for (version, sum) in [(2, 20), (3, 20), (4, 20), (2, 32), (4, 32)] {
            let before = index(version, sum, [[1003, 5, 1002, 6, 64_769, 77], [1003, 5, 900, 6, 64_769, 78]]);
            let after = index(version, sum, [[0, 0, 500, 0, 0, 0], [0, 0, 900, 0, 0, 0]]);
            let found = index_patches(&file(&before), WINDOW).unwrap();
            assert_eq!(patched(&before, found), after, "version {version}, {sum}");
            assert_eq!(index_patches(&file(&after), WINDOW).unwrap(), Patches::new());
        }
    }

    proptest::proptest! {
        /// Whatever stands in a body with the right digest: bytes change inside the file alone, and the digest fits again.
        #[test]
        fn damaged_bodies_with_a_right_digest(
            version in 2..=4_u32,
            sum in proptest::sample::select(vec![20_usize, 32]),
            edits in proptest::collection::vec((0..300_usize, proptest::prelude::any::<u8>()), 0..6),
            length in 0..300_usize,
        ) {
            let whole = index(version, sum, [[1003, 5, 1002, 6, 7, 77], [1003, 5, 900, 6, 7, 78]]);
            let body = edited(&whole[..whole.len() - sum], &edits, length);
            let bytes = [body.clone(), checksum(&body, sum)].concat();
            let found = index_patches(&file(&bytes), WINDOW).unwrap();
            let after = patched(&bytes, found);
            proptest::prop_assert_eq!(after.len(), bytes.len());
            proptest::prop_assert_eq!(&checksum(&after[..body.len()], sum)[..], &after[body.len()..]);
        }
    }

    #[test]
    fn what_is_no_index_stays() {
        let whole = index(2, 20, [[1003; 6], [1003; 6]]);
        let resealed = |body: &[u8]| [body.to_vec(), checksum(body, 20)].concat();
        let body = &whole[..whole.len() - 20];
        let mut many = body.to_vec();
        many[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        let mut newer = body.to_vec();
        newer[7] = 5;
        let mut broken = whole.clone();
        broken[20] ^= 1;
        for bytes in
            [resealed(&many), resealed(&newer), resealed(&body[..60]), broken, b"DIRC".to_vec(), vec![]]
        {
            assert_eq!(index_patches(&file(&bytes), WINDOW).unwrap(), Patches::new());
        }
    }

    #[test]
    fn the_clock_in_reflogs() {
        let now = Window { start: 1_795_873_136, end: 1_795_873_149, time: 1_767_139_201 };
        let line =
            |time: &str| format!("0000 b27a A > B <root@vm> {time} +0000\tclone: from > 1795873140 x\n");
        let before =
            [line("1795873136"), line("1795873150"), line("1795873135"), line("17"), "x".to_owned()].concat();
        let after =
            [line("1767139201"), line("1767139201"), line("1795873135"), line("17"), "x".to_owned()].concat();
        let found = reflog_patches(&file(before.as_bytes()), now).unwrap();
        assert_eq!(String::from_utf8(patched(before.as_bytes(), found)).unwrap(), after);
        let early = Window { time: 7, ..now };
        let found = reflog_patches(&file(before.as_bytes()), early).unwrap();
        assert!(patched(before.as_bytes(), found).starts_with(b"0000 b27a A > B <root@vm> 0000000007 +0000"));
    }

    #[test]
    fn where_they_lie() {
        for name in ["/src/.git/logs/HEAD", "/src/.git/modules/lib/logs/refs/heads/main"] {
            assert!(is_reflog(&path(name)), "{name}");
        }
        for name in ["/src/logs/HEAD", "/src/.git/HEAD", "/src/.github/logs/x"] {
            assert!(!is_reflog(&path(name)), "{name}");
        }
    }
}
