//! Where bytes come from: blobs by digest, and files of layers by path.
//!
//! The store implements both; layouts and archives implement the first. Whoever reads a blob here gets exactly the
//! bytes of its digest or an error, never other bytes (security rule R5): that is what [`Checked`] is for.

use std::io::{self, Read};

use imgc_base::digest::{BlobDigest, DiffId, Hasher};
use imgc_base::path::ImagePath;

use crate::error::ImageError;
use crate::manifest::Descriptor;

/// Blobs by digest.
pub trait Blobs: Sync {
    /// Opens a blob at its first byte. `NotFound` if it is not there.
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>>;

    /// Its size in bytes. `NotFound` if it is not there.
    fn size(&self, digest: &BlobDigest) -> io::Result<u64>;
}

/// The content of regular files of layers.
pub trait Contents: Sync {
    /// Opens the content of a regular file of a layer. `path` names the entry that holds the content, never a hard
    /// link to it.
    fn open(&self, layer: &DiffId, path: &ImagePath) -> io::Result<Box<dyn Read + Send>>;
}

/// Reads a blob and compares size and digest with what was promised; the last read fails if they differ.
#[derive(Debug)]
pub struct Checked<R> {
    inner: R,
    hasher: Option<Hasher>,
    digest: BlobDigest,
    left: u64,
}

impl<R: Read> Checked<R> {
    /// Promises `size` bytes of `digest`.
    pub fn new(inner: R, digest: BlobDigest, size: u64) -> Self {
        Self { inner, hasher: Some(Hasher::new()), digest, left: size }
    }

    fn differs(&self, what: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("blob {} is broken: {what}", self.digest))
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buf)?;
        if count == 0 {
            if self.left > 0 {
                return Err(self.differs("it is too short"));
            }
            let Some(hasher) = self.hasher.take() else { return Ok(0) };
            if BlobDigest::finish(hasher) != self.digest {
                return Err(self.differs("its bytes have another digest"));
            }
            return Ok(0);
        }
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| self.differs("it is too long"))?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buf[..count]);
        }
        Ok(count)
    }
}

/// Reads a whole document, checked by its descriptor.
pub fn document(blobs: &dyn Blobs, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, ImageError> {
    let what = format!("blob {}", descriptor.digest);
    if descriptor.size > limit {
        return Err(ImageError::Limit { what, limit });
    }
    let source = blobs.open(&descriptor.digest).map_err(|error| opening(&descriptor.digest, error))?;
    let mut bytes = Vec::new();
    Checked::new(source, descriptor.digest, descriptor.size).read_to_end(&mut bytes).map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            let reason = "size or digest differs".to_owned();
            ImageError::Blob { digest: descriptor.digest, reason }
        } else {
            ImageError::io("a document")(error)
        }
    })?;
    Ok(bytes)
}

/// Says which blob could not be opened.
pub(crate) fn opening(digest: &BlobDigest, error: io::Error) -> ImageError {
    match error.kind() {
        io::ErrorKind::NotFound => ImageError::Missing(format!("blob {digest}")),
        _ => ImageError::io("a blob")(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], digest: BlobDigest, size: u64) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        Checked::new(bytes, digest, size).read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn only_the_promised_bytes_pass() {
        let digest = BlobDigest::of(b"abc");
        assert_eq!(read(b"abc", digest, 3).unwrap(), b"abc");
        assert_eq!(read(b"", BlobDigest::of(b""), 0).unwrap(), b"");
        for (bytes, size, expected) in
            [(&b"abd"[..], 3, "another digest"), (b"ab", 3, "too short"), (b"abcd", 3, "too long")]
        {
            let error = read(bytes, digest, size).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
