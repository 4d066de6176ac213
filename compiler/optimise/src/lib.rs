//! Passes graph to graph, and the layer plan.
//!
//! Execution and layering are separate: steps run and are cached one by one, and which layers an image has is
//! decided by its [`LayerPlan`]. No pass changes what a step does or the files of the final root; passes drop,
//! share and annotate. Rules, reasons and proofs: `spec/optimiser.md`.
//!
//! | module | pass | level | does |
//! |---|---|---|---|
//! | [`reach`] | reach | all | drops what no target needs |
//! | [`share`] | share | all | one node for equal subgraphs |
//! | [`independent`] | independent | 1 | finds copies that need not wait for their root |
//! | [`fuse`] | fuse | 1 | finds neighbouring commands that can share a sandbox |
//! | [`group`] | group | 1 | which steps' changes form one layer |
//! | [`budget`] | budget | all | keeps the number of layers under the limit |
//! | [`rules`] | drop | 2 | which paths of our own layers are known garbage (applied at assembly) |
//!
//! [`volatility`] is what the layer plan asks of the graph; [`draw`] shows what was done.

pub mod budget;
pub mod draw;
pub mod fuse;
pub mod group;
pub mod independent;
pub mod plan;
pub mod reach;
pub mod report;
pub mod rules;
pub mod share;
pub mod volatility;

use std::collections::{BTreeMap, BTreeSet};

use imgc_graph::{Graph, NodeId};

pub use plan::{LayerGroup, LayerPlan};
pub use report::{Action, PassReport};

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// One layer per filesystem instruction, as docker does.
    O0,
    /// Grouped layers; the flattened root is that of `O0`.
    #[default]
    O1,
    /// In addition drops known garbage by named rules.
    O2,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is done.
    pub level: Level,
    /// One layer for all steps; the base's layers stay.
    pub squash: bool,
    /// The most layers that an image may have, its base's included; never over [`budget::HARD_LIMIT`].
    pub max_layers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { level: Level::default(), squash: false, max_layers: budget::DEFAULT_LIMIT }
    }
}

/// A better graph and how its images are layered.
#[derive(Debug, Clone)]
pub struct Optimised {
    /// The graph; a node keeps its id, dropped ones are gone.
    pub graph: Graph,
    /// Which node each one that is equal to another became.
    pub moved: BTreeMap<NodeId, NodeId>,
    /// How the images are layered, by image node.
    pub plans: BTreeMap<NodeId, LayerPlan>,
    /// Steps whose layer does not depend on their root's content: it can be made before the root is there, and stays
    /// when the base changes. Empty at `O0`.
    pub independent: BTreeSet<NodeId>,
    /// Rows of commands, each the root of the next, that one sandbox set-up can serve. Empty at `O0`.
    pub fused: Vec<Vec<NodeId>>,
    /// What each pass did, in the order they ran.
    pub reports: Vec<PassReport>,
}

/// Runs the passes of a level. The graph must have passed [`imgc_graph::verify()`].
pub fn optimise(graph: &Graph, options: &Options) -> Optimised {
    let mut reports = Vec::new();
    let grouped = options.level >= Level::O1 || options.squash;

    let (graph, report) = reach::run(graph);
    reports.push(report);

    // Layers are planned before equal nodes are shared: an image's layers must not depend on what else is built.
    let (mut plans, report) = if grouped { group::run(&graph, options.squash) } else { group::each(&graph) };
    reports.push(report);
    reports.push(budget::run(&mut plans, options.max_layers));

    let (graph, moved, report) = share::run(&graph);
    reports.push(report);
    for plan in plans.values_mut() {
        plan.redirect(&moved);
    }

    let (mut independent, mut fused) = (BTreeSet::new(), Vec::new());
    if options.level >= Level::O1 {
        let (found, report) = independent::run(&graph);
        independent = found;
        reports.push(report);
        let (found, report) = fuse::run(&graph);
        fused = found;
        reports.push(report);
    }
    Optimised { graph, moved, plans, independent, fused, reports }
}

#[cfg(test)]
mod tests;
