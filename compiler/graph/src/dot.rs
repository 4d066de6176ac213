//! The graph as Graphviz reads it.

use std::fmt::Write as _;

use crate::describe::{Kind, cut, describe, numbers};
use crate::graph::Graph;

/// The longest label, in characters.
const WIDTH: usize = 60;

/// Prints a graph in the DOT language.
pub fn print(graph: &Graph) -> String {
    let numbers = numbers(graph);
    let mut out = String::from(
        "digraph imgc {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fillcolor=white];\n",
    );
    for id in graph.nodes() {
        let node = graph.node(id);
        let label = quote(&cut(&describe(node), WIDTH));
        let kind = Kind::of(&node.op);
        let style = match kind {
            Kind::Source => "fillcolor=\"#dbeafe\", shape=folder",
            Kind::Exec => "fillcolor=\"#fef3c7\"",
            Kind::File => "fillcolor=\"#dcfce7\"",
            Kind::Combine => "fillcolor=\"#f3e8ff\"",
            Kind::Result => "fillcolor=\"#fee2e2\", shape=box3d",
        };
        let line = if graph.targets().contains(&id) { ", penwidth=2" } else { "" };
        let _ = writeln!(out, "  n{} [label={label}, {style}{line}];", numbers[&id]);
    }
    for id in graph.nodes() {
        for (number, input) in graph.inputs(id).iter().enumerate() {
            // The root is what a step stands on, other inputs are looked at.
            let style = if number == 0 { "" } else { " [style=dashed]" };
            let _ = writeln!(out, "  n{} -> n{}{style};", numbers[input], numbers[&id]);
        }
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    #[test]
    fn prints() {
        let graph = crate::text::parse(crate::text::tests::SAMPLE).unwrap();
        insta::assert_snapshot!(super::print(&graph));
        assert_eq!(super::quote("a\"\\b"), "\"a\\\"\\\\b\"");
    }
}
