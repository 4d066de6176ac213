//! The ground floor: plain values that every other crate speaks in.
//!
//! | module | what it holds |
//! |---|---|
//! | [`digest`] | SHA-256 digests, one type per use |
//! | [`canonical`] | length-prefixed bytes under SHA-256: how every key is made |
//! | [`path`] | paths inside an image, as bytes |
//! | [`platform`] | `os/arch/variant` |
//! | [`mod@reference`] | image names: one grammar for the whole tool |
//! | [`config`] | the OCI image configuration document |
//! | [`span`] | where in which text |
//! | [`diagnostic`] | errors and warnings before they are drawn |
//! | [`event`] | what happens during a build, for progress and records |
//! | [`cancel`] | stopping early |
//! | [`glob`] | Go's path patterns |
//! | [`ignore`] | `.dockerignore` |
//! | [`clock`] | the epoch, the step clock, and the one place that reads the wall clock |
//!
//! Nothing here opens a file, a socket or the environment.

pub mod cancel;
pub mod canonical;
pub mod clock;
pub mod config;
pub mod diagnostic;
pub mod digest;
pub mod event;
pub mod glob;
pub mod ignore;
pub mod path;
pub mod platform;
pub mod reference;
pub mod span;

pub use cancel::Cancel;
pub use clock::Epoch;
pub use diagnostic::{Diagnostic, Severity};
pub use digest::{BlobDigest, ChainId, ContentKey, DefinitionKey, DiffId, FileDigest, RootDigest};
pub use path::ImagePath;
pub use platform::Platform;
pub use reference::Reference;
pub use span::{SourceId, SourceMap, Span, Spanned};
