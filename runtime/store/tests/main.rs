//! The store as other crates and other processes see it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_imports,
    clippy::cast_sign_loss,
    reason = "all of this is test code; processes of one test talk by stdout"
)]

mod collect;
mod crash;
mod full;
mod layers;
mod objects;
mod race;
mod support;
mod torn;
