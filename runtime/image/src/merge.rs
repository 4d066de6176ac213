//! One layer for several steps: what a group of neighbouring layers changes, without what it took back.
//!
//! The layer plan decides which steps' changes form one layer; this makes that layer. What was made and then
//! overwritten or deleted inside the group leaves no byte and no whiteout; what lies below the group stays hidden
//! exactly where it was hidden. The flattened file system does not change: `flatten(below + merged)` equals
//! `flatten(below + group)`, which the tests show on random stacks and every build checks by its certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use imgc_base::digest::{DiffId, FileDigest};
use imgc_base::path::ImagePath;

use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::index::LayerIndex;
use crate::scan::HashingReader;
use crate::source::Contents;
use crate::tar_write::{LayerWriter, whiteout_name};
use crate::tree::{Found, Layer, Tree};
use crate::visible::{Seen, implied};

/// Mode of directories that the group's layers imply but do not hold.
const IMPLIED: Meta = Meta { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: Vec::new() };

/// The entries of a merged layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// In path order; each is there once.
    entries: Vec<MergedEntry>,
}

/// One entry, and where its content lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedEntry {
    /// As it stands in the merged layer.
    pub entry: Entry,
    /// The layer of the group that it comes from; `None` for whiteouts, and for directories that no layer has an
    /// entry for.
    pub from: Option<DiffId>,
    /// For regular files and their links: the content in that layer.
    pub content: Option<Content>,
}

/// The content of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The path of the entry that holds it, in its own layer.
    pub path: ImagePath,
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: FileDigest,
}

/// Merges the layers of a group, lowest first, that lie on `below`.
///
/// Fails if a path has to be hidden whose name is too long for a whiteout.
pub fn merge(below: &Tree, layers: &[Layer]) -> Result<Merged, ImageError> {
    let group = Tree::new(layers.to_vec());
    let mut made: BTreeMap<ImagePath, MergedEntry> = BTreeMap::new();
    for found in group.all() {
        let entry = plain(found);
        made.insert(entry.entry.path.clone(), entry);
    }
    let linked_below = linked(below);
    let below = Seen::of(below);
    let covers = hide(&below, layers, &mut made);
    add_ancestors(&below, &covers, &mut made);
    drop_unchanged(&below, &linked_below, &mut made);
    let mut merged = Merged { entries: made.into_values().collect() };
    merged.name_links();
    for merged in merged.entries.iter().filter(|merged| merged.entry.kind == Kind::Whiteout) {
        whiteout_name(&merged.entry.path)?;
    }
    Ok(merged)
}

impl Merged {
    /// A layer of these entries, in path order; names of one file are linked anew.
    pub(crate) fn of(entries: Vec<MergedEntry>) -> Self {
        let mut merged = Self { entries };
        merged.name_links();
        merged
    }

    /// In path order.
    pub fn entries(&self) -> &[MergedEntry] {
        &self.entries
    }

    /// Puts another result below a directory of this one.
    pub(crate) fn add_below(&mut self, dir: &ImagePath, other: Self) {
        let kind = Kind::Dir { opaque: false };
        let entry = Entry { path: dir.clone(), kind, meta: Meta::IMPLIED_DIR };
        self.entries.push(MergedEntry { entry, from: None, content: None });
        self.entries.extend(other.entries.into_iter().map(|mut merged| {
            merged.entry.path = dir.join(&merged.entry.path);
            if let Kind::Hardlink { to } = &mut merged.entry.kind {
                *to = dir.join(to);
            }
            merged
        }));
        self.entries.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
    }

    /// True if the group changes nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The index that the layer will have.
    pub fn index(&self) -> LayerIndex {
        LayerIndex::new(self.entries.iter().map(|merged| merged.entry.clone()).collect())
    }

