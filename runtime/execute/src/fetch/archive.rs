//! Tar archives, plain or compressed, told apart by their content and never by their name.
//!
//! gzip, bzip2, xz and zstd are read in this process: no program of the machine or of an image is run (security
//! rule R7). What comes out is bounded by [`limits::LAYER_BYTES`].

use std::io::{self, BufRead, BufReader, Cursor, Read};

use imgc_image::limits;

/// Bytes of one tar header.
const BLOCK: usize = 512;
/// How much of a stream is looked at first.
const BUFFER: usize = 64 << 10;
/// The largest dictionary that xz may ask for, in KiB: what `xz -9` uses, and twice as much again.
const XZ_MEMORY_KIB: u32 = 192 << 10;

/// Undoes the compression that the first bytes show, if any.
pub fn decompress<'a>(source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut source = BufReader::with_capacity(BUFFER, source);
    let mut head = [0; 6];
    let length = fill(&mut source, &mut head)?;
    let whole = Cursor::new(head).take(length as u64).chain(source);
    Ok(match &head[..length] {
        [0x1f, 0x8b, 0x08, ..] => {
            Box::new(bounded(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole))))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Box::new(bounded(bzip2::read::MultiBzDecoder::new(whole))),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            Box::new(bounded(lzma_rust2::XzReader::new_mem_limit(whole, true, XZ_MEMORY_KIB)))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(bounded(zstd::Decoder::new(whole)?))
        }
        _ => Box::new(whole),
    })
}

/// The tar stream in a file, or `None` if it is no archive: nothing that decompresses to a tar header.
pub fn recognise<'a>(source: impl Read + 'a) -> io::Result<Option<Box<dyn Read + 'a>>> {
    // A stream that only looks compressed is no archive either.
    let Ok(mut plain) = decompress(source) else { return Ok(None) };
    let mut block = [0; BLOCK];
    match fill(&mut plain, &mut block) {
        Ok(BLOCK) if is_header(&block) => Ok(Some(Box::new(Cursor::new(block).chain(plain)))),
        Ok(_) => Ok(None),
        Err(error) if error.raw_os_error().is_some() => Err(error),
        Err(_) => Ok(None),
    }
}

/// True for a tar header whose checksum is right.
fn is_header(block: &[u8; BLOCK]) -> bool {
    let digits: Vec<u8> = block[148..156].iter().copied().filter(|byte| !matches!(byte, b' ' | 0)).collect();
    let stated = std::str::from_utf8(&digits).ok().and_then(|text| u32::from_str_radix(text, 8).ok());
    let (mut unsigned, mut signed) = (0_u32, 0_i32);
    for (at, &byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        unsigned += u32::from(byte);
        signed += i32::from(byte.cast_signed());
    }
    block[0] != 0 && stated.is_some_and(|sum| sum == unsigned || i32::try_from(sum) == Ok(signed))
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
fn bounded<R: Read>(inner: R) -> Bounded<R> {
    Bounded { inner, left: limits::LAYER_BYTES }
}

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

/// Looks at a stream without losing its start: true, and the stream, if it is an archive.
pub fn peek<R: Read>(source: R) -> io::Result<(bool, BufReader<R>)> {
    let mut source = BufReader::with_capacity(BUFFER, source);
    let head = source.fill_buf()?.to_vec();
    // Enough of any compressed archive decompresses to its first header.
    let is_archive = recognise(Cursor::new(head))?.is_some();
    Ok((is_archive, source))
}
