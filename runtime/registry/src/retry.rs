//! Trying again: bounded, with growing waits, and as long as a registry asks for.

use std::time::Duration;

use imgc_base::cancel::Cancel;
use ureq::http::{HeaderMap, StatusCode, header};

use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::limits;

/// What one try came to.
pub(crate) enum Outcome<T> {
    /// An answer, good or bad.
    Done(T),
    /// A failure that may pass, and how long the registry asks to wait.
    Again(Error, Option<Duration>),
}

/// Tries until there is an answer or no try is left. `tell` hears of each wait.
pub(crate) fn retry<T>(
    clock: &dyn Clock,
    cancel: &Cancel,
    tell: &dyn Fn(&str),
    mut attempt: impl FnMut() -> Result<Outcome<T>, Error>,
) -> Result<T, Error> {
    let mut wait = Duration::from_millis(500);
    for left in (0..limits::TRIES).rev() {
        cancel.check()?;
        let (error, asked) = match attempt()? {
            Outcome::Done(answer) => return Ok(answer),
            Outcome::Again(error, asked) => (error, asked),
        };
        if asked.is_some_and(|asked| asked > limits::WAIT) {
            let seconds = asked.unwrap_or_default().as_secs();
            return Err(
                error.note(format!("it asks to wait {seconds} seconds, which is too long to do here"))
            );
        }
        if left == 0 {
            return Err(error.note(format!("tried {} times", limits::TRIES)));
        }
        // Many builds that failed together should not come back together.
        let spread = Duration::from_millis(u64::from(clock.now().subsec_millis()) % 250);
        let time = asked.unwrap_or(wait + spread);
        tell(&format!("{error}; trying again in {:.1} s", time.as_secs_f32()));
        clock.sleep(time, cancel)?;
        wait *= 2;
    }
    Err(Error::new(Kind::Network, "no try left"))
}

/// True for answers that may be different a moment later.
pub(crate) fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// The wait that `Retry-After` asks for, as seconds or as a date.
pub(crate) fn asked(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let date = Duration::from_secs(u64::try_from(date.as_second()).ok()?);
    Some(date.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_forms() {
        let now = Duration::from_secs(784_111_700);
        for (text, want) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Tue, 06 Nov 1990 08:49:37 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            assert_eq!(asked(&headers, now), want.map(Duration::from_secs), "{text}");
        }
    }
}
