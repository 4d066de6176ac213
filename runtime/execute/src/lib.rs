//! Graph to bytes: the scheduler and one module per op.
//!
//! | module | what it holds |
//! |---|---|
//! | [`run`] | one build from start to end |
//! | [`schedule`] | which step runs when |
//! | [`needs`] | in which form each step's layer will be wanted |
//! | [`op`] | one module per operation |
//! | [`value`] | what a node yields |
//! | [`bases`] | base images: where a name leads, and how its layers come into the store |
//! | [`blobs`] | compressing layers beside the steps that follow |
//! | [`layers`] | where the bytes of a new layer go |
//! | [`import`] | a flat root becomes an image |
//! | [`container`] | one program in an image |
//! | [`load`] | images out of archives |
//! | [`look`] | what builds and images are made of, and how two of them differ |
//! | [`kept`] | containers that stay, and images made of them |
//! | [`transfer`] | images between registries, layouts and the store, without unpacking |
//! | [`context`] | build contexts: walking, ignoring, the stat cache |
//! | [`fetch`] | files and repositories from elsewhere: http, git |
//! | [`mod@file`] | `COPY`, `ADD`, `WORKDIR`: file actions to layer entries |
//! | [`users`] | names of users and groups in an image |
//! | [`foreign`] | programs for another processor |
//! | [`hint`] | what a failed command's end means |
//! | [`options`] | what a build was asked for |
//! | [`error`] | why a build did not end well |

pub mod bases;
pub mod blobs;
pub mod container;
pub mod context;
pub mod error;
pub mod fetch;
pub mod file;
pub mod foreign;
pub mod hint;
pub mod import;
pub mod kept;
pub mod layers;
pub mod load;
pub mod look;
pub mod needs;
pub mod op;
pub mod options;
mod output_lines;
mod rfc3339;
pub mod run;
pub mod schedule;
pub mod transfer;
pub mod users;
pub mod value;

pub use bases::{Bases, NamedContext};
pub use error::{ExecuteError, StepFailure};
pub use options::{BuildOptions, NoCache, Secret, SecretBytes};
pub use rfc3339::{rfc3339, seconds};
pub use run::{Build, Prune, images};
pub use value::{BuiltImage, Value};
