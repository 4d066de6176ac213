//! The certificate: what a stack of layers flattens to, as one digest (normative text in `spec/reproducibility.md`).
//!
//! A build hashes the root file system that its steps left ([`live`]) and, apart from that, the layers that it is
//! about to publish ([`certificate`]). The second is a small flattener of its own: it takes the layers one by one,
//! removes what each one deletes, then adds what it has, and knows nothing but OCI image-spec `layer.md`. It shares
//! no code with [`crate::tree`], so a fault there, in the layer plan or in merging shows as two different digests.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::digest::{DiffId, FileDigest, Hasher, RootDigest};
use imgc_base::path::ImagePath;

use crate::entry::{Entry, Kind, Meta};
use crate::index::LayerIndex;
use crate::tree::Tree;

/// Begins what is hashed.
const TAG: &[u8] = b"imgc-root-1";
/// A directory that no layer has an entry for, only entries below it.
static IMPLIED: Meta = Meta { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: Vec::new() };

/// Flattens layers, lowest first, by the rules of the OCI image-spec alone.
pub fn certificate<'a>(layers: impl Iterator<Item = &'a LayerIndex>) -> RootDigest {
    certificate_without(layers, &|_| false)
}

/// The [`certificate`] of what is left if some paths are not looked at.
pub fn certificate_without<'a>(
    layers: impl Iterator<Item = &'a LayerIndex>,
    left_out: &dyn Fn(&[u8]) -> bool,
) -> RootDigest {
    let mut root = Node::default();
    for (number, layer) in layers.enumerate() {
        // Deletions speak of the layers below, wherever they stand in this one: all of them come first.
        for entry in layer.entries() {
            match entry.kind {
                Kind::Whiteout => root.delete(&entry.path),
                Kind::Dir { opaque: true } => root.empty(&entry.path),
                _ => {}
            }
        }
        for entry in layer.entries().iter().filter(|entry| entry.kind != Kind::Whiteout) {
            root.add(number, layer, entry);
        }
    }
    let mut records = Vec::new();
    root.collect(&mut Vec::new(), left_out, &mut records);
    digest(records)
}

/// The digest of a tree as the builder sees it.
pub fn live(tree: &Tree) -> RootDigest {
    live_without(tree, &|_| false)
}

/// The [`live`] digest of what is left if some paths are not looked at.
pub fn live_without(tree: &Tree, left_out: &dyn Fn(&[u8]) -> bool) -> RootDigest {
    let mut all = tree.all();
    all.retain(|found| !left_out(found.entry.path.as_bytes()));
    let known = |path: &[u8]| all.binary_search_by(|found| found.entry.path.as_bytes().cmp(path)).is_ok();
    let mut implied: BTreeSet<&[u8]> = BTreeSet::new();
    let mut looked_above: &[u8] = b"";
    for found in &all {
        let path = found.entry.path.as_bytes();
        let above = found.entry.path.dir_bytes();
        if above == looked_above {
            continue;
        }
        looked_above = above;
        let slashes = path.iter().enumerate().rev().filter(|&(_, &byte)| byte == b'/');
        // From the innermost directory up: once one is known, so are those above it.
        for (at, _) in slashes {
            if known(&path[..at]) || !implied.insert(&path[..at]) {
                break;
            }
        }
    }
    let mut records: Vec<Record<'_, DiffId>> = all
        .iter()
        .map(|found| {
            let file = file_of(found.content());
            let first = match &found.entry.kind {
                Kind::Hardlink { to } => to,
                _ => &found.entry.path,
            };
            Record {
                path: found.entry.path.as_bytes().to_vec(),
                meta: &found.entry.meta,
                kind: Some(&found.entry.kind),
                file: file.map(|(size, digest)| (size, digest, (found.layer.diff_id, first))),
            }
        })
        .collect();
    records.extend(
        implied.into_iter().filter(|path| !left_out(path)).map(|path| Record::implied(path.to_vec())),
    );
    digest(records)
}

fn file_of(entry: &Entry) -> Option<(u64, FileDigest)> {
    match entry.kind {
        Kind::File { size, digest } => Some((size, digest)),
        _ => None,
    }
}

/// A name in the flattened file system.
#[derive(Default)]
struct Node<'a> {
    /// Layer and entry; `None` for a directory that is only implied.
    what: Option<(usize, &'a Entry)>,
    /// The entry of the content, for regular files: another one if this is a hard link.
    content: Option<&'a Entry>,
    names: BTreeMap<&'a [u8], Self>,
}

impl<'a> Node<'a> {
    fn find(&mut self, path: &ImagePath) -> Option<&mut Self> {
        let mut node = self;
        for part in path.parts() {
            node = node.names.get_mut(part)?;
        }
        Some(node)
    }

