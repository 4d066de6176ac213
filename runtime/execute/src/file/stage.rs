//! The root that is copied onto, with what the actions so far changed, before any of it is written.
//!
//! Times follow what a file system would do: whatever is made, and every directory in which a name was made or
//! replaced, has the time of the step.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::path::ImagePath;
use imgc_image::{Entry, Kind, Meta, Tree};

use super::error::FileError;
use super::source::{Content, SameFile, What, resolve, tree_get};

/// The root with the changes so far.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    /// `None` for copies that do not look at it.
    root: Option<&'a Tree>,
    nodes: BTreeMap<ImagePath, Node>,
    /// What the root has at and below these is gone.
    hidden: BTreeSet<ImagePath>,
    /// Directories made here: the root has nothing below them.
    made: BTreeSet<ImagePath>,
    /// The one of them in which a name was made last: most copies put many names into one directory.
    current: Option<ImagePath>,
    time: i64,
}

/// One changed path.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// What it is now.
    pub(super) what: What,
    /// Mode, owner, time, attributes.
    pub(super) meta: Meta,
    /// Names of one file within one copy share this.
    pub(super) same: Option<(usize, SameFile)>,
    /// Number of the source it comes from; `None` for directories that were made or touched.
    pub(super) source: Option<usize>,
}

/// What stands at a path of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// A directory.
    Dir,
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// Something else, in one word.
    Other(&'static str),
}

impl Standing {
    fn of(what: &What) -> Self {
        match what {
            What::Dir => Self::Dir,
            What::Symlink(target) => Self::Symlink(target.clone()),
            other => Self::Other(other.noun()),
        }
    }

    /// One word for messages.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Dir => "directory",
            Self::Symlink(_) => "symbolic link",
            Self::Other(noun) => noun,
        }
    }
}

/// How directories are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making {
    /// Their mode.
    pub(super) mode: u32,
    /// Their owner.
    pub(super) owner: (u32, u32),
}

/// One path of the layer to be.
#[derive(Debug, Clone)]
pub(super) struct Final {
    /// Complete but for the digest of a file.
    pub(super) entry: Entry,
    /// Where the bytes of a file are.
    pub(super) content: Option<Content>,
    /// Number of the source it comes from.
    pub(super) source: Option<usize>,
}

impl<'a> Stage<'a> {
    /// A root without changes; `time` is the step's.
    pub(super) fn new(root: Option<&'a Tree>, time: i64) -> Self {
        Self {
            root,
            nodes: BTreeMap::new(),
            hidden: BTreeSet::new(),
            made: BTreeSet::new(),
            current: None,
            time,
        }
    }

    /// What stands at exactly this path; no link is followed.
    pub(super) fn standing(&self, path: &ImagePath) -> Option<Standing> {
        if path.is_root() {
            return Some(Standing::Dir);
        }
        match self.nodes.get(path) {
            Some(node) => Some(Standing::of(&node.what)),
            None if self.is_in_current(path) => None,
            None if path.parent().is_some_and(|parent| self.made.contains(&parent)) => None,
            None => self.below_root(path).map(|item| Standing::of(&item.what)),
        }
    }

    /// What the root has at a path, unless it is gone.
    fn below_root(&self, path: &ImagePath) -> Option<super::source::Item> {
        let root = self.root?;
        if !self.hidden.is_empty()
            && (self.hidden.contains(path) || path.ancestors().any(|above| self.hidden.contains(&above)))
        {
            return None;
        }
        tree_get(root, path)
    }

    /// Resolves links in all parts and the last one, as a process whose root this is.
    pub(super) fn resolve(&self, path: &ImagePath) -> Result<ImagePath, FileError> {
        resolve(path, |at| Ok(self.link(at)))
    }

    /// The target of a path that is a link.
    pub(super) fn link(&self, path: &ImagePath) -> Option<Vec<u8>> {
        match self.standing(path) {
            Some(Standing::Symlink(target)) => Some(target),
            _ => None,
        }
    }

    /// Makes a directory and its missing parents. `path` has no links in it.
    pub(super) fn make_dirs(&mut self, path: &ImagePath, making: Making) -> Result<(), FileError> {
        if self.standing(path) == Some(Standing::Dir) {
            return Ok(());
        }
        for at in path.ancestors().chain(std::iter::once(path.clone())) {
            match self.standing(&at) {
                Some(Standing::Dir) => {}
                None => {
                    let meta = Meta {
                        mode: making.mode,
                        uid: making.owner.0,
                        gid: making.owner.1,
                        mtime: self.time,
                        xattrs: Vec::new(),
                    };
                    self.put(at, Node { what: What::Dir, meta, same: None, source: None });
                }
                Some(other) => {
                    return Err(FileError::NotADirectory { path: path.clone(), at, noun: other.noun() });
                }
            }
        }
        Ok(())
    }

