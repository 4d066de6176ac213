//! `ARG` in a stage.

use imgc_syntax::dockerfile::ast::ArgDecl;

use super::{Outcome, word};
use crate::args::NOT_ENVIRONMENT;
use crate::build::Builder;
use crate::state::State;

/// A build argument beats the default, and the default the global value. A default that is not needed is not even
/// expanded. An argument without any value stays unset, which is not the same as empty.
pub(super) fn lower(builder: &mut Builder<'_, '_>, state: &mut State, list: &[ArgDecl]) -> Outcome {
    let mut shown = Vec::new();
    let mut errors = Vec::new();
    for ArgDecl { name, default } in list {
        let name = &name.value;
        let value = if let Some(given) = builder.options.build_arg(name) {
            builder.used.insert(name.clone());
            Some(given.to_owned())
        } else if let Some(default) = default {
            match word(builder, state, default) {
                Ok(value) => Some(value.text),
                Err(error) => {
                    errors.push(error);
                    // What follows is not to blame for it.
                    Some(String::new())
                }
            }
        } else {
            builder.global.get(name).map(str::to_owned)
        };
        if let Some(value) = &value
            && !NOT_ENVIRONMENT.contains(&name.as_str())
        {
            state.env.set(name, value);
        }
        shown.push(match &value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
        state.args.put(name, value);
    }
    state.note(format!("ARG {}", shown.join(" ")));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
