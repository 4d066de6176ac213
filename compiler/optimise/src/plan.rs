//! Which steps' changes form one layer.

use std::collections::BTreeMap;

use imgc_graph::NodeId;

/// How an image is layered above its base.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerPlan {
    /// The layers, lowest first. Every step of the image's chain is in exactly one group, in chain order.
    pub groups: Vec<LayerGroup>,
    /// How many layers the base image has; they are never touched.
    pub base_layers: usize,
    /// By how many layers the image is over the hard limit even with one layer of its own: its base is too tall, the
    /// build must fail. 0 if all is well.
    pub excess: usize,
}

/// One layer, or the layers of a whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerGroup {
    /// The steps, lowest first.
    pub steps: Vec<NodeId>,
    /// Not one layer but a whole tree that a merge put here, a single source: it has this many layers, and they stay
    /// as they are. `None` for all others.
    pub tree: Option<usize>,
    /// Why these and no others.
    pub why: String,
}

impl LayerPlan {
    /// The group of a step.
    pub fn group_of(&self, step: NodeId) -> Option<usize> {
        self.groups.iter().position(|group| group.steps.contains(&step))
    }

    /// How many layers the image has at most; groups without any change leave none.
    pub fn layers(&self) -> usize {
        self.base_layers + self.groups.iter().map(LayerGroup::layers).sum::<usize>()
    }

    /// Follows nodes that became another.
    pub(crate) fn redirect(&mut self, moved: &BTreeMap<NodeId, NodeId>) {
        for step in self.groups.iter_mut().flat_map(|group| &mut group.steps) {
            if let Some(&to) = moved.get(step) {
                *step = to;
            }
        }
    }
}

impl LayerGroup {
    /// One layer of these steps.
    pub fn of(steps: Vec<NodeId>, why: impl Into<String>) -> Self {
        Self { steps, tree: None, why: why.into() }
    }

    /// How many layers it makes.
    pub fn layers(&self) -> usize {
        self.tree.unwrap_or(1)
    }
}
