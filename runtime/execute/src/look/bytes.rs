//! What the bytes mean in which two contents of one file differ: a time, a path, something random, another order.

/// What differs, and what it probably is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of difference.
    pub meaning: Meaning,
    /// The first place, in bytes from the start of the file.
    pub offset: usize,
    /// What stands there in the one, short and printable.
    pub before: String,
    /// And in the other.
    pub after: String,
}

/// What a difference probably is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A time of the clock.
    Time(&'static str),
    /// A value that was varied on purpose: its name.
    Varied(String),
    /// A file or format that is known for it: one word, and the likely cause with what to do.
    Known {
        /// One word.
        word: &'static str,
        /// The cause.
        cause: &'static str,
    },
    /// Bytes without a pattern.
    Random,
    /// The same lines in another order.
    Order,
    /// A number: a process id, a count, an address.
    Number,
    /// No idea.
    Unknown,
}

impl Meaning {
    /// One word.
    pub fn word(&self) -> &str {
        match self {
            Self::Time(_) => "time",
            Self::Varied(name) => name,
            Self::Known { word, .. } => word,
            Self::Random => "random",
            Self::Order => "order",
            Self::Number => "number",
            Self::Unknown => "unknown",
        }
    }

    /// The likely cause and what to do.
    pub fn cause(&self) -> String {
        match self {
            Self::Time(what) => format!(
                "{what}: the command writes the clock's time; let it use $SOURCE_DATE_EPOCH, or remove the time"
            ),
            Self::Varied(name) => {
                format!("the {name} of the machine gets into the file; give the command a fixed value")
            }
            Self::Known { cause, .. } => (*cause).to_owned(),
            Self::Random => {
                "random bytes or a hash over something that differs: a key, an id, a temporary name; \
                             make it at run time, or from a fixed seed"
                    .to_owned()
            }
            Self::Order => "the order of a directory, a hash table or parallel jobs; sort it".to_owned(),
            Self::Number => "a number of the moment: a process id, a count, an address, a size".to_owned(),
            Self::Unknown => "no pattern that is known here".to_owned(),
        }
    }
}

/// Most bytes around a place that are looked at.
const NEAR: usize = 64;
/// Times that a build can have: from 2001 to 2065, in seconds since 1970.
const TIMES: std::ops::Range<u64> = 1_000_000_000..3_000_000_000;

/// Explains how two contents differ. `varied`: name, value in the first build, value in the second.
pub fn explain(
    path: &str,
    before: &[u8],
    after: &[u8],
    varied: &[(String, String, String)],
) -> Option<Finding> {
    if before == after {
        return None;
    }
    let offset = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let finding = |meaning| {
        let is_text = std::str::from_utf8(before).is_ok() && std::str::from_utf8(after).is_ok();
        let shown = |bytes| excerpt(bytes, offset, is_text);
        Some(Finding { meaning, offset, before: shown(before), after: shown(after) })
    };
    // A short value counts only if it is the whole word that differs.
    let is_word = |text: &[u8], value: &str| word(text, offset) == value.as_bytes();
    if let Some((name, ..)) = varied.iter().find(|(_, a, b)| is_word(before, a) && is_word(after, b)) {
        return finding(Meaning::Varied(name.clone()));
    }
    if let Some((name, ..)) =
        varied.iter().find(|(_, a, b)| has(before, a) && has(after, b) && !has(before, b))
    {
        return finding(Meaning::Varied(name.clone()));
    }
    if let Some(meaning) = super::formats::known(path, before, after, offset) {
        return finding(meaning);
    }
    if let Some(what) = header(path, before, offset) {
        return finding(Meaning::Time(what));
    }
    if is_reordered(before, after) {
        return finding(Meaning::Order);
    }
    finding(at(before, after, offset))
}

fn has(text: &[u8], value: &str) -> bool {
    value.len() >= 3 && text.windows(value.len()).any(|part| part == value.as_bytes())
}

/// Fields of well-known formats.
fn header(path: &str, bytes: &[u8], offset: usize) -> Option<&'static str> {
    let is_python = std::path::Path::new(path).extension().is_some_and(|ending| ending == "pyc");
    if bytes.starts_with(&[0x1f, 0x8b]) && (4..8).contains(&offset) {
        return Some("the time in a gzip header");
    }
    if is_python && (8..12).contains(&offset) {
        return Some("the time of the source in compiled Python");
    }
    if bytes.starts_with(b"!<arch>\n") && offset >= 8 {
        return Some("a time or owner in an ar archive");
    }
    if bytes.starts_with(b"PK\x03\x04") && (10..14).contains(&offset) {
        return Some("the time of a member of a zip archive");
    }
    None
}

