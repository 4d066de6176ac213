//! A layer from elsewhere: its blob's digest, its diff-id and its index in one pass.

use std::io::{self, Read};

use imgc_base::digest::{BlobDigest, DiffId};
use imgc_image::compress::{Compressor, reader, sniff};
use imgc_image::unpack::{TreeWriter, unpack};
use imgc_image::{Compression, LayerIndex, Root};

use crate::Store;
use crate::ahead::ReadAhead;
use crate::error::StoreError;
use crate::layer::LayerBlob;
use crate::stream::{HashRead, Tee};

/// What is known of a layer that comes in, and what is made of it.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Digest and size of the blob, if they were announced.
    pub blob: Option<(BlobDigest, u64)>,
    /// The diff-id, if it was announced.
    pub diff_id: Option<DiffId>,
    /// The media type that was announced, kept with the blob.
    pub media_type: Option<String>,
    /// How a layer that comes uncompressed is kept. One that comes compressed is kept as it is.
    pub compression: Compression,
    /// Unpack it too.
    pub tree: bool,
}

impl Store {
    /// Reads a layer's tar, plain or compressed, to the end of `source`, and keeps it.
    pub fn import_layer(&self, mut source: impl Read, import: &Import) -> Result<LayerBlob, StoreError> {
        let mut head = [0; 4];
        let length = read_head(&mut source, &mut head).map_err(StoreError::io("read", self.dir()))?;
        let compression = sniff(&head[..length]);
        let source = io::Cursor::new(head).take(length as u64).chain(source);
        if compression == Compression::None
            && import.blob.is_none()
            && import.compression != Compression::None
        {
            self.import_plain(source, import)
        } else {
            self.import_as_it_is(source, compression, import)
        }
    }

    /// Keeps the bytes that come.
    fn import_as_it_is(
        &self,
        source: impl Read,
        compression: Compression,
        import: &Import,
    ) -> Result<LayerBlob, StoreError> {
        let failed = || StoreError::io("read or write a layer in", self.dir());
        let mut tee = Tee { inner: source, copy: self.blob_writer()? };
        let (diff_id, unpacked) = {
            let plain = reader(&mut tee).map_err(failed())?;
            self.unpack_stream(plain, import)?
        };
        // What follows the compressed stream belongs to the blob.
        io::copy(&mut tee, &mut io::sink()).map_err(failed())?;
        check_diff_id(import.diff_id, diff_id)?;
        let (digest, size) = tee.copy.commit(import.blob)?;
        let media_type = import.media_type.clone().unwrap_or_else(|| compression.media_type().to_owned());
        // An uncompressed blob is the tar itself, whoever made it.
        if compression == Compression::None {
            self.note_blob(&diff_id, &media_type, &digest, size)?;
        } else {
            self.note_foreign_blob(&diff_id, &media_type, &digest, size)?;
        }
        self.keep_unpacked(&diff_id, unpacked)?;
        Ok(LayerBlob { diff_id, digest, size, media_type })
    }

    /// Compresses an uncompressed layer.
    fn import_plain(&self, source: impl Read, import: &Import) -> Result<LayerBlob, StoreError> {
        let failed = || StoreError::io("read or write a layer in", self.dir());
        let compressor = Compressor::new(import.compression, self.blob_writer()?).map_err(failed())?;
        let mut tee = Tee { inner: source, copy: compressor };
        let (diff_id, unpacked) = self.unpack_stream(&mut tee, import)?;
        check_diff_id(import.diff_id, diff_id)?;
        let (digest, size) = tee.copy.finish().map_err(failed())?.commit(None)?;
        let media_type = import.compression.media_type().to_owned();
        self.note_blob(&diff_id, &media_type, &digest, size)?;
        self.keep_unpacked(&diff_id, unpacked)?;
        Ok(LayerBlob { diff_id, digest, size, media_type })
    }

