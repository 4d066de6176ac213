//! What a layer's members mean, one after the other: whiteouts, opaque markers, hard links, names through links.
//!
//! A layer may name a path twice, list whiteouts behind what they speak of, link to a name that comes later in path
//! order. What is kept here is the outcome: each path once, the first name of a file as the file. Whoever writes to
//! disk beside this follows member by member.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::digest::FileDigest;
use imgc_base::path::{ImagePath, MAX_PATH};

use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::index::LayerIndex;
use crate::limits;
use crate::tar_read::{Member, MemberKind};
use crate::tar_write::{OPAQUE, WHITEOUT};

/// Mode of every symbolic link on Linux, whatever an archive says.
const LINK_MODE: u32 = 0o777;

/// The entries so far, by path.
#[derive(Default)]
pub(crate) struct Seen {
    entries: BTreeMap<ImagePath, Entry>,
    /// The links to each file that has some.
    links: BTreeMap<ImagePath, BTreeSet<ImagePath>>,
}

impl Seen {
    /// Turns an archive's member into an entry; `None` if it says nothing (the root, old AUFS names).
    pub(crate) fn classify(&self, member: &Member) -> Result<Option<Entry>, ImageError> {
        let given = ImagePath::strict(&member.name)?;
        if given.is_root() {
            return Ok(None);
        }
        let path = self.resolve_parents(&given)?;
        let name = path.name().unwrap_or_default();
        if name == OPAQUE {
            let dir = path.parent().unwrap_or_default();
            if dir.is_root() {
                return Err(ImageError::Tar("the root directory is marked opaque".to_owned()));
            }
            let meta = match self.entries.get(&dir) {
                Some(entry) if entry.kind.is_dir() => entry.meta.clone(),
                _ => Meta::IMPLIED_DIR,
            };
            return Ok(Some(Entry { path: dir, kind: Kind::Dir { opaque: true }, meta }));
        }
        if name.starts_with(b".wh..wh.") {
            return Ok(None);
        }
        if let Some(gone) = name.strip_prefix(WHITEOUT) {
            if gone.is_empty() || gone == b"." || gone == b".." {
                return Err(ImageError::Tar(format!("`{given}` is not a whiteout")));
            }
            let path = path.parent().unwrap_or_default().child(gone);
            // The whiteout speaks of lower layers; what this layer has at the path stays, a directory as opaque.
            return Ok(match self.entries.get(&path) {
                None => Some(Entry { path, kind: Kind::Whiteout, meta: Meta::default() }),
                Some(entry) if entry.kind.is_dir() => {
                    Some(Entry { kind: Kind::Dir { opaque: true }, ..entry.clone() })
                }
                Some(_) => None,
            });
        }
        self.content_entry(path, member)
    }

    fn content_entry(&self, path: ImagePath, member: &Member) -> Result<Option<Entry>, ImageError> {
        let mut meta = Meta {
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
            xattrs: member.xattrs.clone(),
        };
        // Only files and directories can have the attributes that layers carry.
        if !matches!(member.kind, MemberKind::File | MemberKind::Dir) {
            meta.xattrs.clear();
        }
        let kind = match &member.kind {
            MemberKind::File => Kind::File { size: member.size, digest: FileDigest::of(b"") },
            MemberKind::Dir => {
                // A directory whose lower self was deleted in this layer hides it; an opaque one stays so.
                let opaque = matches!(
                    self.entries.get(&path).map(|entry| &entry.kind),
                    Some(Kind::Whiteout | Kind::Dir { opaque: true })
                );
                Kind::Dir { opaque }
            }
            MemberKind::Symlink(target) => {
                if target.is_empty() || target.len() >= MAX_PATH {
                    return Err(ImageError::Tar(format!(
                        "the target of the symbolic link `{path}` is no path"
                    )));
                }
                meta.mode = LINK_MODE;
                Kind::Symlink { target: target.clone() }
            }
            MemberKind::Char(major, minor) => Kind::Char { major: *major, minor: *minor },
            MemberKind::Block(major, minor) => Kind::Block { major: *major, minor: *minor },
            MemberKind::Fifo => Kind::Fifo,
            MemberKind::Hardlink(to) => return self.link_entry(path, to),
        };
        Ok(Some(Entry { path, kind, meta }))
    }

