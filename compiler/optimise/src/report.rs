//! What a pass did and why.

use std::fmt;

use imgc_graph::{Graph, NodeId};

/// What one pass did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PassReport {
    /// The pass: `share`.
    pub pass: &'static str,
    /// One line: `3 of 41 nodes are equal to another`.
    pub summary: String,
    /// What is gained; empty if nothing was done.
    pub saves: String,
    /// What it counted before (nodes or layers).
    pub before: usize,
    /// What it counted after.
    pub after: usize,
    /// Each change.
    pub actions: Vec<Action>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Action {
    /// The step or node it was done to: `build#12`.
    pub step: String,
    /// What was done.
    pub what: String,
    /// Why it may be done.
    pub why: String,
}

impl PassReport {
    /// A report without actions yet.
    pub fn new(pass: &'static str, before: usize) -> Self {
        Self {
            pass,
            summary: String::new(),
            saves: String::new(),
            before,
            after: before,
            actions: Vec::new(),
        }
    }

    /// Adds a change.
    pub fn act(&mut self, step: impl Into<String>, what: impl Into<String>, why: impl Into<String>) {
        self.actions.push(Action { step: step.into(), what: what.into(), why: why.into() });
    }
}

impl fmt::Display for PassReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12}{}", self.pass, self.summary)?;
        if !self.saves.is_empty() {
            write!(f, "; saves {}", self.saves)?;
        }
        for Action { step, what, why } in &self.actions {
            write!(f, "\n  {step:<16} {what} ({why})")?;
        }
        Ok(())
    }
}

/// How people call a node: its step, or its op and number.
pub fn name(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    if node.origin.step.is_empty() {
        format!("{}.{}", node.op.name(), id.index())
    } else {
        node.origin.step.clone()
    }
}

pub use imgc_base::diagnostic::count;
