//! Nodes, edges, targets; petgraph behind our own type.

use std::collections::BTreeMap;

use imgc_base::platform::Platform;
use imgc_base::span::Span;
use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use crate::op::Op;

/// Names a node of one graph while the program runs. Never hashed, stored or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NodeIndex);

impl NodeId {
    /// A small number for printing within one listing.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// Which step of the user's text a node came from. Never part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// `STAGE#LINE`: `build#12`, or `Dockerfile#12` for an unnamed stage. Empty for sources.
    pub step: String,
    /// `[build 2/5] RUN make`.
    pub title: String,
    /// Where it was written.
    pub span: Option<Span>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// For which platform it runs.
    pub platform: Platform,
    /// Who wrote it.
    pub origin: Origin,
}

/// The graph. Inputs of a node are ordered and were added before it, so it has no cycle.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    dag: StableDiGraph<Node, usize>,
    targets: Vec<NodeId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node. Inputs must be nodes of this graph.
    pub fn add(&mut self, node: Node, inputs: &[NodeId]) -> NodeId {
        let id = self.dag.add_node(node);
        for (number, input) in inputs.iter().enumerate() {
            debug_assert!(self.dag.contains_node(input.0));
            self.dag.add_edge(input.0, id, number);
        }
        NodeId(id)
    }

    /// Names a node whose result is wanted.
    pub fn add_target(&mut self, id: NodeId) {
        self.targets.push(id);
    }

    /// The nodes whose results are wanted, in the order they were asked for.
    pub fn targets(&self) -> &[NodeId] {
        &self.targets
    }

    /// The node behind an id.
    ///
    /// # Panics
    /// If the id is of another graph or the node was removed: a fault of this program.
    pub fn node(&self, id: NodeId) -> &Node {
        self.dag.node_weight(id.0).expect("the id is of this graph and the node was not removed")
    }

    /// The inputs of a node, in order.
    pub fn inputs(&self, id: NodeId) -> Vec<NodeId> {
        let mut edges: Vec<(usize, NodeId)> = self
            .dag
            .edges_directed(id.0, Direction::Incoming)
            .map(|edge| (*edge.weight(), NodeId(edge.source())))
            .collect();
        edges.sort_unstable_by_key(|&(number, _)| number);
        edges.into_iter().map(|(_, id)| id).collect()
    }

    /// The nodes that use a node's result, in order of addition, each once.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        let mut users: Vec<NodeId> =
            self.dag.neighbors_directed(id.0, Direction::Outgoing).map(NodeId).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Every node, inputs before users.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.dag.node_indices().map(NodeId)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.dag.node_count()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.dag.node_count() == 0
    }

    /// The same graph with users of a node moved to another node that is equal to it and was added before it; edges,
    /// targets and histories follow. The nodes themselves stay.
    #[must_use]
    pub fn redirect(mut self, to: &BTreeMap<NodeId, NodeId>) -> Self {
        let moved = |id: NodeId| to.get(&id).copied().unwrap_or(id);
        debug_assert!(to.iter().all(|(from, to)| to < from));
        let edges: Vec<_> = self.dag.edge_references().map(|e| (e.id(), e.source(), e.target())).collect();
        for (edge, source, user) in edges {
            let source_now = moved(NodeId(source)).0;
            if source_now != source {
                let number = self.dag.remove_edge(edge).unwrap_or_default();
                self.dag.add_edge(source_now, user, number);
            }
        }
        for target in &mut self.targets {
            *target = moved(*target);
        }
        for node in self.dag.node_weights_mut() {
            if let Op::Image(image) = &mut node.op {
                for id in image.history.iter_mut().filter_map(|entry| entry.node.as_mut()) {
                    *id = moved(*id);
                }
            }
        }
        self
    }

    /// How messages call a node: `exec.12 (build#7)`.
    pub fn name(&self, id: NodeId) -> String {
        let node = self.node(id);
        let step = &node.origin.step;
        let space = if step.is_empty() { String::new() } else { format!(" ({step})") };
        format!("{}.{}{space}", node.op.name(), id.index())
    }

    /// True if the graph has a node of this id.
    pub fn contains(&self, id: NodeId) -> bool {
        self.dag.contains_node(id.0)
    }

    /// The same graph without the nodes that `keep` refuses. A kept node's inputs must be kept.
    #[must_use]
    pub fn retain(mut self, keep: impl Fn(NodeId) -> bool) -> Self {
        self.dag.retain_nodes(|_, index| keep(NodeId(index)));
        self
    }
}
