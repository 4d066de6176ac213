//! Time as this crate needs it, so that tests never wait.

use std::fmt;
use std::time::Duration;

use imgc_base::cancel::{Cancel, Cancelled};

/// Tells the time and waits.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Seconds since 1970, for the life of tokens.
    fn now(&self) -> Duration;
    /// Waits; returns early if asked to stop.
    fn sleep(&self, time: Duration, cancel: &Cancel) -> Result<(), Cancelled>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct System;

/// How often a wait looks at the stop flag.
const LOOK: Duration = Duration::from_millis(100);

impl Clock for System {
    fn now(&self) -> Duration {
        imgc_base::clock::wall()
    }

    fn sleep(&self, time: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
        let mut left = time;
        while !left.is_zero() {
            cancel.check()?;
            let part = left.min(LOOK);
            std::thread::sleep(part);
            left -= part;
        }
        cancel.check()
    }
}
