//! The store as a source of blobs and contents for `imgc_image`.

use std::io::{self, Read};

use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::path::ImagePath;
use imgc_image::source::{Blobs, Contents};

use crate::Store;
use crate::error::StoreError;

impl Blobs for Store {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.open_checked(digest).map_err(into_io)?))
    }

    fn size(&self, digest: &BlobDigest) -> io::Result<u64> {
        self.blob_size(digest).map_err(into_io)
    }
}

impl Contents for Store {
    fn open(&self, layer: &DiffId, path: &ImagePath) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.open_content(layer, path).map_err(into_io)?))
    }
}

/// Keeps the kind, so that absent and full stay what they are.
fn into_io(error: StoreError) -> io::Error {
    let kind = match &error {
        StoreError::Missing { .. } => io::ErrorKind::NotFound,
        error if error.is_full() => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
