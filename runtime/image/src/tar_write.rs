//! The canonical layer writer (**law**, architecture part 6; normative text in `spec/layer.md`).
//!
//! One writer for every layer, whatever made it: entries in path order, each ancestor present, numeric owners
//! without names, ustar headers, PAX records only where ustar has no room, no access or change times, hard links
//! after their first name, whiteouts and opaque markers in OCI form. Same tree, same bytes.

use std::io::{self, Read, Write};

use imgc_base::path::ImagePath;
use tar::{EntryType, Header};

use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::scratch;

/// The whiteout prefix of OCI image-spec `layer.md`, "Whiteouts".
pub const WHITEOUT: &[u8] = b".wh.";
/// The opaque marker of OCI image-spec `layer.md`, "Opaque Whiteout".
pub const OPAQUE: &[u8] = b".wh..wh..opq";
/// Largest owner that seven octal digits hold.
const MAX_OCTAL_ID: u32 = 0o7_777_777;
/// Largest size or time that eleven octal digits hold.
const MAX_OCTAL: u64 = 0o77_777_777_777;

/// Writes entries in canonical form.
#[derive(Debug)]
pub struct LayerWriter<W: Write> {
    out: W,
}

impl<W: Write> LayerWriter<W> {
    /// Starts a layer.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes one entry that has no content. Entries must come in path order.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), ImageError> {
        self.entry_with(entry, io::empty())
    }

    /// Writes one entry; `content` must give exactly the bytes of a regular file.
    pub fn entry_with(&mut self, entry: &Entry, content: impl Read) -> Result<(), ImageError> {
        let Entry { path, kind, meta } = entry;
        let name = path.as_bytes();
        refuse_whiteout_name(path)?;
        match kind {
            Kind::Dir { opaque } => {
                let slashed = [name, b"/"].concat();
                self.header(&slashed, EntryType::Directory, meta, 0, &[], None)?;
                if *opaque {
                    let marker = [&slashed, OPAQUE].concat();
                    self.header(&marker, EntryType::Regular, &Meta::default(), 0, &[], None)?;
                }
                Ok(())
            }
            Kind::File { size, .. } => {
                self.header(name, EntryType::Regular, meta, *size, &[], None)?;
                self.content(path, *size, content)
            }
            Kind::Symlink { target } => self.header(name, EntryType::Symlink, meta, 0, target, None),
            Kind::Hardlink { to } => self.header(name, EntryType::Link, meta, 0, to.as_bytes(), None),
            Kind::Char { major, minor } => {
                self.header(name, EntryType::Char, meta, 0, &[], Some((*major, *minor)))
            }
            Kind::Block { major, minor } => {
                self.header(name, EntryType::Block, meta, 0, &[], Some((*major, *minor)))
            }
            Kind::Fifo => self.header(name, EntryType::Fifo, meta, 0, &[], None),
            Kind::Whiteout => {
                let marker = whiteout_name(path)?;
                self.header(marker.as_bytes(), EntryType::Regular, &Meta::default(), 0, &[], None)
            }
        }
    }

    /// Ends the archive with two zero blocks and gives the sink back.
    pub fn finish(mut self) -> Result<W, ImageError> {
        self.put(&[0; 1024])?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.out.write_all(bytes).map_err(ImageError::io("a layer"))
    }

    fn content(&mut self, path: &ImagePath, size: u64, content: impl Read) -> Result<(), ImageError> {
        // One byte more is asked for, to see a file that grew.
        let copied = copy_exact(content.take(size + 1), &mut self.out, size, path)?;
        if copied != size {
            return Err(ImageError::Changed(path.clone()));
        }
        let padding = (512 - size % 512) % 512;
        self.put(&[0; 512][..padding as usize])
    }

    fn header(
        &mut self,
        name: &[u8],
        kind: EntryType,
        meta: &Meta,
        size: u64,
        link: &[u8],
        device: Option<(u32, u32)>,
    ) -> Result<(), ImageError> {
        let mut header = Header::new_ustar();
        let mut pax = Pax::default();
        let raw = header.as_mut_bytes();
        if name.len() > 100 {
            pax.record(b"path", name);
        }
        if link.len() > 100 {
            pax.record(b"linkpath", link);
        }
        put_field(&mut raw[0..100], name);
        put_field(&mut raw[157..257], link);
        header.set_entry_type(kind);
        header.set_mode(meta.mode);
        for (key, id, set) in [
            (&b"uid"[..], meta.uid, Header::set_uid as fn(&mut Header, u64)),
            (&b"gid"[..], meta.gid, Header::set_gid as fn(&mut Header, u64)),
        ] {
            if id > MAX_OCTAL_ID {
                pax.record(key, id.to_string().as_bytes());
            }
            set(&mut header, u64::from(if id > MAX_OCTAL_ID { 0 } else { id }));
        }
        let fits = |number: u64| if number > MAX_OCTAL { 0 } else { number };
        if size > MAX_OCTAL {
            pax.record(b"size", size.to_string().as_bytes());
        }
        header.set_size(fits(size));
        let time = u64::try_from(meta.mtime).ok().filter(|&time| time <= MAX_OCTAL);
        if time.is_none() {
            pax.record(b"mtime", meta.mtime.to_string().as_bytes());
        }
        header.set_mtime(time.unwrap_or(0));
        // ustar has room for seven octal digits, more than Linux gives to either number.
        let (major, minor) = device.unwrap_or((0, 0));
        for (number, set) in [
            (major, Header::set_device_major as fn(&mut Header, u32) -> io::Result<()>),
            (minor, Header::set_device_minor as fn(&mut Header, u32) -> io::Result<()>),
        ] {
            set(&mut header, number).map_err(ImageError::io("a header"))?;
        }
        for (key, value) in &meta.xattrs {
            pax.record(&[b"SCHILY.xattr.", key.as_slice()].concat(), value);
        }
        header.set_cksum();
        self.pax(&pax)?;
        self.put(header.as_bytes())
    }

    /// Writes the extended header in front of an entry, if it has any record.
    fn pax(&mut self, pax: &Pax) -> Result<(), ImageError> {
        if pax.records.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        put_field(&mut header.as_mut_bytes()[0..100], b"././@PaxHeader");
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(pax.records.len() as u64);
        header.set_cksum();
        self.put(header.as_bytes())?;
        self.put(&pax.records)?;
        let padding = (512 - pax.records.len() % 512) % 512;
        self.put(&[0; 512][..padding])
    }
}

