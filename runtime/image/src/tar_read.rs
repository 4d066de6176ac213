//! A strict view of a tar stream (security rule R4).
//!
//! Reads what Go's `archive/tar` reads (v7, ustar, PAX, GNU long names), and refuses the rest with an error; there
//! is never a silent third reading. Files with holes come out with zeros in them ([`crate::sparse`]). A PAX `size` counts for the data that follows, as in
//! Go (CVE-2025-62518). The header's fields are decoded by the `tar` crate; its archive reader is not used.

use std::io::{self, Read};

use tar::{EntryType, Header};

use crate::entry::keeps_xattr;
use crate::error::ImageError;
use crate::limits;
use crate::sparse::{self, Map, Piece};

/// One member of an archive; its content is read from the [`TarReader`] before the next one is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name as written.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// The twelve permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Whole seconds since 1970, rounded down.
    pub mtime: i64,
    /// Bytes of content that follow.
    pub size: u64,
    /// True if the archive holds less of the content, as there are holes in it.
    pub sparse: bool,
    /// Attributes that layers carry, sorted.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link to this target.
    Symlink(Vec<u8>),
    /// A hard link to this member.
    Hardlink(Vec<u8>),
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// Reads members one after the other.
#[derive(Debug)]
pub struct TarReader<R> {
    source: R,
    /// Content bytes of the current member not yet read.
    left: u64,
    /// Zero bytes behind the content.
    padding: u64,
    /// Where that content belongs in a file with holes.
    map: Option<Map>,
    members: u64,
    bytes: u64,
    sparse_bytes: u64,
}

/// What extended headers say of the next member.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<i64>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: sparse::Pax,
}

impl<R: Read> TarReader<R> {
    /// Starts at the first header.
    pub fn new(source: R) -> Self {
        Self { source, left: 0, padding: 0, map: None, members: 0, bytes: 0, sparse_bytes: 0 }
    }

