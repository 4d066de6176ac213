//! A layer that is decided but not written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use imgc_base::canonical::{Component, KeyBuilder};
use imgc_base::digest::{FileDigest, Hasher};
use imgc_base::path::ImagePath;
use imgc_image::index::encode_entry;
use imgc_image::tar_write::LayerWriter;
use imgc_image::unpack::TreeWriter;
use imgc_image::{Entry, ImageError, Kind, LayerIndex};
use rayon::prelude::*;

use super::FileCx;
use super::error::FileError;
use super::open::{Bytes, open};
use super::read_ahead::{self, Ready};
use super::source::{Content, Place, Source, Xattrs};
use super::stage::Final;
use super::unpack::Archives;

/// A layer that is decided but not written.
#[derive(Debug)]
pub struct Planned<'a> {
    entries: Vec<Final>,
    labels: Vec<String>,
    inputs: &'a [Source<'a>],
    archives: Archives<'a>,
    cx: FileCx<'a>,
}

impl<'a> Planned<'a> {
    pub(super) fn new(
        entries: Vec<Final>,
        labels: Vec<String>,
        inputs: &'a [Source<'a>],
        archives: Archives<'a>,
        cx: FileCx<'a>,
    ) -> Self {
        Self { entries, labels, inputs, archives, cx }
    }

    /// How many entries the layer will have.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if the actions change nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The layer's index, if every digest is known without reading a byte.
    pub fn known(&self) -> Option<LayerIndex> {
        let complete = self
            .entries
            .iter()
            .all(|planned| planned.content.as_ref().is_none_or(|content| content.digest.is_some()));
        complete.then(|| LayerIndex::new(self.entries.iter().map(|planned| planned.entry.clone()).collect()))
    }

    /// Reads the files whose digests are not known, for these alone, several at a time. For whoever has reason to
    /// believe that the layer exists already; [`Self::write`] would read them again.
    pub fn hash(&mut self) -> Result<LayerIndex, FileError> {
        let (inputs, archives, cx) = (self.inputs, &self.archives, &self.cx);
        self.entries.par_iter_mut().try_for_each(|planned| -> Result<(), FileError> {
            let Some(content) = planned.content.as_mut().filter(|content| content.digest.is_none()) else {
                return Ok(());
            };
            cx.cancel.check()?;
            let mut bytes = open(inputs, archives, cx.contents, content, false)?;
            let size = content.size;
            let digest = finish_hashed(&mut bytes, size, &planned.entry.path)?;
            if let Some(xattrs) = close(bytes, content, digest)? {
                planned.entry.meta.xattrs = xattrs;
            }
            content.digest = Some(digest);
            planned.entry.kind = Kind::File { size, digest };
            Ok(())
        })?;
        self.share_attributes();
        Ok(LayerIndex::new(self.entries.iter().map(|planned| planned.entry.clone()).collect()))
    }

    /// All names of a file have its attributes; those of a context are known once it was opened.
    fn share_attributes(&mut self) {
        let mut first: BTreeMap<ImagePath, Xattrs> = BTreeMap::new();
        for planned in &mut self.entries {
            let Entry { path, kind, meta } = &mut planned.entry;
            match kind {
                Kind::Hardlink { to } => {
                    if let Some(xattrs) = first.get(to) {
                        meta.xattrs.clone_from(xattrs);
                    }
                }
                Kind::File { .. } if !meta.xattrs.is_empty() => {
                    first.insert(path.clone(), meta.xattrs.clone());
                }
                _ => {}
            }
        }
    }

    /// Writes the layer: each file is read once, for its digest, the tar and the tree together.
    pub fn write(
        &self,
        tar: &mut dyn Write,
        mut tree: Option<&mut TreeWriter>,
    ) -> Result<LayerIndex, FileError> {
        let open_one =
            |content: &Content| open(self.inputs, &self.archives, self.cx.contents, content, false);
        let mut writer = LayerWriter::new(tar);
        let mut done: Vec<Entry> = Vec::with_capacity(self.entries.len());
        let mut linked: BTreeMap<ImagePath, Xattrs> = BTreeMap::new();
        read_ahead::run(&self.entries, &open_one, |planned, ready| {
            self.cx.cancel.check()?;
            let mut entry = planned.entry.clone();
            match (&planned.content, ready) {
                (Some(content), Some(Ready { bytes, digest, xattrs })) => {
                    entry.meta.xattrs = xattrs;
                    if let Kind::File { size, .. } = entry.kind {
                        entry.kind = Kind::File { size, digest };
                    }
                    expect(content, digest, &entry.path)?;
                    writer.entry_with(&entry, bytes.as_slice())?;
                    if let Some(tree) = tree.as_deref_mut() {
                        let mut file = tree.create(&entry.path)?;
                        file.write_all(&bytes).map_err(ImageError::at("write", &entry.path))?;
                        TreeWriter::seal(&file, &entry)?;
                    }
                }
                (Some(content), None) => {
                    entry = self.stream(entry, content, &mut writer, tree.as_deref_mut())?;
                }
                (None, _) => {
                    if let Kind::Hardlink { to } = &entry.kind
                        && let Some(xattrs) = linked.get(to)
                    {
                        entry.meta.xattrs.clone_from(xattrs);
                    }
                    writer.entry(&entry)?;
                    if let Some(tree) = tree.as_deref_mut() {
                        tree.put(&entry)?;
                    }
                }
            }
            if planned.content.is_some() && !entry.meta.xattrs.is_empty() {
                linked.insert(entry.path.clone(), entry.meta.xattrs.clone());
            }
            done.push(entry);
            Ok(())
        })?;
        writer.finish()?.flush().map_err(ImageError::io("a layer"))?;
        Ok(LayerIndex::new(done))
    }

    /// Writes one file of any size.
    fn stream(
        &self,
        mut entry: Entry,
        content: &Content,
        writer: &mut LayerWriter<&mut dyn Write>,
        tree: Option<&mut TreeWriter>,
    ) -> Result<Entry, FileError> {
        let mut bytes = open(self.inputs, &self.archives, self.cx.contents, content, false)?;
        if let Bytes::Context(_, opened) = &bytes {
            entry.meta.xattrs.clone_from(&opened.xattrs);
        }
        let file = tree.map(|tree| tree.create(&entry.path)).transpose()?;
        let mut tee = Tee { source: &mut bytes, file: file.as_ref(), hasher: Hasher::new() };
        writer.entry_with(&entry, &mut tee)?;
        let digest = FileDigest::finish(tee.hasher);
        expect(content, digest, &entry.path)?;
        close(bytes, content, digest)?;
        if let Some(file) = file {
            TreeWriter::seal(&file, &entry)?;
        }
        if let Kind::File { size, .. } = entry.kind {
            entry.kind = Kind::File { size, digest };
        }
        Ok(entry)
    }

    /// What the layer was made of, source by source, for `imgc why`.
    pub fn components(&self, index: &LayerIndex) -> Vec<Component> {
        let mut parts: BTreeMap<Option<usize>, (Vec<u8>, usize)> = BTreeMap::new();
        for planned in &self.entries {
            if let Some(entry) = index.get(&planned.entry.path) {
                let (bytes, count) = parts.entry(planned.source).or_default();
                encode_entry(bytes, entry);
                *count += 1;
            }
        }
        let mut key = KeyBuilder::new("imgc-file-sources-1");
        for (source, (bytes, count)) in parts {
            let name = match source.and_then(|at| self.labels.get(at)) {
                Some(label) => format!("source {label}"),
                None => "directories on the way".to_owned(),
            };
            let plural = if count == 1 { "entry" } else { "entries" };
            key.add(&name, &bytes, format!("{count} {plural}"));
        }
        key.finish().1
    }
}

