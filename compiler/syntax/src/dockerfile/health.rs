//! `HEALTHCHECK`.

use imgc_base::Diagnostic;

use super::ast::{Healthcheck, Word};
use super::error::{ARGUMENTS, HEALTHCHECK};
use super::flag::Flags;
use super::grammar::{self, Rule};
use super::instruction::{Head, Parser};
use crate::duration;

/// The shortest time that the engine accepts.
const SHORTEST: i64 = 1_000_000;

impl Parser<'_> {
    /// `HEALTHCHECK`
    pub(super) fn healthcheck(&mut self, head: &Head<'_>, mut flags: Flags<'_>) -> Option<Healthcheck> {
        let args = head.args;
        let Some(pair) = grammar::parse(Rule::healthcheck, args.as_str()) else {
            self.missing(
                head,
                "at least one argument",
                "write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`",
            );
            return None;
        };
        let rest = args.from(grammar::range(&pair).end);
        let kind = pair.into_inner().next().map(|pair| args.part(grammar::range(&pair)))?;
        if kind.as_str().eq_ignore_ascii_case("none") {
            if rest.is_empty() {
                return Some(Healthcheck::None);
            }
            self.errors.push(
                Diagnostic::error(HEALTHCHECK, "HEALTHCHECK NONE takes no arguments")
                    .at(rest.span(), "not expected"),
            );
            return None;
        }
        let interval = self.time("interval", &mut flags);
        let timeout = self.time("timeout", &mut flags);
        let start_period = self.time("start-period", &mut flags);
        let start_interval = self.time("start-interval", &mut flags);
        let retries = flags.text("retries").and_then(|word| self.retries(&word));
        if !kind.as_str().eq_ignore_ascii_case("cmd") {
            let text: String = kind.as_str().chars().take(64).collect();
            let error = Diagnostic::error(HEALTHCHECK, format!("unknown type `{text}` in HEALTHCHECK"))
                .at(kind.span(), "neither CMD nor NONE");
            self.errors.push(error.help("write CMD before the command: `HEALTHCHECK CMD curl -f localhost`"));
            return None;
        }
        if rest.is_empty() {
            self.errors.push(
                Diagnostic::error(ARGUMENTS, "missing command after HEALTHCHECK CMD")
                    .at(kind.span(), "nothing follows"),
            );
            return None;
        }
        let command = self.command(head, rest)?;
        if matches!(&command, super::ast::Command::Exec(list, _) if list.is_empty()) {
            self.errors.push(
                Diagnostic::error(ARGUMENTS, "missing command after HEALTHCHECK CMD")
                    .at(rest.span(), "an empty list"),
            );
            return None;
        }
        Some(Healthcheck::Cmd { interval, timeout, start_period, start_interval, retries, command })
    }

    fn time(&mut self, name: &str, flags: &mut Flags<'_>) -> Option<i64> {
        let word = flags.text(name).filter(|word| !word.value.is_empty())?;
        let wrong = match duration::parse(&word.value) {
            Ok(nanoseconds) if nanoseconds == 0 || nanoseconds >= SHORTEST => return Some(nanoseconds),
            Ok(_) => Diagnostic::error(HEALTHCHECK, format!("--{name} cannot be less than 1ms"))
                .at(word.span, "too short"),
            Err(error) => Diagnostic::error(HEALTHCHECK, error.to_string())
                .at(word.span, "not a duration")
                .help("write a number and a unit: `500ms`, `30s`, `1m30s`, `2h`"),
        };
        self.errors.push(wrong);
        None
    }

    fn retries(&mut self, word: &Word) -> Option<i64> {
        if word.value.is_empty() {
            return None;
        }
        let wrong = match word.value.parse::<i32>() {
            Ok(count) if count >= 0 => return Some(i64::from(count)),
            Ok(count) => Diagnostic::error(HEALTHCHECK, format!("--retries cannot be negative ({count})"))
                .at(word.span, "negative"),
            Err(_) => Diagnostic::error(HEALTHCHECK, format!("--retries is a number, not `{}`", word.value))
                .at(word.span, "not a whole number up to 2147483647"),
        };
        self.errors.push(wrong);
        None
    }
}
