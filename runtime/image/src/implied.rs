//! Directories that a layer implies but does not hold.
//!
//! A foreign layer may have `tmp/x` and no entry for `tmp`. Unpacked for overlayfs it has a directory there all the
//! same, with made-up attributes, which would stand before those that a lower layer gave. Before a command runs on
//! such a tree, [`prepare`] puts the right ones on top; the scan afterwards finds nothing changed about them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use imgc_base::path::ImagePath;
use rustix::fs::{Mode, OFlags};

use crate::entry::Meta;
use crate::error::ImageError;
use crate::index::LayerIndex;
use crate::rooted::{Root, set_meta};
use crate::tree::Tree;

/// The directories of a layer that have entries below them but none of their own, in path order.
pub fn of_layer(index: &LayerIndex) -> BTreeSet<ImagePath> {
    let mut implied = BTreeSet::new();
    let mut last: Option<ImagePath> = None;
    for entry in index.entries() {
        let parent = entry.path.parent().filter(|dir| !dir.is_root());
        if parent == last {
            continue;
        }
        last.clone_from(&parent);
        let mut above = parent;
        while let Some(dir) = above.filter(|dir| !dir.is_root()) {
            above = dir.parent();
            if index.get(&dir).is_none() && !implied.insert(dir) {
                break;
            }
        }
    }
    implied
}

/// The directories of a tree whose attributes on disk are not those of the tree, and those above them.
fn wrong_on_disk(tree: &Tree) -> BTreeMap<ImagePath, Meta> {
    let mut decided: BTreeSet<ImagePath> = BTreeSet::new();
    let mut wrong = BTreeMap::new();
    for (number, layer) in tree.layers().iter().enumerate().rev() {
        for path in of_layer(&layer.index) {
            let higher = &tree.layers()[number + 1..];
            if decided.contains(&path) || higher.iter().any(|layer| layer.index.get(&path).is_some()) {
                continue;
            }
            if let Some(found) = tree.get(&path).filter(|found| found.entry.meta != Meta::IMPLIED_DIR) {
                wrong.insert(path.clone(), found.entry.meta.clone());
            }
            decided.insert(path);
        }
    }
    let above: Vec<ImagePath> = wrong.keys().flat_map(ImagePath::ancestors).collect();
    for path in above {
        let meta = tree.get(&path).map_or(Meta::IMPLIED_DIR, |found| found.entry.meta.clone());
        wrong.entry(path).or_insert(meta);
    }
    wrong
}

/// Makes, in the empty upper directory of a mount, the directories whose attributes the trees below have wrong.
/// Returns how many there are: 0 for all layers that this program wrote.
pub fn prepare(tree: &Tree, upper: &Root) -> Result<usize, ImageError> {
    let wrong = wrong_on_disk(tree);
    for path in wrong.keys() {
        let place = upper.place(path)?;
        rustix::fs::mkdirat(&place.dir, place.name, Mode::RWXU)
            .map_err(ImageError::at("make directory", path))?;
    }
    // From the inside out: making a directory changes the time of the one that holds it.
    for (path, meta) in wrong.iter().rev() {
        let place = upper.place(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&place.dir, place.name, flags, Mode::empty())
            .map_err(ImageError::at("open directory", path))?;
        set_meta(fd.as_fd(), meta).map_err(ImageError::at("set attributes of", path))?;
    }
    Ok(wrong.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{StepClock, changes};
    use crate::testing::{layer, path};

    #[test]
    fn layers_of_others() {
        let index = layer(&["f a/b/c 1", "f a/b/d 1", "d x", "f x/y/z 1", "f a-b/c 1"]).index;
        let found: Vec<String> = of_layer(&index).iter().map(ImagePath::to_string).collect();
        assert_eq!(found, ["/a", "/a-b", "/a/b", "/x/y"]);
        assert!(of_layer(&layer(&["d a", "f a/b 1"]).index).is_empty());
    }

    #[test]
    fn only_what_lower_layers_know_better() {
        let wrong = |stack: &[&[&str]]| -> Vec<String> {
            let tree = Tree::new(stack.iter().map(|lines| layer(lines)).collect());
            wrong_on_disk(&tree).keys().map(ImagePath::to_string).collect()
        };
        assert_eq!(wrong(&[&["d tmp"], &["f tmp/x 1"]]), ["/tmp"]);
        assert_eq!(wrong(&[&["f tmp/x 1"], &["f tmp/y 1"]]), Vec::<String>::new());
        assert_eq!(wrong(&[&["d tmp"], &["f tmp/x 1"], &["d tmp"]]), Vec::<String>::new());
        assert_eq!(wrong(&[&["d tmp"], &["d tmp"], &["f tmp/x 1"], &["f tmp/y 1"]]), ["/tmp"]);
        assert_eq!(wrong(&[&["d tmp"], &["f tmp/x 1"], &["w tmp"]]), Vec::<String>::new());
        assert_eq!(wrong(&[&["d a/b"], &["f a/b/c 1"]]), ["/a", "/a/b"]);
    }

    #[test]
    fn prepared_directories_are_no_change() {
        let tree = Tree::new(vec![layer(&["d a/b", "d tmp"]), layer(&["f a/b/c 1", "f tmp/x 1"])]);
        let dir = tempfile::tempdir().unwrap();
        let upper = Root::open(dir.path()).unwrap();
        assert_eq!(prepare(&tree, &upper).unwrap(), 3);
        let stat = upper.stat(&path("tmp")).unwrap().unwrap();
        assert_eq!((stat.st_mode & 0o7777, stat.st_mtime), (0o750, 0));
        let clock = StepClock { start: (1_000_000_000, 0), time: 500 };
        assert_eq!(changes(&upper, &tree, clock).unwrap().entries, []);
        // With a change below, the directory is what the tree has.
        fs_err::write(dir.path().join("a/b/new"), "").unwrap();
        let found: Vec<String> =
            changes(&upper, &tree, clock).unwrap().entries.iter().map(|e| e.path.to_string()).collect();
        assert_eq!(found, ["/a", "/a/b", "/a/b/new"]);
    }
}
