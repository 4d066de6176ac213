//! The times in the logs of dpkg and apt: text of fixed width, at fixed places of lines.
//!
//! Such logs grow, if nobody cuts them. What the layers below have of them is another step's.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use imgc_base::path::ImagePath;

use super::{Patches, Window};

/// How a log writes its times: what stands before them in a line, and between day and hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    prefixes: &'static [&'static [u8]],
    gap: &'static [u8],
}

/// A log of more bytes was not written by these programs alone, and is left as it is.
const MOST: u64 = 64 << 20;
/// `2026-01-31` and `23:59:59`.
const DAY: usize = 10;
const HOUR: usize = 8;
/// Clocks stand at most this far from UTC, in steps of a quarter of an hour.
const QUARTERS: i64 = 14 * 4;
const QUARTER: i64 = 15 * 60;

/// The form of a log that is known.
pub(super) fn form(path: &ImagePath) -> Option<Form> {
    let (prefixes, gap): (&[&[u8]], &[u8]) = match path.as_bytes() {
        b"var/log/dpkg.log" => (&[b""], b" "),
        b"var/log/alternatives.log" => (&[b"update-alternatives "], b" "),
        b"var/log/apt/history.log" => (&[b"Start-Date: ", b"End-Date: "], b"  "),
        b"var/log/apt/term.log" => (&[b"Log started: ", b"Log ended: "], b"  "),
        _ => return None,
    };
    Some(Form { prefixes, gap })
}

/// What must change. The layers below have a log of `old` bytes: behind those, the image's own time zone does not matter,
/// and the clock of the step in any zone becomes the step's time in UTC. Before, lines may be another step's, made in
/// another zone at a time that looks like now.
pub(super) fn patches(file: &File, form: Form, old: u64, window: Window) -> io::Result<Patches> {
    let size = file.metadata()?.len();
    let Some(new) = text(window.time, form.gap) else { return Ok(Patches::new()) };
    if size > MOST {
        return Ok(Patches::new());
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    let mut patches = Patches::new();
    let mut at = 0u64;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let quarters = if at < old { 0 } else { QUARTERS };
        for prefix in form.prefixes {
            let held = line.strip_prefix(*prefix).and_then(|rest| rest.get(..new.len()));
            if held
                .and_then(|held| seconds(held, form.gap))
                .is_some_and(|time| is_now(time, quarters, window))
            {
                patches.push((at + prefix.len() as u64, new.clone()));
            }
        }
        at += line.len() as u64;
    }
    Ok(patches)
}

/// True for the clock of the step in a zone that is so far from UTC.
fn is_now(seconds: i64, quarters: i64, window: Window) -> bool {
    let window = window.with_a_tick();
    (-quarters..=quarters).any(|quarters| window.has(seconds - quarters * QUARTER))
}

/// `2026-01-31 23:59:59` as if in UTC.
fn seconds(held: &[u8], gap: &[u8]) -> Option<i64> {
    let number = |at: usize, length: usize| -> Option<i64> {
        let digits = held.get(at..at + length)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let hour = DAY + gap.len();
    let marks = [(4, b'-'), (7, b'-'), (hour + 2, b':'), (hour + 5, b':')];
    if marks.iter().any(|(at, mark)| held.get(*at) != Some(mark)) || held.get(DAY..hour) != Some(gap) {
        return None;
    }
    let days = days(number(0, 4)?, number(5, 2)?, number(8, 2)?);
    Some(days * 86400 + number(hour, 2)? * 3600 + number(hour + 3, 2)? * 60 + number(hour + 6, 2)?)
}

/// The reverse; `None` for years without four digits.
fn text(seconds: i64, gap: &[u8]) -> Option<Vec<u8>> {
    let (year, month, day) = date(seconds.div_euclid(86400));
    let rest = seconds.rem_euclid(86400);
    let day = (0..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}").into_bytes())?;
    let hour = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60).into_bytes();
    let text = [day, gap.to_vec(), hour].concat();
    (text.len() == DAY + gap.len() + HOUR).then_some(text)
}

/// Days since 1970 of a date. Years are counted from March, so that the day of a leap year is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, patched};
    use super::*;
    use crate::testing::path;

    /// A step from 2026-11-28 13:38:56 to 13:39:09.
    const NOW: Window = Window { start: 1_795_873_136, end: 1_795_873_149, time: 1_767_139_201 };

    #[test]
    fn dates_there_and_back() {
        for (seconds, want) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_767_139_201, "2025-12-31 00:00:01"),
            (1_795_873_136, "2026-11-28 13:38:56"),
            (253_402_300_799, "9999-12-31 23:59:59"),
        ] {
            assert_eq!(text(seconds, b" ").unwrap(), want.as_bytes());
            assert_eq!(super::seconds(want.as_bytes(), b" "), Some(seconds), "{want}");
        }
        assert_eq!(text(253_402_300_800, b" "), None);
    }

    #[test]
    fn only_the_clock_of_the_step_in_new_lines_moves() {
        let old = "2026-11-28 14:38:57 a line of a step before\n";
        let before = format!(
            "{old}2026-11-28 13:38:56 startup\n2026-11-28 13:38:55 earlier\n2026-11-28 14:39:10 zone\n\
             2026-13-xx 00:00:00 no time\n2026-11-28"
        );
        let after = format!(
            "{old}2025-12-31 00:00:01 startup\n2026-11-28 13:38:55 earlier\n2025-12-31 00:00:01 zone\n\
             2026-13-xx 00:00:00 no time\n2026-11-28"
        );
        let form = form(&path("/var/log/dpkg.log")).unwrap();
        let found = patches(&file(before.as_bytes()), form, old.len() as u64, NOW).unwrap();
        assert_eq!(String::from_utf8(patched(before.as_bytes(), found)).unwrap(), after);
    }

    /// A log that the step emptied and wrote again may be longer than the old one.
    #[test]
    fn a_log_may_be_written_anew() {
        let before = b"2026-11-28 13:38:56 startup\n";
        let found = patches(&file(before), form(&path("/var/log/dpkg.log")).unwrap(), 20, NOW).unwrap();
        assert_eq!(patched(before, found), b"2025-12-31 00:00:01 startup\n");
    }

    #[test]
    fn each_log_has_its_form() {
        for (name, before, after) in [
            (
                "/var/log/alternatives.log",
                "update-alternatives 2026-11-28 13:39:08: run\n",
                "update-alternatives 2025-12-31 00:00:01: run\n",
            ),
            (
                "/var/log/apt/history.log",
                "\nStart-Date: 2026-11-28  13:38:56\nCommandline: x\nEnd-Date: 2026-11-28  13:39:09\n",
                "\nStart-Date: 2025-12-31  00:00:01\nCommandline: x\nEnd-Date: 2025-12-31  00:00:01\n",
            ),
            (
                "/var/log/apt/term.log",
                "\nLog started: 2026-11-28  13:38:56\nLog ended: 2026-11-28 13:39:09",
                "\nLog started: 2025-12-31  00:00:01\nLog ended: 2026-11-28 13:39:09",
            ),
        ] {
            let found = patches(&file(before.as_bytes()), form(&path(name)).unwrap(), 0, NOW).unwrap();
            assert_eq!(String::from_utf8(patched(before.as_bytes(), found)).unwrap(), after);
        }
        assert_eq!(form(&path("/var/log/app.log")), None);
    }
}
