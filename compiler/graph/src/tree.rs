//! The plan as an indented list that people read: `imgc plan`.
//!
//! For each target its chain of steps, from the base up; what a step takes from elsewhere stands indented above it,
//! in full once and by name afterwards.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::describe::{cut, describe};
use crate::graph::{Graph, NodeId};
use crate::op::{Op, Source};

/// The longest description, in characters.
const WIDTH: usize = 100;

/// How deep lists are indented at most; deeper ones stand at this depth.
const DEPTH: usize = 8;

/// Prints the plan.
pub fn print(graph: &Graph) -> String {
    print_with(graph, &|_| None)
}

/// Prints the plan with remarks. `note` may add a remark to a node: `cached`, `12 MB to fetch`.
pub fn print_with(graph: &Graph, note: &dyn Fn(NodeId) -> Option<String>) -> String {
    let mut listing = Listing { graph, note, seen: BTreeSet::new(), text: String::new() };
    for &target in graph.targets() {
        listing.list(target);
    }
    listing.text
}

struct Listing<'a> {
    graph: &'a Graph,
    note: &'a dyn Fn(NodeId) -> Option<String>,
    seen: BTreeSet<NodeId>,
    text: String,
}

/// What is still to be printed.
enum Work {
    /// A node with all below it.
    Open(NodeId, usize),
    /// The node's own line.
    Line(NodeId, usize),
}

impl Listing<'_> {
    /// Without recursion: chains may be thousands of steps long.
    fn list(&mut self, id: NodeId) {
        let mut work = vec![Work::Open(id, 0)];
        while let Some(next) = work.pop() {
            match next {
                Work::Line(id, depth) => self.line(id, depth),
                Work::Open(id, depth) => {
                    let inputs = self.graph.inputs(id);
                    if !self.seen.insert(id) {
                        if !matches!(self.graph.node(id).op, Op::Source(Source::Scratch)) {
                            self.again(id, depth);
                        }
                        continue;
                    }
                    let is_document = !self.graph.node(id).op.is_tree();
                    if is_document {
                        self.line(id, depth);
                    } else {
                        work.push(Work::Line(id, depth));
                    }
                    for (number, &input) in inputs.iter().enumerate().rev() {
                        let deeper = usize::from(number > 0 || is_document);
                        work.push(Work::Open(input, (depth + deeper).min(DEPTH)));
                    }
                }
            }
        }
    }

    fn line(&mut self, id: NodeId, depth: usize) {
        let node = self.graph.node(id);
        if matches!(node.op, Op::Source(Source::Scratch)) {
            return;
        }
        let indent = "  ".repeat(depth);
        let _ = write!(self.text, "{indent}{}", cut(&describe(node), WIDTH));
        if !node.origin.step.is_empty() {
            let _ = write!(self.text, "  ({})", node.origin.step);
        }
        if let Some(note) = (self.note)(id) {
            let _ = write!(self.text, "  {note}");
        }
        self.text.push('\n');
    }

    fn again(&mut self, id: NodeId, depth: usize) {
        let node = self.graph.node(id);
        let name =
            if node.origin.step.is_empty() { cut(&describe(node), WIDTH) } else { node.origin.step.clone() };
        let _ = writeln!(self.text, "{}{name}, as above", "  ".repeat(depth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints() {
        let text = crate::text::tests::SAMPLE;
        let text = text
            .replace("target %4", "%5 = image %3 {\n platform linux/arm64\n}\n%6 = index %4 %5\ntarget %6");
        let graph = crate::text::parse(&text).unwrap();
        let note = |id: NodeId| (id.index() == 2).then(|| "cached".to_owned());
        insta::assert_snapshot!(print_with(&graph, &note), @r"
        index
          image linux/amd64
            FROM debian:13@aaaaaaaaaaaa
              FROM debian:13@aaaaaaaaaaaa, as above
                context
              [build 1/2] RUN make  (build#2)  cached
            copy /src/app to /usr/bin/app  (app#5)
          image linux/arm64
            app#5, as above
        ");
    }
}