    /// The next member, or `None` at the end of the archive.
    pub fn next_member(&mut self) -> Result<Option<Member>, ImageError> {
        self.skip_content()?;
        let mut extended = Extended::default();
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            self.members += 1;
            if self.members > limits::ENTRIES {
                return Err(ImageError::Limit {
                    what: "number of archive members".into(),
                    limit: limits::ENTRIES,
                });
            }
            match header.entry_type() {
                EntryType::XHeader => {
                    let data = self.metadata(&header)?;
                    parse_pax(&data, &mut extended)?;
                }
                // Go gives global headers to the caller, and no unpacker uses them.
                EntryType::XGlobalHeader => drop(self.metadata(&header)?),
                EntryType::GNULongName => extended.path = Some(trim_nul(self.metadata(&header)?)),
                EntryType::GNULongLink => extended.link = Some(trim_nul(self.metadata(&header)?)),
                _ => return self.member(&header, extended).map(Some),
            }
        }
    }

    /// What is read from; its position is that of the current member's content.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// Reads to the end of the stream, so that whoever hashes the source has seen all of it.
    pub fn drain(mut self) -> Result<R, ImageError> {
        io::copy(&mut self.source, &mut io::sink()).map_err(ImageError::io("an archive"))?;
        Ok(self.source)
    }

    fn member(&mut self, header: &Header, mut extended: Extended) -> Result<Member, ImageError> {
        let broken = |what: &str| ImageError::Tar(what.to_owned());
        let name = match extended.sparse.name.take().or(extended.path) {
            Some(path) => path,
            None if is_star(header.as_bytes()) && !header.as_bytes()[345..476].contains(&0) => {
                // In star's form times follow the prefix, which ustar would take for more of the name.
                return Err(broken("a name in the form of star fills its field"));
            }
            None => header.path_bytes().into_owned(),
        };
        let link = match extended.link {
            Some(link) => link,
            None => header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default(),
        };
        let raw = header.as_bytes();
        let device = || -> Result<(u32, u32), ImageError> {
            let number = |field: io::Result<Option<u32>>| field.ok().flatten().unwrap_or(0);
            Ok((number(header.device_major()), number(header.device_minor())))
        };
        let kind = match raw[156] {
            0 if name.ends_with(b"/") => MemberKind::Dir,
            0 | b'0' | b'7' | b'S' => MemberKind::File,
            b'1' => MemberKind::Hardlink(link),
            b'2' => MemberKind::Symlink(link),
            b'3' => device().map(|(major, minor)| MemberKind::Char(major, minor))?,
            b'4' => device().map(|(major, minor)| MemberKind::Block(major, minor))?,
            b'5' => MemberKind::Dir,
            b'6' => MemberKind::Fifo,
            other => {
                return Err(ImageError::Tar(format!(
                    "unknown member type `{}`",
                    (other as char).escape_default()
                )));
            }
        };
        let stated = extended.size.map_or_else(|| number(&raw[124..136]).map(i64::cast_unsigned), Ok)?;
        if stated > limits::LAYER_BYTES {
            return Err(ImageError::Limit {
                what: "size of an archive member".into(),
                limit: limits::LAYER_BYTES,
            });
        }
        // Links, directories and devices have no content, whatever their header says (Go: isHeaderOnly).
        let held = if kind == MemberKind::File { stated } else { 0 };
        self.left = held;
        self.padding = (512 - held % 512) % 512;
        self.map = match raw[156] {
            b'S' => Some(sparse::old(raw, &mut self.source, held, number)?),
            _ if kind == MemberKind::File => extended.sparse.map(&mut self.source, &mut self.left)?,
            _ => None,
        };
        let size = self.map.as_ref().map_or(held, |map| map.size);
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > limits::LAYER_BYTES {
            return Err(ImageError::Limit { what: "size of an archive".into(), limit: limits::LAYER_BYTES });
        }
        self.sparse_bytes += self.map.as_ref().map_or(0, |map| map.size);
        if self.sparse_bytes > limits::SPARSE_BYTES {
            return Err(ImageError::Limit {
                what: "size of all sparse files".into(),
                limit: limits::SPARSE_BYTES,
            });
        }
        let id = |given: Option<u64>, field: &[u8], what: &str| -> Result<u32, ImageError> {
            let value = given.map_or_else(|| number(field).map(i64::cast_unsigned), Ok)?;
            u32::try_from(value).map_err(|_| ImageError::Tar(format!("{what} {value} is out of range")))
        };
        let mut xattrs = extended.xattrs;
        xattrs.sort();
        Ok(Member {
            name,
            kind,
            mode: (number(&raw[100..108])?.cast_unsigned() & 0o7777) as u32,
            uid: id(extended.uid, &raw[108..116], "owner")?,
            gid: id(extended.gid, &raw[116..124], "group")?,
            mtime: extended.mtime.map_or_else(|| number(&raw[136..148]), Ok)?,
            size,
            sparse: self.map.is_some(),
            xattrs,
        })
    }

    /// The next header block, checked; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, ImageError> {
        let mut block = [0; 512];
        if !self.block(&mut block)? {
            return Ok(None);
        }
        if block == [0; 512] {
            // The end is two zero blocks; one zero block and the end of the stream is accepted, as Go does.
            if self.block(&mut block)? && block != [0; 512] {
                return Err(ImageError::Tar("data after the end marker".to_owned()));
            }
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let stated = number(&block[148..156])?;
        let sums = checksums(&block);
        if stated != sums.0 && stated != sums.1 {
            return Err(ImageError::Tar("a header's checksum is wrong".to_owned()));
        }
        Ok(Some(header))
    }

    /// Fills a block; false at a clean end of the stream.
    fn block(&mut self, block: &mut [u8; 512]) -> Result<bool, ImageError> {
        let mut filled = 0;
        while filled < 512 {
            match self.source.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(ImageError::Tar("the archive is cut off in a header".to_owned())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ImageError::io("an archive")(error)),
            }
        }
        Ok(true)
    }

    /// The data of an extended header.
    fn metadata(&mut self, header: &Header) -> Result<Vec<u8>, ImageError> {
        let size = number(&header.as_bytes()[124..136])?.cast_unsigned();
        if size > limits::PAX_BYTES {
            return Err(ImageError::Limit { what: "extended header".into(), limit: limits::PAX_BYTES });
        }
        self.left = size;
        self.padding = (512 - size % 512) % 512;
        let mut data = Vec::new();
        self.read_to_end(&mut data).map_err(ImageError::io("an archive"))?;
        self.skip_content()?;
        Ok(data)
    }

    fn skip_content(&mut self) -> Result<(), ImageError> {
        let todo = self.left + self.padding;
        (self.left, self.padding, self.map) = (0, 0, None);
        let skipped = io::copy(&mut (&mut self.source).take(todo), &mut io::sink())
            .map_err(ImageError::io("an archive"))?;
        if skipped == todo {
            Ok(())
        } else {
            Err(ImageError::Tar("the archive is cut off in a file".to_owned()))
        }
    }
}

