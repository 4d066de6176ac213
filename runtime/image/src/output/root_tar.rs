//! The flattened root file system as one canonical tar.

use std::io::Write;

use imgc_base::path::ImagePath;

use crate::error::ImageError;
use crate::merge;
use crate::source::Contents;
use crate::tree::Tree;

/// Writes the root file system in the form of a layer, without whiteouts.
pub fn write_root_tar(tree: &Tree, contents: &dyn Contents, out: impl Write) -> Result<(), ImageError> {
    // The whole stack merged on nothing is the file system.
    merge::write(&merge::merge(&Tree::default(), tree.layers())?, contents, out)?;
    Ok(())
}

/// Writes several root file systems into one tar, each below a directory of its own.
pub fn write_root_tars(
    trees: &[(ImagePath, Tree)],
    contents: &dyn Contents,
    out: impl Write,
) -> Result<(), ImageError> {
    let mut all = merge::Merged::default();
    for (dir, tree) in trees {
        all.add_below(dir, merge::merge(&Tree::default(), tree.layers())?);
    }
    merge::write(&all, contents, out)?;
    Ok(())
}
