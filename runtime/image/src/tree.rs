//! Several layer indexes seen as one file system, without reading any content.
//!
//! The rules are overlayfs's and the OCI image-spec's (`layer.md`): upper hides lower, a whiteout removes, an opaque
//! directory hides what lies below it, anything that is no directory hides a directory of the same name.

use std::sync::Arc;

use imgc_base::digest::{ChainId, DiffId};
use imgc_base::path::ImagePath;

use crate::entry::{Entry, Kind};
use crate::error::ImageError;
use crate::index::LayerIndex;
use crate::limits;
use crate::visible::with_layer;

/// A layer: its name and its index.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Its entries.
    pub index: Arc<LayerIndex>,
}

/// A stack of layers, lowest first.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    layers: Vec<Layer>,
}

/// A path that exists, and the layer that it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// What it is.
    pub entry: &'a Entry,
    /// Whose content it is.
    pub layer: &'a Layer,
}

impl<'a> Found<'a> {
    /// Follows a hard link to the entry that holds the content.
    pub fn content(self) -> &'a Entry {
        match &self.entry.kind {
            Kind::Hardlink { to } => self.layer.index.get(to).unwrap_or(self.entry),
            _ => self.entry,
        }
    }
}

impl Tree {
    /// A stack of layers, lowest first.
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers }
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The digest of the whole stack.
    pub fn chain_id(&self) -> ChainId {
        ChainId::of_layers(self.layers.iter().map(|layer| layer.diff_id))
    }

    /// The same stack with one more layer on top.
    #[must_use]
    pub fn push(&self, layer: Layer) -> Self {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Self { layers }
    }

    /// What stands at exactly this path; no link is followed. The root is never found: it always exists.
    pub fn get(&self, path: &ImagePath) -> Option<Found<'_>> {
        let above: Vec<ImagePath> = path.ancestors().collect();
        for (number, layer) in self.layers.iter().enumerate().rev() {
            if let Some(entry) = layer.index.get(path) {
                let there = entry.kind != Kind::Whiteout && !self.implies_directory(number, entry);
                return there.then_some(Found { entry, layer });
            }
            for above in &above {
                match layer.index.get(above).map(|entry| &entry.kind) {
                    None | Some(Kind::Dir { opaque: false }) => {}
                    Some(_) => return None,
                }
            }
        }
        None
    }

    /// True if something is no directory in its layer, but this or a higher layer has names below it: an unpacker
    /// makes a directory there, of which no entry speaks.
    fn implies_directory(&self, number: usize, entry: &Entry) -> bool {
        !entry.kind.is_dir()
            && self.layers[number..]
                .iter()
                .any(|layer| layer.index.below(&entry.path).any(|below| below.kind != Kind::Whiteout))
    }

    /// Resolves symbolic links as a process inside the root would. The result has no link in its directories; its
    /// last part is followed too if `follow_last`. Parts that do not exist are kept as they are.
    pub fn resolve(&self, path: &ImagePath, follow_last: bool) -> Result<ImagePath, ImageError> {
        let mut todo: Vec<Vec<u8>> = path.parts().rev().map(<[u8]>::to_vec).collect();
        let mut done = ImagePath::root();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done = done.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = done.child(&part);
            let target = match self.get(&next).map(|found| &found.entry.kind) {
                Some(Kind::Symlink { target }) if follow_last || !todo.is_empty() => target,
                _ => {
                    done = next;
                    continue;
                }
            };
            links += 1;
            if links > limits::SYMLINKS || todo.len() > limits::SYMLINKS * 64 {
                return Err(ImageError::Loop(path.clone()));
            }
            if target.first() == Some(&b'/') {
                done = ImagePath::root();
            }
            todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
        }
        // A hostile link may hold a part that no path can have.
        Ok(ImagePath::strict(done.as_bytes())?)
    }

    /// Everything below a directory, at any depth, in path order. Links are not followed.
    pub fn below(&self, dir: &ImagePath) -> Vec<Found<'_>> {
        let start = self.layers.iter().rposition(|layer| hides(&layer.index, dir)).unwrap_or(0);
        self.layers[start..].iter().fold(Vec::new(), |below, layer| with_layer(below, layer, dir))
    }

    /// The whole file system, in path order.
    pub fn all(&self) -> Vec<Found<'_>> {
        self.below(&ImagePath::root())
    }
}

/// True if nothing of the layers under this one can be seen at or below `dir`.
fn hides(index: &LayerIndex, dir: &ImagePath) -> bool {
    dir.ancestors()
        .chain((!dir.is_root()).then(|| dir.clone()))
        .any(|path| !matches!(index.get(&path).map(|e| &e.kind), None | Some(Kind::Dir { opaque: false })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Meta;

    fn path(text: &str) -> ImagePath {
        ImagePath::clean(text).unwrap()
    }

    /// `d a`, `o a` (opaque), `f a`, `w a`, `l a target`.
    fn layer(lines: &[&str]) -> Layer {
        let entries = lines
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let kind = match words[0] {
                    "d" => Kind::Dir { opaque: false },
                    "o" => Kind::Dir { opaque: true },
                    "w" => Kind::Whiteout,
                    "l" => Kind::Symlink { target: words[2].into() },
                    _ => Kind::Fifo,
                };
                Entry { path: path(words[1]), kind, meta: Meta::default() }
            })
            .collect();
        let index = LayerIndex::new(entries);
        Layer { diff_id: DiffId::of(&index.encode()), index: Arc::new(index) }
    }

    fn names(tree: &Tree, dir: &str) -> Vec<String> {
        tree.below(&path(dir)).iter().map(|found| found.entry.path.to_absolute()).collect()
    }

    #[test]
    fn upper_layers_hide() {
        let tree = Tree::new(vec![
            layer(&["d a", "f a/1", "f a/2", "d b", "f b/x", "d c", "f c/old", "d e", "f e/gone"]),
            layer(&["d a", "w a/1", "o b", "f b/new", "f c", "w e"]),
            layer(&["d e"]),
        ]);
        assert_eq!(names(&tree, ""), ["/a", "/a/2", "/b", "/b/new", "/c", "/e"]);
        assert_eq!(names(&tree, "b"), ["/b/new"]);
        assert_eq!(names(&tree, "e"), Vec::<String>::new());
        for (at, there) in
            [("a/1", false), ("a/2", true), ("b/x", false), ("c/old", false), ("e/gone", false)]
        {
            assert_eq!(tree.get(&path(at)).is_some(), there, "{at}");
        }
    }

    #[test]
    fn file_replaced_by_directory_hides_nothing_below_it() {
        let tree = Tree::new(vec![layer(&["f a"]), layer(&["d a", "f a/x"])]);
        assert_eq!(names(&tree, ""), ["/a", "/a/x"]);
    }

    #[test]
    fn links_resolve_inside_the_root() {
        let tree = Tree::new(vec![layer(&[
            "l bin usr/bin",
            "d usr",
            "d usr/bin",
            "l usr/bin/sh /bin/dash",
            "l up ../../../../etc",
            "l loop loop",
        ])]);
        let resolve = |text: &str, last| tree.resolve(&path(text), last).unwrap().to_absolute();
        assert_eq!(resolve("bin/sh", true), "/usr/bin/dash");
        assert_eq!(resolve("bin/sh", false), "/usr/bin/sh");
        assert_eq!(resolve("up/passwd", true), "/etc/passwd");
        assert_eq!(resolve("no/such", true), "/no/such");
        assert!(matches!(tree.resolve(&path("loop"), true), Err(ImageError::Loop(_))));
        assert_eq!(resolve("loop", false), "/loop");
    }
}