    /// Puts a new name, in the place of whatever stands there but a directory. A directory goes only where nothing is.
    pub(super) fn put(&mut self, path: ImagePath, node: Node) {
        if !self.is_in_current(&path)
            && let Some(parent) = path.parent()
        {
            self.current = self.made.contains(&parent).then(|| parent.clone());
            self.touch(parent);
        }
        if node.what.is_dir() {
            self.made.insert(path.clone());
        }
        self.nodes.insert(path, node);
    }

    /// Sets the attributes of a directory that exists.
    pub(super) fn set_dir(&mut self, path: &ImagePath, meta: Meta, source: Option<usize>) {
        let node = Node { what: What::Dir, meta, same: None, source };
        self.nodes.insert(path.clone(), node);
        self.current = None;
    }

    /// Removes a path and everything below it.
    pub(super) fn remove_all(&mut self, path: &ImagePath) {
        let prefix = [path.as_bytes(), b"/"].concat();
        let doomed: Vec<ImagePath> = self
            .nodes
            .range::<ImagePath, _>(path..)
            .map(|(at, _)| at)
            .take_while(|at| at.as_bytes().starts_with(path.as_bytes()))
            .filter(|at| *at == path || at.as_bytes().starts_with(&prefix))
            .cloned()
            .collect();
        for at in doomed {
            self.nodes.remove(&at);
            self.made.remove(&at);
        }
        self.hidden.insert(path.clone());
        self.current = None;
        if let Some(parent) = path.parent() {
            self.touch(parent);
        }
    }

    /// True if the path is a name directly in the directory of the last change, which has the step's time already.
    fn is_in_current(&self, path: &ImagePath) -> bool {
        let Some(dir) = &self.current else { return false };
        match path.as_bytes().strip_prefix(dir.as_bytes()) {
            Some([b'/', name @ ..]) => !name.contains(&b'/'),
            _ => false,
        }
    }

    /// A name was made or replaced in a directory.
    fn touch(&mut self, dir: ImagePath) {
        if dir.is_root() {
            return;
        }
        if let Some(node) = self.nodes.get_mut(&dir) {
            node.meta.mtime = self.time;
            return;
        }
        let mut meta = self.below_root(&dir).map_or(Meta::IMPLIED_DIR, |item| item.meta);
        meta.mtime = self.time;
        self.nodes.insert(dir, Node { what: What::Dir, meta, same: None, source: None });
    }

    /// The layer: every changed path with its ancestors, in path order.
    pub(super) fn finish(mut self) -> Vec<Final> {
        let mut missing: BTreeSet<ImagePath> = BTreeSet::new();
        let mut last = ImagePath::root();
        for path in self.nodes.keys() {
            // Neighbours share their ancestors.
            let Some(parent) = path.parent().filter(|parent| *parent != last) else { continue };
            let above = parent.ancestors().chain((!parent.is_root()).then(|| parent.clone()));
            missing.extend(above.filter(|at| !self.nodes.contains_key(at)));
            last = parent;
        }
        for at in missing {
            let meta = self.below_root(&at).map_or(Meta::IMPLIED_DIR, |item| item.meta);
            self.nodes.insert(at, Node { what: What::Dir, meta, same: None, source: None });
        }
        let mut first: BTreeMap<(usize, SameFile), ImagePath> = BTreeMap::new();
        let (root, hidden) = (self.root, &self.hidden);
        let mut all: Vec<Final> = Vec::with_capacity(self.nodes.len() + hidden.len());
        for (path, node) in self.nodes {
            let mut content = None;
            let kind = match node.what {
                What::Dir => Kind::Dir { opaque: hidden.contains(&path) && had_dir(root, &path) },
                What::Symlink(target) => Kind::Symlink { target },
                What::Char(major, minor) => Kind::Char { major, minor },
                What::Block(major, minor) => Kind::Block { major, minor },
                What::Fifo => Kind::Fifo,
                What::File(bytes) => {
                    let earlier = node.same.as_ref().and_then(|same| first.get(same));
                    if let Some(to) = earlier {
                        Kind::Hardlink { to: to.clone() }
                    } else {
                        if let Some(same) = node.same {
                            first.insert(same, path.clone());
                        }
                        let digest = bytes.digest.unwrap_or_else(|| imgc_base::FileDigest::of(b""));
                        let size = bytes.size;
                        content = Some(bytes);
                        Kind::File { size, digest }
                    }
                }
            };
            all.push(Final { entry: Entry { path, kind, meta: node.meta }, content, source: node.source });
        }
        all
    }
}

fn had_dir(root: Option<&Tree>, path: &ImagePath) -> bool {
    root.and_then(|root| tree_get(root, path)).is_some_and(|item| item.what.is_dir())
}
