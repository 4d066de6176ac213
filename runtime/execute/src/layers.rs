//! Where the bytes of a new layer go: its diff-id always, a compressed blob and an index where wanted.

use std::io::{self, Write};
use std::sync::Arc;

use imgc_image::compress::Compressor;
use imgc_image::digester::Digester;
use imgc_image::{Compression, Layer, LayerIndex};
use imgc_store::{BlobWriter, Store};

use crate::error::ExecuteError;

/// Takes the uncompressed tar of a layer. The caller's reads, the digest and the compressor share one pass.
#[derive(Debug)]
pub struct LayerSink<'a> {
    store: &'a Store,
    digester: Digester,
    blob: Option<(Compression, Compressor<BlobWriter>)>,
}

impl<'a> LayerSink<'a> {
    /// A sink; `compression` asks for a blob too.
    pub fn new(store: &'a Store, compression: Option<Compression>) -> Result<Self, ExecuteError> {
        let blob = match compression {
            Some(compression) => {
                let compressor = Compressor::new(compression, store.blob_writer()?)
                    .map_err(ExecuteError::io("start a compressor"))?;
                Some((compression, compressor))
            }
            None => None,
        };
        Ok(Self { store, digester: Digester::new(), blob })
    }

    /// Stores what was written, under its digests.
    pub fn finish(self, index: LayerIndex) -> Result<Layer, ExecuteError> {
        let diff_id = self.digester.finish().map_err(ExecuteError::io("hash a layer"))?;
        if let Some((compression, compressor)) = self.blob {
            let writer = compressor.finish().map_err(ExecuteError::io("write a layer"))?;
            let (digest, size) = writer.commit(None)?;
            self.store.note_blob(&diff_id, compression.media_type(), &digest, size)?;
        }
        self.store.put_layer(&diff_id, &index)?;
        Ok(Layer { diff_id, index: Arc::new(index) })
    }
}

impl Write for LayerSink<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.digester.write_all(buf)?;
        if let Some((_, compressor)) = &mut self.blob {
            compressor.write_all(buf)?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
