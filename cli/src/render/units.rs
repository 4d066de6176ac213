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

/// How long ago something was, in docker's words: `3 weeks ago`.
pub fn ago(seconds: i64) -> String {
    let hours = (seconds + 1800) / 3600;
    let text = match seconds {
        ..=0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / (24 * 7)),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / (24 * 30)),
        _ => format!("{} years", hours / (24 * 365)),
    };
    format!("{text} ago")
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
    fn times_ago() {
        const DAY: i64 = 86_400;
        for (seconds, text) in [
            (-5, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (119, "About a minute"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (2 * DAY - 3600, "47 hours"),
            (13 * DAY, "13 days"),
            (20 * DAY, "2 weeks"),
            (90 * DAY, "3 months"),
            (800 * DAY, "2 years"),
        ] {
            assert_eq!(ago(seconds), format!("{text} ago"));
        }
    }

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
