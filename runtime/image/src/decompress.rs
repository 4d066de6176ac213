//! Archives from outside, compressed in any of the usual ways, told apart by their content and never by their name.
//!
//! gzip, bzip2, xz and zstd are read in this process: no program of the machine or of an image is run (security rule
//! R7). Blobs of layers are another matter: they are gzip, zstd or plain, and [`crate::compress`] reads them.

use std::io::{self, BufReader, Cursor, Read};

use crate::limits;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;
/// The largest dictionary that xz may ask for, in KiB: three times what `xz -9` uses.
const XZ_MEMORY_KIB: u32 = 192 << 10;
/// The first bytes of every compression, at most so many.
const MAGIC: usize = 6;

/// Undoes the compression that the first bytes show, if any. More than a layer may hold is an error.
pub fn archive<'a>(mut source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = [0; MAGIC];
    let length = fill(&mut source, &mut head)?;
    let packed = is_compressed(&head[..length]);
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(head).take(length as u64).chain(source));
    let plain: Box<dyn Read + 'a> = match &head[..length] {
        _ if !packed => return Ok(Box::new(whole)),
        [0x1f, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        [b'B', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(whole)),
        [0xfd, ..] => Box::new(lzma_rust2::XzReader::new_mem_limit(whole, true, XZ_MEMORY_KIB)),
        _ => Box::new(zstd::Decoder::with_buffer(whole)?),
    };
    Ok(Box::new(Bounded { inner: plain, left: limits::LAYER_BYTES }))
}

/// True if a stream that starts so is compressed in a way that [`archive`] knows.
pub fn is_compressed(head: &[u8]) -> bool {
    matches!(
        head,
        [0x1f, 0x8b, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', ..]
            | [0xfd, b'7', b'z', b'X', b'Z', 0, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
            | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    )
}

fn fill(source: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buf.len() {
        match source.read(&mut buf[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Fails at the limit instead of ending there.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "the archive is larger than a layer may be")
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::compress::{Compression, Compressor};

    fn read(source: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        archive(source)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn packed(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let ours = |compression| {
            let mut out = Compressor::new(compression, Vec::new()).unwrap();
            out.write_all(text).unwrap();
            out.finish().unwrap()
        };
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        bzip2.write_all(text).unwrap();
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        xz.write_all(text).unwrap();
        vec![
            ("gzip", ours(Compression::Gzip)),
            ("zstd", ours(Compression::Zstd)),
            ("bzip2", bzip2.finish().unwrap()),
            ("xz", xz.finish().unwrap()),
        ]
    }

    #[test]
    fn every_compression() {
        let text: Vec<u8> = (0..100_000u32).map(|n| (n % 97) as u8).collect();
        assert_eq!(read(&text).unwrap(), text);
        for (name, bytes) in packed(&text) {
            assert!(is_compressed(&bytes), "{name}");
            assert_eq!(read(&bytes).unwrap(), text, "{name}");
            // Two streams behind each other are one, as every tool has it.
            assert_eq!(
                read(&[bytes.clone(), bytes.clone()].concat()).unwrap(),
                [&text[..], &text].concat(),
                "{name}"
            );
        }
    }

    #[test]
    fn cut_and_broken_streams_are_errors() {
        let text: Vec<u8> = (0..50_000u32).map(|n| (n * n % 251) as u8).collect();
        for (name, bytes) in packed(&text) {
            assert!(read(&bytes[..bytes.len() / 2]).is_err(), "{name} cut");
            assert!(read(&bytes[..bytes.len() - 1]).is_err(), "{name} cut by a byte");
            let mut broken = bytes.clone();
            broken[bytes.len() / 2] ^= 0x10;
            assert!(read(&broken).map_or(true, |plain| plain != text), "{name} broken");
        }
        assert_eq!(read(b"").unwrap(), b"");
        assert_eq!(read(b"BZ").unwrap(), b"BZ");
    }

    /// Layers know three forms; an xz blob in a layer's place is no tar.
    #[test]
    fn layers_do_not_know_them() {
        for (name, bytes) in packed(b"text") {
            let known = crate::compress::sniff(&bytes) != Compression::None;
            assert_eq!(known, matches!(name, "gzip" | "zstd"), "{name}");
        }
    }
}
