//! One node for equal subgraphs, over stages, images and platforms.

use std::collections::BTreeMap;

use imgc_graph::key::definition_keys;
use imgc_graph::{Graph, NodeId};

use crate::report::{self, PassReport};

/// The graph with one node for each definition key, and which node each dropped one became. Images and indexes stay
/// apart: each has a name of its own and costs nothing.
pub fn run(graph: &Graph) -> (Graph, BTreeMap<NodeId, NodeId>, PassReport) {
    let mut report = PassReport::new("share", graph.len());
    let keys = definition_keys(graph);
    let mut first = BTreeMap::new();
    let mut moved = BTreeMap::new();
    for id in graph.nodes().filter(|&id| graph.node(id).op.is_tree()) {
        let Some(key) = keys.get(&id) else { continue };
        let kept = *first.entry(*key).or_insert(id);
        if kept != id {
            moved.insert(id, kept);
            let what = format!("is {}", report::name(graph, kept));
            report.act(report::name(graph, id), what, "same operation on the same inputs");
        }
    }
    report.after = graph.len() - moved.len();
    report.summary = format!("{} of {} equal to another", moved.len(), report::count(graph.len(), "node"));
    if !moved.is_empty() {
        report.saves = format!("running {} twice", report::count(moved.len(), "node"));
    }
    let graph = graph.clone().redirect(&moved).retain(|id| !moved.contains_key(&id));
    (graph, moved, report)
}
