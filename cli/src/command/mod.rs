//! One file per command. Each parses its options, calls a library, and says what came out.

pub mod build;
pub mod cache;
pub mod cat;
pub mod change;
pub mod check;
pub mod commit;
pub mod copy;
pub mod diff;
pub mod export;
pub mod files;
pub mod find;
pub mod graph;
pub mod history;
pub mod images;
pub mod import;
pub mod index;
pub mod inspect;
pub mod load;
pub mod login;
pub mod names;
pub mod plan;
pub mod ps;
pub mod pull;
pub mod push;
pub mod rm;
pub mod run;
pub mod save;
pub mod search;
pub mod size;
pub mod squash;
pub mod store;
pub mod tag;
pub mod verify;
pub mod why;

/// Hides options of a build that mean nothing to a command that only looks at it.
pub fn fewer_build_options(arg: clap::Arg) -> clap::Arg {
    const UNFIT: [&str; 7] =
        ["tags", "push", "load", "no_cache", "no_cache_filter", "iidfile", "metadata_file"];
    let unfit = UNFIT.contains(&arg.get_id().as_str());
    if unfit { arg.hide(true) } else { arg }
}