/// Records of an extended header (POSIX pax, "pax Extended Header"): `length key=value\n`.
#[derive(Default)]
struct Pax {
    records: Vec<u8>,
}

impl Pax {
    fn record(&mut self, key: &[u8], value: &[u8]) {
        // The length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.records.extend_from_slice(length.to_string().as_bytes());
        self.records.push(b' ');
        self.records.extend_from_slice(key);
        self.records.push(b'=');
        self.records.extend_from_slice(value);
        self.records.push(b'\n');
    }
}

/// Copies bytes into a fixed field, cut to its size; the header is zeroed before.
fn put_field(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

/// Copies at most `size` bytes; a source that has more or fewer is reported by the count.
fn copy_exact(
    mut from: impl Read,
    to: &mut impl Write,
    size: u64,
    path: &ImagePath,
) -> Result<u64, ImageError> {
    let mut copied = 0;
    scratch::with(|buffer| {
        loop {
            let count = match from.read(buffer) {
                Ok(0) => return Ok(copied),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ImageError::at("read", path)(error)),
            };
            copied += count as u64;
            if copied > size {
                return Ok(copied);
            }
            to.write_all(&buffer[..count]).map_err(ImageError::io("a layer"))?;
        }
    })
}

/// A file whose own name starts with the whiteout prefix would delete something downstream.
fn refuse_whiteout_name(path: &ImagePath) -> Result<(), ImageError> {
    if path.parts().any(|part| part.starts_with(WHITEOUT)) {
        return Err(ImageError::WhiteoutName(path.clone()));
    }
    Ok(())
}

