//! Ctrl-C and polite kills: the first asks the work to stop, the second ends the program.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use imgc_base::cancel::Cancel;

use crate::sys;

static CANCEL: OnceLock<Cancel> = OnceLock::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// What an interrupted program exits with.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT, SIGTERM and SIGHUP set [`cancel`]; a second one exits at once, and the sandboxes' helpers,
/// whose sockets close then, kill what they run.
pub fn install() -> io::Result<()> {
    CANCEL.get_or_init(Cancel::new);
    sys::on_signal(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP], handler)
}

/// The flag that the signals set.
pub fn cancel() -> Cancel {
    CANCEL.get_or_init(Cancel::new).clone()
}

/// True once a signal came.
pub fn happened() -> bool {
    COUNT.load(Ordering::SeqCst) > 0
}

extern "C" fn handler(_signal: libc::c_int) {
    if COUNT.fetch_add(1, Ordering::SeqCst) > 0 {
        sys::exit_now(INTERRUPTED);
    }
    if let Some(cancel) = CANCEL.get() {
        cancel.cancel();
    }
}