/// A digest that was known must be what was read.
fn expect(content: &Content, digest: FileDigest, path: &ImagePath) -> Result<(), FileError> {
    match content.digest {
        Some(known) if known != digest => Err(FileError::Changed(path.clone())),
        _ => Ok(()),
    }
}

/// Ends reading a file; gives the attributes of one of a context.
pub(super) fn close(
    bytes: Bytes<'_>,
    content: &Content,
    digest: FileDigest,
) -> Result<Option<Xattrs>, FileError> {
    match (bytes, &content.place) {
        (Bytes::Context(context, opened), Place::Context(_, path, _)) => {
            let xattrs = opened.xattrs.clone();
            context.close_file(path, opened, digest)?;
            Ok(Some(xattrs))
        }
        _ => Ok(None),
    }
}

/// Hashes exactly the bytes that a file was said to have.
fn finish_hashed(bytes: &mut impl Read, size: u64, path: &ImagePath) -> Result<FileDigest, FileError> {
    let mut counted = bytes.take(size + 1);
    let digest = imgc_image::unpack::copy_hashed(&mut counted, &mut io::sink(), path)?;
    if counted.limit() == 1 { Ok(digest) } else { Err(FileError::Changed(path.clone())) }
}

/// Hashes what passes, and writes it to a file on the way.
struct Tee<'t, R> {
    source: R,
    file: Option<&'t File>,
    hasher: Hasher,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buf)?;
        self.hasher.update(&buf[..count]);
        if let Some(mut file) = self.file {
            file.write_all(&buf[..count])?;
        }
        Ok(count)
    }
}
