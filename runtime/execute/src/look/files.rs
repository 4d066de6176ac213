//! Which files differ between two trees. Works on indexes: digests say whether contents are equal.

use std::collections::BTreeMap;

use imgc_base::digest::{DiffId, FileDigest};
use imgc_base::path::ImagePath;
use imgc_image::tree::Found;
use imgc_image::{Kind, Meta, Tree};

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Where.
    pub path: ImagePath,
    /// What it was; `None` if it is new.
    pub before: Option<State>,
    /// What it is; `None` if it is gone.
    pub after: Option<State>,
}

/// What a path is in one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What: a hard link is the file that it names.
    pub kind: Kind,
    /// Mode, owner, time.
    pub meta: Meta,
    /// Where the content of a file is: layer and path there.
    pub content: Option<(DiffId, ImagePath)>,
}

impl State {
    fn of(found: Found<'_>) -> Self {
        let content = found.content();
        let is_file = matches!(content.kind, Kind::File { .. });
        // Opaque says how the tree is stored, not what it is.
        let kind = if content.kind.is_dir() { Kind::Dir { opaque: false } } else { content.kind.clone() };
        Self {
            kind,
            meta: found.entry.meta.clone(),
            content: is_file.then(|| (found.layer.diff_id, content.path.clone())),
        }
    }

    /// Size of a regular file.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        }
    }

    /// Digest of a regular file.
    pub fn digest(&self) -> Option<FileDigest> {
        match self.kind {
            Kind::File { digest, .. } => Some(digest),
            _ => None,
        }
    }
}

impl FileChange {
    /// `A` added, `D` deleted, `M` content, `T` another kind of file, `a` attributes only.
    pub fn letter(&self) -> char {
        match (&self.before, &self.after) {
            (None, _) => 'A',
            (_, None) => 'D',
            (Some(before), Some(after)) if before.kind == after.kind => 'a',
            (Some(before), Some(after)) if before.kind.noun() == after.kind.noun() => 'M',
            _ => 'T',
        }
    }

    /// What differs, in a few words.
    pub fn details(&self) -> Vec<String> {
        let (Some(before), Some(after)) = (&self.before, &self.after) else {
            return Vec::new();
        };
        let mut words = Vec::new();
        match (&before.kind, &after.kind) {
            (a, b) if a.noun() != b.noun() => words.push(format!("{} -> {}", a.noun(), b.noun())),
            (Kind::Symlink { target: a }, Kind::Symlink { target: b }) if a != b => words.push(format!(
                "target {} -> {}",
                String::from_utf8_lossy(a).escape_debug(),
                String::from_utf8_lossy(b).escape_debug()
            )),
            (Kind::File { size: a, .. }, Kind::File { size: b, .. }) if before.kind != after.kind => {
                words.push(if a == b { format!("content, {a} bytes") } else { format!("{a} -> {b} bytes") });
            }
            (a, b) if a != b => words.push("device number".to_owned()),
            _ => {}
        }
        let (a, b) = (&before.meta, &after.meta);
        if a.mode != b.mode {
            words.push(format!("mode {:04o} -> {:04o}", a.mode, b.mode));
        }
        if (a.uid, a.gid) != (b.uid, b.gid) {
            words.push(format!("owner {}:{} -> {}:{}", a.uid, a.gid, b.uid, b.gid));
        }
        if a.mtime != b.mtime {
            words.push(format!("time {} -> {}", a.mtime, b.mtime));
        }
        if a.xattrs != b.xattrs {
            words.push("extended attributes".to_owned());
        }
        words
    }
}

/// Compares what can be seen in two trees. `times` says whether modification times count.
pub fn compare(before: &Tree, after: &Tree, times: bool) -> Vec<FileChange> {
    let states = |tree: &Tree| -> BTreeMap<ImagePath, State> {
        tree.all()
            .into_iter()
            .map(|found| {
                let mut state = State::of(found);
                if !times {
                    state.meta.mtime = 0;
                }
                (found.entry.path.clone(), state)
            })
            .collect()
    };
    let (mut old, new) = (states(before), states(after));
    let mut changes = Vec::new();
    for (path, state) in new {
        let was = old.remove(&path);
        let same = was.as_ref().is_some_and(|was| was.kind == state.kind && was.meta == state.meta);
        if !same {
            changes.push(FileChange { path, before: was, after: Some(state) });
        }
    }
    changes.extend(old.into_iter().map(|(path, was)| FileChange { path, before: Some(was), after: None }));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imgc_image::{Entry, Layer, LayerIndex};

    use super::*;

    fn tree(files: &[(&str, &str, u32, i64)]) -> Tree {
        let entries = files
            .iter()
            .map(|(path, text, mode, mtime)| Entry {
                path: ImagePath::clean(path).unwrap(),
                kind: Kind::File { size: text.len() as u64, digest: FileDigest::of(text.as_bytes()) },
                meta: Meta { mode: *mode, mtime: *mtime, ..Meta::default() },
            })
            .collect();
        let index = LayerIndex::new(entries);
        Tree::new(vec![Layer { diff_id: DiffId::of(&index.encode()), index: Arc::new(index) }])
    }

    #[test]
    fn says_what_differs() {
        let a = tree(&[
            ("gone", "x", 0o644, 1),
            ("text", "a", 0o644, 1),
            ("mode", "m", 0o644, 1),
            ("time", "t", 0o644, 1),
        ]);
        let b = tree(&[
            ("new", "x", 0o644, 1),
            ("text", "ab", 0o644, 1),
            ("mode", "m", 0o755, 1),
            ("time", "t", 0o644, 2),
        ]);
        let show = |times| -> Vec<String> {
            compare(&a, &b, times)
                .iter()
                .map(|change| format!("{} {} {}", change.letter(), change.path, change.details().join(", ")))
                .collect()
        };
        let all = [
            "D /gone ",
            "a /mode mode 0644 -> 0755",
            "A /new ",
            "M /text 1 -> 2 bytes",
            "a /time time 1 -> 2",
        ];
        assert_eq!(show(true), all);
        assert_eq!(show(false), all[..4]);
    }
}
