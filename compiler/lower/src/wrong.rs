//! The errors that a build of any stage would end with, for a check that builds nothing.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::config::ContainerConfig;
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::span::SourceMap;
use imgc_base::{Diagnostic, Platform};
use imgc_graph::{FactError, ImageFacts, World};
use imgc_syntax::dockerfile::ast::Dockerfile;
use imgc_syntax::expand::Lexer;

use crate::build::Builder;
use crate::checks::CheckContext;
use crate::code::{Diagnostics, ENVIRONMENT, IMAGE, NETWORK};
use crate::nodes::Nodes;
use crate::plan::Planner;
use crate::stages::{Contexts, Stages};
use crate::{MAX_STAGES, args, image};

/// Lowers every stage, or what the target needs, and gives what went wrong, in the order of the text.
///
/// Whether an image is there is not asked about. Without a world, what base images set is unknown: an instruction
/// with variables is then not blamed for anything.
pub fn errors(file: &Dockerfile, sources: &mut SourceMap, context: &CheckContext<'_>) -> Vec<Diagnostic> {
    let options = context.options;
    let stages = Stages::split(file);
    if stages.list.is_empty() || stages.list.len() > MAX_STAGES {
        return crate::lower(file, sources, options, &Unknown).err().unwrap_or_default();
    }
    let target = match stages.target(options.target.as_deref()) {
        Ok(target) => target,
        Err(error) => return vec![error],
    };
    let world = context.world.unwrap_or(&Unknown);
    let contexts = Contexts { options, world };
    let lexer = Lexer::new(file.directives.escape);
    let platform = image::platforms(options).swap_remove(0);
    let (mut found, mut spent) = (Diagnostics::default(), 0);
    let mut used = BTreeSet::new();
    let name = stages.list[target].name.as_deref().unwrap_or_default();
    let global = args::global(stages.global.iter(), options, &platform, name, lexer, &mut found);
    let planner = Planner {
        stages: &stages,
        contexts,
        world,
        lexer,
        global: &global,
        platform: &platform,
        sources,
        errors: &mut found,
    };
    // Together, so that what several stand on is looked at once.
    let others = (0..stages.list.len()).filter(|_| context.all_stages);
    let planned = planner.plan_all(std::iter::once(target).chain(others));
    Builder {
        options,
        world,
        contexts,
        stages: &stages,
        lexer,
        global: &global,
        platform: &platform,
        several: false,
        nodes: &mut Nodes::new(options.build_platform.clone()),
        errors: &mut found,
        used: &mut used,
        spent: &mut spent,
        states: BTreeMap::new(),
    }
    .run(&planned, target);
    found
        .into_vec()
        .into_iter()
        .filter(|error| ![IMAGE, NETWORK, ENVIRONMENT].contains(&error.code))
        .filter(|error| context.world.is_some() || !has_variables(error, file, sources))
        .collect()
}

/// True for an error in an instruction that has a variable, or in none.
fn has_variables(error: &Diagnostic, file: &Dockerfile, sources: &SourceMap) -> bool {
    let Some(label) = error.labels.first() else { return false };
    let holds = |span: imgc_base::Span| {
        span.source == label.span.source && span.start <= label.span.start && label.span.start <= span.end
    };
    file.instructions.iter().find(|one| holds(one.span)).is_none_or(|one| {
        let text = sources.get(one.span.source).map_or("", |source| &source.text);
        text.get(one.span.start as usize..one.span.end as usize).is_none_or(|text| text.contains('$'))
    })
}

/// A world that has every image, and nothing to say of any.
struct Unknown;

impl World for Unknown {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageFacts, FactError> {
        Ok(ImageFacts {
            reference: None,
            digest: BlobDigest::of(name.as_bytes()),
            platform: platform.clone(),
            config: ContainerConfig::default(),
            history: Vec::new(),
            author: None,
            layers: vec![DiffId::of(name.as_bytes())],
        })
    }

    fn has_context(&self, _: &str) -> bool {
        false
    }

    fn ignore(&self, _: &str) -> Result<Vec<String>, FactError> {
        Ok(Vec::new())
    }
}