    /// Takes back the group's change to every path that `unwanted` names, and returns what was taken out, in path
    /// order. A path that lies below the group shows again as it was there. Whiteouts stay, and so does a directory
    /// that hides something or still has an entry below it.
    pub fn remove(&mut self, unwanted: &dyn Fn(&Entry) -> bool) -> Vec<MergedEntry> {
        let mut needed: BTreeSet<ImagePath> = BTreeSet::new();
        let mut kept = Vec::with_capacity(self.entries.len());
        let mut removed = Vec::new();
        for merged in std::mem::take(&mut self.entries).into_iter().rev() {
            let entry = &merged.entry;
            let holds = match entry.kind {
                Kind::Whiteout | Kind::Dir { opaque: true } => true,
                Kind::Dir { opaque: false } => needed.contains(&entry.path),
                _ => false,
            };
            if holds || !unwanted(entry) {
                need(&mut needed, &entry.path);
                kept.push(merged);
            } else {
                removed.push(merged);
            }
        }
        kept.reverse();
        removed.reverse();
        self.entries = kept;
        self.name_links();
        removed
    }

    /// Makes the first name of a file in path order the file, and the others links to it.
    fn name_links(&mut self) {
        let mut first: BTreeMap<(DiffId, ImagePath), ImagePath> = BTreeMap::new();
        for merged in &mut self.entries {
            let (Some(source), Some(content)) = (merged.source(), &merged.content) else { continue };
            merged.entry.kind = if let Some(to) = first.get(&source) {
                Kind::Hardlink { to: to.clone() }
            } else {
                first.insert(source, merged.entry.path.clone());
                Kind::File { size: content.size, digest: content.digest }
            };
        }
    }
}

impl MergedEntry {
    /// Which file this is a name of.
    fn source(&self) -> Option<(DiffId, ImagePath)> {
        Some((self.from?, self.content.as_ref()?.path.clone()))
    }
}

/// An entry of the group's own view: every regular file in full, directories not opaque.
fn plain(found: Found<'_>) -> MergedEntry {
    let path = found.entry.path.clone();
    let content = found.content();
    let (kind, content) = match (&found.entry.kind, &content.kind) {
        (Kind::Dir { .. }, _) => (Kind::Dir { opaque: false }, None),
        (_, &Kind::File { size, digest }) => {
            (Kind::File { size, digest }, Some(Content { path: content.path.clone(), size, digest }))
        }
        (other, _) => (other.clone(), None),
    };
    let entry = Entry { path, kind, meta: found.entry.meta.clone() };
    MergedEntry { entry, from: Some(found.layer.diff_id), content }
}

/// Adds what keeps hidden what the group hid: whiteouts, and opaque marks on directories.
fn hide(below: &Seen<'_>, layers: &[Layer], made: &mut BTreeMap<ImagePath, MergedEntry>) -> Covers {
    let mut hidden: BTreeSet<ImagePath> = layers
        .iter()
        .flat_map(|layer| layer.index.entries())
        .filter(|entry| entry.kind != (Kind::Dir { opaque: false }))
        .map(|entry| entry.path.clone())
        .collect();
    // What is no directory goes where a layer has names below it, even if a higher layer deletes those again.
    let implied = layers.iter().flat_map(implied);
    hidden.extend(implied.filter(|path| below.get(path).is_some_and(|found| !found.entry.kind.is_dir())));
    let mut covers = Covers::default();
    // Byte order has every directory before what is in it.
    for path in &hidden {
        if covers.cover(path) {
            continue;
        }
        // Nothing of a directory below can be seen behind what is none.
        if made.get(path).is_some_and(|merged| !merged.entry.kind.is_dir()) {
            covers.add(path);
            continue;
        }
        let filled = below.is_filled(path);
        let stays = filled || below.get(path).is_some();
        if let Some(merged) = made.get_mut(path) {
            if filled {
                merged.entry.kind = Kind::Dir { opaque: true };
                covers.add(path);
            }
        } else if stays {
            let hidden = if has_below(made, path) {
                // Names below it, but no entry: the directory has to be written out to hide what was there.
                Entry { path: path.clone(), kind: Kind::Dir { opaque: filled }, meta: IMPLIED }
            } else {
                Entry { path: path.clone(), kind: Kind::Whiteout, meta: Meta::default() }
            };
            if filled || hidden.kind == Kind::Whiteout {
                covers.add(path);
            }
            made.insert(path.clone(), MergedEntry { entry: hidden, from: None, content: None });
        }
    }
    covers
}

/// Paths below which nothing of the lower layers can be seen.
#[derive(Default)]
struct Covers(BTreeSet<ImagePath>);

impl Covers {
    fn add(&mut self, path: &ImagePath) {
        self.0.insert(path.clone());
    }

