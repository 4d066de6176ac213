//! The dates of entries of a Java key store (JKS): when each certificate was imported. The list of authorities of a JRE
//! (`cacerts`) has one for each, in milliseconds.
//!
//! A keyed digest ends the file. It can be made again only for the password that all such lists have.

use std::fs::File;
use std::io;

use imgc_base::path::ImagePath;
use sha1::{Digest, Sha1};

use super::{Patches, Window, read_at, whole};

const MAGIC: [u8; 8] = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2];
const PASSWORD: &str = "changeit";
/// What the format puts between password and content.
const WHITENER: &[u8] = b"Mighty Aphrodite";
const SUM: usize = 20;
/// Kinds of entries.
const KEY: u32 = 1;
const CERTIFICATE: u32 = 2;
/// A larger file is left as it is.
const MOST: u64 = 64 << 20;

/// True for names that such files have; their magic says whether they are some.
pub(super) fn is_store(path: &ImagePath) -> bool {
    path.name().is_some_and(|name| name == b"cacerts" || name.ends_with(b".jks"))
}

/// What must change: dates of the step, and the digest. Nothing if anything is not as the format says.
pub(super) fn patches(file: &File, window: Window) -> io::Result<Patches> {
    if read_at(file, 0)? != Some(MAGIC) {
        return Ok(Patches::new());
    }
    let Some(mut bytes) = whole(file, MOST)? else { return Ok(Patches::new()) };
    Ok(patched(&mut bytes, window).unwrap_or_default())
}

fn patched(bytes: &mut [u8], window: Window) -> Option<Patches> {
    let body = bytes.len().checked_sub(SUM)?;
    if sum(bytes.get(..body)?) != bytes[body..] {
        return None;
    }
    let time = u64::try_from(window.time).ok()?.checked_mul(1000)?.to_be_bytes();
    let mut reader = Reader { bytes: &bytes[..body], at: MAGIC.len() };
    let mut patches = Patches::new();
    for _ in 0..reader.number()? {
        let kind = reader.number()?;
        reader.text()?;
        let at = reader.at;
        let date = u64::from_be_bytes(reader.take(8)?.try_into().ok()?);
        if i64::try_from(date / 1000).is_ok_and(|seconds| window.with_a_tick().has(seconds)) {
            patches.push((at as u64, time.to_vec()));
        }
        let certificates = match kind {
            KEY => {
                reader.block()?;
                reader.number()?
            }
            CERTIFICATE => 1,
            _ => return None,
        };
        for _ in 0..certificates {
            reader.text()?;
            reader.block()?;
        }
    }
    if reader.at != body {
        return None;
    }
    for (at, new) in &patches {
        bytes[*at as usize..*at as usize + new.len()].copy_from_slice(new);
    }
    if !patches.is_empty() {
        patches.push((body as u64, sum(&bytes[..body])));
    }
    Some(patches)
}

fn sum(body: &[u8]) -> Vec<u8> {
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    Sha1::new().chain_update(password).chain_update(WHITENER).chain_update(body).finalize().to_vec()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Two bytes of length, and a text.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(length.into())
    }

    /// Four bytes of length, and content.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length.try_into().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WINDOW, edited, file, patched as with};
    use super::*;

    /// A certificate and a key with a chain of one, imported at two times.
    fn store(one: u64, two: u64) -> Vec<u8> {
        let certificate = b"\0\x05X.509\0\0\0\x03abc";
        let body = [
            &MAGIC[..],
            &[0, 0, 0, 2, 0, 0, 0, 2, 0, 1, b'a'],
            &one.to_be_bytes(),
            certificate,
            &[0, 0, 0, 1, 0, 1, b'k'],
            &two.to_be_bytes(),
            b"\0\0\0\x02pk\0\0\0\x01",
            certificate,
        ]
        .concat();
        [body.clone(), sum(&body)].concat()
    }

    #[test]
    fn dates_of_the_step_move_and_the_digest_fits() {
        for (before, after) in [
            (store(1_002_345, 1_010_999), store(500_000, 500_000)),
            (store(1_002_345, 7), store(500_000, 7)),
            (store(7, 8), store(7, 8)),
        ] {
            assert_eq!(with(&before, patches(&file(&before), WINDOW).unwrap()), after);
        }
    }

    proptest::proptest! {
        /// Whatever stands in a body with the right digest: bytes change inside the file alone, and the digest fits again.
        #[test]
        fn damaged_bodies_with_a_right_digest(
            edits in proptest::collection::vec((0..200_usize, proptest::prelude::any::<u8>()), 0..6),
            length in 0..200_usize,
        ) {
            let whole = store(1_002_345, 1_003_000);
            let body = edited(&whole[..whole.len() - SUM], &edits, length);
            let bytes = [body.clone(), sum(&body)].concat();
            let found = patches(&file(&bytes), WINDOW).unwrap();
            let after = with(&bytes, found);
            proptest::prop_assert_eq!(after.len(), bytes.len());
            proptest::prop_assert_eq!(&sum(&after[..body.len()])[..], &after[body.len()..]);
        }
    }

    #[test]
    fn what_is_no_store_or_has_a_password_stays() {
        let whole = store(1_002_345, 1_002_345);
        let resealed = |body: &[u8]| [body.to_vec(), sum(body)].concat();
        let body = &whole[..whole.len() - SUM];
        let mut many = body.to_vec();
        many[8] = 0xff;
        let mut kind = body.to_vec();
        kind[15] = 9;
        let mut password = whole.clone();
        *password.last_mut().unwrap() ^= 1;
        let longer = [body, b"x"].concat();
        for bytes in [
            resealed(&many),
            resealed(&kind),
            resealed(&body[..30]),
            resealed(&longer),
            password,
            MAGIC.to_vec(),
        ] {
            assert_eq!(patches(&file(&bytes), WINDOW).unwrap(), Patches::new());
        }
    }
}
