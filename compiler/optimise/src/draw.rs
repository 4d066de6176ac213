//! What the optimiser did, as a picture: the graph before and after, side by side, and the report of each pass.

use std::collections::{BTreeMap, BTreeSet};

use imgc_graph::draw::{self, Band, Drawing, Look, Mark, Panel};
use imgc_graph::{Graph, NodeId, Op};

use crate::report;
use crate::{Optimised, PassReport};

/// A page that shows a graph before and after.
pub fn html(title: &str, before: &Graph, done: &Optimised) -> String {
    let (first, second) = (lost(before, done), layers(done));
    let gone = first.marks.values().filter(|mark| mark.look == Look::Gone).count();
    let images = done.plans.len();
    let layers: usize = done.plans.values().map(|plan| plan.groups.len()).sum();
    let was = format!("{}; dashed ones are dropped or equal to another", report::count(before.len(), "node"));
    let is = format!(
        "{}, {gone} fewer; frames are layers ({} of our own in {}), a step of several images is framed once",
        report::count(done.graph.len(), "node"),
        report::count(layers, "layer"),
        report::count(images, "image")
    );
    let panels = [
        Panel { title: "Before", caption: &was, graph: before, drawing: &first },
        Panel { title: "After", caption: &is, graph: &done.graph, drawing: &second },
    ];
    let passes: Vec<String> = done.reports.iter().map(PassReport::to_string).collect();
    draw::page(title, &panels, &[("Passes", &passes.join("\n"))])
}

/// Marks for the nodes that are no longer there.
fn lost(before: &Graph, done: &Optimised) -> Drawing {
    let mut marks = BTreeMap::new();
    for id in before.nodes().filter(|&id| !done.graph.contains(id)) {
        let note = match done.moved.get(&id) {
            Some(&kept) => format!("= {}", report::name(before, kept)),
            None => "not needed".to_owned(),
        };
        marks.insert(id, Mark { look: Look::Gone, note, critical: false });
    }
    Drawing { marks, bands: None }
}

/// Frames for layers and marks for what passes found.
fn layers(done: &Optimised) -> Drawing {
    let mut marks: BTreeMap<NodeId, Mark> = BTreeMap::new();
    let mut note = |id: NodeId, text: &str| {
        let mark = marks.entry(id).or_default();
        let comma = if mark.note.is_empty() { "" } else { ", " };
        mark.note = format!("{}{comma}{text}", mark.note);
    };
    for &id in &done.independent {
        note(id, "does not wait");
    }
    for &id in done.fused.iter().flat_map(|row| row.iter().skip(1)) {
        note(id, "same sandbox");
    }
    let mut bands = Vec::new();
    let mut framed = BTreeSet::new();
    for plan in done.plans.values() {
        for (number, group) in plan.groups.iter().enumerate() {
            // Images on one stage share its layers: one frame.
            let nodes: Vec<NodeId> = group.steps.iter().copied().filter(|&id| framed.insert(id)).collect();
            if !nodes.is_empty() {
                bands.push(Band { nodes, label: format!("layer {}", plan.base_layers + number + 1) });
            }
        }
    }
    for id in done.graph.nodes() {
        if let (Op::Image(_), Some(plan)) = (&done.graph.node(id).op, done.plans.get(&id)) {
            note(id, &report::count(plan.layers(), "layer"));
        }
    }
    Drawing { marks, bands: Some(bands) }
}
