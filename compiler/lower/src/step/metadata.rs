//! Instructions that only say how containers run: no node of the graph comes from them.

use imgc_base::Diagnostic;
use imgc_base::config::Empty;
use imgc_base::span::Spanned;
use imgc_syntax::dockerfile::ast::{Command, Onbuild, Pairs, Word};

use super::{Outcome, word};
use crate::build::Builder;
use crate::code::BLANK;
use crate::gofmt::{append, plain_list, quoted_list};
use crate::state::State;

/// Expands all pairs in the light of what was before the instruction.
fn expand_pairs(
    builder: &Builder<'_, '_>,
    state: &State,
    pairs: &Pairs,
    what: &str,
) -> Result<Vec<(String, String)>, Vec<Diagnostic>> {
    let mut done = Vec::new();
    let mut errors = Vec::new();
    for (name, value) in &pairs.pairs {
        match (word(builder, state, name), word(builder, state, value)) {
            (Ok(key), Ok(value)) if !key.text.is_empty() => done.push((key.text, value.text)),
            (Ok(_), Ok(_)) => errors.push(
                Diagnostic::error(BLANK, format!("{what} names can not be blank"))
                    .at(name.span, "is empty after expansion"),
            ),
            (key, value) => {
                errors.extend(key.err());
                errors.extend(value.err());
            }
        }
    }
    if errors.is_empty() { Ok(done) } else { Err(errors) }
}

fn shown(keyword: &str, pairs: &[(String, String)]) -> String {
    let mut text = keyword.to_owned();
    for (name, value) in pairs {
        append(&mut text, format_args!(" {name}={value}"));
    }
    text
}

/// `ENV`
pub(super) fn env(builder: &mut Builder<'_, '_>, state: &mut State, pairs: &Pairs) -> Outcome {
    let done = expand_pairs(builder, state, pairs, "ENV");
    let done = match done {
        Ok(done) => done,
        Err(errors) => {
            // The names are known; what follows is not to blame.
            for (name, _) in &pairs.pairs {
                if state.env.get(&name.value).is_none() {
                    state.env.set(&name.value, "");
                }
            }
            return Err(errors);
        }
    };
    for (name, value) in &done {
        state.env.set(name, value);
        state.own_env.set(name, value);
    }
    state.note(shown("ENV", &done));
    Ok(())
}

/// `LABEL`
pub(super) fn label(builder: &mut Builder<'_, '_>, state: &mut State, pairs: &Pairs) -> Outcome {
    let done = expand_pairs(builder, state, pairs, "LABEL")?;
    state.note(shown("LABEL", &done));
    state.config.labels.extend(done);
    Ok(())
}

/// The arguments of a command; the shell stands in front of a shell form.
fn arguments(state: &State, command: &Command) -> Vec<String> {
    match command {
        Command::Shell(text) => state.with_shell(&text.value),
        Command::Exec(list, _) => list.iter().map(|word| word.value.clone()).collect(),
    }
}

/// `CMD`
pub(super) fn cmd(state: &mut State, command: &Command) {
    let args = arguments(state, command);
    state.note(format!("CMD {}", quoted_list(&args)));
    state.config.cmd = (!args.is_empty()).then_some(args);
    // Set for both forms, as other builders do; it means something on Windows only.
    state.config.args_escaped = true;
    state.own_cmd = true;
}

/// `ENTRYPOINT`: a command that came with the base made sense with the base's entrypoint only.
pub(super) fn entrypoint(state: &mut State, command: &Command) {
    let args = arguments(state, command);
    state.note(format!("ENTRYPOINT {}", quoted_list(&args)));
    state.config.entrypoint = (!args.is_empty()).then_some(args);
    if !state.own_cmd {
        state.config.cmd = None;
    }
}

/// `SHELL`
pub(super) fn shell(state: &mut State, words: &[Spanned<String>]) {
    let words: Vec<String> = words.iter().map(|word| word.value.clone()).collect();
    state.note(format!("SHELL {}", plain_list(&words)));
    state.config.shell = (!words.is_empty()).then_some(words);
}

/// `USER`
pub(super) fn user(builder: &mut Builder<'_, '_>, state: &mut State, user: &Word) -> Outcome {
    let text = word(builder, state, user).map_err(|error| vec![error])?.text;
    if text.is_empty() {
        return Err(vec![
            Diagnostic::error(BLANK, "USER can not be blank")
                .at(user.span, "is empty after expansion")
                .help("for the superuser write `USER root`"),
        ]);
    }
    state.note(format!("USER {text}"));
    state.config.user = text;
    Ok(())
}

/// `VOLUME`
pub(super) fn volume(builder: &mut Builder<'_, '_>, state: &mut State, words: &[Word]) -> Outcome {
    let mut volumes = Vec::new();
    let mut errors = Vec::new();
    for one in words {
        match word(builder, state, one) {
            Ok(done) if !done.text.is_empty() => volumes.push(done.text),
            Ok(_) => errors.push(
                Diagnostic::error(BLANK, "VOLUME specified can not be an empty string")
                    .at(one.span, "is empty after expansion"),
            ),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    state.note(format!("VOLUME {}", plain_list(&volumes)));
    state.config.volumes.extend(volumes.into_iter().map(|volume| (volume, Empty {})));
    Ok(())
}

/// `MAINTAINER`
pub(super) fn maintainer(state: &mut State, text: &Spanned<String>) {
    state.note(format!("MAINTAINER {}", text.value));
    state.author = Some(text.value.clone());
}

/// `ONBUILD`: kept for others. It leaves no trace in the history.
pub(super) fn onbuild(state: &mut State, onbuild: &Onbuild) {
    state.config.on_build.push(onbuild.text.clone());
}
