//! The time in the header of a gzip file (RFC 1952): of the file that was compressed, or when it was done.

use std::fs::File;
use std::io;

use super::{Patches, Window, low, read_at};

/// Magic, method (deflate), flags, time, extra flags, system.
const HEADER: usize = 10;
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// The header has a checksum of its own (`FHCRC`): nobody writes it, and it is left alone.
const CHECKED: u8 = 2;
/// Where the time stands, little-endian.
const TIME: std::ops::Range<usize> = 4..8;

/// What must change. Checksums of gzip are over the content alone.
pub(super) fn patches(file: &File, window: Window) -> io::Result<Patches> {
    let Some(header) = read_at::<HEADER>(file, 0)? else { return Ok(Patches::new()) };
    let held = header[TIME].try_into().map_or(0, u32::from_le_bytes);
    let is = header[..3] == MAGIC && header[3] & CHECKED == 0 && window.has(i64::from(held));
    Ok(is.then(|| (TIME.start as u64, low(window.time).to_le_bytes().to_vec())).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WINDOW, file, patched};
    use super::*;

    #[test]
    fn only_the_clock_of_the_step_moves() {
        let gzip = |flags: u8, time: u32| {
            let mut bytes = vec![0x1f, 0x8b, 8, flags];
            bytes.extend(time.to_le_bytes());
            bytes.extend(b"\x00\x03data");
            bytes
        };
        for (before, after) in [
            (gzip(0, 1000), gzip(0, 500)),
            (gzip(8, 1010), gzip(8, 500)),
            (gzip(0, 999), gzip(0, 999)),
            (gzip(0, 1011), gzip(0, 1011)),
            (gzip(0, 0), gzip(0, 0)),
            (gzip(2, 1005), gzip(2, 1005)),
            (b"\x1f\x8b\x08".to_vec(), b"\x1f\x8b\x08".to_vec()),
            (b"no gzip at all".to_vec(), b"no gzip at all".to_vec()),
        ] {
            let found = patches(&file(&before), WINDOW).unwrap();
            assert_eq!(patched(&before, found), after);
        }
    }
}
