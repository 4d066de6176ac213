//! The exec form: a JSON array of strings, and the three answers to "is this one?".

use std::ops::Range;

use pest::iterators::Pair;

use super::grammar::{self, Rule};

/// What a text that may be an exec form is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// An array of strings: each value and where it stands, quotes included.
    Strings(Vec<(String, Range<usize>)>),
    /// JSON, and an array, but the element at this place is no string.
    Other(Range<usize>),
    /// Not a JSON array: shell form.
    No,
}

/// Decides the form. Leading white space does not matter.
pub(super) fn read(text: &str) -> Json {
    let skipped = text.len() - text.trim_start().len();
    let array = &text[skipped..];
    if !array.starts_with('[') {
        return Json::No;
    }
    let moved = |range: Range<usize>| range.start + skipped..range.end + skipped;
    if let Some(pair) = grammar::parse(Rule::json_array, array) {
        let strings = pair.into_inner().filter(|pair| pair.as_rule() == Rule::json_string);
        if strings.clone().any(|pair| pair.as_str().bytes().any(|byte| byte < 0x20)) {
            return Json::No;
        }
        return Json::Strings(strings.map(|pair| (string(&pair), moved(grammar::range(&pair)))).collect());
    }
    match first_other(array) {
        Some(range) => Json::Other(moved(range)),
        None => Json::No,
    }
}

fn string(pair: &Pair<'_, Rule>) -> String {
    let quoted = pair.as_str();
    let inner = &quoted[1..quoted.len() - 1];
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        value.push_str(&rest[..at]);
        // The grammar has made sure that every escape is whole.
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        match escape {
            b'b' => value.push('\u{8}'),
            b'f' => value.push('\u{c}'),
            b'n' => value.push('\n'),
            b'r' => value.push('\r'),
            b't' => value.push('\t'),
            b'u' => {
                let (char, length) = unicode(rest);
                value.push(char);
                rest = rest.get(length..).unwrap_or_default();
            }
            other => value.push(char::from(other)),
        }
    }
    value.push_str(rest);
    value
}

/// The character of the digits after `\u`, and their length; a pair of surrogates is one character, a lone one
/// becomes U+FFFD.
fn unicode(digits: &str) -> (char, usize) {
    let unit = |at: usize| digits.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 0) };
    if let Some(char) = char::from_u32(first) {
        return (char, 4);
    }
    if (0xd800..0xdc00).contains(&first)
        && digits.get(4..6) == Some("\\u")
        && let Some(second) = unit(6)
        && (0xdc00..0xe000).contains(&second)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (char::REPLACEMENT_CHARACTER, 4)
}

/// As deep as Go's decoder goes.
const DEEPEST: usize = 10_000;

/// If `text` is one JSON array, the first element of it that is no string.
///
/// Written out without recursion: brackets come from outside in any number.
fn first_other(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    let mut other: Option<Range<usize>> = None;
    let mut element = 0;
    let mut at = 0;
    // What may come next: a value, a value or the closing bracket, or a comma or the closing bracket.
    let mut expect = Expect::Value;
    loop {
        while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            at += 1;
        }
        let Some(&byte) = bytes.get(at) else {
            return if open.is_empty() && expect == Expect::End { other } else { None };
        };
        let start = at;
        let mut closed = false;
        match (expect, byte) {
            (Expect::Value | Expect::ValueOrClose, b'[' | b'{') => {
                if open.len() == DEEPEST {
                    return None;
                }
                if open.len() == 1 {
                    element = at;
                }
                open.push(byte);
                at += 1;
                expect = if byte == b'[' { Expect::ValueOrClose } else { Expect::KeyOrClose };
                continue;
            }
            (Expect::ValueOrClose | Expect::CommaOrClose, b']') if open.last() == Some(&b'[') => {
                closed = true;
            }
            (Expect::KeyOrClose | Expect::CommaOrClose, b'}') if open.last() == Some(&b'{') => closed = true,
            (Expect::Key | Expect::KeyOrClose, b'"') => {
                at = string_end(bytes, at)?;
                while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                    at += 1;
                }
                if bytes.get(at) != Some(&b':') {
                    return None;
                }
                at += 1;
                expect = Expect::Value;
                continue;
            }
            (Expect::Value | Expect::ValueOrClose, _) => {
                at = scalar_end(bytes, at)?;
                if open.len() == 1 && byte != b'"' {
                    other.get_or_insert(start..at);
                }
            }
            (Expect::CommaOrClose, b',') => {
                at += 1;
                expect = if open.last() == Some(&b'{') { Expect::Key } else { Expect::Value };
                continue;
            }
            _ => return None,
        }
        if closed {
            open.pop();
            at += 1;
            if open.len() == 1 {
                other.get_or_insert(element..at);
            }
        }
        expect = if open.is_empty() { Expect::End } else { Expect::CommaOrClose };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    CommaOrClose,
    End,
}

