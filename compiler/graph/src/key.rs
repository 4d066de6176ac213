//! The canonical form of an op, and definition keys.
//!
//! Stub head: see `spec/keys.md`. Written with the module.
