//! One instruction at a time: what it does to the state of its stage.

mod arg;
mod chmod;
mod copy;
mod expose;
mod healthcheck;
mod metadata;
mod mount;
mod owner;
mod remote;
mod run;
mod signal;
mod workdir;

use imgc_base::Diagnostic;
use imgc_graph::{Node, NodeId, Op, Origin};
use imgc_syntax::dockerfile::ast::{Instruction, Kind, Word};
use imgc_syntax::expand::Expansion;

use crate::build::{Builder, Place};
use crate::env::expand;
use crate::state::State;

/// What lowering an instruction yields: nothing, or all that is wrong with it.
pub(crate) type Outcome = Result<(), Vec<Diagnostic>>;

/// Lowers one instruction.
pub(crate) fn lower(
    builder: &mut Builder<'_, '_>,
    state: &mut State,
    place: &mut Place<'_>,
    instruction: &Instruction,
) -> Outcome {
    match &instruction.kind {
        // A stage's `FROM` is its base; there is none within.
        Kind::From(_) => Ok(()),
        Kind::Run(run) => run::lower(builder, state, place, run),
        Kind::Copy(copy) => copy::lower(builder, state, place, copy, copy::Name::Copy),
        Kind::Add(copy) => copy::lower(builder, state, place, copy, copy::Name::Add),
        Kind::Workdir(path) => workdir::lower(builder, state, place, path),
        Kind::Arg(list) => arg::lower(builder, state, list),
        Kind::Env(pairs) => metadata::env(builder, state, pairs),
        Kind::Label(pairs) => metadata::label(builder, state, pairs),
        Kind::Cmd(command) => {
            metadata::cmd(state, command);
            Ok(())
        }
        Kind::Entrypoint(command) => {
            metadata::entrypoint(state, command);
            Ok(())
        }
        Kind::Shell(words) => {
            metadata::shell(state, words);
            Ok(())
        }
        Kind::User(word) => metadata::user(builder, state, word),
        Kind::Volume(words) => metadata::volume(builder, state, words),
        Kind::Maintainer(text) => {
            metadata::maintainer(state, text);
            Ok(())
        }
        Kind::Onbuild(onbuild) => {
            metadata::onbuild(state, onbuild);
            Ok(())
        }
        Kind::Stopsignal(word) => signal::lower(builder, state, word),
        Kind::Expose(words) => expose::lower(builder, state, words),
        Kind::Healthcheck(check) => {
            healthcheck::lower(state, check);
            Ok(())
        }
    }
}

/// Expands a word in the light of a stage's variables.
fn word(builder: &Builder<'_, '_>, state: &State, word: &Word) -> Result<Expansion, Diagnostic> {
    expand(builder.lexer, word, &state.env)
}

/// Adds the node of a step.
fn add(
    builder: &mut Builder<'_, '_>,
    state: &State,
    place: &mut Place<'_>,
    op: Op,
    text: &str,
    inputs: &[NodeId],
) -> NodeId {
    let title = place.titles.next(text, &state.platform, &state.env, place.trigger);
    let origin = Origin { step: place.step.clone(), title, span: Some(place.span) };
    builder.nodes.graph.add(Node { op, platform: state.platform.clone(), origin }, inputs)
}
