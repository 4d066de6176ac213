//! The steps whose layers, one above the other, make a tree.

use crate::graph::{Graph, NodeId};
use crate::op::{Op, Source};

/// What a tree is stacked of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// The source at the bottom.
    pub base: Option<NodeId>,
    /// What lies on it, lowest first: steps and diffs, each one layer. A further source is a whole tree that a merge
    /// put on top.
    pub steps: Vec<NodeId>,
}

impl Chain {
    /// How many layers the base brings.
    pub fn base_layers(&self, graph: &Graph) -> usize {
        self.base.map_or(0, |base| layers_of(graph, base))
    }
}

/// How many layers a node brings: those of a base image, else one.
pub fn layers_of(graph: &Graph, id: NodeId) -> usize {
    match &graph.node(id).op {
        Op::Source(Source::Image { layers, .. }) => layers.len(),
        Op::Source(Source::Scratch) => 0,
        _ => 1,
    }
}

/// What the tree of a node is stacked of. Without recursion: chains may be thousands of steps long.
pub fn of(graph: &Graph, id: NodeId) -> Chain {
    let mut steps = Vec::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let node = graph.node(id);
        match &node.op {
            Op::Exec(_) | Op::File(_) => {
                steps.push(id);
                open.extend(graph.inputs(id).first());
            }
            // The last input is the highest: it is looked at first.
            Op::Merge => open.extend(graph.inputs(id)),
            Op::Image(_) => open.extend(graph.inputs(id).first()),
            Op::Source(_) | Op::Diff | Op::Index => steps.push(id),
        }
    }
    steps.reverse();
    let is_source = |id: &NodeId| matches!(graph.node(*id).op, Op::Source(_));
    let base = steps.first().copied().filter(is_source);
    if base.is_some() {
        steps.remove(0);
    }
    steps.retain(|id| !matches!(graph.node(*id).op, Op::Source(Source::Scratch)));
    Chain { base, steps }
}
