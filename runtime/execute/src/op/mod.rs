//! One module per operation of the graph.

mod certificate;
mod dropped;
pub mod exec;
pub mod file;
pub mod image;
pub mod mounts;
pub mod secrets;
pub mod source;
pub mod stack;
mod trust;
