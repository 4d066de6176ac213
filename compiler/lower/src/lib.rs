//! AST to graph: stages, arguments, environment, heredocs, names.
//!
//! [`lower`] makes one graph of a parsed Dockerfile, for one or several platforms. It opens nothing: what it must know
//! of images and contexts it asks a [`World`]. All independent errors are reported at once.
//!
//! | module | what it does |
//! |---|---|
//! | [`options`] | what a build was asked for |
//! | [`code`] | the codes of errors |
//! | `stages` | cuts the file into stages; what names mean |
//! | `args`, `env` | variables, and the expansion of words |
//! | `plan` | which stages are needed, on which bases, with which triggers |
//! | `build`, `state` | lowers them in order |
//! | `step` | one module per kind of instruction |
//! | `nodes` | sources, each once |
//! | `image` | images and the index at the top |
//! | [`outline`] | what can be given to a target, and which targets there are |
//! | [`checks`] | the build checks, one file per rule |
//! | [`wrong`] | what a build would fail at, for a check |
//!
//! What instructions mean is normative in `spec/lowering.md`.

mod args;
mod build;
pub mod checks;
pub mod code;
mod env;
mod gofmt;
mod image;
mod nodes;
pub mod options;
pub mod outline;
mod plan;
mod stages;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod title;
pub mod wrong;

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::Diagnostic;
use imgc_base::span::{SourceMap, Span};
use imgc_graph::{Graph, World};
use imgc_syntax::dockerfile::ast::Dockerfile;
use imgc_syntax::expand::Lexer;

use build::Builder;
use code::Diagnostics;
use nodes::Nodes;
pub use options::Options;
use plan::Planner;
use stages::{Contexts, Stages};

/// The most stages that a file may have.
pub const MAX_STAGES: usize = 1000;

/// A lowered file.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The graph. Its one target is the image, or the index over the images of several platforms.
    pub graph: Graph,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Every stage of the file, in order.
    pub stages: Vec<StageInfo>,
}

/// A stage, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInfo {
    /// Its name in lower case, if it has one.
    pub name: Option<String>,
    /// What its `FROM` names, as written.
    pub base: String,
    /// Where its `FROM` is.
    pub span: Span,
    /// True if the target needs it.
    pub used: bool,
}

/// The default of `SOURCE_DATE_EPOCH` before the first stage, unless it is empty, the word `context` or a stage's name:
/// those are other builders' words for the time of a source.
pub fn epoch_argument(file: &Dockerfile, options: &Options) -> Option<String> {
    let stages = Stages::split(file);
    let platform = image::platforms(options).swap_remove(0);
    // What is wrong with arguments is said when the file is lowered.
    let mut unsaid = Diagnostics::default();
    let lexer = Lexer::new(file.directives.escape);
    let global = args::global(stages.global.iter(), options, &platform, "", lexer, &mut unsaid);
    let value = global.get("SOURCE_DATE_EPOCH")?;
    let source = value.is_empty() || value == "context" || stages.before(value, stages.list.len()).is_some();
    (!source).then(|| value.to_owned())
}

/// Lowers a file. `sources` gets the texts of triggers that base images bring.
///
/// The error holds every independent error, in the order of the text.
pub fn lower(
    file: &Dockerfile,
    sources: &mut SourceMap,
    options: &Options,
    world: &dyn World,
) -> Result<Lowered, Vec<Diagnostic>> {
    let stages = Stages::split(file);
    if stages.list.is_empty() {
        return Err(vec![Diagnostic::error(code::TARGET, "dockerfile contains no stages to build")]);
    }
    if stages.list.len() > MAX_STAGES {
        let message =
            format!("{} stages are more than the {MAX_STAGES} that a file may have", stages.list.len());
        let span = stages.list[MAX_STAGES].instruction.span;
        return Err(vec![Diagnostic::error(code::BOUND, message).at(span, "one too many")]);
    }
    let target = stages.target(options.target.as_deref()).map_err(|error| vec![error])?;
    let contexts = Contexts { options, world };
    let lexer = Lexer::new(file.directives.escape);
    let platforms = image::platforms(options);
    let several = image::is_index(options, &platforms);
    let mut nodes = Nodes::new(options.build_platform.clone());
    let (mut errors, mut warnings) = (Diagnostics::default(), Diagnostics::default());
    let mut used = BTreeSet::new();
    let mut reached = BTreeSet::new();
    let mut spent = 0;
    let mut images = Vec::new();
    for platform in &platforms {
        let name = stages.list[target].name.as_deref().unwrap_or_default();
        let global = args::global(stages.global.iter(), options, platform, name, lexer, &mut errors);
        let planned = Planner {
            stages: &stages,
            contexts,
            world,
            lexer,
            global: &global,
            platform,
            sources,
            errors: &mut errors,
        }
        .plan(target);
        reached.extend(planned.keys().copied());
        let mut builder = Builder {
            options,
            world,
            contexts,
            stages: &stages,
            lexer,
            global: &global,
            platform,
            several,
            nodes: &mut nodes,
            errors: &mut errors,
            used: &mut used,
            spent: &mut spent,
            states: BTreeMap::new(),
        };
        if let Some(state) = builder.run(&planned, target) {
            images.push(image::add(&mut nodes, state, platform, options));
        }
    }
    if !errors.is_empty() {
        return Err(errors.into_vec());
    }
    image::top(&mut nodes, &images, several);
    args::unused(options, &stages, &used, &mut warnings);
    if let Some(syntax) = &file.directives.syntax {
        image::check_syntax(syntax, &mut warnings);
    }
    let infos = stages.list.iter().enumerate().map(|(index, stage)| StageInfo {
        name: stage.name.clone(),
        base: stage.from.image.value.clone(),
        span: stage.instruction.span,
        used: reached.contains(&index),
    });
    Ok(Lowered { graph: nodes.graph, diagnostics: warnings.into_vec(), stages: infos.collect() })
}
