//! Where a copy comes from: a tree of layers, a context, or one file; all seen through the same few questions.

use std::path::{Path, PathBuf};

use imgc_base::digest::{DiffId, FileDigest};
use imgc_base::path::{ImagePath, MAX_PATH};
use imgc_image::tree::Found;
use imgc_image::{Entry, ImageError, Kind, Meta, Tree, limits};

use super::error::FileError;
use crate::context::{Context, Signature};

/// Extended attributes, sorted by name.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Where a copy comes from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The root of a stage or of an image.
    Tree(&'a Tree),
    /// A directory of this machine, or a checkout.
    Context(&'a Context),
    /// One file from elsewhere.
    File {
        /// Where it lies on this machine.
        path: &'a Path,
        /// The name that it gets in a directory.
        name: &'a str,
        /// Seconds since 1970.
        mtime: i64,
        /// Its digest, if it is known.
        digest: Option<FileDigest>,
    },
    /// An input that has no files.
    None,
}

/// What stands at a path of a source.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where, in the source.
    pub path: ImagePath,
    /// What.
    pub what: What,
    /// Mode, owner, time, attributes.
    pub meta: Meta,
    /// Equal for names of one file; `None` if it has only one.
    pub same: Option<SameFile>,
}

/// Identifies a file that may have several names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SameFile {
    /// Device and inode.
    Inode(u64, u64),
    /// Layer and first name.
    Entry(DiffId, ImagePath),
}

/// What stands at a path, with where to find the content of a file.
#[derive(Debug, Clone)]
pub enum What {
    /// A directory.
    Dir,
    /// A regular file.
    File(Content),
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// Where to find the bytes of a file.
#[derive(Debug, Clone)]
pub struct Content {
    /// How many.
    pub size: u64,
    /// Their digest, if it is known without reading them.
    pub digest: Option<FileDigest>,
    /// Where.
    pub place: Place,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a context: the number of the input, the path there, and what the file looked like.
    Context(usize, ImagePath, Signature),
    /// In a layer.
    Layer(DiffId, ImagePath),
    /// Given in the build.
    Bytes(std::sync::Arc<[u8]>),
    /// A file of this machine that belongs to the build alone.
    Host(PathBuf),
    /// In an unpacked archive: its number, and the path in it.
    Archive(usize, ImagePath),
    /// None: a socket of a context.
    Empty,
}

impl What {
    /// One word for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Dir => "directory",
            Self::File(_) => "file",
            Self::Symlink(_) => "symbolic link",
            Self::Char(..) | Self::Block(..) => "device",
            Self::Fifo => "named pipe",
        }
    }

    /// True for a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self, Self::Dir)
    }
}

/// The path of a name that a file system gave: clean already, but it may be too long.
pub(crate) fn child(dir: &ImagePath, name: &[u8]) -> Result<ImagePath, FileError> {
    bounded(dir.child(name))
}

/// A path put together from clean ones; it may be too long.
pub(crate) fn bounded(path: ImagePath) -> Result<ImagePath, FileError> {
    if path.as_bytes().len() > MAX_PATH { Ok(ImagePath::strict(path.as_bytes())?) } else { Ok(path) }
}

impl Source<'_> {
    /// How messages call it.
    pub fn place(&self) -> &'static str {
        match self {
            Self::Tree(_) => "the stage or image copied from",
            Self::Context(_) => "the build context",
            Self::File { .. } | Self::None => "the source",
        }
    }

    /// What stands at exactly this path; no link is followed. `input` is the number that contents get.
    pub fn get(&self, input: usize, path: &ImagePath) -> Result<Option<Item>, FileError> {
        match self {
            Self::Tree(tree) => Ok(tree_get(tree, path)),
            Self::Context(context) => context.get(input, path),
            Self::File { .. } | Self::None => Ok(None),
        }
    }

    /// Everything below a directory, at any depth, in path order, parents before what they hold.
    pub fn below(&self, input: usize, dir: &ImagePath) -> Result<Vec<Item>, FileError> {
        match self {
            Self::Tree(tree) => Ok(tree_below(tree, dir)),
            Self::Context(context) => context.below(input, dir),
            Self::File { .. } | Self::None => Ok(Vec::new()),
        }
    }

    /// The names in a directory, in order. Nothing if it is no directory.
    pub fn names(&self, input: usize, dir: &ImagePath) -> Result<Vec<Vec<u8>>, FileError> {
        if let Self::Context(context) = self {
            return context.names(dir);
        }
        let mut names: Vec<Vec<u8>> = Vec::new();
        for item in self.below(input, dir)? {
            let rest = item.path.strip_prefix(dir).unwrap_or_default();
            if let Some(first) = rest.parts().next()
                && rest.as_bytes().len() == first.len()
            {
                names.push(first.to_vec());
            }
        }
        Ok(names)
    }

    /// Resolves links in all parts and the last one, as a process whose root this is.
    pub fn resolve(&self, input: usize, path: &ImagePath) -> Result<ImagePath, FileError> {
        resolve(path, |at| {
            Ok(match self.get(input, at)?.map(|item| item.what) {
                Some(What::Symlink(target)) => Some(target),
                _ => None,
            })
        })
    }
}