    /// True if a directory above `path` hides it already.
    fn cover(&self, path: &ImagePath) -> bool {
        !self.0.is_empty() && path.ancestors().any(|above| self.0.contains(&above))
    }
}

/// Every directory above an entry is an entry: as the group has it, else as it lies below the group.
fn add_ancestors(below: &Seen<'_>, covers: &Covers, made: &mut BTreeMap<ImagePath, MergedEntry>) {
    // True: something other than a whiteout lies in it.
    let mut missing: BTreeMap<ImagePath, bool> = BTreeMap::new();
    for (path, merged) in made.iter() {
        let holds = merged.entry.kind != Kind::Whiteout;
        let mut above = path.parent();
        while let Some(dir) = above.filter(|dir| !dir.is_root()) {
            let known = missing.get(&dir).is_some_and(|&known| known >= holds);
            if known || made.contains_key(&dir) {
                break;
            }
            above = dir.parent();
            missing.insert(dir, holds);
        }
    }
    for (path, holds) in missing {
        // A directory that the layers below only imply is gone with the last name in it: no entry may bring it back.
        if !holds && below.get(&path).is_none() {
            continue;
        }
        let meta = match below.get(&path) {
            Some(found) if found.entry.kind.is_dir() && !covers.cover(&path) => found.entry.meta.clone(),
            _ => IMPLIED,
        };
        let entry = Entry { path: path.clone(), kind: Kind::Dir { opaque: false }, meta };
        made.insert(path, MergedEntry { entry, from: None, content: None });
    }
}

/// Drops what is the same below the group and would show there.
fn drop_unchanged(
    below: &Seen<'_>,
    linked_below: &BTreeSet<(DiffId, &ImagePath)>,
    made: &mut BTreeMap<ImagePath, MergedEntry>,
) {
    let covers: Covers = Covers(
        made.values()
            .filter(|merged| !matches!(merged.entry.kind, Kind::Dir { opaque: false }))
            .map(|merged| merged.entry.path.clone())
            .collect(),
    );
    let mut names: BTreeMap<(DiffId, ImagePath), u32> = BTreeMap::new();
    for merged in made.values() {
        if let Some(source) = merged.source() {
            *names.entry(source).or_default() += 1;
        }
    }
    let mut needed: BTreeSet<ImagePath> = BTreeSet::new();
    let mut same: Vec<ImagePath> = Vec::new();
    for (path, merged) in made.iter().rev() {
        let entry = &merged.entry;
        let alone = merged.source().is_none_or(|source| names.get(&source) == Some(&1));
        let equal = || {
            below.get(path).is_some_and(|found| match (&entry.kind, &found.entry.kind) {
                (Kind::Dir { opaque: false }, Kind::Dir { .. }) => found.entry.meta == entry.meta,
                (Kind::Dir { .. } | Kind::Whiteout, _) => false,
                (_, kind) => {
                    *kind == entry.kind
                        && found.entry.meta == entry.meta
                        && !linked_below.contains(&(found.layer.diff_id, path))
                }
            })
        };
        if alone && !needed.contains(path) && !covers.cover(path) && equal() {
            same.push(path.clone());
        } else {
            need(&mut needed, path);
        }
    }
    for path in same {
        made.remove(&path);
    }
}

/// The files below that have several names: layer and first name.
fn linked(below: &Tree) -> BTreeSet<(DiffId, &ImagePath)> {
    let mut linked = BTreeSet::new();
    for layer in below.layers() {
        for entry in layer.index.entries() {
            if let Kind::Hardlink { to } = &entry.kind {
                linked.insert((layer.diff_id, to));
            }
        }
    }
    linked
}

/// Notes that the directories above an entry have to stay.
fn need(needed: &mut BTreeSet<ImagePath>, path: &ImagePath) {
    let mut above = path.parent();
    while let Some(dir) = above.filter(|dir| !dir.is_root()) {
        above = dir.parent();
        if !needed.insert(dir) {
            break;
        }
    }
}

fn has_below(made: &BTreeMap<ImagePath, MergedEntry>, dir: &ImagePath) -> bool {
    let prefix = [dir.as_bytes(), b"/"].concat();
    made.range::<ImagePath, _>(dir..)
        .map(|(path, _)| path.as_bytes())
        .take_while(|path| path.starts_with(dir.as_bytes()))
        .any(|path| path.starts_with(&prefix))
}

