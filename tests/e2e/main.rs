//! Tests of the whole program, in one binary.

mod architecture;
mod differential;
mod first_light;
mod images;

use imgc_testkit::Place;

/// A new place for the program under test.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_imgc"))
}
