//! What the tests of the whole program stand on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`place`] | a hermetic place: own home, store, context; runs the program |
//! | [`root`] | small root filesystems to build on |
//! | [`peer`] | other programs, and how to say that one is missing |
//! | [`leak`] | looks for a secret in everything that the program left |
//! | [`web`] | a small web server |
//! | [`buildah`] | buildah with a storage of its own |
//! | [`flat`] | an image as a list of paths, for comparing |

pub mod buildah;
pub mod flat;
pub mod leak;
pub mod peer;
pub mod place;
pub mod root;
pub mod web;

pub use place::{Done, Place};
