//! A layer's blob made again: from another blob, or from the tree and the index.
//!
//! A blob of this program is a pure function of the layer and the compression. Another blob of the layer holds the same
//! tar. Without one, the canonical writer makes the tar from tree and index; if its diff-id is another, the layer was
//! written by another tool, and nothing is passed off for it.

use std::io::{self, Write};

use imgc_base::digest::DiffId;
use imgc_image::compress::{Compressor, reader};
use imgc_image::tar_write::LayerWriter;
use imgc_image::{Compression, ImageError, Kind, Root};

use crate::Store;
use crate::ahead::ReadAhead;
use crate::error::StoreError;
use crate::layer::LayerBlob;
use crate::stream::{self, HashWrite};

impl Store {
    /// The blob of a layer in this compression, made again if it is not here.
    pub fn ensure_blob(&self, diff_id: &DiffId, compression: Compression) -> Result<LayerBlob, StoreError> {
        if let Some(blob) = self.layer_blob(diff_id, compression)? {
            return Ok(blob);
        }
        let lock = format!("blob-{}-{}", diff_id.hex(), compression.name());
        let _lock = self.lock(&lock, &self.cancel)?;
        if let Some(blob) = self.layer_blob(diff_id, compression)? {
            return Ok(blob);
        }
        let failed = || StoreError::io("write a layer to", self.dir());
        let compressor = Compressor::new(compression, self.blob_writer()?).map_err(failed())?;
        let mut out = HashWrite::new(compressor, &self.cancel);
        let copied = match self.any_layer_blob(diff_id)? {
            Some(blob) => self.write_from_blob(&blob, &mut out),
            None => self.write_from_tree(diff_id, &mut out),
        };
        copied.map_err(|error| self.cancelled_or(error))?;
        let (made, compressor) = out.finish().map_err(failed())?;
        if made != *diff_id {
            return Err(StoreError::NotCanonical(*diff_id));
        }
        let (digest, size) = compressor.finish().map_err(failed())?.commit(None)?;
        let media_type = compression.media_type().to_owned();
        self.note_blob(diff_id, &media_type, &digest, size)?;
        Ok(LayerBlob { diff_id: *diff_id, digest, size, media_type })
    }

    fn write_from_blob(&self, blob: &LayerBlob, out: &mut impl Write) -> Result<(), StoreError> {
        let failed = || StoreError::io("read", self.dir());
        let file = io::BufReader::with_capacity(256 << 10, self.open_checked(&blob.digest)?);
        let mut plain = ReadAhead::start(move || reader(file)).map_err(failed())?;
        stream::copy(&mut plain, out).map_err(failed())
    }

    fn write_from_tree(&self, diff_id: &DiffId, out: &mut impl Write) -> Result<(), StoreError> {
        let missing = || StoreError::missing(format!("the layer {diff_id}"));
        let index = self.layer(diff_id)?.ok_or_else(missing)?;
        if !self.has_tree(diff_id) {
            return Err(missing());
        }
        let dir = self.tree_path(diff_id);
        let root = Root::open(&dir).map_err(StoreError::io("open", &dir))?;
        let mut writer = LayerWriter::new(io::BufWriter::with_capacity(256 << 10, out));
        for entry in index.entries() {
            let written = match entry.kind {
                Kind::File { .. } => root.file(&entry.path).and_then(|file| writer.entry_with(entry, file)),
                _ => writer.entry(entry),
            };
            // Names that the canonical writer refuses are only in layers of other tools.
            written.map_err(|error| match error {
                ImageError::WhiteoutName(_) => StoreError::NotCanonical(*diff_id),
                other => other.into(),
            })?;
        }
        writer.finish()?.flush().map_err(StoreError::io("write a layer to", self.dir()))
    }
}
