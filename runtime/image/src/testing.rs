//! Layers for tests: written as lines, and drawn at random.

use std::sync::Arc;

use imgc_base::digest::{DiffId, FileDigest};
use imgc_base::path::ImagePath;
use proptest::prelude::*;

use crate::entry::{Entry, Kind, Meta};
use crate::index::LayerIndex;
use crate::tree::Layer;

pub(crate) fn path(text: &str) -> ImagePath {
    ImagePath::clean(text).unwrap()
}

/// `d a` directory, `o a` opaque one, `f a content`, `l a target`, `h a to`, `w a` whiteout, `p a` pipe.
pub(crate) fn entry(line: &str) -> Entry {
    let words: Vec<&str> = line.split(' ').collect();
    let third = words.get(2).copied().unwrap_or_default();
    let kind = match words[0] {
        "d" => Kind::Dir { opaque: false },
        "o" => Kind::Dir { opaque: true },
        "f" => Kind::File { size: third.len() as u64, digest: FileDigest::of(third.as_bytes()) },
        "l" => Kind::Symlink { target: third.into() },
        "h" => Kind::Hardlink { to: path(third) },
        "w" => Kind::Whiteout,
        "p" => Kind::Fifo,
        other => panic!("unknown kind {other}"),
    };
    let mode = match kind {
        Kind::Whiteout => 0,
        Kind::Dir { .. } => 0o750,
        _ => 0o640,
    };
    Entry { path: path(words[1]), kind, meta: Meta { mode, ..Meta::default() } }
}

pub(crate) fn layer(lines: &[&str]) -> Layer {
    named(LayerIndex::new(lines.iter().map(|line| entry(line)).collect()))
}

/// A layer named by its index.
pub(crate) fn named(index: LayerIndex) -> Layer {
    Layer { diff_id: DiffId::of(&index.encode()), index: Arc::new(index) }
}

/// A small name space, so that layers meet each other; `a-b` and `a.b` sort around `a/b`.
fn any_path() -> impl Strategy<Value = String> {
    let name = || prop_oneof![4 => "[abc]", 1 => "a[.-]b"];
    prop_oneof![
        name(),
        (name(), name()).prop_map(|(a, b)| format!("{a}/{b}")),
        (name(), name(), name()).prop_map(|(a, b, c)| format!("{a}/{b}/{c}")),
    ]
}

/// A layer as an unpacker or a scan would give it: nothing below what is no directory, links to files of the layer.
pub(crate) fn any_layer() -> impl Strategy<Value = Layer> {
    let line = (any_path(), 0u8..16, 0u8..3, 0u8..4);
    (proptest::collection::vec(line, 0..9), any::<bool>()).prop_map(|(lines, with_ancestors)| {
        let mut entries: Vec<Entry> = Vec::new();
        for (name, kind, content, mode) in lines {
            let name = path(&name);
            let blocked = |other: &Entry| {
                other.path == name
                    || (other.path.is_within(&name) && kind > 4)
                    || (name.is_within(&other.path) && !other.kind.is_dir())
            };
            if entries.iter().any(blocked) {
                continue;
            }
            let files: Vec<&Entry> = entries.iter().filter(|e| matches!(e.kind, Kind::File { .. })).collect();
            let mut meta = Meta { mode: u32::from(mode), ..Meta::default() };
            let kind = match kind {
                0..=3 => Kind::Dir { opaque: false },
                4 => Kind::Dir { opaque: true },
                5..=9 => {
                    let content = [b'x'; 3][..content as usize].to_vec();
                    Kind::File { size: content.len() as u64, digest: FileDigest::of(&content) }
                }
                10 => {
                    meta.mode = 0o777;
                    Kind::Symlink { target: vec![b'a' + content] }
                }
                11..=12 if !files.is_empty() => {
                    let to = files[content as usize % files.len()];
                    meta = to.meta.clone();
                    Kind::Hardlink { to: to.path.clone() }
                }
                13..=15 => {
                    meta = Meta::default();
                    Kind::Whiteout
                }
                _ => Kind::Fifo,
            };
            entries.push(Entry { path: name, kind, meta });
        }
        if with_ancestors {
            for above in entries.iter().flat_map(|e| e.path.ancestors()).collect::<Vec<_>>() {
                if !entries.iter().any(|e| e.path == above) {
                    let meta = Meta { mode: 0o700, ..Meta::default() };
                    entries.push(Entry { path: above, kind: Kind::Dir { opaque: false }, meta });
                }
            }
        }
        named(first_names(&LayerIndex::new(entries)))
    })
}

/// Layers on each other, lowest first.
pub(crate) fn any_stack(most: usize) -> impl Strategy<Value = Vec<Layer>> {
    proptest::collection::vec(any_layer(), 0..=most)
}

/// Makes the first name in path order the file and the others links, as the format wants it.
fn first_names(index: &LayerIndex) -> LayerIndex {
    let mut entries = index.entries().to_vec();
    for at in 0..entries.len() {
        let Kind::Hardlink { to } = entries[at].kind.clone() else { continue };
        let file = entries.iter().position(|e| e.path == to).unwrap();
        if file > at {
            entries[at].kind = entries[file].kind.clone();
            let first = entries[at].path.clone();
            for entry in &mut entries {
                if entry.kind == (Kind::Hardlink { to: to.clone() }) || entry.path == to {
                    entry.kind = Kind::Hardlink { to: first.clone() };
                }
            }
        }
    }
    LayerIndex::new(entries)
}
