//! The Dockerfile front end.
pub mod ast;