/// The content of the current member.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let most = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let piece = self.map.as_mut().map_or(Piece::Data(self.left), Map::piece);
        let wanted = match (piece, &mut self.map) {
            (Piece::Data(0) | Piece::End, _) => return Ok(0),
            (Piece::Zeros(zeros), Some(map)) => {
                let count = buf.len().min(most(zeros));
                buf[..count].fill(0);
                map.advance(count as u64);
                return Ok(count);
            }
            (Piece::Data(bytes) | Piece::Zeros(bytes), _) => buf.len().min(most(bytes.min(self.left))),
        };
        let count = self.source.read(&mut buf[..wanted])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off in a file"));
        }
        self.left -= count as u64;
        if let Some(map) = &mut self.map {
            map.advance(count as u64);
        }
        Ok(count)
    }
}

/// True for a header in the form that star writes; Go tells it apart in the same way.
fn is_star(block: &[u8; 512]) -> bool {
    &block[257..263] == b"ustar\0" && &block[508..] == b"tar\0"
}

/// Octal digits, or base 256 if the first bit is set (GNU); Go's `parseNumeric`.
fn number(field: &[u8]) -> Result<i64, ImageError> {
    let bad = || ImageError::Tar(format!("`{}` is not a number", field.escape_ascii()));
    if field[0] & 0x80 != 0 {
        let negative = field[0] & 0x40 != 0;
        let mut value: i64 = if negative { -1 } else { 0 };
        for (at, &byte) in field.iter().enumerate() {
            let byte = if at == 0 && !negative { byte & 0x7f } else { byte };
            value = value.checked_mul(256).ok_or_else(bad)? | i64::from(byte);
        }
        return Ok(value);
    }
    let text: &[u8] = field.split(|&byte| byte == 0).next().unwrap_or_default().trim_ascii();
    text.iter().try_fold(0i64, |value, &byte| match byte {
        b'0'..=b'7' => Ok(value.checked_mul(8).ok_or_else(bad)? | i64::from(byte - b'0')),
        _ => Err(bad()),
    })
}

/// Sum of the header's bytes with its own field as blanks; unsigned, and signed as some old programs did.
fn checksums(block: &[u8; 512]) -> (i64, i64) {
    block.iter().enumerate().fold((0, 0), |(unsigned, signed), (at, &byte)| {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        (unsigned + i64::from(byte), signed + i64::from(byte.cast_signed()))
    })
}

fn trim_nul(mut data: Vec<u8>) -> Vec<u8> {
    let length = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    data.truncate(length);
    data
}

/// Parses `length key=value\n` records.
fn parse_pax(mut data: &[u8], extended: &mut Extended) -> Result<(), ImageError> {
    let bad = || ImageError::Tar("an extended header does not parse".to_owned());
    while !data.is_empty() {
        let blank = data.iter().take(20).position(|&byte| byte == b' ').ok_or_else(bad)?;
        let digits = std::str::from_utf8(&data[..blank]).map_err(|_| bad())?;
        let length: usize = digits.parse().map_err(|_| bad())?;
        if length <= blank + 1 || length > data.len() || data[length - 1] != b'\n' {
            return Err(bad());
        }
        let record = &data[blank + 1..length - 1];
        data = &data[length..];
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(bad)?;
        pax_record(&record[..equals], &record[equals + 1..], extended)?;
    }
    Ok(())
}