/// The end of the string that starts at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// The end of a string, number, `true`, `false` or `null`.
fn scalar_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    for word in [&b"true"[..], b"false", b"null"] {
        if rest.starts_with(word) {
            return Some(at + word.len());
        }
    }
    if rest.first() == Some(&b'"') {
        return string_end(bytes, at);
    }
    let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = at + usize::from(rest.first() == Some(&b'-'));
    let whole = digits(end);
    if whole == 0 || (whole > 1 && bytes[end] == b'0') {
        return None;
    }
    end += whole;
    if bytes.get(end) == Some(&b'.') {
        let count = digits(end + 1);
        if count == 0 {
            return None;
        }
        end += 1 + count;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let count = digits(end + 1 + sign);
        if count == 0 {
            return None;
        }
        end += 1 + sign + count;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Option<Vec<String>> {
        match read(text) {
            Json::Strings(list) => Some(list.into_iter().map(|(value, _)| value).collect()),
            _ => None,
        }
    }

    #[test]
    fn arrays_of_strings() {
        for (text, expected) in [
            ("[]", vec![]),
            ("[\"\"]", vec![""]),
            (" [ \"a\",\t\"b\" ] ", vec!["a", "b"]),
            (r#"["\"\\\/\b\f\n\r\t"]"#, vec!["\"\\/\u{8}\u{c}\n\r\t"]),
            (r#"["\u00e9\ud83d\ude00 \ud83d \ude00"]"#, vec!["é😀 \u{fffd} \u{fffd}"]),
            ("[\"é\"]", vec!["é"]),
        ] {
            assert_eq!(strings(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn not_json_is_shell_form() {
        for text in [
            "",
            "a",
            "['a']",
            "[\"a\"",
            "[\"a\",]",
            "[\"a\"] b",
            "[\"a\" \"b\"]",
            "[,]",
            "[a]",
            "[\"\\x\"]",
            "[\"\t\"]",
            "[1",
            "[01]",
            "[1.]",
            "[{\"a\"}]",
            "[{\"a\":1,}]",
            "[[]",
            "[1]]",
            "[tru]",
            "[\"a\":1]",
        ] {
            assert_eq!(read(text), Json::No, "{text}");
        }
    }

    #[test]
    fn json_of_other_things_is_an_error() {
        for (text, at) in [
            ("[1]", 1..2),
            ("[\"a\", 42, \"b\"]", 6..8),
            ("[\"a\",123.456e+7]", 5..15),
            ("[null]", 1..5),
            ("[{}, 1]", 1..3),
            (" [\"x\", {\"c\": [\"d\", {}]}]", 7..23),
            ("[[\"c\"]]", 1..6),
            ("[-0, true]", 1..3),
        ] {
            assert_eq!(read(text), Json::Other(at), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(read(&deep), Json::No);
        let closed = format!("{}{}", "[".repeat(9_999), "]".repeat(9_999));
        assert_eq!(read(&closed), Json::Other(1..2 * 9_999 - 1));
        let deeper = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        assert_eq!(read(&deeper), Json::No);
    }
}
