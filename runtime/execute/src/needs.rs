//! What each step's layer will be needed as: on disk for those that run on it, or as a blob for an image.
//!
//! Decided from the graph before anything runs, so that a copy of a gigabyte is written once, in the one form needed.

use std::collections::{BTreeMap, BTreeSet};

use imgc_graph::{Graph, NodeId, Op};
use imgc_optimise::LayerPlan;

/// In which forms a step's layer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// Unpacked: a command runs on it, something is copied from it, or it is merged with others.
    pub tree: bool,
    /// Compressed: it stands alone as a layer of an image.
    pub blob: bool,
}

/// Decides for every node.
pub fn needs(graph: &Graph, plans: &BTreeMap<NodeId, LayerPlan>) -> BTreeMap<NodeId, Need> {
    let mut needs: BTreeMap<NodeId, Need> = BTreeMap::new();
    for group in plans.values().flat_map(|plan| &plan.groups) {
        for &step in &group.steps {
            let need = needs.entry(step).or_default();
            if group.steps.len() == 1 { need.blob = true } else { need.tree = true }
        }
    }
    // Backwards: a node's layers are on disk if a user of it runs on them or reads from them.
    let mut on_disk: BTreeSet<NodeId> = BTreeSet::new();
    let nodes: Vec<NodeId> = graph.nodes().collect();
    for &id in nodes.iter().rev() {
        let inputs = graph.inputs(id);
        match &graph.node(id).op {
            Op::Exec(_) => on_disk.extend(inputs),
            // The root of a copy is read only as far as its own users need it; sources are read.
            Op::File(_) => {
                let own = on_disk.contains(&id);
                on_disk.extend(inputs.iter().skip(usize::from(!own)));
            }
            Op::Merge | Op::Diff if on_disk.contains(&id) => on_disk.extend(inputs),
            _ => {}
        }
    }
    for id in on_disk {
        needs.entry(id).or_default().tree = true;
    }
    needs
}
