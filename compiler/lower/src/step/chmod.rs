//! `--chmod`

use imgc_base::Diagnostic;
use imgc_base::span::Span;
use imgc_graph::Chmod;

use crate::code::CHMOD;

/// Reads an octal or symbolic mode.
pub(super) fn parse(text: &str, span: Span) -> Result<Chmod, Diagnostic> {
    let wrong = |label: &str| {
        let message =
            format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777");
        Diagnostic::error(CHMOD, message).at(span, label)
    };
    let numeric = text.starts_with(|char: char| char.is_ascii_digit());
    if numeric {
        let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        return match u32::from_str_radix(text, 8) {
            Ok(mode) if octal && mode <= 0o7777 => Ok(Chmod::Octal(mode)),
            Ok(_) if octal => Err(wrong("more than twelve bits")),
            _ => Err(wrong("not octal")),
        };
    }
    if text.is_empty() || !text.split(',').all(is_clause) {
        return Err(wrong("neither octal nor symbolic").help("write `--chmod=0755` or `--chmod=u=rwX,go=rX`"));
    }
    Ok(Chmod::Symbolic(text.to_owned()))
}

/// `[ugoa]*([-+=]([rwxXst]*|[ugo]))+`
fn is_clause(clause: &str) -> bool {
    let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    if !rest.starts_with(['-', '+', '=']) {
        return false;
    }
    rest.split(['-', '+', '='])
        .skip(1)
        .all(|bits| matches!(bits, "u" | "g" | "o") || bits.chars().all(|bit| "rwxXst".contains(bit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (text, mode) in [
            ("0", Chmod::Octal(0)),
            ("755", Chmod::Octal(0o755)),
            ("07777", Chmod::Octal(0o7777)),
            ("+x", Chmod::Symbolic("+x".into())),
            ("u=rwX,go=rX", Chmod::Symbolic("u=rwX,go=rX".into())),
            ("a-w+x", Chmod::Symbolic("a-w+x".into())),
            ("g=u", Chmod::Symbolic("g=u".into())),
            ("o=", Chmod::Symbolic("o=".into())),
        ] {
            assert_eq!(parse(text, Span::default()).unwrap(), mode, "{text}");
        }
        for text in ["", "10000", "888", "0x1", "u", "u+q", "+x,", "rwx", "u=ug", "-1", "7 "] {
            assert!(parse(text, Span::default()).is_err(), "{text}");
        }
    }
}