fn pax_record(key: &[u8], value: &[u8], extended: &mut Extended) -> Result<(), ImageError> {
    let bad = || ImageError::Tar(format!("extended header `{}` does not parse", key.escape_ascii()));
    let text = || std::str::from_utf8(value).map_err(|_| bad());
    // An empty value takes back what a global header said, and those count for nothing here: the header's own counts.
    if value.is_empty() && matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"mtime") {
        return Ok(());
    }
    match key {
        b"path" | b"linkpath" if value.contains(&0) => return Err(bad()),
        b"path" => extended.path = Some(value.to_vec()),
        b"linkpath" => extended.link = Some(value.to_vec()),
        b"size" => extended.size = Some(text()?.parse().map_err(|_| bad())?),
        b"uid" => extended.uid = Some(text()?.parse().map_err(|_| bad())?),
        b"gid" => extended.gid = Some(text()?.parse().map_err(|_| bad())?),
        b"mtime" => extended.mtime = Some(pax_time(text()?).ok_or_else(bad)?),
        _ if key.starts_with(b"GNU.sparse.") => {
            if !extended.sparse.field(&key[b"GNU.sparse.".len()..], value) {
                return Err(bad());
            }
        }
        _ => {
            let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else { return Ok(()) };
            if value.len() > limits::XATTR_BYTES {
                let limit = limits::XATTR_BYTES as u64;
                return Err(ImageError::Limit { what: "extended attribute".into(), limit });
            }
            if keeps_xattr(name) && !name.contains(&0) {
                extended.xattrs.push((name.to_vec(), value.to_vec()));
            }
        }
    }
    Ok(())
}

/// `seconds[.fraction]`, rounded down.
fn pax_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let below = whole.starts_with('-') && fraction.bytes().any(|byte| byte != b'0');
    if below { seconds.checked_sub(1) } else { Some(seconds) }
}

#[cfg(test)]
mod tests {
    use imgc_base::digest::FileDigest;
    use imgc_base::path::ImagePath;
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{Entry, Kind, Meta};
    use crate::tar_write::LayerWriter;

    fn archive(entries: &[(Entry, &[u8])]) -> Vec<u8> {
        let mut writer = LayerWriter::new(Vec::new());
        for (entry, content) in entries {
            writer.entry_with(entry, *content).unwrap();
        }
        writer.finish().unwrap()
    }

    fn entry(path: &str, kind: Kind, meta: Meta) -> Entry {
        Entry { path: ImagePath::clean(path).unwrap(), kind, meta }
    }

    #[test]
    fn reads_what_the_writer_wrote() {
        let long = "x/".repeat(80) + "f";
        let meta = Meta {
            mode: 0o4755,
            uid: 70_000,
            gid: 3_000_000,
            mtime: -3,
            xattrs: vec![(b"user.k".to_vec(), vec![0, 255, b'\n'])],
        };
        let kind = Kind::File { size: 3, digest: FileDigest::of(b"abc") };
        let bytes = archive(&[
            (entry(&long, kind, meta.clone()), b"abc"),
            (entry("y", Kind::Symlink { target: long.clone().into() }, Meta::default()), b""),
            (entry("z", Kind::Char { major: 1, minor: 3 }, Meta::default()), b""),
        ]);
        let mut reader = TarReader::new(bytes.as_slice());
        let first = reader.next_member().unwrap().unwrap();
        assert_eq!((first.name, first.kind, first.size), (long.clone().into_bytes(), MemberKind::File, 3));
        assert_eq!((first.mode, first.uid, first.gid, first.mtime), (0o4755, 70_000, 3_000_000, -3));
        assert_eq!(first.xattrs, meta.xattrs);
        let mut content = String::new();
        reader.read_to_string(&mut content).unwrap();
        assert_eq!(content, "abc");
        assert_eq!(reader.next_member().unwrap().unwrap().kind, MemberKind::Symlink(long.into_bytes()));
        assert_eq!(reader.next_member().unwrap().unwrap().kind, MemberKind::Char(1, 3));
        assert_eq!(reader.next_member().unwrap(), None);
    }

