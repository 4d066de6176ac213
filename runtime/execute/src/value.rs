//! What a node yields while a build runs.

use std::sync::Arc;

use imgc_base::digest::DiffId;
use imgc_graph::NodeId;
use imgc_image::{Descriptor, Layer, Tree};

use crate::context::Context;
use crate::error::ExecuteError;
use crate::fetch::Fetched;

/// What a node yields.
#[derive(Debug, Clone)]
pub enum Value {
    /// A root file system.
    Root(Arc<Root>),
    /// A directory of the host.
    Context(Arc<Context>),
    /// A file from elsewhere.
    File(Arc<Fetched>),
    /// A manifest or an index.
    Image(Arc<BuiltImage>),
}

/// A root file system as a stack of layers.
#[derive(Debug, Clone, Default)]
pub struct Root {
    /// All layers, those of the base first.
    pub tree: Tree,
    /// How many of them are the base's.
    pub base: usize,
    /// The base's blobs, as its manifest names them: an image on it names the same.
    pub base_blobs: Vec<Descriptor>,
    /// How far the base's own times reach into the step clock, in seconds above its start.
    pub clock: i64,
    /// The steps above the base, in order, and the layer that each made.
    pub steps: Vec<StepLayer>,
}

/// A step and its layer.
#[derive(Debug, Clone)]
pub struct StepLayer {
    /// Which step.
    pub node: NodeId,
    /// Its layer; `None` if it changed nothing.
    pub layer: Option<DiffId>,
}

impl Value {
    /// The root file system.
    pub fn root(&self) -> Result<&Arc<Root>, ExecuteError> {
        match self {
            Self::Root(root) => Ok(root),
            _ => Err(ExecuteError::Graph("an input is not a root file system")),
        }
    }
}

impl Root {
    /// This root after one more step.
    #[must_use]
    pub fn after(&self, node: NodeId, layer: Option<Layer>) -> Self {
        let mut next = self.clone();
        next.steps.push(StepLayer { node, layer: layer.as_ref().map(|layer| layer.diff_id) });
        if let Some(layer) = layer {
            next.tree = next.tree.push(layer);
        }
        next
    }

    /// Where the next step stands in the chain: 1 for the first.
    pub fn next_depth(&self) -> i64 {
        self.clock + i64::try_from(self.steps.len()).unwrap_or(i64::MAX - self.clock - 1) + 1
    }
}

/// An image that the build made.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// The final root of a single image; of an index, nothing.
    pub tree: Tree,
    /// The images of an index.
    pub members: Vec<Descriptor>,
    /// The config's digest, for `--iidfile`; of an index, its own.
    pub config: imgc_base::BlobDigest,
    /// The certified digest of the file system; of an index, none.
    pub root: Option<imgc_base::RootDigest>,
}