/// Writes the merged layer's tar; returns its index. Every byte is compared with the digest that its entry has.
pub fn write(merged: &Merged, contents: &dyn Contents, out: impl Write) -> Result<LayerIndex, ImageError> {
    let mut writer = LayerWriter::new(out);
    for MergedEntry { entry, from, content } in &merged.entries {
        match (&entry.kind, from, content) {
            (Kind::File { .. }, Some(layer), Some(content)) => {
                write_file(&mut writer, entry, contents, layer, content)?;
            }
            (Kind::File { .. }, ..) => {
                return Err(ImageError::Missing(format!("the content of `{}`", entry.path)));
            }
            _ => writer.entry(entry)?,
        }
    }
    writer.finish()?.flush().map_err(ImageError::io("a layer"))?;
    Ok(merged.index())
}

/// Opens the content of a regular file.
pub(crate) fn open(
    contents: &dyn Contents,
    layer: &DiffId,
    content: &Content,
) -> Result<Box<dyn io::Read + Send>, ImageError> {
    let path = &content.path;
    contents.open(layer, path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ImageError::Missing(format!("`{path}` of layer {layer}")),
        _ => ImageError::at("open", path)(error),
    })
}

/// Writes a regular file from the content of a layer, and checks its digest on the way.
fn write_file<W: Write>(
    writer: &mut LayerWriter<W>,
    entry: &Entry,
    contents: &dyn Contents,
    layer: &DiffId,
    content: &Content,
) -> Result<(), ImageError> {
    let source = open(contents, layer, content)?;
    let mut source = HashingReader::new(source);
    writer.entry_with(entry, &mut source)?;
    if source.digest() == content.digest { Ok(()) } else { Err(ImageError::Changed(entry.path.clone())) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use imgc_base::digest::RootDigest;
    use proptest::prelude::*;

    use super::*;
    use crate::flatten;
    use crate::testing::{any_stack, layer, named};
    use crate::unpack::unpack;

    fn text(index: &LayerIndex) -> Vec<String> {
        index
            .entries()
            .iter()
            .map(|entry| match &entry.kind {
                Kind::Dir { opaque: true } => format!("o {}", entry.path),
                Kind::Dir { .. } => format!("d {}", entry.path),
                Kind::File { size, .. } => format!("f {} {size}", entry.path),
                Kind::Hardlink { to } => format!("h {} {to}", entry.path),
                Kind::Whiteout => format!("w {}", entry.path),
                other => format!("{} {}", other.noun(), entry.path),
            })
            .collect()
    }

    fn flat(layers: &[&[Layer]]) -> RootDigest {
        flatten::certificate(layers.iter().copied().flatten().map(|layer| &*layer.index))
    }

    /// Merges and compares what the stacks flatten to.
    fn merged(below: &[Layer], group: &[Layer]) -> Merged {
        let merged = merge(&Tree::new(below.to_vec()), group).unwrap();
        let one = [named(merged.index())];
        assert_eq!(flat(&[below, &one]), flat(&[below, group]), "{below:#?} {group:#?} {merged:#?}");
        merged
    }

    fn table(below: &[&str], group: &[&[&str]]) -> Vec<String> {
        let group: Vec<Layer> = group.iter().map(|lines| layer(lines)).collect();
        text(&merged(&[layer(below)], &group).index())
    }

    #[test]
    fn what_came_and_went_leaves_nothing() {
        let all = table(&[], &[&["d tmp", "f tmp/big 123456", "f keep 1"], &["w tmp/big"], &["w tmp"]]);
        assert_eq!(all, ["f /keep 1"]);
        assert_eq!(table(&["f a 1"], &[&["f a 22"], &["f a 333"]]), ["f /a 3"]);
        assert_eq!(table(&["f a 1"], &[&["f a 22"], &["f a 1"]]), Vec::<String>::new());
    }

    #[test]
    fn several_below_directories() {
        let mut all = Merged::default();
        for name in ["y", "x-1"] {
            all.add_below(&ImagePath::clean(name).unwrap(), merged(&[], &[layer(&["f a 1", "h b a"])]));
        }
        let expected = ["d /x-1", "f /x-1/a 1", "h /x-1/b /x-1/a", "d /y", "f /y/a 1", "h /y/b /y/a"];
        assert_eq!(text(&all.index()), expected);
    }

    #[test]
    fn whiteouts_only_for_what_is_there() {
        assert_eq!(table(&["f a 1"], &[&["f b 2"], &["w a", "w b", "w c"]]), ["w /a"]);
        assert_eq!(table(&["d d", "f d/x 1"], &[&["w d/x"], &["w d"]]), ["w /d"]);
        // The directory of a whiteout comes from below, as it is there.
        assert_eq!(table(&["d d", "f d/x 1"], &[&["w d/x"]]), ["d /d", "w /d/x"]);
        // A directory below that no entry speaks of.
        assert_eq!(table(&["f d/x 1"], &[&["w d"]]), ["w /d"]);
    }

    #[test]
    fn replaced_directories_stay_hidden() {
        let below = &["d d", "f d/old 1"];
        assert_eq!(table(below, &[&["w d"], &["d d", "f d/new 1"]]), ["o /d", "f /d/new 1"]);
        assert_eq!(table(below, &[&["f d 1"], &["d d"]]), ["o /d"]);
        assert_eq!(table(below, &[&["f d 1"], &["w d"]]), ["w /d"]);
        assert_eq!(table(below, &[&["o d", "f d/x 1"], &["w d/x"]]), ["o /d"]);
        assert_eq!(table(&["d d"], &[&["o d", "f d/x 1"]]), ["d /d", "f /d/x 1"]);
        // Below an opaque directory nothing needs hiding again.
        let deep = &["d d", "d d/e", "f d/e/old 1"];
        assert_eq!(table(deep, &[&["w d"], &["d d", "d d/e"], &["w d/e/old"]]), ["o /d", "d /d/e"]);
        assert_eq!(table(below, &[&["w d"], &["f d/new 1"]]), ["o /d", "f /d/new 1"]);
    }

    #[test]
    fn links_follow_the_first_visible_name() {
        let group: &[&[&str]] = &[&["f a 1", "h b a", "h c a"], &["w a"]];
        assert_eq!(table(&[], group), ["f /b 1", "h /c /b"]);
        assert_eq!(table(&[], &[&["f a 1", "h b a"], &["f a 22"]]), ["f /a 2", "f /b 1"]);
        // A copied-up file that only got a second name is not the file below.
        assert_eq!(table(&["f a 1"], &[&["f a 1", "h b a"]]), ["f /a 1", "h /b /a"]);
        assert_eq!(table(&["f a 1", "h b a"], &[&["f a 1"]]), ["f /a 1"]);
    }

    #[test]
    fn removing_promotes_links_and_keeps_directories() {
        let group = [layer(&["d d", "f d/a 1", "h d/b d/a", "d e", "f e/x 1", "f f 1"]), layer(&["w d/a"])];
        let below = [layer(&["d d", "f d/a 0", "f f 0"])];
        let mut all = merged(&below, &group);
        assert_eq!(text(&all.index()), ["d /d", "w /d/a", "f /d/b 1", "d /e", "f /e/x 1", "f /f 1"]);
        let gone =
            all.remove(&|entry| entry.path.as_bytes().starts_with(b"e") || entry.path.as_bytes() == b"f");
        assert_eq!(gone.iter().map(|m| m.entry.path.to_string()).collect::<Vec<_>>(), ["/e", "/e/x", "/f"]);
        assert_eq!(text(&all.index()), ["d /d", "w /d/a", "f /d/b 1"]);

        let mut links = merged(&[], &[layer(&["f a 1", "h b a", "h c a"])]);
        links.remove(&|entry| entry.path.as_bytes() == b"a");
        assert_eq!(text(&links.index()), ["f /b 1", "h /c /b"]);
        let mut kept = merged(&[], &[layer(&["d d", "f d/x 1"])]);
        kept.remove(&|entry| entry.path.as_bytes() == b"d");
        assert_eq!(text(&kept.index()), ["d /d", "f /d/x 1"]);
    }

    /// Gives the content that [`crate::testing`] draws: `size` times `x`; counts what was asked for.
    #[derive(Default)]
    struct Drawn<'a> {
        layers: &'a [Layer],
        opened: Mutex<Vec<(DiffId, ImagePath)>>,
    }

    impl Contents for Drawn<'_> {
        fn open(&self, layer: &DiffId, path: &ImagePath) -> io::Result<Box<dyn io::Read + Send>> {
            self.opened.lock().unwrap().push((*layer, path.clone()));
            let found = self.layers.iter().find(|l| l.diff_id == *layer).unwrap().index.get(path).unwrap();
            let Kind::File { size, .. } = found.kind else { panic!("{path} is no file") };
            Ok(Box::new(io::Cursor::new(vec![b'x'; size as usize])))
        }
    }

    #[test]
    fn a_file_that_an_implied_directory_replaced_does_not_come_back() {
        assert_eq!(table(&["f a x"], &[&["d a/b/c"], &["w a/b"]]), ["w /a"]);
        assert_eq!(table(&["d a", "f a/x x"], &[&["d a/b/c"], &["w a/b"]]), Vec::<String>::new());
    }

    #[test]
    fn changed_content_is_noticed() {
        let group = [layer(&["f a yyy"])];
        let contents = Drawn { layers: &group, ..Drawn::default() };
        let error = write(&merged(&[], &group), &contents, io::sink()).unwrap_err();
        assert!(matches!(error, ImageError::Changed(_)), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2500))]
        #[test]
        fn merging_changes_no_flattened_file_system(below in any_stack(3), group in any_stack(4)) {
            let merged = merged(&below, &group);
            let index = merged.index();
            prop_assert_eq!(index.entries().len(), merged.entries().len(), "each path once");
            // The tree agrees with the flattener about the merged layer.
            let mut stack = below.clone();
            stack.push(named(index.clone()));
            prop_assert_eq!(flatten::live(&Tree::new(stack)), flat(&[&below, &group]));

            // No byte is shadowed inside the layer: whatever it holds can be seen.
            let lower = Tree::new(below.clone());
            let alone = Tree::new(vec![named(index.clone())]);
            for entry in index.entries() {
                match entry.kind {
                    Kind::Whiteout => {
                        let there = lower.get(&entry.path).is_some() || !lower.below(&entry.path).is_empty();
                        prop_assert!(there, "a whiteout of nothing: {}", entry.path);
                    }
                    _ => prop_assert!(alone.get(&entry.path).is_some()),
                }
                for above in entry.path.ancestors() {
                    let implied = entry.kind == Kind::Whiteout && lower.get(&above).is_none();
                    prop_assert!(implied || index.get(&above).is_some_and(|e| e.kind.is_dir()), "{} has no {above}", entry.path);
                }
            }

            // Written and read back it is the same layer, and each content was read once.
            let contents = Drawn { layers: &group, ..Drawn::default() };
            let mut tar = Vec::new();
            prop_assert_eq!(&write(&merged, &contents, &mut tar).unwrap(), &index);
            prop_assert_eq!(&unpack(tar.as_slice(), None).unwrap(), &index);
            let mut opened = contents.opened.into_inner().unwrap();
            let reads = opened.len();
            opened.sort();
            opened.dedup();
            prop_assert_eq!(opened.len(), reads);

            // Merging is idempotent.
            prop_assert_eq!(merge(&lower, &[named(index.clone())]).unwrap().index(), index);
        }

        #[test]
        fn removing_keeps_the_layer_sound(below in any_stack(2), group in any_stack(3), pick in any::<u64>()) {
            let mut merged = merge(&Tree::new(below), &group).unwrap();
            let before = merged.entries().len();
            let unwanted = |entry: &Entry| {
                let sum: u64 = entry.path.as_bytes().iter().map(|&b| u64::from(b)).sum();
                pick >> (sum % 64) & 1 == 1
            };
            let removed = merged.remove(&unwanted);
            prop_assert_eq!(before, removed.len() + merged.entries().len());
            let contents = Drawn { layers: &group, ..Drawn::default() };
            let mut tar = Vec::new();
            let index = write(&merged, &contents, &mut tar).unwrap();
            prop_assert_eq!(unpack(tar.as_slice(), None).unwrap(), index);
        }
    }
}