    fn delete(&mut self, path: &ImagePath) {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return };
        if let Some(node) = self.find(&parent) {
            node.names.remove(name);
        }
    }

    fn empty(&mut self, path: &ImagePath) {
        if let Some(node) = self.find(path) {
            node.names.clear();
        }
    }

    fn add(&mut self, number: usize, layer: &'a LayerIndex, entry: &'a Entry) {
        let mut node = self;
        for part in entry.path.parts() {
            // A name below something that is no directory makes it one.
            if node.what.is_some_and(|(_, old)| !old.kind.is_dir()) {
                *node = Self::default();
            }
            node = node.names.entry(part).or_default();
        }
        if !entry.kind.is_dir() {
            node.names.clear();
        }
        node.what = Some((number, entry));
        node.content = match &entry.kind {
            Kind::Hardlink { to } => layer.get(to),
            _ => Some(entry),
        };
    }

    fn collect(
        &self,
        path: &mut Vec<u8>,
        left_out: &dyn Fn(&[u8]) -> bool,
        records: &mut Vec<Record<'a, usize>>,
    ) {
        for (name, node) in &self.names {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let seen = !left_out(path);
            let before = records.len();
            if seen {
                records.push(node.record(path));
            }
            node.collect(path, left_out, records);
            if seen && node.what.is_none() && records.len() == before + 1 {
                // Nothing that a layer speaks of is left below it, so no layer speaks of it.
                records.pop();
            }
            path.truncate(length);
        }
    }
}

impl<'a> Node<'a> {
    fn record(&self, path: &[u8]) -> Record<'a, usize> {
        let Some((number, entry)) = self.what else { return Record::implied(path.to_vec()) };
        let file = self.content.and_then(|content| {
            let (size, digest) = file_of(content)?;
            Some((size, digest, (number, &content.path)))
        });
        Record { path: path.to_vec(), meta: &entry.meta, kind: Some(&entry.kind), file }
    }
}

/// One path of the flattened file system. `L` names a layer.
struct Record<'a, L> {
    path: Vec<u8>,
    meta: &'a Meta,
    /// `None` for an implied directory.
    kind: Option<&'a Kind>,
    /// Size and digest of a regular file, and which file it is: layer and first name there.
    file: Option<(u64, FileDigest, (L, &'a ImagePath))>,
}

impl<L> Record<'_, L> {
    fn implied(path: Vec<u8>) -> Self {
        Self { path, meta: &IMPLIED, kind: None, file: None }
    }
}

/// Hashes records in path order.
fn digest<L: Ord + Copy>(mut records: Vec<Record<'_, L>>) -> RootDigest {
    records.sort_by(|a, b| a.path.cmp(&b.path));
    // Files that have links at all; then the names of each, by the first of them that is visible.
    let is_link = |record: &&Record<'_, L>| matches!(record.kind, Some(Kind::Hardlink { .. }));
    let linked: BTreeSet<(L, &ImagePath)> =
        records.iter().filter(is_link).filter_map(|record| Some(record.file?.2)).collect();
    let mut first: BTreeMap<(L, &ImagePath), (usize, u32)> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        if let Some((_, _, file)) = record.file
            && linked.contains(&file)
        {
            first.entry(file).or_insert((at, 0)).1 += 1;
        }
    }
    let mut hasher = Hasher::new();
    let mut line = TAG.to_vec();
    for record in &records {
        let shared = record
            .file
            .and_then(|(_, _, file)| if first.is_empty() { None } else { first.get(&file) })
            .filter(|(_, names)| *names > 1)
            .map_or(&[][..], |(at, _)| &records[*at].path);
        encode(&mut line, record, shared);
        hasher.update(&line);
        line.clear();
    }
    hasher.update(&line);
    RootDigest::finish(hasher)
}

