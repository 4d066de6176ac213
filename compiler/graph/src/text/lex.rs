//! Text to tokens.

use std::ops::Range;

use super::Fault;

/// One token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// `exec`, `sha256:...`, `0755`.
    Word(String),
    /// `"..."`, escapes resolved: bytes.
    Text(Vec<u8>),
    /// `%12`.
    Node(u32),
    /// `=`, `{`, `}`, `[`, `]`.
    Sign(u8),
    /// The end of a line.
    Line,
}

/// All tokens. Comments go from `;` to the end of the line.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            b';' => {
                at += bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            b'\n' => {
                at += 1;
                TokenKind::Line
            }
            b'=' | b'{' | b'}' | b'[' | b']' => {
                at += 1;
                TokenKind::Sign(byte)
            }
            b'"' => {
                let (value, end) = string(bytes, at)?;
                at = end;
                TokenKind::Text(value)
            }
            b'%' => {
                at = end_of_word(bytes, at + 1);
                match text[start + 1..at].parse() {
                    Ok(number) => TokenKind::Node(number),
                    Err(_) => {
                        return Err(Fault::new(start..at.max(start + 1), "expected a node number after `%`"));
                    }
                }
            }
            _ => {
                at = end_of_word(bytes, at);
                if at == start {
                    let c = text[start..].chars().next().unwrap_or_default();
                    let end = start + c.len_utf8();
                    return Err(Fault::new(
                        start..end,
                        format!("unexpected character `{}`", c.escape_default()),
                    ));
                }
                TokenKind::Word(text[start..at].to_owned())
            }
        };
        tokens.push(Token { kind, at: start..at });
    }
    Ok(tokens)
}

fn end_of_word(bytes: &[u8], start: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:+@,#".contains(byte);
    start + bytes[start..].iter().position(|byte| !is_word(byte)).unwrap_or(bytes.len() - start)
}

/// Reads a string from its opening quote; its bytes and the position behind it.
fn string(bytes: &[u8], start: usize) -> Result<(Vec<u8>, usize), Fault> {
    let mut value = Vec::new();
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n') => return Err(Fault::new(start..at, "the string is not closed")),
            Some(b'"') => return Ok((value, at + 1)),
            Some(b'\\') => {
                let (byte, width) = match bytes.get(at + 1) {
                    Some(b'n') => (b'\n', 2),
                    Some(b't') => (b'\t', 2),
                    Some(b'r') => (b'\r', 2),
                    Some(&byte @ (b'"' | b'\\')) => (byte, 2),
                    Some(b'x') => {
                        let digits = bytes.get(at + 2..at + 4).and_then(|d| std::str::from_utf8(d).ok());
                        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                        let Some(byte) = byte else {
                            return Err(Fault::new(at..at + 2, "`\\x` needs two hexadecimal digits"));
                        };
                        (byte, 4)
                    }
                    _ => {
                        return Err(Fault::new(
                            at..at + 1,
                            "unknown escape (known: \\n \\t \\r \\\" \\\\ \\xNN)",
                        ));
                    }
                };
                value.push(byte);
                at += width;
            }
            Some(&byte) => {
                value.push(byte);
                at += 1;
            }
        }
    }
}

/// Writes bytes as a string that [`tokens`] reads back.
pub(super) fn quote(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_control() => {
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        let _ = write!(out, "\\x{byte:02x}");
                    }
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}
