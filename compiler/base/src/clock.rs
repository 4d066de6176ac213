//! The epoch, the step clock, and the one place that reads the wall clock.
//!
//! Files in layers never carry the wall clock. A time that a step set while it ran becomes `T0 + depth` seconds,
//! where `depth` counts the file-changing steps below it: later steps are newer than earlier ones, on every
//! machine and day (`spec/reproducibility.md`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026-01-01T00:00:00Z, the epoch of format 1.
pub const FORMAT_1_EPOCH: i64 = 1_767_225_600;

/// How far below the epoch the step clock starts, in seconds: more steps than an image can have.
const STEP_ROOM: i64 = 86_400;

/// Seconds since 1970 that stand for "when this was built". Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(i64);

impl Epoch {
    /// The constant of the format version, used when nothing was asked for.
    pub const FORMAT: Self = Self(FORMAT_1_EPOCH);

    /// An epoch asked for by `SOURCE_DATE_EPOCH` or `--epoch`; `None` outside years 1970 to 9999.
    pub fn new(seconds: i64) -> Option<Self> {
        (0..=253_402_300_799).contains(&seconds).then_some(Self(seconds))
    }

    /// Seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The time of files that the step at `depth` made. Depth 1 is the first step; at most the epoch.
    pub fn step_time(self, depth: u32) -> i64 {
        let start = (self.0 - STEP_ROOM).max(0);
        (start + i64::from(depth)).min(self.0)
    }
}

/// The wall clock, for logs, leases and token expiry; never for anything that is hashed.
pub fn wall() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_ordered_and_not_after_the_epoch() {
        let epoch = Epoch::FORMAT;
        assert!(epoch.step_time(1) < epoch.step_time(2));
        assert_eq!(epoch.step_time(u32::MAX), epoch.seconds());
        assert_eq!(Epoch::new(0).unwrap().step_time(9), 0);
        assert_eq!(Epoch::new(-1), None);
    }
}
