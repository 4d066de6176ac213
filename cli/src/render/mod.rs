//! How things look: errors, tables, sizes. Everything here writes to stderr or returns text.

pub mod diagnostic;
pub mod table;
pub mod units;

use std::io::{IsTerminal, Write};

use crate::app::{Global, Progress, When};
use crate::failure::Failure;
use crate::session::Session;

/// Decides about colours for the whole program; `NO_COLOR` and `FORCE_COLOR` are honoured in `auto`.
pub fn set_color(when: When) {
    let choice = match when {
        When::Auto => anstream::ColorChoice::Auto,
        When::Always => anstream::ColorChoice::Always,
        When::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// True if moving progress makes sense.
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal() && crate::environment::get("TERM").as_deref() != Some("dumb")
}

/// Says something that is no data: on stderr, and not with `-q`.
pub fn talk(session: &Session, text: &str) {
    if session.global.quiet {
        return;
    }
    let mut err = anstream::stderr().lock();
    // A reader that went away does not stop a command.
    let _ = if matches!(session.global.progress, Progress::Json | Progress::Rawjson) {
        writeln!(err, "{}", serde_json::json!({"v": 1, "ev": "note", "text": text}))
    } else {
        writeln!(err, "{text}")
    };
}

/// Says why a command did not end well.
pub fn failure(failure: &Failure, global: &Global) {
    if matches!(global.progress, Progress::Json | Progress::Rawjson) {
        let object = serde_json::json!({
            "v": 1, "ev": "error", "code": failure.code, "message": failure.message,
            "notes": failure.notes, "helps": failure.helps,
            "diagnostics": failure.diagnostics.iter()
                .map(|diagnostic| diagnostic::to_json(diagnostic, &failure.sources)).collect::<Vec<_>>(),
        });
        let _ = writeln!(std::io::stderr(), "{object}");
        return;
    }
    let mut err = anstream::stderr().lock();
    if !failure.log.is_empty() {
        let _ = writeln!(err, "  last output of the step:");
        for line in &failure.log {
            let _ = writeln!(err, "  | {}", units::printable(line));
        }
        let _ = writeln!(err);
    }
    let mut first = true;
    for diagnostic in &failure.diagnostics {
        if !std::mem::take(&mut first) {
            let _ = writeln!(err);
        }
        let _ = writeln!(err, "{}", diagnostic::to_text(diagnostic, &failure.sources));
    }
    if !failure.message.is_empty() {
        let (red, reset) = ("\x1b[1;31m", "\x1b[0m");
        let _ = writeln!(err, "{red}error{reset}: {}", failure.message);
    }
    if failure.message.is_empty() && !failure.diagnostics.is_empty() {
        return;
    }
    for note in &failure.notes {
        let _ = writeln!(err, "   = note: {note}");
    }
    for help in &failure.helps {
        let _ = writeln!(err, "   = help: {help}");
    }
}
