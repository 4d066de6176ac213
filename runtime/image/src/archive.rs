//! Tar files with random access: how docker and OCI archives are read.
//!
//! One pass over the headers finds where each member lies; documents and layers are then read in place, in any order,
//! without unpacking anything.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use imgc_base::path::ImagePath;

use crate::decompress;
use crate::error::ImageError;
use crate::tar_read::{MemberKind, TarReader};

/// Members of an archive: far more than images with their layers have, and little memory.
const MANY: usize = 200_000;

/// An opened archive.
#[derive(Debug, Clone)]
pub struct Archive {
    file: Arc<File>,
    members: BTreeMap<ImagePath, Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    At { offset: u64, size: u64 },
    Link(ImagePath),
}

impl Archive {
    /// Finds the members of an archive. A compressed one is first unpacked into `scratch`, an empty temporary file.
    pub fn open(mut file: File, scratch: impl FnOnce() -> io::Result<File>) -> Result<Self, ImageError> {
        let mut head = [0; 6];
        let length = file.read_at(&mut head, 0).map_err(ImageError::io("an archive"))?;
        let rewind = |file: &mut File| file.seek(SeekFrom::Start(0)).map_err(ImageError::io("an archive"));
        rewind(&mut file)?;
        if decompress::is_compressed(&head[..length]) {
            let mut plain = scratch().map_err(ImageError::io("a temporary file"))?;
            let mut source = decompress::archive(&mut file).map_err(ImageError::io("an archive"))?;
            io::copy(&mut source, &mut plain).map_err(ImageError::io("a compressed archive"))?;
            drop(source);
            file = plain;
        }
        rewind(&mut file)?;
        let mut members = BTreeMap::new();
        let mut reader =
            TarReader::new(Counted { inner: io::BufReader::with_capacity(64 << 10, &file), at: 0 });
        while let Some(member) = reader.next_member()? {
            if members.len() >= MANY {
                return Err(ImageError::Limit {
                    what: "number of archive members".into(),
                    limit: MANY as u64,
                });
            }
            let path = ImagePath::strict(&member.name)?;
            match member.kind {
                // Members are read in place, and a file with holes is in none.
                MemberKind::File if member.sparse => {
                    return Err(ImageError::Tar(format!(
                        "`{path}` is a sparse file: make the archive without"
                    )));
                }
                MemberKind::File => {
                    let offset = reader.source().at;
                    members.insert(path, Place::At { offset, size: member.size });
                }
                // Old `docker save` gives equal layers as links: `../<id>/layer.tar`.
                MemberKind::Symlink(target) => {
                    let to = path.parent().unwrap_or_default().resolve(target)?;
                    members.insert(path, Place::Link(to));
                }
                MemberKind::Hardlink(target) => {
                    members.insert(path, Place::Link(ImagePath::strict(target)?));
                }
                _ => {}
            }
        }
        drop(reader);
        Ok(Self { file: Arc::new(file), members })
    }

    /// True if there is a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// Size of a member in bytes.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.place(name).map(|(_, size)| size)
    }

    /// The content of a member.
    pub fn member(&self, name: &str) -> Result<Section, ImageError> {
        let (offset, size) =
            self.place(name).ok_or_else(|| ImageError::Tar(format!("`{name}` is not in the archive")))?;
        Ok(Section { file: Arc::clone(&self.file), at: offset, end: offset + size })
    }

    /// A small document of the archive.
    pub fn document(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let mut section = self.member(name)?;
        if section.end - section.at > limit {
            return Err(ImageError::Limit { what: format!("`{name}`"), limit });
        }
        let mut bytes = Vec::new();
        section.read_to_end(&mut bytes).map_err(ImageError::io("an archive"))?;
        Ok(bytes)
    }

    fn place(&self, name: &str) -> Option<(u64, u64)> {
        let mut path = ImagePath::strict(name).ok()?;
        for _ in 0..4 {
            match self.members.get(&path)? {
                Place::At { offset, size } => return Some((*offset, *size)),
                Place::Link(to) => path = to.clone(),
            }
        }
        None
    }
}

/// A part of a file.
#[derive(Debug)]
pub struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = buf.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buf[..wanted], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Counts what was read.
#[derive(Debug)]
struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use imgc_base::digest::FileDigest;

    use super::*;
    use crate::compress;
    use crate::entry::{Entry, Kind, Meta};
    use crate::tar_write::LayerWriter;

    #[test]
    fn members_in_any_order_and_through_links() {
        let mut bytes = LayerWriter::new(Vec::new());
        for (name, content) in [("a/layer.tar", "layer"), ("b.json", "{}")] {
            let kind = Kind::File { size: content.len() as u64, digest: FileDigest::of(b"") };
            let entry = Entry { path: ImagePath::clean(name).unwrap(), kind, meta: Meta::default() };
            bytes.entry_with(&entry, content.as_bytes()).unwrap();
        }
        let link = Kind::Symlink { target: b"../a/layer.tar".to_vec() };
        bytes
            .entry(&Entry {
                path: ImagePath::clean("c/layer.tar").unwrap(),
                kind: link,
                meta: Meta::default(),
            })
            .unwrap();
        let bytes = bytes.finish().unwrap();

        for compression in [compress::Compression::None, compress::Compression::Gzip] {
            let mut file = tempfile::tempfile().unwrap();
            let mut out = compress::Compressor::new(compression, &mut file).unwrap();
            out.write_all(&bytes).unwrap();
            out.finish().unwrap();
            let archive = Archive::open(file, tempfile::tempfile).unwrap();
            assert_eq!(archive.document("b.json", 10).unwrap(), b"{}");
            assert_eq!(archive.document("c/layer.tar", 10).unwrap(), b"layer");
            assert_eq!(archive.document("./a/layer.tar", 10).unwrap(), b"layer");
            assert!(archive.document("a/layer.tar", 4).is_err());
            assert!(!archive.has("../../etc/passwd"));
        }
    }
}
