//! Tests of the crate through its public face: outputs, golden digests, hostile archives, other tools beside us.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests")]

mod golden;
mod hostile;
mod oracle;
mod outputs;
mod sparse;
mod support;