    /// A link to a file is one more name of it; a link to anything else that is no directory is a copy.
    fn link_entry(&self, path: ImagePath, to: &[u8]) -> Result<Option<Entry>, ImageError> {
        let to = self.resolve_parents(&ImagePath::strict(to)?)?;
        let absent =
            || ImageError::Tar(format!("`{path}` is a hard link to `{to}`, which is not in this layer"));
        if to == path {
            return Err(absent());
        }
        let target = self.entries.get(&to).ok_or_else(absent)?;
        let kind = match &target.kind {
            Kind::File { .. } => Kind::Hardlink { to },
            // It is that file already.
            Kind::Hardlink { to } if *to == path => return Ok(None),
            other @ (Kind::Hardlink { .. }
            | Kind::Symlink { .. }
            | Kind::Fifo
            | Kind::Char { .. }
            | Kind::Block { .. }) => other.clone(),
            Kind::Dir { .. } | Kind::Whiteout => return Err(absent()),
        };
        let meta = target.meta.clone();
        Ok(Some(Entry { path, kind, meta }))
    }

    /// Follows symbolic links of this layer in the directories of a path.
    fn resolve_parents(&self, path: &ImagePath) -> Result<ImagePath, ImageError> {
        let mut path = path.clone();
        for _ in 0..=limits::SYMLINKS {
            let link =
                path.ancestors().find_map(|above| match self.entries.get(&above).map(|entry| &entry.kind) {
                    Some(Kind::Symlink { target }) => Some((above, target.clone())),
                    _ => None,
                });
            let Some((at, target)) = link else { return Ok(path) };
            let rest = path.strip_prefix(&at).unwrap_or_default();
            path = at.parent().unwrap_or_default().resolve(target)?.join(&rest);
        }
        Err(ImageError::Loop(path))
    }

    /// Directories that an entry at `path` needs where the layer has something else: a name below a file or a
    /// whiteout makes it a directory, which hides what that hid.
    pub(crate) fn implied(&self, path: &ImagePath) -> Vec<Entry> {
        path.ancestors()
            .filter(|above| self.entries.get(above).is_some_and(|old| !old.kind.is_dir()))
            .map(|path| Entry { path, kind: Kind::Dir { opaque: true }, meta: Meta::IMPLIED_DIR })
            .collect()
    }

    /// Adds an entry; what it replaces goes, with everything below if it is no directory.
    pub(crate) fn insert(&mut self, entry: Entry) {
        let path = entry.path.clone();
        if !entry.kind.is_dir() {
            let prefix = [path.as_bytes(), b"/"].concat();
            let below: Vec<ImagePath> = self
                .entries
                .range::<ImagePath, _>(&path..)
                .map(|(key, _)| key)
                .take_while(|key| key.as_bytes().starts_with(path.as_bytes()))
                .filter(|key| key.as_bytes().starts_with(&prefix))
                .cloned()
                .collect();
            for path in below {
                self.remove(&path);
            }
        }
        self.remove(&path);
        if let Kind::Hardlink { to } = &entry.kind {
            self.links.entry(to.clone()).or_default().insert(path.clone());
        }
        self.entries.insert(path, entry);
    }

    /// Takes a name away. A file lives on under its other names, the first of which now stands for it.
    fn remove(&mut self, path: &ImagePath) {
        let Some(gone) = self.entries.remove(path) else { return };
        if let Kind::Hardlink { to } = &gone.kind {
            if let Some(names) = self.links.get_mut(to) {
                names.remove(path);
            }
        } else if let Some(names) = self.links.remove(path) {
            self.name(names, &gone.kind);
        }
    }

    /// Makes the first of some names the file, and the others links to it.
    fn name(&mut self, mut names: BTreeSet<ImagePath>, file: &Kind) {
        let Some(first) = names.pop_first() else { return };
        if let Some(entry) = self.entries.get_mut(&first) {
            entry.kind = file.clone();
        }
        for name in &names {
            if let Some(entry) = self.entries.get_mut(name) {
                entry.kind = Kind::Hardlink { to: first.clone() };
            }
        }
        self.links.insert(first, names);
    }

    /// The outcome: of several names of one file the first in path order is the file.
    pub(crate) fn finish(mut self) -> LayerIndex {
        for (to, mut names) in std::mem::take(&mut self.links) {
            if names.first().is_some_and(|first| *first < to)
                && let Some(file) = self.entries.get(&to).map(|entry| entry.kind.clone())
            {
                names.insert(to);
                self.name(names, &file);
            }
        }
        LayerIndex::new(self.entries.into_values().collect())
    }
}
