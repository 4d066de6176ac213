//! The compiler for container images.
fn main() {}
