//! One line that says what a node does, for printers.

use crate::file::FileAction;
use crate::graph::{Graph, Node, NodeId};
use crate::op::{Op, Source};

/// What kind of node it is, for colours and shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Comes from outside.
    Source,
    /// Runs a command.
    Exec,
    /// Changes files.
    File,
    /// Puts trees together or takes them apart.
    Combine,
    /// Is a result: an image or index.
    Result,
}

impl Kind {
    /// The kind of a node.
    pub fn of(op: &Op) -> Self {
        match op {
            Op::Source(_) => Self::Source,
            Op::Exec(_) => Self::Exec,
            Op::File(_) => Self::File,
            Op::Merge | Op::Diff => Self::Combine,
            Op::Image(_) | Op::Index => Self::Result,
        }
    }

    /// In lower case, as a class or word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Exec => "exec",
            Self::File => "file",
            Self::Combine => "combine",
            Self::Result => "result",
        }
    }
}

/// What a node does: the title of its step, or a description. One line, not cut.
pub fn describe(node: &Node) -> String {
    if node.origin.title.is_empty() { of_op(&node.op) } else { one_line(&node.origin.title) }
}

fn of_op(op: &Op) -> String {
    match op {
        Op::Source(Source::Scratch) => "scratch".to_owned(),
        Op::Source(Source::Image { reference, digest, .. }) => {
            one_line(&format!("FROM {reference}@{}", digest.short()))
        }
        Op::Source(Source::Context { name, .. }) if name.is_empty() => "context".to_owned(),
        Op::Source(Source::Context { name, .. }) => one_line(&format!("context {name}")),
        Op::Source(Source::Http { url, .. }) => one_line(url),
        Op::Source(Source::Git { remote, reference, .. }) if reference.is_empty() => one_line(remote),
        Op::Source(Source::Git { remote, reference, .. }) => one_line(&format!("{remote}#{reference}")),
        Op::Exec(exec) => match &exec.args[..] {
            [_shell, flag, text] if flag == "-c" => one_line(text),
            args => one_line(&args.join(" ")),
        },
        Op::File(file) => file.actions.iter().map(of_action).collect::<Vec<_>>().join("; "),
        Op::Merge => "merge".to_owned(),
        Op::Diff => "difference".to_owned(),
        Op::Image(image) => format!("image {}", image.platform),
        Op::Index => "index".to_owned(),
    }
}

fn of_action(action: &FileAction) -> String {
    one_line(&match action {
        FileAction::Copy(copy) => format!("copy {} to {}", copy.sources.join(" "), copy.dest),
        FileAction::MakeDir { path, .. } => format!("make directory {path}"),
        FileAction::Write { dest, name, .. } => format!("write {name} to {dest}"),
    })
}

/// Line breaks and other control characters become single blanks.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// At most `width` characters, the last one `…` if something was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The number of a node in a listing: nodes counted in order, whatever was removed.
pub fn numbers(graph: &Graph) -> std::collections::BTreeMap<NodeId, usize> {
    graph.nodes().enumerate().map(|(number, id)| (id, number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_single_and_short() {
        assert_eq!(one_line("a \n\tb\u{1b}[31m  c"), "a b [31m c");
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("äbcdefg", 6), "äbcde…");
    }
}
