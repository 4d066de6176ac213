//! Go's durations: `30s`, `1m30s`, `1.5h`, as `HEALTHCHECK` takes them.

use thiserror::Error;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// No number where one must be, or a value that does not fit into 64 bits of nanoseconds.
    #[error("invalid duration `{0}`")]
    Invalid(String),
    /// A number stands alone.
    #[error("missing unit in duration `{0}`")]
    MissingUnit(String),
    /// A unit that does not exist.
    #[error("unknown unit `{unit}` in duration `{text}`")]
    UnknownUnit {
        /// What stands where the unit must be.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Nanoseconds of each unit.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The nanoseconds of a duration. Reads what Go's `time.ParseDuration` reads, and rounds fractions as it does.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(shown(text));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let whole;
        (whole, rest) = digits(rest);
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            (fraction, rest) = digits(after);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = rest.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(rest.len());
        let unit;
        (unit, rest) = rest.split_at(end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(shown(text)));
        }
        let Some(&(_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit { unit: shown(unit), text: shown(text) });
        };
        let number = if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_| invalid())? };
        total = number
            .checked_mul(factor)
            .and_then(|part| part.checked_add(part_of(fraction, factor)))
            .and_then(|part| part.checked_add(total))
            .filter(|&sum| sum <= 1 << 63)
            .ok_or_else(invalid)?;
    }
    if negative {
        return 0i64.checked_sub_unsigned(total).ok_or_else(invalid);
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// `0.fraction` of a unit, in floating point as Go computes it: its digits decide which nanosecond.
#[allow(clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn part_of(fraction: &str, factor: u64) -> u64 {
    let mut value: u64 = 0;
    let mut scale = 1.0;
    for digit in fraction.bytes() {
        let Some(next) = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')))
        else {
            break;
        };
        if next > 1 << 63 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (factor as f64 / scale)) as u64
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len()))
}

/// Short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("+0", 0),
            ("0s", 0),
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1us", 1_000),
            ("1\u{b5}s", 1_000),
            ("1\u{3bc}s", 1_000),
            ("100ns", 100),
            ("2ms3us", 2_003_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.100000000000000000000h", 360_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, message) in [
            ("", "invalid duration ``"),
            ("-", "invalid duration `-`"),
            ("s", "invalid duration `s`"),
            (".s", "invalid duration `.s`"),
            ("1", "missing unit in duration `1`"),
            ("1m1", "missing unit in duration `1m1`"),
            ("1d", "unknown unit `d` in duration `1d`"),
            ("1 s", "unknown unit ` s` in duration `1 s`"),
            ("9223372036854775808ns", "invalid duration `9223372036854775808ns`"),
            ("99999999999999999999s", "invalid duration `99999999999999999999s`"),
            ("3000000h", "invalid duration `3000000h`"),
            ("--1s", "invalid duration `--1s`"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
