//! How things look: errors, tables, sizes. Everything here writes to stderr or returns text.

pub mod diagnostic;
pub mod page;
pub mod rows;
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
    let said = if matches!(session.global.progress, Progress::Json | Progress::Rawjson) {
        writeln!(err, "{}", serde_json::json!({"v": 1, "ev": "note", "text": text}))
    } else {
        writeln!(err, "{text}")
    };
    said.ok();
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
        writeln!(std::io::stderr(), "{object}").ok();
        return;
    }
    let mut err = anstream::stderr().lock();
    if !failure.log.is_empty() {
        writeln!(err, "  last output of the step:").ok();
        for line in &failure.log {
            writeln!(err, "  | {}", units::printable(line)).ok();
        }
        writeln!(err).ok();
    }
    let mut first = true;
    for diagnostic in &failure.diagnostics {
        if !std::mem::take(&mut first) {
            writeln!(err).ok();
        }
        writeln!(err, "{}", diagnostic::to_text(diagnostic, &failure.sources)).ok();
    }
    if !failure.message.is_empty() {
        let (red, reset) = ("\x1b[1;31m", "\x1b[0m");
        writeln!(err, "{red}error{reset}: {}", failure.message).ok();
    }
    if failure.message.is_empty() && !failure.diagnostics.is_empty() {
        return;
    }
    for note in &failure.notes {
        writeln!(err, "   = note: {note}").ok();
    }
    for help in &failure.helps {
        writeln!(err, "   = help: {help}").ok();
    }
}