fn is_reordered(before: &[u8], after: &[u8]) -> bool {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort_unstable();
        lines
    };
    before.len() == after.len() && before.contains(&b'\n') && lines(before) == lines(after)
}

/// What stands at a place.
fn at(before: &[u8], after: &[u8], offset: usize) -> Meaning {
    let (a, b) = (word(before, offset), word(after, offset));
    if let (Ok(a), Ok(b)) = (std::str::from_utf8(a), std::str::from_utf8(b)) {
        if is_time(a) && is_time(b) {
            return Meaning::Time("a time as text");
        }
        let longest = a.len().max(b.len());
        let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if longest >= 16 && hex(a) && hex(b) && !(digits(a) && digits(b)) {
            return Meaning::Random;
        }
        if digits(a) && digits(b) {
            return Meaning::Number;
        }
        if longest >= 16 && a.len() == b.len() && differing(a.as_bytes(), b.as_bytes()) * 2 > longest {
            return Meaning::Random;
        }
    }
    if binary_time(before, after, offset) {
        return Meaning::Time("a time as a binary number");
    }
    // Bytes without a pattern differ nearly everywhere.
    let (a, b) = (&before[offset..], &after[offset..]);
    let length = a.len().min(b.len()).min(NEAR);
    if length >= 8 && differing(&a[..length], &b[..length]) * 10 >= length * 8 {
        return Meaning::Random;
    }
    Meaning::Unknown
}

fn differing(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

/// The letters, digits and marks around a place that can be one value.
fn word(bytes: &[u8], offset: usize) -> &[u8] {
    let part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'.' | b'+' | b'/' | b'_');
    let offset = offset.min(bytes.len());
    let low = offset.saturating_sub(NEAR);
    let start = bytes[low..offset].iter().rposition(|byte| !part(byte)).map_or(low, |at| low + at + 1);
    let high = (offset + NEAR).min(bytes.len());
    let end = bytes[offset..high].iter().position(|byte| !part(byte)).map_or(high, |at| offset + at);
    &bytes[start..end]
}

/// `15:16:32`, `2026-11-25T15:16`, `20261125151632`, seconds or finer since 1970.
fn is_time(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let clock = |text: &str| {
        let parts: Vec<&str> = text.split(':').collect();
        parts.len() >= 2
            && parts[..2]
                .iter()
                .all(|part| part.len() >= 2 && part[part.len() - 2..].bytes().all(|b| b.is_ascii_digit()))
    };
    let date = |year: &str, month: &str, day: &str| {
        (1990..2100).contains(&number(year))
            && (1..=12).contains(&number(month))
            && (1..=31).contains(&number(day))
    };
    // `2026-11-28-15:7:34`, `2026/11/28`: a date whose parts may have one digit.
    let parts: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).take(3).collect();
    let dated = matches!(parts[..], [year, month, day] if year.len() == 4 && date(year, month, day));
    if clock(text) || dated {
        return true;
    }
    if let Some(seconds) = digits.get(..10).filter(|_| matches!(digits.len(), 10..=19))
        && text.len() <= digits.len() + 1
        && TIMES.contains(&number(seconds))
    {
        return true;
    }
    digits.len() >= 8
        && matches!(digits.len(), 8 | 12 | 14 | 17 | 20)
        && date(&digits[..4], &digits[4..6], &digits[6..8])
}

/// Four bytes around a place that are two near times, in either order of bytes.
fn binary_time(before: &[u8], after: &[u8], offset: usize) -> bool {
    (offset.saturating_sub(3)..=offset).any(|start| {
        let read = |bytes: &[u8]| -> Option<[u8; 4]> { bytes.get(start..start + 4)?.try_into().ok() };
        let (Some(a), Some(b)) = (read(before), read(after)) else { return false };
        [(u32::from_le_bytes(a), u32::from_le_bytes(b)), (u32::from_be_bytes(a), u32::from_be_bytes(b))]
            .into_iter()
            .any(|(a, b)| {
                TIMES.contains(&u64::from(a)) && TIMES.contains(&u64::from(b)) && a.abs_diff(b) < 30 * 86_400
            })
    })
}

