//! `Source`: trees from outside.

use std::sync::Arc;

use imgc_base::ignore::Ignore;
use imgc_base::platform::Platform;
use imgc_graph::Source;
use imgc_image::Tree;

use crate::context::Context;
use crate::error::ExecuteError;
use crate::fetch;
use crate::run::Build;
use crate::value::{Root, Value};

/// Brings a tree from outside.
pub fn run(build: &Build<'_>, source: &Source, _platform: &Platform) -> Result<Value, ExecuteError> {
    match source {
        Source::Scratch => Ok(Value::Root(Arc::new(Root::default()))),
        Source::Image { digest, .. } => {
            let (tree, base_blobs) = build.bases.tree(digest)?;
            let clock = base_clock(build, &tree)?;
            let base = tree.layers().len();
            Ok(Value::Root(Arc::new(Root { tree, base, base_blobs, clock, steps: Vec::new() })))
        }
        Source::Context { name, ignore } => {
            let dir = build.options.contexts.get(name).ok_or_else(|| ExecuteError::Missing {
                message: if name.is_empty() {
                    "this build has no context to copy from".to_owned()
                } else {
                    format!("no context named `{name}` was given")
                },
                help: if name.is_empty() {
                    "give a directory: `imgc build DIR`".to_owned()
                } else {
                    format!("give one: `--build-context {name}=DIR`")
                },
            })?;
            let ignore = Ignore::new(ignore).map_err(|error| ExecuteError::Missing {
                message: format!("the ignore file does not read: {error}"),
                help: "see the pattern named above in `.dockerignore`".to_owned(),
            })?;
            Ok(Value::Context(Arc::new(Context::open(dir, ignore, &build.stat_cache)?)))
        }
        Source::Http { url, checksum, filename } => {
            let web = build.web();
            let file =
                fetch::http(build.store, url, checksum.as_ref(), filename.as_deref(), web, &build.stop)?;
            Ok(Value::File(Arc::new(file)))
        }
        Source::Git { remote, reference, subdir, keep_git_dir, submodules, checksum } => {
            let wanted = fetch::Git {
                remote,
                reference,
                subdir,
                keep_git_dir: *keep_git_dir,
                submodules: *submodules,
                checksum: checksum.as_deref(),
            };
            let Some(web) = build.web() else {
                return Err(fetch::FetchError::Offline { url: remote.clone() }.into());
            };
            let context =
                fetch::git(build.store, &wanted, web.accounts, &build.options.git_env, &build.stop)?;
            Ok(Value::Context(Arc::new(context)))
        }
    }
}

/// How far the times of a base reach into the step clock, in seconds above its start: steps on it come later.
///
/// A base built by this program carries step times itself; any other lies below the clock's start or above the epoch
/// and counts nothing.
fn base_clock(build: &Build<'_>, tree: &Tree) -> Result<i64, ExecuteError> {
    let start = build.options.epoch.step_time(0);
    let end = build.options.epoch.seconds();
    let name = format!("clock {start} {end} {}", tree.chain_id());
    if let Some(known) = build.store.memo(&name)?.and_then(|text| text.parse().ok()) {
        return Ok(known);
    }
    let latest = tree
        .layers()
        .iter()
        .flat_map(|layer| layer.index.entries())
        .map(|entry| entry.meta.mtime)
        .filter(|time| (start..end).contains(time))
        .max();
    let clock = latest.map_or(0, |time| time - start);
    build.store.put_memo(&name, &clock.to_string())?;
    Ok(clock)
}
