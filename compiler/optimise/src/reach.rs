//! Drops what no target needs.

use std::collections::BTreeSet;

use imgc_graph::{Graph, NodeId, Op};

use crate::report::{self, PassReport};

/// The graph without nodes that no target needs.
pub fn run(graph: &Graph) -> (Graph, PassReport) {
    let mut report = PassReport::new("reach", graph.len());
    let mut needed = BTreeSet::new();
    let mut open: Vec<NodeId> = graph.targets().to_vec();
    while let Some(id) = open.pop() {
        if !needed.insert(id) {
            continue;
        }
        open.extend(graph.inputs(id));
        if let Op::Image(image) = &graph.node(id).op {
            open.extend(image.history.iter().filter_map(|entry| entry.node));
        }
    }
    for id in graph.nodes().filter(|id| !needed.contains(id)) {
        report.act(
            report::name(graph, id),
            format!("dropped {}", graph.node(id).op.name()),
            "no target needs it",
        );
    }
    let dropped = graph.len() - needed.len();
    report.after = needed.len();
    report.summary = format!("{dropped} of {} not needed by any target", report::count(graph.len(), "node"));
    if dropped > 0 {
        report.saves = format!("running {}", report::count(dropped, "node"));
    }
    (graph.clone().retain(|id| needed.contains(&id)), report)
}
