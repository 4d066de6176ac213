//! Sizes, times and foreign text for people.

#![expect(clippy::cast_precision_loss, reason = "three digits are shown")]

use std::fmt::Write as _;

/// Bytes with three digits: `1.21 MB` (decimal units, as docker shows them).
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ if value < 9.995 => format!("{value:.2} {}", UNITS[unit]),
        _ if value < 99.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// Milliseconds as `0.25s`, `12.3s`, `4m07s`.
pub fn duration(millis: u64) -> String {
    match millis {
        0..10_000 => format!("{:.2}s", millis as f64 / 1000.0),
        10_000..60_000 => format!("{:.1}s", millis as f64 / 1000.0),
        _ => format!("{}m{:02}s", millis / 60_000, millis / 1000 % 60),
    }
}

/// Text from a step or a server without control characters, so that it cannot move the cursor; colours stay.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            let mut sequence = String::from(c);
            while let Some(&next) = chars.peek() {
                sequence.push(next);
                chars.next();
                if next.is_ascii_alphabetic() || sequence.len() > 24 {
                    break;
                }
            }
            let inner = sequence.strip_prefix("\x1b[").and_then(|rest| rest.strip_suffix('m'));
            if inner.is_some_and(|inner| inner.chars().all(|c| c.is_ascii_digit() || c == ';')) {
                out.push_str(&sequence);
            }
        } else if c == '\t' {
            out.push_str("    ");
        } else if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    if out.contains('\x1b') {
        out.push_str("\x1b[0m");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        let sizes =
            [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (123_456_789, "123 MB"), (u64::MAX, "18447 PB")];
        for (count, text) in sizes {
            assert_eq!(bytes(count), text);
        }
        for (millis, text) in [(7, "0.01s"), (12_340, "12.3s"), (247_000, "4m07s")] {
            assert_eq!(duration(millis), text);
        }
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\x07\tc"), "ab\\u{7}    c");
        assert_eq!(printable("\x1b[31mred\x1b[0m"), "\x1b[31mred\x1b[0m\x1b[0m");
        assert_eq!(printable("\x1b"), "");
    }
}