/// A few bytes around a place, printable: the word of a text, else numbers.
fn excerpt(bytes: &[u8], offset: usize, is_text: bool) -> String {
    let value = word(bytes, offset);
    let offset = offset.min(bytes.len());
    let rest = &bytes[offset..(offset + 16).min(bytes.len())];
    if is_text {
        let shown = if value.is_empty() || value.len() > 48 { rest } else { value };
        return String::from_utf8_lossy(shown).escape_debug().to_string();
    }
    rest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_meanings() {
        let cases: [(&str, &[u8], &[u8], &str); 13] = [
            ("a", b"at 2026-11-28-15:7:34 x", b"at 2026-11-28-15:8:47 x", "time"),
            ("a", b"built 1790000000\n", b"built 1790000007\n", "time"),
            ("a", b"1790000000123456789\n", b"1790000007000000001\n", "time"),
            ("a", b"Wed Nov 25 15:16:32 UTC 2026\n", b"Wed Nov 25 15:16:34 UTC 2026\n", "time"),
            ("a", b"at 2026-11-25.", b"at 2026-11-26.", "time"),
            ("a.gz", b"\x1f\x8b\x08\x00\x01\x02\x03\x04", b"\x1f\x8b\x08\x00\x05\x02\x03\x04", "time"),
            ("a.pyc", b"\xa7\r\r\n\0\0\0\0\x01\x02\x03\x04x", b"\xa7\r\r\n\0\0\0\0\x09\x02\x03\x04x", "time"),
            ("a", b"x\x00\x62\xb1\x6a\x00", b"x\x07\x62\xb1\x6a\x00", "time"),
            ("a", b"b\na\nc\n", b"a\nb\nc\n", "order"),
            (
                "a",
                b"id 9f86d081884c7d659a2feaa0c55ad015\n",
                b"id 1b4f0e9851971998e732078544c96b36\n",
                "random",
            ),
            ("a", b"\x01\x99\x45\xfe\x10\x83\xaa\x02\x93", b"\xf0\x12\xee\x33\x87\x01\x5b\x60\x11", "random"),
            ("a", b"pid 17\n", b"pid 23\n", "number"),
            ("a", b"left", b"left and right", "unknown"),
        ];
        for (path, before, after, meaning) in cases {
            let found = explain(path, before, after, &[]).unwrap();
            assert_eq!(found.meaning.word(), meaning, "{found:?}");
        }
        assert_eq!(explain("a", b"x", b"x", &[]), None);
    }

    #[test]
    fn values_that_were_varied_are_named() {
        let varied = [("home directory".to_owned(), "/tmp/one".to_owned(), "/tmp/two-more".to_owned())];
        let found = explain("a", b"in /tmp/one\n", b"in /tmp/two-more\n", &varied).unwrap();
        assert_eq!(found.meaning, Meaning::Varied("home directory".to_owned()));
        assert_eq!((found.before.as_str(), found.after.as_str()), ("/tmp/one", "/tmp/two-more"));
        let varied = [("number of processors".to_owned(), "2".to_owned(), "1".to_owned())];
        let found = explain("a", b"jobs 2 of 12\n", b"jobs 1 of 12\n", &varied).unwrap();
        assert_eq!(found.meaning, Meaning::Varied("number of processors".to_owned()));
        assert_eq!(explain("a", b"pid 12\n", b"pid 11\n", &varied).unwrap().meaning, Meaning::Number);
    }

    #[test]
    fn ends_and_empty_files_are_fine() {
        for (a, b) in [(&b""[..], &b"x"[..]), (b"x", b""), (b"abc", b"ab"), (b"1", b"12")] {
            assert!(explain("a", a, b, &[]).is_some());
        }
    }

    /// Values that look like something else by chance are few.
    #[test]
    fn random_bytes_are_told_as_such() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        let mut pair = |length: usize| [(); 2].map(|()| (0..length).map(|_| next()).collect::<Vec<u8>>());
        let mut other = std::collections::BTreeMap::<String, u32>::new();
        for number in 0..1000 {
            let [before, after] = pair(16 + number % 300);
            let Some(found) = explain("key", &before, &after, &[]) else { continue };
            if found.meaning != Meaning::Random {
                *other.entry(found.meaning.word().to_owned()).or_default() += 1;
            }
        }
        assert!(other.values().sum::<u32>() <= 10, "{other:?}");
    }
}
