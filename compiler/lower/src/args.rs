//! Global arguments: what `FROM` lines see, and what a bare `ARG` in a stage inherits.

use std::collections::BTreeSet;

use imgc_base::diagnostic::did_you_mean;
use imgc_base::{Diagnostic, Platform};
use imgc_syntax::dockerfile::ast::{ArgDecl, Instruction, Kind};
use imgc_syntax::expand::Lexer;

use crate::code::{Diagnostics, UNUSED_ARGUMENT};
use crate::env::{Env, expand};
use crate::options::Options;
use crate::stages::Stages;

/// Arguments that never become environment: they ask for something else.
pub(crate) const NOT_ENVIRONMENT: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// The names that the platforms give; all are set, some to nothing.
pub(crate) const PLATFORM_ARGS: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// The automatic arguments, with build arguments of their names in their place.
fn automatic(options: &Options, target: &Platform, stage: &str) -> Env {
    let build = &options.build_platform;
    let stage = if stage.is_empty() { "default" } else { stage };
    let values = [
        build.to_string(),
        build.os.clone(),
        String::new(),
        build.arch.clone(),
        build.variant.clone(),
        target.to_string(),
        target.os.clone(),
        String::new(),
        target.arch.clone(),
        target.variant.clone(),
        stage.to_owned(),
    ];
    let mut env = Env::default();
    for (name, value) in PLATFORM_ARGS.iter().zip(values) {
        env.set(name, options.build_arg(name).unwrap_or(&value));
    }
    env
}

/// True for proxy variables, which may be given without being declared.
pub(crate) fn is_proxy(name: &str) -> bool {
    matches!(
        name.to_ascii_uppercase().as_str(),
        "HTTP_PROXY" | "HTTPS_PROXY" | "FTP_PROXY" | "NO_PROXY" | "ALL_PROXY"
    )
}

/// The automatic arguments for a stage, and the `ARG`s before the first one.
pub(crate) fn global<'a>(
    instructions: impl Iterator<Item = &'a Instruction>,
    options: &Options,
    target: &Platform,
    stage: &str,
    lexer: Lexer,
    errors: &mut Diagnostics,
) -> Env {
    let mut env = automatic(options, target, stage);
    for instruction in instructions {
        let Kind::Arg(list) = &instruction.kind else { continue };
        for ArgDecl { name, default } in list {
            if let Some(value) = options.build_arg(&name.value) {
                env.set(&name.value, value);
            } else if let Some(default) = default {
                match expand(lexer, default, &env) {
                    Ok(value) => env.set(&name.value, &value.text),
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    env
}

/// Arguments that the builder itself reads.
const OWN: [&str; 11] = [
    "BUILDKIT_BUILD_NAME",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_DOCKERFILE_CHECK",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_SBOM_SCAN_CONTEXT",
    "BUILDKIT_SBOM_SCAN_STAGE",
    "BUILDKIT_SYNTAX",
    "SOURCE_DATE_EPOCH",
];

/// Warns of build arguments that no `ARG` takes.
pub(crate) fn unused(
    options: &Options,
    stages: &Stages<'_>,
    used: &BTreeSet<String>,
    warnings: &mut Diagnostics,
) {
    let mut declared: BTreeSet<&str> = BTreeSet::new();
    let instructions = stages.list.iter().flat_map(|stage| stage.body).chain(stages.global);
    for instruction in instructions {
        if let Kind::Arg(list) = &instruction.kind {
            declared.extend(list.iter().map(|arg| arg.name.value.as_str()));
        }
    }
    for name in options.build_args.keys() {
        let known = declared.contains(name.as_str())
            || used.contains(name)
            || OWN.contains(&name.as_str())
            || PLATFORM_ARGS.contains(&name.as_str())
            || is_proxy(name);
        if known {
            continue;
        }
        let warning = Diagnostic::warning(UNUSED_ARGUMENT, format!("build argument `{name}` is not used"))
            .note("no ARG of the file declares it");
        warnings.push(match did_you_mean(name, declared.iter().copied()) {
            Some(near) => warning.help(format!("did you mean `{near}`?")),
            None => warning,
        });
    }
}
