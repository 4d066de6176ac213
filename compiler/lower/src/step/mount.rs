//! `RUN --mount`

use imgc_base::Diagnostic;
use imgc_base::path::ImagePath;
use imgc_base::span::Span;
use imgc_graph::{CacheSharing, Mount, MountKind, NodeId};
use imgc_syntax::dockerfile::ast::Word;
use imgc_syntax::mount::{self, MountOptions, MountType, Sharing};

use crate::build::{Builder, Place};
use crate::code::{MOUNT, PATH};
use crate::env::expand_error;
use crate::state::State;

/// Lowers the mounts of a command and adds what they show to its inputs. `None` if a stage they show failed.
pub(super) fn lower(
    builder: &mut Builder<'_, '_>,
    state: &State,
    place: &Place<'_>,
    words: &[Word],
    inputs: &mut Vec<NodeId>,
    errors: &mut Vec<Diagnostic>,
) -> Option<Vec<Mount>> {
    let mut mounts = Vec::new();
    let mut agents = 0;
    let mut whole = true;
    for word in words {
        match one(builder, state, place, word, inputs, &mut agents) {
            Ok(Some(mount)) => mounts.push(mount),
            Ok(None) => whole = false,
            Err(error) => errors.push(error),
        }
    }
    whole.then_some(mounts)
}

fn one(
    builder: &mut Builder<'_, '_>,
    state: &State,
    place: &Place<'_>,
    word: &Word,
    inputs: &mut Vec<NodeId>,
    agents: &mut usize,
) -> Result<Option<Mount>, Diagnostic> {
    let span = word.span;
    let mut failed = None;
    let lexer = builder.lexer;
    let parsed = mount::parse_with(&word.value, |value| match lexer.expand(value, &state.env) {
        Ok(done) => Ok(done.text),
        Err(error) => {
            failed = Some(expand_error(&error, value, span, &state.env));
            Err(error.to_string())
        }
    });
    let options = match (parsed, failed) {
        (Ok(options), None) => options,
        (_, Some(error)) => return Err(error),
        (Err(error), None) => return Err(error.diagnostic(MOUNT, span, word.value.len())),
    };
    let path = |text: &str, base: &ImagePath| {
        base.resolve(text)
            .map_err(|error| Diagnostic::error(PATH, error.to_string()).at(span, "no path of an image"))
    };
    let kind = match options.kind {
        MountType::Bind => {
            let Some(input) = input(builder, place, options.from.as_deref(), span, inputs)? else {
                return Ok(None);
            };
            let source = path(options.source.as_deref().unwrap_or("/"), &ImagePath::root())?;
            MountKind::Bind { input, source, writable: !options.readonly }
        }
        MountType::Cache => {
            let from = match options.from.as_deref() {
                None => None,
                Some(from) => {
                    let Some(input) = input(builder, place, Some(from), span, inputs)? else {
                        return Ok(None);
                    };
                    Some((input, path(options.source.as_deref().unwrap_or("/"), &ImagePath::root())?))
                }
            };
            MountKind::Cache {
                id: cache_id(builder, &options),
                sharing: match options.sharing {
                    Sharing::Shared => CacheSharing::Shared,
                    Sharing::Private => CacheSharing::Private,
                    Sharing::Locked => CacheSharing::Locked,
                },
                readonly: options.readonly,
                from,
                mode: mode(options.mode, 0o755, span)?,
                uid: options.uid.unwrap_or(0),
                gid: options.gid.unwrap_or(0),
            }
        }
        MountType::Tmpfs => MountKind::Tmpfs { size: options.size.unwrap_or(0) },
        MountType::Secret => MountKind::Secret {
            id: options
                .secret_id()
                .ok_or_else(|| Diagnostic::error(MOUNT, "a secret without a name").at(span, "no `id=`"))?
                .to_owned(),
            required: options.required,
            mode: mode(options.mode, 0o400, span)?,
            uid: options.uid.unwrap_or(0),
            gid: options.gid.unwrap_or(0),
            env: options.env.clone(),
            file: options.env.is_none() || options.target.is_some(),
        },
        MountType::Ssh => MountKind::Ssh {
            id: options.id.clone().unwrap_or_else(|| "default".to_owned()),
            required: options.required,
            mode: mode(options.mode, 0o600, span)?,
            uid: options.uid.unwrap_or(0),
            gid: options.gid.unwrap_or(0),
        },
    };
    let target = match (&options.target, &kind) {
        (Some(target), _) => path(target, &state.cwd)?,
        (None, MountKind::Secret { id, .. }) => {
            let name = id.trim_end_matches('/').rsplit('/').next().unwrap_or(id);
            path(&format!("/run/secrets/{name}"), &ImagePath::root())?
        }
        (None, MountKind::Ssh { .. }) => {
            let number = *agents;
            *agents += 1;
            path(&format!("/run/buildkit/ssh_agent.{number}"), &ImagePath::root())?
        }
        (None, kind) => {
            return Err(Diagnostic::error(MOUNT, format!("a {} mount without a target", kind.name()))
                .at(span, "no `target=`")
                .help("say where it is to be seen: `target=/path`"));
        }
    };
    if target.is_root() {
        return Err(Diagnostic::error(MOUNT, "invalid mount target \"/\"")
            .at(span, "would hide the whole root")
            .help("mount it at a directory below"));
    }
    Ok(Some(Mount { target, kind }))
}

/// The number of the input that a mount shows: the main context unless it says otherwise.
fn input(
    builder: &mut Builder<'_, '_>,
    place: &Place<'_>,
    from: Option<&str>,
    span: Span,
    inputs: &mut Vec<NodeId>,
) -> Result<Option<usize>, Diagnostic> {
    let found = match from {
        Some(name) => builder.input(name, span, place.stage)?,
        None => Some(builder.nodes.directory("", builder.world, span)?),
    };
    Ok(found.map(|found| number(found.node, inputs)))
}

/// The number of an input; it is added if it is new. The root is never shared: its number means something else.
pub(super) fn number(node: NodeId, inputs: &mut Vec<NodeId>) -> usize {
    if let Some(known) = inputs[1..].iter().position(|&input| input == node) {
        return known + 1;
    }
    inputs.push(node);
    inputs.len() - 1
}

/// A cache is called by its `id`, else by its target as written, cleaned.
fn cache_id(builder: &Builder<'_, '_>, options: &MountOptions) -> String {
    let target = options.target.as_deref().unwrap_or_default();
    let id = options.id.clone().unwrap_or_else(|| {
        let clean = ImagePath::clean(target).map_or_else(|_| target.to_owned(), |path| path.to_absolute());
        if target.starts_with('/') { clean } else { clean.trim_start_matches('/').to_owned() }
    });
    match builder.options.build_arg("BUILDKIT_CACHE_MOUNT_NS").filter(|space| !space.is_empty()) {
        Some(space) => format!("{space}/{id}"),
        None => id,
    }
}

fn mode(given: Option<u32>, default: u32, span: Span) -> Result<u32, Diagnostic> {
    match given {
        Some(mode) if mode > 0o7777 => {
            Err(Diagnostic::error(MOUNT, format!("invalid mode {mode:o}")).at(span, "more than twelve bits"))
        }
        other => Ok(other.unwrap_or(default)),
    }
}
