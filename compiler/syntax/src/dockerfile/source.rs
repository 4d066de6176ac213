//! The bytes of a file before anything is parsed: encoding, length, NUL.

use imgc_base::Diagnostic;
use imgc_base::span::{SourceId, Span};

use super::error::{EMPTY, Errors, NOT_UTF8, NUL, TOO_LONG};

/// Decodes the bytes of a Dockerfile, or says where they stop being text. `name` is how messages call the file.
///
/// The error has no label: without text there is no source that it could point into.
pub fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Diagnostic> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let at = error.valid_up_to();
    let line = bytes[..at].split(|&byte| byte == b'\n').count();
    let column = bytes[..at].iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
    let diagnostic = Diagnostic::error(
        NOT_UTF8,
        format!("{name} is not UTF-8: byte 0x{:02X} at line {line}, column {column}", bytes[at]),
    );
    Err(if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        diagnostic.note("it starts like UTF-16").help("save it as UTF-8")
    } else if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        diagnostic.note("it is compressed data")
    } else if bytes[..bytes.len().min(8192)].contains(&0) {
        diagnostic.note("it is binary data, not a text")
    } else if error.error_len().is_none() {
        diagnostic.note("the file ends in the middle of a character")
    } else {
        diagnostic
            .note("perhaps it was written in Latin-1 or another 8-bit encoding")
            .help("save it as UTF-8")
    })
}

/// Cuts what cannot be parsed, and reports it: places are 32-bit, and no argument or path may hold NUL.
pub(super) fn check<'a>(source: SourceId, text: &'a str, errors: &mut Errors) -> &'a str {
    let point = |at: usize, length: usize| Span::new(source, at as u32, (at + length) as u32);
    if text.len() > MOST {
        errors.push(
            Diagnostic::error(TOO_LONG, format!("the file is longer than {} MiB", MOST >> 20))
                .at(point(0, 0), ""),
        );
        return "";
    }
    if text.is_empty() {
        errors.push(
            Diagnostic::error(EMPTY, "the Dockerfile cannot be empty")
                .at(point(0, 0), "no text")
                .help("start with a base: `FROM debian:stable-slim`"),
        );
    }
    if let Some(at) = text.find('\0') {
        errors.push(
            Diagnostic::error(NUL, "a NUL byte in the text")
                .at(point(at, 1), "here")
                .note("no argument or path may hold it"),
        );
    }
    text
}

/// The longest text that is parsed: far above any real file, and within 32-bit places.
const MOST: usize = 1 << 30;
