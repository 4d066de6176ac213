//! Looking at builds and images: what a step's key was made of, what an image holds, how two of them differ.
//!
//! Everything but [`squash`] compares indexes and documents; the bytes of files are read only where the caller asks.
//!
//! | module | question |
//! |---|---|
//! | [`record`] | which steps did a build have, and which key had each? |
//! | [`why`] | why did a step run again? |
//! | [`size`] | where are an image's bytes, and which of them does nobody see? |
//! | [`files`] | which files differ? |
//! | [`bytes`] | what do the differing bytes of a file mean? |
//! | [`packages`] | which packages does an image have? |
//! | [`squash`] | fewer layers for an image that is there |

pub mod bytes;
pub mod files;
mod formats;
pub mod packages;
pub mod record;
pub mod size;
pub mod squash;
pub mod why;
