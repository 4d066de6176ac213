//! Tests of the whole program, in one binary.

mod architecture;
mod bad_input;
mod differential;
mod first_light;
mod images;
mod look;
mod same_bits;
mod server;

use imgc_testkit::Place;

/// A new place for the program under test.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_imgc"))
}
