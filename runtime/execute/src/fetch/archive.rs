//! Tar archives, plain or compressed, told apart by their content and never by their name.
//!
//! [`imgc_image::decompress`] undoes the compression; here it is decided what is an archive at all.

use std::io::{self, BufRead, BufReader, Cursor, Read};

/// Bytes of one tar header.
const BLOCK: usize = 512;
/// How much of a stream is looked at first.
const BUFFER: usize = 64 << 10;

/// Undoes the compression that the first bytes show, if any.
pub fn decompress<'a>(source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    imgc_image::decompress::archive(source)
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

/// Looks at a stream without losing its start: true, and the stream, if it is an archive.
pub fn peek<R: Read>(source: R) -> io::Result<(bool, BufReader<R>)> {
    let mut source = BufReader::with_capacity(BUFFER, source);
    let head = source.fill_buf()?.to_vec();
    // Enough of any compressed archive decompresses to its first header.
    let is_archive = recognise(Cursor::new(head))?.is_some();
    Ok((is_archive, source))
}
