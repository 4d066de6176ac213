//! Where an image's bytes are: by layer, by directory, and those that no one can see any more.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::path::ImagePath;
use imgc_image::{Kind, Tree};

/// An image's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sizes {
    /// One for each layer, lowest first.
    pub layers: Vec<LayerSize>,
    /// Every file that can be seen, in path order.
    pub files: Vec<FileSize>,
    /// Every file that a higher layer replaced or deleted, the largest first.
    pub wasted: Vec<Wasted>,
    /// Visible files and bytes at and below each directory.
    pub directories: BTreeMap<ImagePath, Total>,
}

/// Files and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One layer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerSize {
    /// All of it.
    pub held: Total,
    /// What higher layers hide.
    pub wasted: Total,
    /// Its whiteouts.
    pub whiteouts: u64,
}

/// A visible file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSize {
    /// Its first name.
    pub path: ImagePath,
    /// The number of its layer, 0 for the lowest.
    pub layer: usize,
    /// Bytes.
    pub bytes: u64,
}

/// A file that is in a layer for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wasted {
    /// Where it was.
    pub path: ImagePath,
    /// Bytes.
    pub bytes: u64,
    /// The number of its layer.
    pub layer: usize,
    /// The number of the layer that hides it.
    pub by: usize,
    /// How.
    pub how: Hidden,
}

/// How a layer hides a file of a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// It or a directory above it was deleted.
    Deleted,
    /// Something else stands at its place.
    Replaced,
    /// The same content stands at its place, with other attributes: `chmod`, `chown`, `touch`.
    Attributes,
}

impl Hidden {
    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Attributes => "attributes",
        }
    }
}

/// Measures a stack of layers.
pub fn measure(tree: &Tree) -> Sizes {
    let layers = tree.layers();
    let mut sizes = Sizes { layers: vec![LayerSize::default(); layers.len()], ..Sizes::default() };
    // The contents that can be seen: layer and path of the entry that holds them.
    let mut seen: BTreeSet<(usize, &ImagePath)> = BTreeSet::new();
    for found in tree.all() {
        let Some(layer) = layers.iter().position(|layer| std::ptr::eq(layer, found.layer)) else { continue };
        let content = found.content();
        let Kind::File { size, .. } = content.kind else { continue };
        if !seen.insert((layer, &content.path)) {
            continue;
        }
        sizes.files.push(FileSize { path: found.entry.path.clone(), layer, bytes: size });
        for dir in found.entry.path.ancestors().chain([ImagePath::root()]).collect::<BTreeSet<_>>() {
            add(sizes.directories.entry(dir).or_default(), size);
        }
    }
    for (number, layer) in layers.iter().enumerate() {
        for entry in layer.index.entries() {
            match entry.kind {
                Kind::Whiteout => sizes.layers[number].whiteouts += 1,
                Kind::File { size, .. } => {
                    add(&mut sizes.layers[number].held, size);
                    if !seen.contains(&(number, &entry.path)) {
                        add(&mut sizes.layers[number].wasted, size);
                        let (by, how) = hidden_by(tree, number, &entry.path, &entry.kind);
                        let path = entry.path.clone();
                        sizes.wasted.push(Wasted { path, bytes: size, layer: number, by, how });
                    }
                }
                _ => {}
            }
        }
    }
    sizes
        .wasted
        .sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| (&a.path, a.layer).cmp(&(&b.path, b.layer))));
    sizes
}

fn add(total: &mut Total, bytes: u64) {
    total.files += 1;
    total.bytes = total.bytes.saturating_add(bytes);
}

/// The first higher layer that hides a path.
fn hidden_by(tree: &Tree, layer: usize, path: &ImagePath, kind: &Kind) -> (usize, Hidden) {
    for (number, above) in tree.layers().iter().enumerate().skip(layer + 1) {
        match above.index.get(path).map(|entry| &entry.kind) {
            Some(Kind::Whiteout) => return (number, Hidden::Deleted),
            Some(other) if other == kind => return (number, Hidden::Attributes),
            Some(_) => return (number, Hidden::Replaced),
            None => {}
        }
        for dir in path.ancestors() {
            match above.index.get(&dir).map(|entry| &entry.kind) {
                None | Some(Kind::Dir { opaque: false }) => {}
                Some(Kind::Whiteout | Kind::Dir { opaque: true }) => return (number, Hidden::Deleted),
                Some(_) => return (number, Hidden::Replaced),
            }
        }
    }
    // Hidden inside its own layer: a name below it makes it a directory.
    (layer, Hidden::Replaced)
}

impl Sizes {
    /// All visible files.
    pub fn visible(&self) -> Total {
        self.directories.get(&ImagePath::root()).copied().unwrap_or_default()
    }

    /// All that is in layers for nothing.
    pub fn waste(&self) -> Total {
        self.wasted.iter().fold(Total::default(), |mut total, wasted| {
            add(&mut total, wasted.bytes);
            total
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imgc_base::digest::{DiffId, FileDigest};
    use imgc_image::{Entry, Layer, LayerIndex, Meta};

    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::clean(text).unwrap()
    }

    /// `d a`, `o a` (opaque), `f a 12`, `h a to`, `w a`.
    fn layer(lines: &[&str]) -> Layer {
        let entries = lines
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let kind = match words[0] {
                    "d" => Kind::Dir { opaque: false },
                    "o" => Kind::Dir { opaque: true },
                    "w" => Kind::Whiteout,
                    "h" => Kind::Hardlink { to: path(words[2]) },
                    _ => Kind::File {
                        size: words[2].parse().unwrap(),
                        digest: FileDigest::of(words[2].as_bytes()),
                    },
                };
                Entry { path: path(words[1]), kind, meta: Meta::default() }
            })
            .collect();
        let index = LayerIndex::new(entries);
        Layer { diff_id: DiffId::of(&index.encode()), index: Arc::new(index) }
    }

    #[test]
    fn wasted_bytes_name_both_layers() {
        let sizes = measure(&Tree::new(vec![
            layer(&["d d", "f d/gone 5", "f d/kept 7", "f same 3", "f new 2", "d o", "f o/old 4"]),
            layer(&["d d", "w d/gone", "f same 3", "f new 20", "o o"]),
        ]));
        let wasted: Vec<_> =
            sizes.wasted.iter().map(|w| (w.path.to_absolute(), w.bytes, w.layer, w.by, w.how)).collect();
        assert_eq!(
            wasted,
            [
                ("/d/gone".to_owned(), 5, 0, 1, Hidden::Deleted),
                ("/o/old".to_owned(), 4, 0, 1, Hidden::Deleted),
                ("/same".to_owned(), 3, 0, 1, Hidden::Attributes),
                ("/new".to_owned(), 2, 0, 1, Hidden::Replaced),
            ]
        );
        assert_eq!(sizes.waste(), Total { files: 4, bytes: 14 });
        assert_eq!(sizes.visible(), Total { files: 3, bytes: 30 });
        assert_eq!(sizes.directories[&path("d")], Total { files: 1, bytes: 7 });
        assert_eq!(sizes.layers[0].held, Total { files: 5, bytes: 21 });
        assert_eq!(sizes.layers[1].whiteouts, 1);
    }

    #[test]
    fn a_file_lives_as_long_as_one_of_its_names() {
        let sizes = measure(&Tree::new(vec![layer(&["f a 9", "h b a"]), layer(&["w a"])]));
        assert_eq!(sizes.wasted, []);
        assert_eq!(sizes.visible(), Total { files: 1, bytes: 9 });
    }
}
