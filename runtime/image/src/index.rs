//! A layer's entries in path order, and the form in which they are stored.
//!
//! Diffs, sizes, keys of `COPY --from` and whiteouts work on indexes and read no file content. The stored form is
//! little-endian, length-prefixed, and closed by its own SHA-256, so a torn write is seen (`spec/store.md`).

use imgc_base::digest::{BlobDigest, FileDigest};
use imgc_base::path::ImagePath;

use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::limits;

const MAGIC: &[u8; 16] = b"imgc-index-1\n\0\0\0";

/// A layer's entries, sorted by path bytes, each path once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerIndex {
    entries: Vec<Entry>,
}

impl LayerIndex {
    /// Sorts entries. Of two with one path the later one wins.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut unique: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match unique.last_mut() {
                Some(last) if last.path == entry.path => *last = entry,
                _ => unique.push(entry),
            }
        }
        Self { entries: unique }
    }

    /// In path order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a path.
    pub fn get(&self, path: &ImagePath) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.path.cmp(path)).ok().map(|at| &self.entries[at])
    }

    /// The entry at a path that is known to be one.
    pub(crate) fn get_bytes(&self, path: &[u8]) -> Option<&Entry> {
        self.entries
            .binary_search_by(|entry| entry.path.as_bytes().cmp(path))
            .ok()
            .map(|at| &self.entries[at])
    }

    /// The entries below a directory, at any depth, in path order.
    pub fn below<'a>(&'a self, dir: &ImagePath) -> impl Iterator<Item = &'a Entry> + use<'a> {
        // Paths below `dir` are not contiguous in byte order (`a-b` sorts between `a` and `a/b`), but all of them
        // start with `dir/`, and those are.
        let mut prefix = dir.as_bytes().to_vec();
        if !dir.is_root() {
            prefix.push(b'/');
        }
        let start = self.entries.partition_point(|entry| entry.path.as_bytes() < prefix.as_slice());
        self.entries[start..].iter().take_while(move |entry| entry.path.as_bytes().starts_with(&prefix))
    }

    /// Sum of the sizes of the regular files, in bytes.
    pub fn content_bytes(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| match entry.kind {
                Kind::File { size, .. } => size,
                _ => 0,
            })
            .sum()
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * 96 + 64);
        out.extend_from_slice(MAGIC);
        put_u64(&mut out, self.entries.len() as u64);
        for entry in &self.entries {
            encode_entry(&mut out, entry);
        }
        let sum = BlobDigest::of(&out);
        out.extend_from_slice(sum.as_bytes());
        out
    }

    /// Reads the stored form back.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        let (body, sum) =
            bytes.split_at_checked(bytes.len().wrapping_sub(32)).ok_or(ImageError::Index("too short"))?;
        if BlobDigest::of(body).as_bytes() != sum {
            return Err(ImageError::Index("checksum differs"));
        }
        let mut cursor =
            Cursor { rest: body.strip_prefix(MAGIC).ok_or(ImageError::Index("unknown format"))? };
        let count = cursor.u64()?;
        if count > limits::ENTRIES {
            return Err(ImageError::Index("too many entries"));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity((count as usize).min(cursor.rest.len() / 32));
        for _ in 0..count {
            let entry = decode_entry(&mut cursor)?;
            if entries.last().is_some_and(|last| last.path >= entry.path) {
                return Err(ImageError::Index("entries out of order"));
            }
            entries.push(entry);
        }
        if cursor.rest.is_empty() { Ok(Self { entries }) } else { Err(ImageError::Index("bytes left over")) }
    }
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len() as u32);
    out.extend_from_slice(bytes);
}

/// Appends the canonical form of one entry; also what content keys hash.
pub fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    put_bytes(out, entry.path.as_bytes());
    let meta = &entry.meta;
    put_u32(out, meta.mode);
    put_u32(out, meta.uid);
    put_u32(out, meta.gid);
    put_u64(out, meta.mtime.cast_unsigned());
    put_u32(out, meta.xattrs.len() as u32);
    for (name, value) in &meta.xattrs {
        put_bytes(out, name);
        put_bytes(out, value);
    }
    match &entry.kind {
        Kind::Dir { opaque: false } => out.push(b'd'),
        Kind::Dir { opaque: true } => out.push(b'o'),
        Kind::File { size, digest } => {
            out.push(b'f');
            put_u64(out, *size);
            out.extend_from_slice(digest.as_bytes());
        }
        Kind::Symlink { target } => {
            out.push(b'l');
            put_bytes(out, target);
        }
        Kind::Hardlink { to } => {
            out.push(b'h');
            put_bytes(out, to.as_bytes());
        }
        Kind::Char { major, minor } => {
            out.push(b'c');
            put_u32(out, *major);
            put_u32(out, *minor);
        }
        Kind::Block { major, minor } => {
            out.push(b'b');
            put_u32(out, *major);
            put_u32(out, *minor);
        }
        Kind::Fifo => out.push(b'p'),
        Kind::Whiteout => out.push(b'w'),
    }
}

