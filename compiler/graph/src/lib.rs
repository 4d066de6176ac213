//! The instruction graph: what a build is, before it runs.
//!
//! | module | what it holds |
//! |---|---|
//! | [`op`] | the few operations |
//! | [`exec`] | `RUN`: command, environment, mounts |
//! | [`mod@file`] | `COPY`, `ADD`, `WORKDIR`: ordered file actions |
//! | [`graph`] | nodes, edges, targets; petgraph behind our own type |
//! | [`chain`] | the steps that a tree is stacked of |
//! | [`key`] | definition keys, and the canonical form of an op |
//! | [`text`] | the text form: prints and parses |
//! | [`json`], [`dot`], [`mermaid`], [`tree`] | other forms: for programs, drawings and people |
//! | [`draw`] | SVG and HTML |
//! | [`describe`] | one line for a node |
//! | [`mod@verify`] | checks a graph |
//! | [`world`] | the facts that lowering asks of the world |
//!
//! Pure: the graph refers to nothing on the machine it was planned on. Base images are named by digest, contexts
//! by name.

pub mod chain;
pub mod describe;
pub mod dot;
pub mod draw;
pub mod exec;
pub mod file;
pub mod graph;
pub mod json;
pub mod key;
pub mod mermaid;
pub mod op;
pub mod text;
pub mod tree;
pub mod verify;
pub mod world;

pub use chain::Chain;
pub use exec::{CacheSharing, Exec, Mount, MountKind, Network, Security};
pub use file::{Chmod, Copy, CopyFrom, FileAction, FileOp, OwnerSpec, Unpack};
pub use graph::{Graph, Node, NodeId, Origin};
pub use op::{ImageOp, Op, PlannedHistory, Source};
pub use verify::{Fault, GraphError, verify};
pub use world::{FactError, ImageFacts, World};

#[cfg(test)]
mod arbitrary;