    /// Reads an uncompressed layer to its end.
    fn unpack_stream(&self, plain: impl Read, import: &Import) -> Result<(DiffId, Unpacked), StoreError> {
        let mut hashed = HashRead::layer(plain, &self.cancel);
        let mut unpacked = Unpacked { index: LayerIndex::default(), work: None };
        unpacked.index = if import.tree {
            let work = self.work_dir("tree")?;
            let dir = work.subdir("root")?;
            let root = Root::open(&dir).map_err(StoreError::io("open", &dir))?;
            let index = unpack(&mut hashed, Some(&mut TreeWriter::new(root)));
            unpacked.work = Some((work, dir));
            index
        } else {
            unpack(&mut hashed, None)
        }
        .map_err(|error| self.cancelled_or(error.into()))?;
        hashed.drain().map_err(StoreError::io("read a layer for", self.dir()))?;
        Ok((hashed.diff_id().map_err(StoreError::io("read a layer for", self.dir()))?, unpacked))
    }

    fn keep_unpacked(&self, diff_id: &DiffId, unpacked: Unpacked) -> Result<(), StoreError> {
        self.put_layer(diff_id, &unpacked.index)?;
        match unpacked.work {
            Some((_work, dir)) => self.commit_tree(diff_id, &dir),
            None => Ok(()),
        }
    }

    /// Unpacks a layer from any of its blobs, and checks that it is this layer.
    pub(crate) fn unpack_blob(
        &self,
        diff_id: &DiffId,
        into: Option<&mut TreeWriter>,
    ) -> Result<LayerIndex, StoreError> {
        let blob = self
            .any_layer_blob(diff_id)?
            .ok_or_else(|| StoreError::missing(format!("the layer {diff_id}")))?;
        let result = self.unpack_checked(&blob, into);
        match result {
            // A damaged blob explains whatever went wrong; without damage the error stands.
            Err(error) if !matches!(error, StoreError::Cancelled(_)) && !error.is_full() => {
                self.check_blob(&blob.digest)?;
                Err(error)
            }
            other => other,
        }
    }

    fn unpack_checked(
        &self,
        blob: &LayerBlob,
        into: Option<&mut TreeWriter>,
    ) -> Result<LayerIndex, StoreError> {
        let failed = || StoreError::io("read", self.dir());
        let file = self.open_blob(&blob.digest)?;
        let open = move || reader(io::BufReader::with_capacity(256 << 10, file));
        let mut hashed = HashRead::layer(ReadAhead::start(open).map_err(failed())?, &self.cancel);
        let index = unpack(&mut hashed, into).map_err(|error| self.cancelled_or(error.into()))?;
        hashed.drain().map_err(failed())?;
        check_diff_id(Some(blob.diff_id), hashed.diff_id().map_err(failed())?)?;
        Ok(index)
    }

    /// Reads a blob to its end; an error if it is damaged.
    fn check_blob(&self, digest: &BlobDigest) -> Result<(), StoreError> {
        let mut hashed = HashRead::blob(self.open_blob(digest)?, &self.cancel);
        hashed.drain().map_err(StoreError::io("read", &self.layout().blob(digest)))?;
        if hashed.digest() == *digest { Ok(()) } else { Err(self.broken_blob(digest)?) }
    }

    /// A stream that was asked to stop fails with an error of its own: says instead that it was asked.
    pub(crate) fn cancelled_or(&self, error: StoreError) -> StoreError {
        match self.cancel.check() {
            Err(cancelled) => cancelled.into(),
            Ok(()) => error,
        }
    }
}

/// What a stream gave.
struct Unpacked {
    index: LayerIndex,
    work: Option<(crate::WorkDir, std::path::PathBuf)>,
}

fn check_diff_id(expected: Option<DiffId>, got: DiffId) -> Result<(), StoreError> {
    match expected {
        Some(expected) if expected != got => Err(StoreError::DiffId { expected, got }),
        _ => Ok(()),
    }
}

fn read_head(source: &mut impl Read, head: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < head.len() {
        match source.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
