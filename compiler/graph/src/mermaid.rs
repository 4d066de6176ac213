//! The graph as Mermaid draws it, for READMEs.

use std::fmt::Write as _;

use crate::describe::{Kind, cut, describe, numbers};
use crate::graph::Graph;

/// The longest label, in characters.
const WIDTH: usize = 60;

/// Prints a graph as a Mermaid flowchart.
pub fn print(graph: &Graph) -> String {
    let numbers = numbers(graph);
    let mut out = String::from("flowchart LR\n");
    for id in graph.nodes() {
        let node = graph.node(id);
        let label = escape(&cut(&describe(node), WIDTH));
        let kind = Kind::of(&node.op);
        let (open, close) = match kind {
            Kind::Source => ("[(", ")]"),
            Kind::Exec => ("[", "]"),
            Kind::File => ("(", ")"),
            Kind::Combine => ("{{", "}}"),
            Kind::Result => ("([", "])"),
        };
        let _ = writeln!(out, "  n{}{open}\"{label}\"{close}:::{}", numbers[&id], kind.name());
    }
    for id in graph.nodes() {
        for (number, input) in graph.inputs(id).iter().enumerate() {
            let arrow = if number == 0 { "-->" } else { "-.->" };
            let _ = writeln!(out, "  n{} {arrow} n{}", numbers[input], numbers[&id]);
        }
    }
    // Fill and text are both set: the page may be dark or light.
    for (kind, fill) in [
        (Kind::Source, "#dbeafe"),
        (Kind::Exec, "#fef3c7"),
        (Kind::File, "#dcfce7"),
        (Kind::Combine, "#f3e8ff"),
        (Kind::Result, "#fee2e2"),
    ] {
        let _ = writeln!(out, "  classDef {} fill:{fill},stroke:#64748b,color:#0f172a", kind.name());
    }
    out
}

/// Mermaid reads `#NUMBER;` as a character, and markup otherwise.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_alphanumeric() || " -_./:,+=@…".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn prints() {
        let graph = crate::text::parse(crate::text::tests::SAMPLE).unwrap();
        insta::assert_snapshot!(super::print(&graph));
        assert_eq!(super::escape("a \"b\" <x>"), "a #34;b#34; #60;x#62;");
    }
}
