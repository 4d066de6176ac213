//! `STOPSIGNAL`

use imgc_base::Diagnostic;
use imgc_base::diagnostic::did_you_mean;
use imgc_syntax::dockerfile::ast::Word;

use super::{Outcome, word};
use crate::build::Builder;
use crate::code::SIGNAL;
use crate::state::State;

/// Names of Linux signals, without `SIG`.
const NAMES: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// The name is checked here and stored as given.
pub(super) fn lower(builder: &mut Builder<'_, '_>, state: &mut State, signal: &Word) -> Outcome {
    let text = word(builder, state, signal).map_err(|error| vec![error])?.text;
    if !is_signal(&text) {
        let error =
            Diagnostic::error(SIGNAL, format!("invalid signal: {text}")).at(signal.span, "no such signal");
        let bare = text.to_uppercase();
        let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
        return Err(vec![match did_you_mean(bare, NAMES) {
            Some(near) => error.help(format!("did you mean `SIG{near}`?")),
            None => error.help("write a name, `SIGTERM` or `TERM`, or a number"),
        }]);
    }
    state.note(format!("STOPSIGNAL {text}"));
    state.config.stop_signal = Some(text);
    Ok(())
}

fn is_signal(text: &str) -> bool {
    // Any number but 0 is a signal to someone; the engine that stops the container decides.
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let upper = text.to_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |prefix: &str, limit: u32| {
        bare.strip_prefix(prefix)
            .and_then(|rest| rest.parse().ok())
            .is_some_and(|offset: u32| (1..=limit).contains(&offset))
    };
    NAMES.contains(&bare) || bare == "RTMAX" || real_time("RTMIN+", 15) || real_time("RTMAX-", 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for text in ["SIGTERM", "TERM", "sigint", "9", "SIGRTMIN", "SIGRTMIN+3", "RTMAX-14"] {
            assert!(is_signal(text), "{text}");
        }
        for text in ["", "0", "SIGBANANA", "SIGRTMIN+16", "SIG", "RTMAX+1", "TERM "] {
            assert!(!is_signal(text), "{text}");
        }
    }
}
