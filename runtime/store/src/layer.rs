//! Layers: their indexes, and which blob a layer has in which compression.
//!
//! A blob that this program compressed is a pure function of the layer and the compression; it may be dropped and made
//! again. A blob from elsewhere (`raw`) is kept apart: what a build emits never depends on which foreign blobs of the same
//! layer happen to be here.

use std::sync::Arc;

use imgc_base::digest::{BlobDigest, DiffId};
use imgc_image::{Compression, LayerIndex};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::session::Held;
use crate::{Store, locked, read_optional, record};

const TAG: &str = "imgc-map-1";
/// Longest index that is read.
const INDEX_BYTES: u64 = 4 << 30;
/// In which order a layer's blobs are looked for.
pub(crate) const FORMS: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::None];

/// The blob of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerBlob {
    /// The layer.
    pub diff_id: DiffId,
    /// Its blob.
    pub digest: BlobDigest,
    /// The blob's size.
    pub size: u64,
    /// The blob's media type.
    pub media_type: String,
}

/// The compression that a media type names.
pub fn compression_of(media_type: &str) -> Compression {
    match media_type.rsplit(['+', '.']).next() {
        Some("gzip") => Compression::Gzip,
        Some("zstd") => Compression::Zstd,
        _ => Compression::None,
    }
}

impl Store {
    /// A layer's index, if it is here; kept in memory.
    pub fn layer(&self, diff_id: &DiffId) -> Result<Option<Arc<LayerIndex>>, StoreError> {
        if let Some(index) = locked(&self.inner.indexes).get(diff_id) {
            return Ok(Some(Arc::clone(index)));
        }
        self.hold(Held::Layer(*diff_id))?;
        let path = self.layout().layer(diff_id);
        let Some(bytes) = read_optional(&path, INDEX_BYTES)? else { return Ok(None) };
        // A torn file is as good as none; whoever makes the index again replaces it.
        let Ok(index) = LayerIndex::decode(&bytes) else { return Ok(None) };
        Self::touch(&path);
        let index = Arc::new(index);
        locked(&self.inner.indexes).insert(*diff_id, Arc::clone(&index));
        Ok(Some(index))
    }

    /// Stores a layer's index.
    pub fn put_layer(&self, diff_id: &DiffId, index: &LayerIndex) -> Result<(), StoreError> {
        if self.layer(diff_id)?.is_some() {
            return Ok(());
        }
        self.write_small(&self.layout().layer(diff_id), &index.encode())?;
        locked(&self.inner.indexes).insert(*diff_id, Arc::new(index.clone()));
        Ok(())
    }

    /// The blob that this program made, or would make, of a layer.
    pub fn layer_blob(
        &self,
        diff_id: &DiffId,
        compression: Compression,
    ) -> Result<Option<LayerBlob>, StoreError> {
        self.mapped(diff_id, compression, false)
    }

    /// Any blob of a layer, whoever compressed it; for reading, not for what a build emits.
    pub fn any_layer_blob(&self, diff_id: &DiffId) -> Result<Option<LayerBlob>, StoreError> {
        for raw in [false, true] {
            for compression in FORMS {
                if let Some(blob) = self.mapped(diff_id, compression, raw)? {
                    return Ok(Some(blob));
                }
            }
        }
        Ok(None)
    }

    /// Remembers the blob that this program made of a layer. The media type says how it is compressed.
    pub fn note_blob(
        &self,
        diff_id: &DiffId,
        media_type: &str,
        digest: &BlobDigest,
        size: u64,
    ) -> Result<(), StoreError> {
        self.note(diff_id, media_type, digest, size, false)
    }

    /// Remembers a blob that another tool made of a layer: one that was pulled or loaded.
    pub fn note_foreign_blob(
        &self,
        diff_id: &DiffId,
        media_type: &str,
        digest: &BlobDigest,
        size: u64,
    ) -> Result<(), StoreError> {
        self.note(diff_id, media_type, digest, size, true)
    }

    fn note(
        &self,
        diff_id: &DiffId,
        media_type: &str,
        digest: &BlobDigest,
        size: u64,
        raw: bool,
    ) -> Result<(), StoreError> {
        let compression = compression_of(media_type);
        if self.mapped(diff_id, compression, raw)?.is_some_and(|known| known.digest == *digest) {
            return Ok(());
        }
        let (diff_id, digest) = (*diff_id, *digest);
        let blob = LayerBlob { diff_id, digest, size, media_type: media_type.to_owned() };
        let path = self.layout().map(&diff_id, compression, raw);
        let bytes = record::encode(TAG, &blob).map_err(|e| StoreError::io("write", &path)(e))?;
        self.write_small(&path, &bytes)
    }

    /// What a map says, if its blob is here.
    fn mapped(
        &self,
        diff_id: &DiffId,
        compression: Compression,
        raw: bool,
    ) -> Result<Option<LayerBlob>, StoreError> {
        self.hold(Held::Layer(*diff_id))?;
        let path = self.layout().map(diff_id, compression, raw);
        let Some(bytes) = read_optional(&path, record::LIMIT)? else { return Ok(None) };
        let Some(blob) = decode_map(&bytes).filter(|blob| blob.diff_id == *diff_id) else { return Ok(None) };
        Ok((self.find_blob(&blob.digest)? == Some(blob.size)).then_some(blob))
    }
}

/// Reads a map's stored form.
pub(crate) fn decode_map(bytes: &[u8]) -> Option<LayerBlob> {
    record::decode(TAG, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_name_their_compression() {
        for (text, expected) in [
            ("application/vnd.oci.image.layer.v1.tar", Compression::None),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Gzip),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::Gzip),
            ("application/vnd.docker.image.rootfs.diff.tar", Compression::None),
            ("", Compression::None),
        ] {
            assert_eq!(compression_of(text), expected, "{text}");
        }
    }
}
