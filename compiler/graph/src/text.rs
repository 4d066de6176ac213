//! The text form of a graph: it prints and parses, like the text form of a compiler's intermediate code.
//!
//! ```text
//! imgc-graph 1
//!
//! %0 = pull {
//!   reference "debian:13"
//!   digest sha256:...
//! }
//! %1 = exec %0 {
//!   args ["/bin/sh" "-c" "make"]
//! }
//! target %1
//! ```
//!
//! A node has a number, an op, its inputs, and entries in braces: a key and its values, one entry per line. What has
//! its default value is left out. The grammar and every key are in `spec/graph.md`. Numbers are those of the listing,
//! in an order in which inputs come before their users.

mod fields;
mod lex;
mod print;
mod read;
mod read_image;
mod tree;
mod words;

use imgc_base::span::{SourceId, Span};

use crate::graph::Graph;

pub use print::{print, print_nodes};

/// The longest text that is read, in bytes.
pub const MAX_TEXT: usize = 64 << 20;

/// More faults than this help nobody.
const MAX_FAULTS: usize = 100;

/// The first line of every text.
pub const HEAD: &str = "imgc-graph 1";

/// Why a text is no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}{}", help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default())]
pub struct TextError {
    /// The line, from 1.
    pub line: u32,
    /// The column in bytes, from 1.
    pub column: u32,
    /// Where in the text; the source is [`SourceId`] 0.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A fault at a place, before lines are counted.
#[derive(Debug)]
struct Fault {
    at: std::ops::Range<usize>,
    message: String,
    help: Option<String>,
}

impl Fault {
    fn new(at: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    fn help(mut self, help: Option<&str>) -> Self {
        self.help = help.map(|help| format!("did you mean `{help}`?"));
        self
    }
}

/// Reads a graph. All faults in entries are reported at once; a broken form (a brace that is not closed) ends the
/// reading. The graph is not yet verified.
pub fn parse(text: &str) -> Result<Graph, Vec<TextError>> {
    let placed = |faults: Vec<Fault>| {
        faults.into_iter().take(MAX_FAULTS).map(|fault| place(text, fault)).collect::<Vec<_>>()
    };
    if text.len() > MAX_TEXT {
        return Err(placed(vec![Fault::new(0..0, format!("the text is longer than {MAX_TEXT} bytes"))]));
    }
    let document = tree::parse(text).map_err(|fault| placed(vec![fault]))?;
    read::graph(&document).map_err(placed)
}

fn place(text: &str, fault: Fault) -> TextError {
    let before = &text.as_bytes()[..fault.at.start.min(text.len())];
    let line = before.split(|&byte| byte == b'\n').count() as u32;
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() as u32 + 1;
    let span = Span::new(SourceId(0), fault.at.start as u32, fault.at.end as u32);
    TextError { line, column, span, message: fault.message, help: fault.help }
}

#[cfg(test)]
pub(crate) mod tests;
