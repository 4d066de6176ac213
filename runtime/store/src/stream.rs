//! Readers and writers that hash what passes.

use std::io::{self, Read, Write};

use imgc_base::Cancel;
use imgc_base::digest::Hasher;

/// Hashes and counts what is read, and stops when asked to.
#[derive(Debug)]
pub(crate) struct HashRead<R> {
    inner: R,
    pub(crate) hasher: Hasher,
    pub(crate) count: u64,
    cancel: Cancel,
}

impl<R: Read> HashRead<R> {
    pub(crate) fn new(inner: R, cancel: &Cancel) -> Self {
        Self { inner, hasher: Hasher::new(), count: 0, cancel: cancel.clone() }
    }

    /// Reads what is left.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Read for HashRead<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        stop_if(&self.cancel)?;
        let count = self.inner.read(buf)?;
        self.hasher.update(&buf[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

/// Hashes what is written on its way to `inner`.
#[derive(Debug)]
pub(crate) struct HashWrite<W> {
    pub(crate) inner: W,
    pub(crate) hasher: Hasher,
    cancel: Cancel,
}

impl<W: Write> HashWrite<W> {
    pub(crate) fn new(inner: W, cancel: &Cancel) -> Self {
        Self { inner, hasher: Hasher::new(), cancel: cancel.clone() }
    }
}

impl<W: Write> Write for HashWrite<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        stop_if(&self.cancel)?;
        let count = self.inner.write(buf)?;
        self.hasher.update(&buf[..count]);
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

fn stop_if(cancel: &Cancel) -> io::Result<()> {
    cancel.check().map_err(io::Error::other)
}