/// `dir/.wh.name` for `dir/name`.
pub(crate) fn whiteout_name(path: &ImagePath) -> Result<ImagePath, ImageError> {
    let name = path.name().unwrap_or_default();
    let parent = path.parent().unwrap_or_default();
    // A name of 252 bytes or more has no whiteout: `.wh.` would make it longer than a name may be.
    Ok(ImagePath::strict([parent.as_bytes(), b"/", WHITEOUT, name].concat())?)
}

#[cfg(test)]
mod tests {
    use imgc_base::digest::FileDigest;

    use super::*;

    fn entry(path: &str, kind: Kind, meta: Meta) -> Entry {
        Entry { path: ImagePath::clean(path).unwrap(), kind, meta }
    }

    fn written(entry: &Entry, content: &[u8]) -> Vec<u8> {
        let mut writer = LayerWriter::new(Vec::new());
        writer.entry_with(entry, content).unwrap();
        writer.finish().unwrap()
    }

    fn file(content: &[u8]) -> Kind {
        Kind::File { size: content.len() as u64, digest: FileDigest::of(content) }
    }

    #[test]
    fn plain_entry_has_no_pax() {
        let meta = Meta { mode: 0o644, uid: 1, gid: 2, mtime: 5, xattrs: vec![] };
        let bytes = written(&entry("a/b", file(b"hello"), meta), b"hello");
        assert_eq!(bytes.len(), 512 + 512 + 1024);
        let header = Header::from_byte_slice(&bytes[..512]);
        assert_eq!(header.path_bytes().as_ref(), b"a/b");
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o644, 1, 2));
        assert_eq!(header.username_bytes(), Some(&b""[..]));
    }

    #[test]
    fn large_values_go_to_pax() {
        let long = "d/".repeat(60) + "end";
        let meta = Meta {
            uid: 3_000_000,
            mtime: -5,
            xattrs: vec![(b"user.x".to_vec(), vec![0, b'\n'])],
            ..Meta::default()
        };
        let bytes = written(&entry(&long, Kind::Fifo, meta), b"");
        let text = String::from_utf8_lossy(&bytes[512..1024]).into_owned();
        let clean = text.trim_end_matches('\0');
        assert_eq!(
            clean,
            format!("133 path={long}\n15 uid=3000000\n12 mtime=-5\n26 SCHILY.xattr.user.x=\0\n\n")
        );
    }

    #[test]
    fn whiteouts_and_opaque_directories() {
        let bytes = written(&entry("a/b", Kind::Whiteout, Meta::default()), b"");
        assert_eq!(Header::from_byte_slice(&bytes[..512]).path_bytes().as_ref(), b"a/.wh.b");
        let bytes = written(&entry("a", Kind::Dir { opaque: true }, Meta::default()), b"");
        assert_eq!(Header::from_byte_slice(&bytes[..512]).path_bytes().as_ref(), b"a/");
        assert_eq!(Header::from_byte_slice(&bytes[512..1024]).path_bytes().as_ref(), b"a/.wh..wh..opq");
    }

    #[test]
    fn refuses_what_would_lie() {
        let mut writer = LayerWriter::new(Vec::new());
        let evil = entry(".wh.passwd", Kind::Fifo, Meta::default());
        assert!(matches!(writer.entry(&evil), Err(ImageError::WhiteoutName(_))));
        let grown = entry("a", file(b"12"), Meta::default());
        assert!(matches!(writer.entry_with(&grown, &b"123"[..]), Err(ImageError::Changed(_))));
        let shrunk = entry("a", file(b"12"), Meta::default());
        assert!(matches!(writer.entry_with(&shrunk, &b"1"[..]), Err(ImageError::Changed(_))));
    }
}
