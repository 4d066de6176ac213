//! The times of members of an `ar` archive: a static library.
//!
//! Owners and modes are those that the step sees, which are the same everywhere.

use std::fs::File;
use std::io;

use super::{Patches, Window, read_at};

const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Name 16, time 12, owner 6, group 6, mode 8, size 10, end 2; all but the end are text, filled up with blanks.
const HEADER: usize = 60;
const TIME: std::ops::Range<usize> = 16..28;
const SIZE: std::ops::Range<usize> = 48..58;
const END: &[u8] = b"`\n";
/// More members than any library has; an archive with more is left as it is.
const MEMBERS: usize = 1 << 18;

/// What must change; nothing if the file is not what its name says. Thin archives have other magic.
pub(super) fn patches(file: &File, window: Window) -> io::Result<Patches> {
    let mut patches = Patches::new();
    if read_at(file, 0)?.as_ref() != Some(MAGIC) {
        return Ok(patches);
    }
    let mut at = MAGIC.len() as u64;
    for _ in 0..MEMBERS {
        let Some(header) = read_at::<HEADER>(file, at)? else { return Ok(patches) };
        let (Some(size), true) = (number(&header[SIZE]), header.ends_with(END)) else { break };
        if number(&header[TIME]).is_some_and(|time| i64::try_from(time).is_ok_and(|time| window.has(time))) {
            let time = format!("{:<12}", window.time).into_bytes();
            if time.len() == TIME.len() {
                patches.push((at + TIME.start as u64, time));
            }
        }
        // Members start at even places.
        let Some(next) = at.checked_add(HEADER as u64 + size).and_then(|next| next.checked_add(next % 2))
        else {
            break;
        };
        at = next;
    }
    Ok(Patches::new())
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WINDOW, file, patched};
    use super::*;

    fn member(name: &str, time: &str, content: &str) -> Vec<u8> {
        let header =
            format!("{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`\n{content}", 0, 0, "100644", content.len());
        let padding = if content.len() % 2 == 1 { "\n" } else { "" };
        format!("{header}{padding}").into_bytes()
    }

    fn archive(times: [&str; 3]) -> Vec<u8> {
        [
            MAGIC.to_vec(),
            member("/", times[0], "abc"),
            member("a.o/", times[1], "1005        1005"),
            member("#1/4", times[2], "name1001"),
        ]
        .concat()
    }

    #[test]
    fn only_the_clock_of_the_step_moves() {
        for (before, after) in [
            (archive(["1000", "1010", "1005"]), archive(["500", "500", "500"])),
            (archive(["0", "0", "0"]), archive(["0", "0", "0"])),
            (archive(["999", "1011", "1002"]), archive(["999", "1011", "500"])),
            (archive(["", "x", "-5"]), archive(["", "x", "-5"])),
            (b"!<thin>\nwhatever".to_vec(), b"!<thin>\nwhatever".to_vec()),
            (b"".to_vec(), b"".to_vec()),
        ] {
            let found = patches(&file(&before), WINDOW).unwrap();
            assert_eq!(patched(&before, found), after);
        }
    }

    /// What does not have the form to its end may be anything: nothing of it changes.
    #[test]
    fn damaged_archives_stay() {
        let mut bytes = archive(["1000", "1000", "1000"]);
        let second = MAGIC.len() + HEADER + 4;
        bytes[second + 58] = b'?';
        assert_eq!(patches(&file(&bytes), WINDOW).unwrap(), []);
        let mut bytes = archive(["1000", "1000", "1000"]);
        bytes[MAGIC.len() + SIZE.start..MAGIC.len() + SIZE.end].copy_from_slice(b"9999999999");
        assert_eq!(patches(&file(&bytes), WINDOW).unwrap().len(), 1);
    }
}
