//! Readers and writers that hash what passes.

use std::io::{self, Read, Write};

use imgc_base::Cancel;
use imgc_base::digest::{BlobDigest, DiffId, Hasher};
use imgc_image::digester::Digester;

/// Hashes what is read, and stops when asked to.
#[derive(Debug)]
pub(crate) struct HashRead<R, H> {
    inner: R,
    hasher: H,
    cancel: Cancel,
}

impl<R: Read> HashRead<R, Digester> {
    /// For the tar of a layer: hashed on a thread of its own.
    pub(crate) fn layer(inner: R, cancel: &Cancel) -> Self {
        Self { inner, hasher: Digester::new(), cancel: cancel.clone() }
    }

    /// The layer's name.
    pub(crate) fn diff_id(self) -> io::Result<DiffId> {
        self.hasher.finish()
    }
}

impl<R: Read> HashRead<R, Hasher> {
    /// For a blob.
    pub(crate) fn blob(inner: R, cancel: &Cancel) -> Self {
        Self { inner, hasher: Hasher::new(), cancel: cancel.clone() }
    }

    /// The blob's name.
    pub(crate) fn digest(self) -> BlobDigest {
        BlobDigest::finish(self.hasher)
    }
}

impl<R: Read, H: Write> HashRead<R, H> {
    /// Reads what is left.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        copy(self, &mut io::sink())
    }
}

impl<R: Read, H: Write> Read for HashRead<R, H> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        stop_if(&self.cancel)?;
        let count = self.inner.read(buf)?;
        self.hasher.write_all(&buf[..count])?;
        Ok(count)
    }
}

/// Hashes what is written on its way to `inner`, as the tar of a layer.
#[derive(Debug)]
pub(crate) struct HashWrite<W> {
    inner: W,
    hasher: Digester,
    cancel: Cancel,
}

impl<W: Write> HashWrite<W> {
    pub(crate) fn new(inner: W, cancel: &Cancel) -> Self {
        Self { inner, hasher: Digester::new(), cancel: cancel.clone() }
    }

    /// The layer's name, and where it was written.
    pub(crate) fn finish(self) -> io::Result<(DiffId, W)> {
        Ok((self.hasher.finish()?, self.inner))
    }
}

impl<W: Write> Write for HashWrite<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        stop_if(&self.cancel)?;
        let count = self.inner.write(buf)?;
        self.hasher.write_all(&buf[..count])?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Copies to `copy` what is read.
#[derive(Debug)]
pub(crate) struct Tee<R, W> {
    pub(crate) inner: R,
    pub(crate) copy: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.copy.write_all(&buf[..count])?;
        Ok(count)
    }
}

/// Copies to the end in large pieces.
pub(crate) fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn stop_if(cancel: &Cancel) -> io::Result<()> {
    cancel.check().map_err(io::Error::other)
}
