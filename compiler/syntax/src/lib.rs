//! Text to AST: Dockerfiles, `.dockerignore`, variable expansion, Go's globs.
//!
//! Pure: every parser takes `&str` and returns values and diagnostics; nothing is opened. Names (stages, images,
//! variables) are resolved by `imgc-lower`, not here.

pub mod dockerfile;
