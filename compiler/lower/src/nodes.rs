//! Nodes that several stages and platforms use: sources, each added once.

use std::collections::BTreeMap;

use imgc_base::digest::BlobDigest;
use imgc_base::path::ImagePath;
use imgc_base::span::Span;
use imgc_base::{Diagnostic, Platform};
use imgc_graph::{
    Copy, CopyFrom, FileAction, FileOp, Graph, ImageFacts, Node, NodeId, Op, Origin, Source, Unpack, World,
};
use imgc_syntax::giturl::GitUrl;

use crate::code::{self, SOURCE};

/// The graph while it grows.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) graph: Graph,
    sources: BTreeMap<String, NodeId>,
    contexts: BTreeMap<String, NodeId>,
    /// The platform of nodes that have none.
    neutral: Platform,
}

/// A tree to copy from or to mount.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    /// The node.
    pub(crate) node: NodeId,
    /// True if its files have no owners and times of their own.
    pub(crate) foreign: bool,
}

impl Nodes {
    pub(crate) fn new(neutral: Platform) -> Self {
        Self { graph: Graph::new(), sources: BTreeMap::new(), contexts: BTreeMap::new(), neutral }
    }

    /// The platform of nodes that are alike on all.
    pub(crate) fn neutral(&self) -> &Platform {
        &self.neutral
    }

    fn source(&mut self, source: Source, platform: &Platform, title: impl FnOnce() -> String) -> NodeId {
        self.source_at(source, platform, title, None)
    }

    /// A source, and where the user's text asks for it first.
    fn source_at(
        &mut self,
        source: Source,
        platform: &Platform,
        title: impl FnOnce() -> String,
        span: Option<Span>,
    ) -> NodeId {
        let key = format!("{source:?} {platform}");
        if let Some(&known) = self.sources.get(&key) {
            return known;
        }
        let origin = Origin { title: title(), span, ..Origin::default() };
        let node = Node { op: Op::Source(source), platform: platform.clone(), origin };
        let id = self.graph.add(node, &[]);
        self.sources.insert(key, id);
        id
    }

    /// The empty tree.
    pub(crate) fn scratch(&mut self) -> NodeId {
        let platform = self.neutral.clone();
        self.source(Source::Scratch, &platform, String::new)
    }

    /// The tree of an image. One without layers is the empty tree.
    pub(crate) fn image(&mut self, facts: &ImageFacts, name: &str, platform: &Platform) -> NodeId {
        if facts.layers.is_empty() {
            return self.scratch();
        }
        let reference = facts.reference.as_ref().map_or_else(|| name.to_owned(), ToString::to_string);
        let title = format!("FROM {reference}");
        let source = Source::Image {
            reference,
            digest: facts.digest,
            platform: platform.clone(),
            layers: facts.layers.clone(),
        };
        self.source(source, platform, || title)
    }

    /// A directory given with the build; the main one has no name.
    pub(crate) fn directory(
        &mut self,
        name: &str,
        world: &dyn World,
        span: Span,
    ) -> Result<Input, Diagnostic> {
        if let Some(&node) = self.contexts.get(name) {
            return Ok(Input { node, foreign: true });
        }
        let ignore = world.ignore(name).map_err(|error| code::fact(error, "needs the context", span))?;
        let title = if name.is_empty() { "context".to_owned() } else { format!("context {name}") };
        let platform = self.neutral.clone();
        let node = self.source(Source::Context { name: name.to_owned(), ignore }, &platform, || title);
        self.contexts.insert(name.to_owned(), node);
        Ok(Input { node, foreign: true })
    }

    /// A checkout.
    pub(crate) fn git(
        &mut self,
        url: &GitUrl,
        keep_git_dir: bool,
        checksum: Option<&str>,
        span: Span,
    ) -> Result<Input, Diagnostic> {
        // The user of ssh is part of the address; that of http is a password's neighbour.
        if url.remote.starts_with("http") && has_user(&url.remote) {
            return Err(password(span));
        }
        let source = Source::Git {
            remote: url.remote.clone(),
            reference: url.wanted().unwrap_or_default().to_owned(),
            subdir: url.subdir.clone().unwrap_or_default(),
            keep_git_dir,
            submodules: url.submodules.unwrap_or(true),
            checksum: checksum.map(str::to_owned),
        };
        let platform = self.neutral.clone();
        let node = self.source_at(source, &platform, || format!("git {}", url.remote), Some(span));
        Ok(Input { node, foreign: true })
    }

    /// A file of a web server, and its name.
    pub(crate) fn http(
        &mut self,
        url: &str,
        checksum: Option<BlobDigest>,
        span: Span,
    ) -> Result<(Input, Option<String>), Diagnostic> {
        if has_user(url) {
            return Err(password(span));
        }
        let filename = file_name(url);
        let source = Source::Http { url: url.to_owned(), checksum, filename: filename.clone() };
        let platform = self.neutral.clone();
        let node = self.source_at(source, &platform, || format!("http {url}"), Some(span));
        Ok((Input { node, foreign: true }, filename))
    }

    /// A context as a root of its own: its files, 0:0.
    pub(crate) fn as_root(&mut self, input: Input, source: &str, unpack: Unpack, origin: Origin) -> NodeId {
        let root = self.scratch();
        let copy = Copy {
            from: CopyFrom { input: 1, foreign: input.foreign },
            sources: vec![source.to_owned()],
            dest: ImagePath::root(),
            into_dir: true,
            owner: None,
            chmod: None,
            unpack,
            link: false,
            parents: false,
            exclude: Vec::new(),
        };
        let op = Op::File(FileOp { actions: vec![FileAction::Copy(Box::new(copy))] });
        self.graph.add(Node { op, platform: self.neutral.clone(), origin }, &[root, input.node])
    }
}

/// The name that a file of a web server gets in a directory: the last part of the path.
fn file_name(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split_once('/').map(|(_, path)| path)?;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let decoded = percent_decode(path);
    let last = decoded.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    (!last.is_empty() && last != "." && last != ".." && !last.contains('\0')).then(|| last.to_owned())
}

/// Reads `%XX`; what is no UTF-8 stays as it was written.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// True if an address has a user before its host.
fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@'))
}

fn password(span: Span) -> Diagnostic {
    Diagnostic::error(SOURCE, "an address with a user or password")
        .at(span, "would stand in records and messages")
        .help("take it out, and give it as a secret or in the tool's own configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (url, name) in [
            ("https://a/b/c.tar.gz", Some("c.tar.gz")),
            ("https://a/b/c%20d?x=/y#z", Some("c d")),
            ("https://a/b/", Some("b")),
            ("https://a/", None),
            ("https://a", None),
            ("https://a/b/..", None),
            ("https://a?x", None),
        ] {
            assert_eq!(file_name(url).as_deref(), name, "{url}");
        }
    }

    #[test]
    fn users_are_seen() {
        assert!(has_user("https://u:p@host/x"));
        assert!(has_user("https://u@host"));
        assert!(!has_user("https://host/a@b"));
        assert!(!has_user("https://host?a@b"));
    }
}
