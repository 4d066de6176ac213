//! Files with holes in archives: GNU tar's old form, and its three forms in pax headers, as Go reads them.
//!
//! A map says which parts of the file are in the archive; the rest is zeros. Every map is checked as a whole before a byte
//! is read by it: parts in order, none over another, none behind the end, together as long as what the archive holds.

use std::io::{self, Read};

use crate::error::ImageError;
use crate::limits;

/// Parts of one file.
const PARTS: usize = 1 << 16;

/// Where the content of a file with holes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    /// Offset and length of each part, in order.
    parts: Vec<(u64, u64)>,
    /// Bytes of the whole file.
    pub(crate) size: u64,
    /// Where the reader is in the file.
    at: u64,
    /// The part that comes next.
    next: usize,
}

/// What comes next of a file.
pub(crate) enum Piece {
    /// So many bytes of the archive.
    Data(u64),
    /// So many zeros.
    Zeros(u64),
    /// Nothing.
    End,
}

fn broken(what: &str) -> ImageError {
    ImageError::Tar(format!("the map of a sparse file {what}"))
}

impl Map {
    /// A map of a file of `size` bytes, of which the archive holds `held`.
    pub(crate) fn new(parts: Vec<(u64, u64)>, size: u64, held: u64) -> Result<Self, ImageError> {
        if size > limits::SPARSE_BYTES {
            return Err(ImageError::Limit {
                what: "size of a sparse file".into(),
                limit: limits::SPARSE_BYTES,
            });
        }
        let (mut end, mut sum) = (0_u64, 0_u64);
        for (offset, length) in &parts {
            if *offset < end {
                return Err(broken("is not in order"));
            }
            end = offset
                .checked_add(*length)
                .filter(|end| *end <= size)
                .ok_or_else(|| broken("leaves the file"))?;
            sum += length;
        }
        if sum != held {
            return Err(broken("does not fit what the archive holds"));
        }
        Ok(Self { parts, size, at: 0, next: 0 })
    }

    /// What comes next.
    pub(crate) fn piece(&mut self) -> Piece {
        while let Some((offset, length)) = self.parts.get(self.next) {
            if self.at < *offset {
                return Piece::Zeros(offset - self.at);
            }
            if self.at < offset + length {
                return Piece::Data(offset + length - self.at);
            }
            self.next += 1;
        }
        if self.at < self.size { Piece::Zeros(self.size - self.at) } else { Piece::End }
    }

    /// Goes on by so many bytes of the piece.
    pub(crate) fn advance(&mut self, count: u64) {
        self.at += count;
    }
}

/// What pax headers say of a file with holes.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    version: (Option<Vec<u8>>, Option<Vec<u8>>),
    /// Offsets and lengths by turns.
    numbers: Vec<u64>,
    count: Option<u64>,
    size: Option<u64>,
    real: Option<u64>,
    /// The file's name; the header's own may be made up.
    pub(crate) name: Option<Vec<u8>>,
    any: bool,
}

impl Pax {
    /// Takes a field, whose name follows on `GNU.sparse.`. False if it does not read.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8]) -> bool {
        let number = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
        self.any = true;
        match name {
            b"major" => self.version.0 = Some(value.to_vec()),
            b"minor" => self.version.1 = Some(value.to_vec()),
            b"name" if value.contains(&0) || value.is_empty() => return false,
            b"name" => self.name = Some(value.to_vec()),
            b"size" => self.size = number(),
            b"realsize" => self.real = number(),
            b"numblocks" => self.count = number(),
            b"map" => {
                let words = value.split(|byte| *byte == b',').filter(|word| !word.is_empty());
                let numbers: Option<Vec<u64>> =
                    words.map(|word| std::str::from_utf8(word).ok()?.parse().ok()).collect();
                let Some(numbers) = numbers else { return false };
                self.numbers = numbers;
            }
            // By turns, an offset first.
            b"offset" | b"numbytes" => {
                let turn = usize::from(name == b"numbytes");
                let Some(number) = number().filter(|_| self.numbers.len() % 2 == turn) else { return false };
                self.numbers.push(number);
            }
            _ => {}
        }
        self.numbers.len() <= 2 * PARTS
    }

    /// The map of a file whose content, of `left` bytes, is about to be read; `None` if there is none. In version 1.0 the
    /// map stands in front of the content, and `left` becomes less.
    pub(crate) fn map(self, from: &mut impl Read, left: &mut u64) -> Result<Option<Map>, ImageError> {
        if !self.any {
            return Ok(None);
        }
        let size = self.real.or(self.size).ok_or_else(|| broken("says no size"))?;
        let version = (self.version.0.as_deref(), self.version.1.as_deref());
        let numbers = match version {
            (Some(b"1"), Some(b"0")) => leading(from, left)?,
            (None, None) | (Some(b"0"), Some(b"0" | b"1")) => {
                if self.count.is_some_and(|count| count.checked_mul(2) != Some(self.numbers.len() as u64)) {
                    return Err(broken("has another length than it says"));
                }
                self.numbers
            }
            _ => return Err(broken("is of a version that is not known")),
        };
        Map::new(pairs(&numbers)?, size, *left).map(Some)
    }
}

fn pairs(numbers: &[u64]) -> Result<Vec<(u64, u64)>, ImageError> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[a, b]| (*a, *b)).collect())
    } else {
        Err(broken("is cut off"))
    }
}