fn encode<L>(out: &mut Vec<u8>, record: &Record<'_, L>, shared: &[u8]) {
    let bytes = |out: &mut Vec<u8>, value: &[u8]| {
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        out.extend_from_slice(value);
    };
    bytes(out, &record.path);
    let Meta { mode, uid, gid, mtime, xattrs } = record.meta;
    for number in [mode, uid, gid] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&mtime.to_le_bytes());
    out.extend_from_slice(&(xattrs.len() as u64).to_le_bytes());
    for (name, value) in xattrs {
        bytes(out, name);
        bytes(out, value);
    }
    if let Some((size, digest, _)) = record.file {
        out.push(b'f');
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(digest.as_bytes());
        bytes(out, shared);
        return;
    }
    let device = |out: &mut Vec<u8>, letter: u8, major: &u32, minor: &u32| {
        out.push(letter);
        out.extend_from_slice(&major.to_le_bytes());
        out.extend_from_slice(&minor.to_le_bytes());
    };
    match record.kind {
        None | Some(Kind::Dir { .. }) => out.push(b'd'),
        Some(Kind::Symlink { target }) => {
            out.push(b'l');
            bytes(out, target);
        }
        Some(Kind::Char { major, minor }) => device(out, b'c', major, minor),
        Some(Kind::Block { major, minor }) => device(out, b'b', major, minor),
        Some(Kind::Fifo) => out.push(b'p'),
        // Only a broken index has a link without a file, and none has a whiteout here: it stands for itself.
        Some(Kind::Hardlink { to }) => {
            out.push(b'h');
            bytes(out, to.as_bytes());
        }
        Some(Kind::File { .. } | Kind::Whiteout) => out.push(b'?'),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_stack, layer};
    use crate::tree::Layer;

    fn both(stack: &[&[&str]]) -> RootDigest {
        let layers: Vec<Layer> = stack.iter().map(|lines| layer(lines)).collect();
        let flat = certificate(layers.iter().map(|layer| &*layer.index));
        assert_eq!(flat, live(&Tree::new(layers)), "{stack:?}");
        flat
    }

    #[test]
    fn what_layers_hide_does_not_count() {
        let want = both(&[&["d a", "f a/x 1"]]);
        for same in [
            &[&["d a", "f a/x 1", "f a/y 2"][..], &["w a/y"]][..],
            &[&["d a", "f a/y 2"], &["o a", "f a/x 1"]],
            &[&["d a", "f a/y 2"], &["w a"], &["d a", "f a/x 1"]],
            &[&["f a 2"], &["d a", "f a/x 1"]],
            &[&["d a", "f a/y 2"], &["f a 3"], &["d a", "f a/x 1"]],
            &[&["d a", "d a/x", "f a/x/y 2"], &["d a", "f a/x 1"]],
            &[&["d a", "f a/x 1", "f b 1"], &["w b", "w c"]],
        ] {
            assert_eq!(both(same), want, "{same:?}");
        }
        for other in [&[&["d a", "f a/x 2"][..]][..], &[&["d a", "f a/x 1", "f b 1"]], &[&["f a 1"]]] {
            assert_ne!(both(other), want, "{other:?}");
        }
    }

    #[test]
    fn names_of_one_file_count_while_two_are_visible() {
        let linked = both(&[&["f a 1", "h b a"]]);
        assert_ne!(linked, both(&[&["f a 1", "f b 1"]]));
        assert_eq!(both(&[&["f a 1", "h b a"], &["w a"]]), both(&[&["f b 1"]]));
        assert_eq!(both(&[&["f 0 1", "h a 0", "h b 0"], &["w 0"]]), linked);
        // A name that an upper layer wrote again is a file of its own.
        assert_eq!(both(&[&["f a 1", "h b a"], &["f b 1"]]), both(&[&["f a 1", "f b 1"]]));
    }

    #[test]
    fn implied_directories_are_directories() {
        let implied = both(&[&["f a/b/c 1"]]);
        assert_eq!(implied, both(&[&["f a/b/c 1", "f a/b/d 1"], &["w a/b/d"]]));
        assert_eq!(implied, both(&[&["f a 1"], &["f a/b/c 1"]]));
        assert_ne!(implied, both(&[&["d a", "f a/b/c 1"]]));
    }

    #[test]
    fn every_property_counts() {
        let base = layer(&["f a 1"]);
        let changed = |change: &dyn Fn(&mut Entry)| {
            let mut entries = base.index.entries().to_vec();
            change(&mut entries[0]);
            certificate([&LayerIndex::new(entries)].into_iter())
        };
        let digests = [
            changed(&|_| {}),
            changed(&|e| e.meta.mode ^= 1),
            changed(&|e| e.meta.uid ^= 1),
            changed(&|e| e.meta.gid ^= 1),
            changed(&|e| e.meta.mtime ^= 1),
            changed(&|e| e.meta.xattrs.push((b"user.a".to_vec(), b"b".to_vec()))),
            changed(&|e| e.meta.xattrs.push((b"user.".to_vec(), b"ab".to_vec()))),
            changed(&|e| e.kind = Kind::File { size: 2, digest: FileDigest::of(b"1") }),
            changed(&|e| e.kind = Kind::File { size: 1, digest: FileDigest::of(b"2") }),
            changed(&|e| e.kind = Kind::Symlink { target: b"1".to_vec() }),
            changed(&|e| e.kind = Kind::Char { major: 1, minor: 2 }),
            changed(&|e| e.kind = Kind::Block { major: 1, minor: 2 }),
            changed(&|e| e.kind = Kind::Char { major: 2, minor: 1 }),
            changed(&|e| e.kind = Kind::Fifo),
            changed(&|e| e.kind = Kind::Dir { opaque: false }),
        ];
        let different: BTreeSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len());
        assert_eq!(changed(&|e| e.kind = Kind::Dir { opaque: true }), digests[14], "opacity leaves no trace");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn both_ways_agree(stack in any_stack(5)) {
            let flat = certificate(stack.iter().map(|layer| &*layer.index));
            prop_assert_eq!(flat, live(&Tree::new(stack.clone())));
            // One more layer that says nothing changes nothing.
            let nothing = Layer { diff_id: DiffId::of(b"-"), index: Arc::new(LayerIndex::default()) };
            prop_assert_eq!(flat, live(&Tree::new(stack).push(nothing)));
        }
    }
}
