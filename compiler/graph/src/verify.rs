//! Checks that a graph means something, before anything trusts it.
//!
//! What lowering makes always passes; a graph read from text may not. All faults are reported, each with its node.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain;
use crate::exec::Exec;
use crate::file::{FileAction, FileOp};
use crate::graph::{Graph, NodeId};
use crate::op::{ImageOp, Op};

/// The most nodes that a graph may have.
pub const MAX_NODES: usize = 100_000;

/// A fault of a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{node}: {fault}")]
pub struct GraphError {
    /// The node as people call it: `exec.12 (build#7)`; `graph` if it is the graph's own.
    pub node: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is nothing to build.
    #[error("no target is named")]
    NoTarget,
    /// More nodes than [`MAX_NODES`].
    #[error("{0} nodes are more than the {MAX_NODES} that a graph may have")]
    TooLarge(usize),
    /// Merges of merges that stack more layers than any image can have.
    #[error("stacks {0} layers, more than the {MAX_NODES} that a tree may have")]
    TooTall(usize),
    /// A target that is no node of the graph.
    #[error("target {0} is no node of the graph")]
    Target(usize),
    /// Too few or too many inputs.
    #[error("takes {wanted}, has {found}")]
    Inputs {
        /// `exactly 1 input`.
        wanted: &'static str,
        /// How many there are.
        found: usize,
    },
    /// An input that was not added before its user: the graph has a cycle.
    #[error("input {number} is {input}, which comes after it: the graph has a cycle")]
    Cycle {
        /// Which input.
        number: usize,
        /// The node it is.
        input: String,
    },
    /// An image or index where a tree is needed, or the other way round.
    #[error("input {number} is {input}; {wanted} is needed")]
    Kind {
        /// Which input.
        number: usize,
        /// The node it is.
        input: String,
        /// `a tree` or `an image`.
        wanted: &'static str,
    },
    /// A mount or copy names an input that is not there.
    #[error("{what} names input {number}, but there are {found} (input 0 is the root)")]
    InputNumber {
        /// `copy from /a` or `mount /x`.
        what: String,
        /// The number it names.
        number: usize,
        /// How many inputs there are.
        found: usize,
    },
    /// A history entry names a node that is no step of the image.
    #[error("history entry {entry} names {node}, which is no step of this image")]
    History {
        /// Which entry, from 0.
        entry: usize,
        /// The node it names.
        node: String,
    },
    /// Two images of an index are for one platform.
    #[error("two images are for {0}")]
    Platform(String),
    /// A file step without actions.
    #[error("has no actions")]
    NoAction,
}

/// Checks a graph; all faults, in node order.
pub fn verify(graph: &Graph) -> Result<(), Vec<GraphError>> {
    let mut check = Check { graph, errors: Vec::new() };
    if graph.len() > MAX_NODES {
        check.errors.push(GraphError { node: "graph".to_owned(), fault: Fault::TooLarge(graph.len()) });
        return Err(check.errors);
    }
    if graph.targets().is_empty() {
        check.errors.push(GraphError { node: "graph".to_owned(), fault: Fault::NoTarget });
    }
    for target in graph.targets().iter().filter(|&&target| !graph.contains(target)) {
        check.errors.push(GraphError { node: "graph".to_owned(), fault: Fault::Target(target.index()) });
    }
    check.heights();
    for id in graph.nodes() {
        check.node(id);
    }
    if check.errors.is_empty() { Ok(()) } else { Err(check.errors) }
}

struct Check<'a> {
    graph: &'a Graph,
    errors: Vec<GraphError>,
}