/// Resolves symbolic links in all parts of a path; `link` gives the target of a path that is one. Parts that do not
/// exist stay as they are, `..` at the root stays at the root.
pub fn resolve(
    path: &ImagePath,
    link: impl FnMut(&ImagePath) -> Result<Option<Vec<u8>>, FileError>,
) -> Result<ImagePath, FileError> {
    // Clamped at the root, there is always a result.
    Ok(resolve_within(path, true, link)?.unwrap_or_default())
}

/// Does the same; unless `clamp`, a link that leads above the root yields nothing.
pub fn resolve_within(
    path: &ImagePath,
    clamp: bool,
    mut link: impl FnMut(&ImagePath) -> Result<Option<Vec<u8>>, FileError>,
) -> Result<Option<ImagePath>, FileError> {
    let mut todo: Vec<Vec<u8>> = path.parts().rev().map(<[u8]>::to_vec).collect();
    let mut done = ImagePath::root();
    let mut links = 0;
    while let Some(part) = todo.pop() {
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => {
                if done.is_root() && !clamp {
                    return Ok(None);
                }
                done = done.parent().unwrap_or_default();
                continue;
            }
            _ => {}
        }
        let next = ImagePath::strict(done.child(&part).as_bytes())?;
        let Some(target) = link(&next)? else {
            done = next;
            continue;
        };
        links += 1;
        if links > limits::SYMLINKS {
            return Err(ImageError::Loop(path.clone()).into());
        }
        if target.first() == Some(&b'/') {
            done = ImagePath::root();
        }
        todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
    }
    Ok(Some(done))
}

pub(super) fn tree_get(tree: &Tree, path: &ImagePath) -> Option<Item> {
    if path.is_root() {
        return Some(implied(path));
    }
    match tree.get(path) {
        Some(found) => Some(tree_item(found)),
        // Layers of other builders may leave directories out that hold something.
        None => (!tree.below(path).is_empty()).then(|| implied(path)),
    }
}

fn implied(path: &ImagePath) -> Item {
    Item { path: path.clone(), what: What::Dir, meta: Meta::IMPLIED_DIR, same: None }
}

fn tree_item(found: Found<'_>) -> Item {
    let content: &Entry = found.content();
    let mut same = None;
    let what = match &content.kind {
        Kind::Dir { .. } | Kind::Whiteout => What::Dir,
        Kind::File { size, digest } => {
            same = Some(SameFile::Entry(found.layer.diff_id, content.path.clone()));
            let place = Place::Layer(found.layer.diff_id, content.path.clone());
            What::File(Content { size: *size, digest: Some(*digest), place })
        }
        // Only the entry that it names can stand for a link; an index without that entry is broken.
        Kind::Hardlink { .. } => What::File(Content {
            size: 0,
            digest: None,
            place: Place::Layer(found.layer.diff_id, content.path.clone()),
        }),
        Kind::Symlink { target } => What::Symlink(target.clone()),
        Kind::Char { major, minor } => What::Char(*major, *minor),
        Kind::Block { major, minor } => What::Block(*major, *minor),
        Kind::Fifo => What::Fifo,
    };
    Item { path: found.entry.path.clone(), what, meta: found.entry.meta.clone(), same }
}

fn tree_below(tree: &Tree, dir: &ImagePath) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut dirs: std::collections::BTreeSet<ImagePath> = std::collections::BTreeSet::new();
    for found in tree.below(dir) {
        let mut item = tree_item(found);
        let mut missing = Vec::new();
        let mut above = item.path.parent();
        while let Some(at) = above.filter(|at| at != dir && !at.is_root() && !dirs.contains(at)) {
            above = at.parent();
            missing.push(at);
        }
        for at in missing.into_iter().rev() {
            items.push(implied(&at));
            dirs.insert(at);
        }
        if item.what.is_dir() {
            dirs.insert(item.path.clone());
        }
        item.meta.xattrs.sort();
        items.push(item);
    }
    items
}
