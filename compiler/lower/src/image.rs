//! The top of the graph: an image per platform, and an index over several.

use imgc_base::span::Spanned;
use imgc_base::{Diagnostic, Platform};
use imgc_graph::{ImageOp, Node, NodeId, Op, Origin};

use crate::code::{Diagnostics, SYNTAX};
use crate::nodes::Nodes;
use crate::options::Options;
use crate::state::State;

/// The platforms to build for, each once.
pub(crate) fn platforms(options: &Options) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for platform in &options.platforms {
        if !platforms.contains(platform) {
            platforms.push(platform.clone());
        }
    }
    if platforms.is_empty() {
        platforms.push(options.build_platform.clone());
    }
    platforms
}

/// True if an index is wanted: for several platforms, or when asked for.
pub(crate) fn is_index(options: &Options, platforms: &[Platform]) -> bool {
    let asked = options.build_arg("BUILDKIT_MULTI_PLATFORM");
    platforms.len() > 1
        || asked.is_some_and(|text| matches!(text, "1" | "t" | "T" | "true" | "True" | "TRUE"))
}

/// Adds the image of a stage.
pub(crate) fn add(nodes: &mut Nodes, state: State, platform: &Platform, options: &Options) -> NodeId {
    // Asked for by name, the platform is what was asked for; else it is the base's.
    let platform = if options.platforms.is_empty() { state.image_platform.clone() } else { platform.clone() };
    let root = state.root;
    let mut op = ImageOp {
        platform: platform.clone(),
        author: state.author.clone(),
        base_history: state.base_history.clone(),
        history: state.history.clone(),
        annotations: options.annotations.clone(),
        base: state.base.clone(),
        config: state.into_config(),
    };
    for (_, name, value) in
        options.platform_annotations.iter().filter(|(wanted, ..)| platform.satisfies(wanted))
    {
        op.annotations.insert(name.clone(), value.clone());
    }
    op.config.labels.extend(options.labels.clone());
    let origin = Origin { step: String::new(), title: format!("image {platform}"), span: None };
    nodes.graph.add(Node { op: Op::Image(Box::new(op)), platform, origin }, &[root])
}

/// Names the target.
pub(crate) fn top(nodes: &mut Nodes, images: &[NodeId], index: bool) {
    let target = match images {
        [only] if !index => *only,
        all => {
            let origin = Origin { step: String::new(), title: "index".to_owned(), span: None };
            let platform = nodes.neutral().clone();
            nodes.graph.add(Node { op: Op::Index, platform, origin }, all)
        }
    };
    nodes.graph.add_target(target);
}

/// Warns of a file that asks for another language.
pub(crate) fn check_syntax(syntax: &Spanned<String>, warnings: &mut Diagnostics) {
    let name = syntax.value.split_whitespace().next().unwrap_or_default();
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let repository = name.split(['@', ':']).next().unwrap_or_default();
    if repository == "docker/dockerfile" || repository == "docker/dockerfile-upstream" {
        return;
    }
    warnings.push(
        Diagnostic::warning(SYNTAX, format!("syntax `{name}` is read as a Dockerfile"))
            .at(syntax.span, "another language")
            .note("front ends from images are not run"),
    );
}
