//! The operations. Each makes a tree, except `Image` and `Index`, which make documents.

use std::collections::BTreeMap;

use imgc_base::config::{ContainerConfig, History};
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;

use crate::exec::Exec;
use crate::file::FileOp;
use crate::graph::NodeId;

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A tree from outside. No inputs.
    Source(Source),
    /// A command run on a root. Inputs: the root, then the trees that its mounts name by number.
    Exec(Exec),
    /// File actions on a root. Inputs: the root, then the trees that its copies name by number.
    File(FileOp),
    /// The union of its inputs, later ones above earlier ones.
    Merge,
    /// The second input minus the first.
    Diff,
    /// A manifest and config over a root. One input: the final root.
    Image(Box<ImageOp>),
    /// A multi-platform index over images.
    Index,
}

impl Op {
    /// The name of the operation in keys and printed graphs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Source(Source::Scratch) => "scratch",
            Self::Source(Source::Image { .. }) => "pull",
            Self::Source(Source::Context { .. }) => "context",
            Self::Source(Source::Http { .. }) => "http",
            Self::Source(Source::Git { .. }) => "git",
            Self::Exec(_) => "exec",
            Self::File(_) => "file",
            Self::Merge => "merge",
            Self::Diff => "diff",
            Self::Image(_) => "image",
            Self::Index => "index",
        }
    }

    /// True if the result is a tree; images and indexes are documents.
    pub fn is_tree(&self) -> bool {
        !matches!(self, Self::Image(_) | Self::Index)
    }
}

/// A tree from outside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Source {
    /// The empty tree.
    Scratch,
    /// An image's root.
    Image {
        /// How the user called it; for people, not for keys.
        reference: String,
        /// The manifest's digest.
        digest: BlobDigest,
        /// What was asked for.
        platform: Platform,
        /// Its layers, lowest first.
        layers: Vec<DiffId>,
    },
    /// A directory given with the build.
    Context {
        /// Empty for the main context, else the name of a named one.
        name: String,
        /// Patterns of the ignore file that belongs to it.
        ignore: Vec<String>,
    },
    /// A file from a web server.
    Http {
        /// Its address, without user information.
        url: String,
        /// What the content must hash to.
        checksum: Option<BlobDigest>,
        /// The name that it gets when copied into a directory; `None` if the URL gives none.
        filename: Option<String>,
    },
    /// A checkout of a git repository.
    Git {
        /// The repository, without user information.
        remote: String,
        /// Branch, tag or commit; empty for the default branch.
        reference: String,
        /// Directory below the checkout; empty for all.
        subdir: String,
        /// Keep `.git`.
        keep_git_dir: bool,
        /// Fetch submodules too.
        submodules: bool,
        /// Prefix of the commit that it must be.
        checksum: Option<String>,
    },
}

/// A manifest and config over a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOp {
    /// The platform the image is for.
    pub platform: Platform,
    /// How containers run.
    pub config: ContainerConfig,
    /// From `MAINTAINER`.
    pub author: Option<String>,
    /// History of the base image, raw.
    pub base_history: Vec<History>,
    /// History of our own instructions, in file order.
    pub history: Vec<PlannedHistory>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The name of the base image, for annotations and messages; `None` on scratch.
    pub base: Option<Reference>,
}

/// A history entry whose layer is known once its step ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedHistory {
    /// `RUN /bin/sh -c make # buildkit`.
    pub created_by: String,
    /// The step whose layer this entry stands for; `None` for metadata.
    pub node: Option<NodeId>,
}
