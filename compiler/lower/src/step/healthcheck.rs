//! `HEALTHCHECK`

use imgc_base::config;
use imgc_syntax::dockerfile::ast::{Command, Healthcheck};

use crate::gofmt::{duration, plain_list};
use crate::state::State;

/// A shell form is kept as text: the engine hands it to the image's shell.
pub(super) fn lower(state: &mut State, check: &Healthcheck) {
    let check = match check {
        Healthcheck::None => config::Healthcheck { test: vec!["NONE".to_owned()], ..Default::default() },
        Healthcheck::Cmd { interval, timeout, start_period, start_interval, retries, command } => {
            let test = match command {
                Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text.value.clone()],
                Command::Exec(list, _) => std::iter::once("CMD".to_owned())
                    .chain(list.iter().map(|word| word.value.clone()))
                    .collect(),
            };
            config::Healthcheck {
                test,
                interval: interval.unwrap_or(0),
                timeout: timeout.unwrap_or(0),
                start_period: start_period.unwrap_or(0),
                start_interval: start_interval.unwrap_or(0),
                retries: retries.unwrap_or(0),
            }
        }
    };
    state.note(format!(
        "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        plain_list(&check.test),
        duration(check.interval),
        duration(check.timeout),
        duration(check.start_period),
        duration(check.start_interval),
        check.retries,
    ));
    state.config.healthcheck = Some(check);
}