    #[test]
    fn pax_size_counts_for_the_data() {
        // CVE-2025-62518: the header says 0, the extended header says 512; the inner "header" is content.
        let mut inner = Header::new_ustar();
        inner.as_mut_bytes()[0..4].copy_from_slice(b"evil");
        inner.set_size(0);
        inner.set_cksum();
        let mut bytes = Vec::new();
        let record = b"12 size=512\n";
        let mut pax = Header::new_ustar();
        pax.set_entry_type(EntryType::XHeader);
        pax.set_size(record.len() as u64);
        pax.set_cksum();
        bytes.extend_from_slice(pax.as_bytes());
        bytes.extend_from_slice(record);
        bytes.resize(1024, 0);
        let mut outer = Header::new_ustar();
        outer.as_mut_bytes()[0..5].copy_from_slice(b"outer");
        outer.set_size(0);
        outer.set_cksum();
        bytes.extend_from_slice(outer.as_bytes());
        bytes.extend_from_slice(inner.as_bytes());
        bytes.resize(bytes.len() + 1024, 0);
        let mut reader = TarReader::new(bytes.as_slice());
        let member = reader.next_member().unwrap().unwrap();
        assert_eq!((member.name.as_slice(), member.size), (&b"outer"[..], 512));
        assert_eq!(reader.next_member().unwrap(), None);
    }

    #[test]
    fn refuses_broken_archives() {
        let good = archive(&[(
            entry("a", Kind::File { size: 5, digest: FileDigest::of(b"hello") }, Meta::default()),
            b"hello",
        )]);
        let all = |bytes: &[u8]| -> Result<(), ImageError> {
            let mut reader = TarReader::new(bytes);
            while reader.next_member()?.is_some() {}
            Ok(())
        };
        assert!(all(&good).is_ok());
        assert!(all(&good[..700]).is_err(), "cut in content");
        assert!(all(&good[..100]).is_err(), "cut in header");
        let mut flipped = good.clone();
        flipped[0] ^= 1;
        assert!(all(&flipped).is_err(), "checksum");
        let mut trailing = good.clone();
        let end = trailing.len() - 512;
        trailing[end] = 1;
        assert!(all(&trailing).is_err(), "half an end marker");
    }

    #[test]
    fn empty_extended_fields_say_nothing() {
        let mut extended = Extended::default();
        parse_pax(b"8 path=\n7 uid=\n8 size=\n9 mtime=\n13 linkpath=\n7 gid=\n", &mut extended).unwrap();
        assert_eq!((extended.path, extended.link, extended.size), (None, None, None));
        assert_eq!((extended.uid, extended.gid, extended.mtime), (None, None, None));
        assert!(parse_pax(b"8 uid=x\n", &mut Extended::default()).is_err());
    }

    #[test]
    fn times_round_down() {
        for (text, want) in [
            ("5", Some(5)),
            ("5.9", Some(5)),
            ("-5.1", Some(-6)),
            ("-5.0", Some(-5)),
            ("x", None),
            ("1.x", None),
        ] {
            assert_eq!(pax_time(text), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let mut reader = TarReader::new(bytes.as_slice());
            while let Ok(Some(_)) = reader.next_member() {}
        }

        #[test]
        fn flipped_bits_never_panic(at in 0usize..2000, value in any::<u8>()) {
            let mut bytes = archive(&[
                (entry(&"long/".repeat(40), Kind::Fifo, Meta { uid: 9_000_000, ..Meta::default() }), b""),
            ]);
            let at = at % bytes.len();
            bytes[at] = value;
            let mut reader = TarReader::new(bytes.as_slice());
            while let Ok(Some(_)) = reader.next_member() {}
        }
    }
}