fn decode_entry(cursor: &mut Cursor<'_>) -> Result<Entry, ImageError> {
    let path = cursor.path()?;
    let (mode, uid, gid) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let mtime = cursor.u64()?.cast_signed();
    let count = cursor.u32()?;
    let mut xattrs = Vec::new();
    for _ in 0..count {
        xattrs.push((cursor.bytes()?.to_vec(), cursor.bytes()?.to_vec()));
    }
    let kind = match cursor.take(1)?[0] {
        b'd' => Kind::Dir { opaque: false },
        b'o' => Kind::Dir { opaque: true },
        b'f' => {
            let size = cursor.u64()?;
            let digest: [u8; 32] =
                cursor.take(32)?.try_into().map_err(|_| ImageError::Index("short digest"))?;
            Kind::File { size, digest: FileDigest::from_bytes(digest) }
        }
        b'l' => Kind::Symlink { target: cursor.bytes()?.to_vec() },
        b'h' => Kind::Hardlink { to: cursor.path()? },
        b'c' => Kind::Char { major: cursor.u32()?, minor: cursor.u32()? },
        b'b' => Kind::Block { major: cursor.u32()?, minor: cursor.u32()? },
        b'p' => Kind::Fifo,
        b'w' => Kind::Whiteout,
        _ => return Err(ImageError::Index("unknown kind")),
    };
    Ok(Entry { path, kind, meta: Meta { mode, uid, gid, mtime, xattrs } })
}

/// Reads length-prefixed fields; never past the end.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ImageError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(ImageError::Index("cut off"))?;
        self.rest = rest;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32, ImageError> {
        let bytes = self.take(4)?.try_into().map_err(|_| ImageError::Index("cut off"))?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> Result<u64, ImageError> {
        let bytes = self.take(8)?.try_into().map_err(|_| ImageError::Index("cut off"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn bytes(&mut self) -> Result<&'a [u8], ImageError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn path(&mut self) -> Result<ImagePath, ImageError> {
        Ok(ImagePath::strict(self.bytes()?)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::clean(text).unwrap()
    }

    fn dir(text: &str) -> Entry {
        Entry { path: path(text), kind: Kind::Dir { opaque: false }, meta: Meta::default() }
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let kind = prop_oneof![
            any::<bool>().prop_map(|opaque| Kind::Dir { opaque }),
            (any::<u64>(), any::<[u8; 32]>())
                .prop_map(|(size, d)| Kind::File { size, digest: FileDigest::from_bytes(d) }),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|target| Kind::Symlink { target }),
            (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Kind::Char { major, minor }),
            Just(Kind::Fifo),
            Just(Kind::Whiteout),
            Just(Kind::Hardlink { to: path("first") }),
        ];
        ("[a-c/.-]{1,12}", kind, any::<(u32, u32, u32, i64)>()).prop_map(
            |(text, kind, (mode, uid, gid, mtime))| {
                let path = path(&format!("{}/x", text.replace("..", "d")));
                let xattrs = vec![(b"user.a".to_vec(), vec![0, 1])];
                Entry { path, kind, meta: Meta { mode, uid, gid, mtime, xattrs } }
            },
        )
    }

    proptest! {
        #[test]
        fn stored_form_round_trips(entries in proptest::collection::vec(any_entry(), 0..20)) {
            let index = LayerIndex::new(entries);
            prop_assert_eq!(LayerIndex::decode(&index.encode()).unwrap(), index);
        }

        #[test]
        fn broken_bytes_are_refused(at in 0usize..200, bit in 0u8..8) {
            let index = LayerIndex::new(vec![dir("a"), dir("a/b"), dir("c")]);
            let mut bytes = index.encode();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(LayerIndex::decode(&bytes).is_err());
        }
    }

    #[test]
    fn below_skips_neighbours_in_byte_order() {
        let index = LayerIndex::new(["a", "a-b", "a/x", "a/x/y", "a0"].map(dir).to_vec());
        let dir_path = path("a");
        let found: Vec<_> = index.below(&dir_path).map(|e| e.path.to_absolute()).collect();
        assert_eq!(found, ["/a/x", "/a/x/y"]);
        assert_eq!(index.below(&ImagePath::root()).count(), 5);
    }

    #[test]
    fn later_entry_of_a_path_wins() {
        let mut second = dir("a");
        second.meta.mode = 7;
        assert_eq!(LayerIndex::new(vec![dir("a"), second.clone()]).entries(), [second]);
    }
}
