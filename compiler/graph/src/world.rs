//! What lowering must know of the world, as plain facts.

use imgc_base::config::{ContainerConfig, History};
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;

/// An image as lowering sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The full name, if it has one (a layout on disk may have none).
    pub reference: Option<Reference>,
    /// The manifest's digest.
    pub digest: BlobDigest,
    /// The platform its config states.
    pub platform: Platform,
    /// How containers of it run; children inherit it.
    pub config: ContainerConfig,
    /// Its history.
    pub history: Vec<History>,
    /// From `MAINTAINER`.
    pub author: Option<String>,
    /// Its layers, lowest first.
    pub layers: Vec<DiffId>,
}

/// What kind of failure a fact is missing for; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// The name is wrong or nothing has that name.
    NotFound,
    /// Network, registry or login.
    Network,
    /// The store or this machine.
    Environment,
}

/// Why a fact could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FactError {
    /// What kind.
    pub kind: FactKind,
    /// One line.
    pub message: String,
    /// Explanations.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

/// Answers what lowering asks. Implemented above, by the executor's side.
pub trait World {
    /// Finds an image by the name written in `FROM`, `COPY --from` or a mount, and brings its manifest and config
    /// (not its layers). `name` may also be `oci:DIR[:TAG]`.
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageFacts, FactError>;

    /// True if the build was given a named context of this name that is a directory.
    fn has_context(&self, name: &str) -> bool;

    /// The ignore patterns of a context; empty name for the main one.
    fn ignore(&self, context: &str) -> Result<Vec<String>, FactError>;
}
