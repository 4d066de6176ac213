//! `WORKDIR`

use imgc_base::Diagnostic;
use imgc_graph::{FileAction, FileOp, Op};
use imgc_syntax::dockerfile::ast::Word;

use super::owner::of_user;
use super::{Outcome, add, word};
use crate::build::{Builder, Place};
use crate::code::PATH;
use crate::state::State;

/// Any directory but the root is a step of its own, also if it exists. A word that expands to nothing names the
/// directory that is current anyway.
pub(super) fn lower(
    builder: &mut Builder<'_, '_>,
    state: &mut State,
    place: &mut Place<'_>,
    path: &Word,
) -> Outcome {
    let text = word(builder, state, path).map_err(|error| vec![error])?.text;
    let cwd = state
        .cwd
        .resolve(&text)
        .map_err(|error| vec![Diagnostic::error(PATH, error.to_string()).at(path.span, "no directory")])?;
    let absolute = cwd.to_absolute();
    state.config.working_dir.clone_from(&absolute);
    state.cwd = cwd.clone();
    let created_by = format!("WORKDIR {absolute}");
    if cwd.is_root() {
        state.note(created_by);
        return Ok(());
    }
    let owner = of_user(&state.config.user);
    let op = Op::File(FileOp { actions: vec![FileAction::MakeDir { path: cwd, owner }] });
    let root = state.root;
    let node = add(builder, state, place, op, &created_by, &[root]);
    state.step(created_by, node);
    Ok(())
}