impl Check<'_> {
    fn fail(&mut self, id: NodeId, fault: Fault) {
        self.errors.push(GraphError { node: self.graph.name(id), fault });
    }

    /// A ladder of merges doubles its height with each rung: no chain may be walked before this is checked.
    fn heights(&mut self) {
        let mut heights = BTreeMap::<NodeId, usize>::new();
        for id in self.graph.nodes() {
            let inputs = self.graph.inputs(id);
            let of = |id: &NodeId| heights.get(id).copied().unwrap_or(0);
            let height = match self.graph.node(id).op {
                Op::Source(_) | Op::Diff | Op::Index => 1,
                Op::Exec(_) | Op::File(_) => inputs.first().map_or(0, of).saturating_add(1),
                Op::Merge | Op::Image(_) => inputs.iter().map(of).fold(0, usize::saturating_add),
            };
            if height > MAX_NODES {
                self.fail(id, Fault::TooTall(height));
                return;
            }
            heights.insert(id, height);
        }
    }

    fn node(&mut self, id: NodeId) {
        let inputs = self.graph.inputs(id);
        let mut ordered = true;
        for (number, &input) in inputs.iter().enumerate() {
            if input >= id {
                ordered = false;
                self.fail(id, Fault::Cycle { number, input: self.graph.name(input) });
            }
        }
        let graph = self.graph;
        let op = &graph.node(id).op;
        self.counts(id, op, inputs.len());
        self.kinds(id, op, &inputs);
        match op {
            Op::Exec(exec) => self.exec(id, exec, inputs.len()),
            Op::File(file) => self.file(id, file, inputs.len()),
            // A chain with a cycle has no end.
            Op::Image(image) if ordered && self.errors.is_empty() => self.history(id, image),
            Op::Index => self.platforms(id, &inputs),
            Op::Source(_) | Op::Merge | Op::Diff | Op::Image(_) => {}
        }
    }

    fn counts(&mut self, id: NodeId, op: &Op, found: usize) {
        let (fits, wanted) = match op {
            Op::Source(_) => (found == 0, "no inputs"),
            Op::Exec(_) | Op::File(_) => (found >= 1, "a root as its first input"),
            Op::Merge | Op::Index => (found >= 1, "at least 1 input"),
            Op::Diff => (found == 2, "exactly 2 inputs"),
            Op::Image(_) => (found == 1, "exactly 1 input"),
        };
        if !fits {
            self.fail(id, Fault::Inputs { wanted, found });
        }
    }

    fn kinds(&mut self, id: NodeId, op: &Op, inputs: &[NodeId]) {
        for (number, &input) in inputs.iter().enumerate() {
            let below = &self.graph.node(input).op;
            let (fits, wanted) = match op {
                Op::Index => (matches!(below, Op::Image(_)), "an image"),
                _ => (below.is_tree(), "a tree"),
            };
            if !fits {
                self.fail(id, Fault::Kind { number, input: self.graph.name(input), wanted });
            }
        }
    }

    fn exec(&mut self, id: NodeId, exec: &Exec, found: usize) {
        for mount in &exec.mounts {
            if let Some(number) = mount.kind.input().filter(|&number| number >= found) {
                self.fail(id, Fault::InputNumber { what: format!("mount {}", mount.target), number, found });
            }
        }
    }

    fn file(&mut self, id: NodeId, file: &FileOp, found: usize) {
        if file.actions.is_empty() {
            self.fail(id, Fault::NoAction);
        }
        for action in &file.actions {
            let FileAction::Copy(copy) = action else { continue };
            let number = copy.from.input;
            if number == 0 || number >= found {
                self.fail(id, Fault::InputNumber { what: format!("copy to {}", copy.dest), number, found });
            }
        }
    }

    fn history(&mut self, id: NodeId, image: &ImageOp) {
        let steps: BTreeSet<NodeId> = chain::of(self.graph, id).steps.into_iter().collect();
        for (entry, step) in image.history.iter().enumerate() {
            if let Some(node) = step.node.filter(|node| !steps.contains(node)) {
                let known = self.graph.contains(node);
                let node = if known { self.graph.name(node) } else { format!("node {}", node.index()) };
                self.fail(id, Fault::History { entry, node });
            }
        }
    }

    fn platforms(&mut self, id: NodeId, inputs: &[NodeId]) {
        let mut seen = BTreeMap::new();
        for &input in inputs {
            if let Op::Image(image) = &self.graph.node(input).op {
                *seen.entry(image.platform.to_string()).or_insert(0) += 1;
            }
        }
        for (platform, _) in seen.into_iter().filter(|&(_, count)| count > 1) {
            self.fail(id, Fault::Platform(platform));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    const HEAD: &str =
        "imgc-graph 1\n%0 = scratch\n%1 = exec %0 {\n  step \"a#1\"\n}\n%2 = image %1\n%3 = context\n";

    fn faults(text: &str) -> Vec<String> {
        let graph = text::parse(text).unwrap();
        verify(&graph).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fault_names_its_node() {
        for (text, want) in [
            ("target %2", &[][..]),
            ("", &["graph: no target is named"]),
            ("%4 = scratch %0\ntarget %2", &["scratch.4: takes no inputs, has 1"]),
            ("%4 = exec\ntarget %4", &["exec.4: takes a root as its first input, has 0"]),
            ("%4 = diff %0\ntarget %4", &["diff.4: takes exactly 2 inputs, has 1"]),
            ("%4 = image %2\ntarget %4", &["image.4: input 0 is image.2; a tree is needed"]),
            ("%4 = index %1\ntarget %4", &["index.4: input 0 is exec.1 (a#1); an image is needed"]),
            ("%4 = index %2 %2\ntarget %4", &["index.4: two images are for linux/amd64"]),
            ("%4 = file %0\ntarget %4", &["file.4: has no actions"]),
            (
                "%4 = file %0 %3 {\n copy [\"x\"] \"/\" from=2\n}\ntarget %4",
                &["file.4: copy to / names input 2, but there are 2 (input 0 is the root)"],
            ),
            (
                "%4 = file %0 %3 {\n copy [\"x\"] \"/\" from=0\n}\ntarget %4",
                &["file.4: copy to / names input 0, but there are 2 (input 0 is the root)"],
            ),
            (
                "%4 = exec %0 {\n mount bind \"/m\" from=7\n}\ntarget %4",
                &["exec.4: mount /m names input 7, but there are 1 (input 0 is the root)"],
            ),
            (
                "%4 = image %0 {\n history \"x\" %1\n}\ntarget %4",
                &["image.4: history entry 0 names exec.1 (a#1), which is no step of this image"],
            ),
            (
                "%4 = diff\n%5 = exec\n",
                &[
                    "graph: no target is named",
                    "diff.4: takes exactly 2 inputs, has 0",
                    "exec.5: takes a root as its first input, has 0",
                ],
            ),
        ] {
            assert_eq!(faults(&format!("{HEAD}{text}\n")), want, "{text}");
        }
    }

    #[test]
    fn a_ladder_of_merges_is_refused_before_it_is_climbed() {
        use std::fmt::Write as _;
        let mut text = HEAD.to_owned();
        for rung in 4..60 {
            let below = if rung == 4 { 1 } else { rung - 1 };
            writeln!(text, "%{rung} = merge %{below} %{below}").unwrap();
        }
        text.push_str("target %59\n");
        let faults = faults(&text);
        assert!(faults[0].contains("more than the 100000 that a tree may have"), "{faults:?}");
    }
}
