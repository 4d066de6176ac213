//! The graph as a drawing: SVG, or HTML that holds one or more of them. Pure functions that return text; nothing is
//! fetched when it is looked at.
//!
//! Chains of steps run from top to bottom, one column for each; what a step takes from elsewhere comes from the side.
//! Every mark is also a word, so that colour is not needed to read it; light and dark follow the reader's setting.

mod html;
mod layout;
mod svg;

use std::collections::BTreeMap;

use crate::graph::{Graph, NodeId};

pub use html::{Panel, page};
pub use svg::print as svg;

/// What is drawn besides the graph itself.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    /// Remarks on nodes.
    pub marks: BTreeMap<NodeId, Mark>,
    /// Rows of nodes that belong together; by default the stages.
    pub bands: Option<Vec<Band>>,
}

/// A remark on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// How the node looks.
    pub look: Look,
    /// A few words: `cached`, `12 MB`.
    pub note: String,
    /// On the critical path: drawn thick.
    pub critical: bool,
}

/// How a node looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// As its kind says.
    #[default]
    Plain,
    /// Nothing to do: paler.
    Cached,
    /// No longer there: dashed.
    Gone,
}

/// Nodes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// The nodes; those in one column are framed together.
    pub nodes: Vec<NodeId>,
    /// Its name.
    pub label: String,
}

/// The stage of a node: what stands before `#` in its step.
fn stage(graph: &Graph, id: NodeId) -> &str {
    graph.node(id).origin.step.rsplit_once('#').map_or("", |(stage, _)| stage)
}

/// Text for between tags and in attributes.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            // No other control character may stand in XML.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests;
