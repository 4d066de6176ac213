//! Tests of the whole program, in one binary.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy's own exception covers test functions only"
)]

mod architecture;
mod bad_input;
mod build_options;
mod caches;
mod careless;
mod causes;
mod contexts;
mod differential;
mod first_light;
mod fuzz;
mod images;
mod language;
mod look;
mod projects;
mod repro;
mod running;
mod same_bits;
mod secrets;
mod server;

use imgc_testkit::Place;

/// A new place for the program under test.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_imgc"))
}
