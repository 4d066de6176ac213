//! Images and root file systems written out: layouts, archives, trees.
//!
//! | function | writes |
//! |---|---|
//! | [`write_layout`], [`write_layout_archive`] | an OCI layout, made or added to, and the same as a tar |
//! | [`write_docker_archive`] | an archive for `docker load` that is an OCI layout as well |
//! | [`write_root_tar`], [`write_root_dir`] | the flattened root file system |
//!
//! Same image, same bytes: archives have members in path order, no times, no owners' names. What is copied is
//! checked against its digest on the way out.

mod closure;
mod docker;
mod layout;
mod root_dir;
mod root_tar;

pub use docker::{DockerImage, write_docker_archive};
pub use layout::{write_layout, write_layout_archive};
pub use root_dir::{LeftOut, write_root_dir};
pub use root_tar::{write_root_tar, write_root_tars};
