//! Text to AST: Dockerfiles, their mounts, durations and git remotes, variable expansion.
//!
//! Pure: every parser takes `&str` and returns values and diagnostics; nothing is opened. Names (stages, images,
//! variables) are resolved by `imgc-lower`, not here.

pub mod dockerfile;
pub mod duration;
pub mod expand;
pub mod giturl;
pub mod mount;