/// Decimal numbers in lines, in blocks of 512 bytes: how many pairs, then the pairs.
fn leading(from: &mut impl Read, left: &mut u64) -> Result<Vec<u64>, ImageError> {
    let mut numbers = Vec::new();
    let mut wanted = None;
    let mut digits = Vec::new();
    loop {
        let mut block = [0; 512];
        *left = left.checked_sub(512).ok_or_else(|| broken("is cut off"))?;
        from.read_exact(&mut block).map_err(ImageError::io("an archive"))?;
        for byte in block {
            if byte != b'\n' {
                digits.push(byte);
                if digits.len() > 20 {
                    return Err(broken("does not read"));
                }
                continue;
            }
            let number = std::str::from_utf8(&digits).ok().and_then(|text| text.parse::<u64>().ok());
            let number = number.ok_or_else(|| broken("does not read"))?;
            digits.clear();
            match wanted {
                None if number > PARTS as u64 => return Err(broken("has too many parts")),
                None => wanted = Some(2 * usize::try_from(number).unwrap_or_default()),
                Some(_) => numbers.push(number),
            }
            // What follows in the block is filling.
            if wanted == Some(numbers.len()) {
                return Ok(numbers);
            }
        }
    }
}

/// The map of GNU tar's old form: four pairs in the header, twenty-one in each block that may follow it. `left` is what the
/// archive holds of the file; `number` reads a field.
pub(crate) fn old(
    header: &[u8; 512],
    from: &mut impl Read,
    left: u64,
    number: impl Fn(&[u8]) -> Result<i64, ImageError>,
) -> Result<Map, ImageError> {
    if &header[257..265] != b"ustar  \0" {
        return Err(broken("is in a header that is not GNU's"));
    }
    let field = |field: &[u8]| u64::try_from(number(field)?).map_err(|_| broken("does not read"));
    let mut parts = Vec::new();
    let mut take = |fields: &[u8]| -> Result<(), ImageError> {
        // An empty entry ends the map.
        for entry in fields.chunks_exact(24).take_while(|entry| entry[0] != 0) {
            parts.push((field(&entry[..12])?, field(&entry[12..])?));
            if parts.len() > PARTS {
                return Err(broken("has too many parts"));
            }
        }
        Ok(())
    };
    take(&header[386..482])?;
    let mut more = header[482] != 0;
    while more {
        let mut block = [0; 512];
        from.read_exact(&mut block).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => broken("is cut off"),
            _ => ImageError::io("an archive")(error),
        })?;
        take(&block[..504])?;
        more = block[504] != 0;
    }
    Map::new(parts, field(&header[483..495])?, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_checked() {
        for (parts, size, held, good) in [
            (vec![(0, 5), (10, 5), (20, 0)], 20, 10, true),
            (vec![], 20, 0, true),
            (vec![(0, 5), (4, 5)], 20, 10, false),
            (vec![(16, 5)], 20, 5, false),
            (vec![(u64::MAX, 2)], u64::MAX, 2, false),
            (vec![(0, 5)], 20, 6, false),
            (vec![], limits::SPARSE_BYTES + 1, 0, false),
        ] {
            assert_eq!(Map::new(parts.clone(), size, held).is_ok(), good, "{parts:?}");
        }
    }

    #[test]
    fn pax_fields() {
        let map = |fields: &[(&str, &str)], mut left: u64, content: &[u8]| {
            let mut pax = Pax::default();
            for (name, value) in fields {
                if !pax.field(name.as_bytes(), value.as_bytes()) {
                    return Err(broken("does not read"));
                }
            }
            let mut content = content;
            pax.map(&mut content, &mut left).map(|map| map.map(|map| (map.parts, map.size, left)))
        };
        assert_eq!(map(&[], 5, b"").unwrap(), None);
        let want = Some((vec![(1, 2), (5, 3)], 9, 5));
        let zero = [
            ("size", "9"),
            ("numblocks", "2"),
            ("offset", "1"),
            ("numbytes", "2"),
            ("offset", "5"),
            ("numbytes", "3"),
        ];
        assert_eq!(map(&zero, 5, b"").unwrap(), want);
        assert_eq!(map(&[("size", "9"), ("map", "1,2,5,3")], 5, b"").unwrap(), want);
        let one = [("major", "1"), ("minor", "0"), ("realsize", "9")];
        let mut block = b"2\n1\n2\n5\n3\n".to_vec();
        block.resize(512, 0);
        assert_eq!(map(&one, 517, &block).unwrap(), want);
        for (fields, left, content) in [
            (&zero[..5], 5, &b""[..]),
            (&zero[1..], 5, b""),
            (&[("size", "9"), ("map", "1,2,5")], 5, b""),
            (&[("size", "9"), ("map", "1,x")], 5, b""),
            (&[("size", "9"), ("numbytes", "1")], 5, b""),
            (&[("major", "2"), ("minor", "0"), ("size", "9")], 5, b""),
            (&[("name", "")], 5, b""),
            (&one, 511, &block),
            (&one, 517, b"2\n1\n"),
            (&one, 512, &[b'1'; 512]),
        ] {
            assert!(map(fields, left, content).is_err(), "{fields:?} {left}");
        }
    }
}
