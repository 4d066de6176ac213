//! File actions on synthetic trees and real directories: each case states the whole layer that it must give.
//!
//! A layer is shown line by line: kind, mode, owner, time (`T` is the step's), path, and content or target.

mod archives;
mod copies;
mod owners;
mod patterns;
mod writing;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use imgc_base::cancel::Cancel;
use imgc_base::digest::{DiffId, FileDigest};
use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use imgc_graph::{Copy, CopyFrom, FileAction, FileOp, OwnerSpec, Unpack};
use imgc_image::unpack::{TreeWriter, unpack};
use imgc_image::{Contents, Entry, Kind, Layer, LayerIndex, Meta, Root, Tree};

use super::*;
use crate::context::{Context, StatCache};

pub(super) const TIME: i64 = 1_700_000_000;

pub(super) fn path(text: &str) -> ImagePath {
    ImagePath::clean(text).unwrap()
}

/// Trees from lines, with the content of their files.
#[derive(Default)]
pub(super) struct Library {
    files: BTreeMap<(DiffId, ImagePath), Vec<u8>>,
}

impl Contents for Library {
    fn open(&self, layer: &DiffId, path: &ImagePath) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.files.get(&(*layer, path.clone())).cloned();
        let bytes = bytes.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not in the library"))?;
        Ok(Box::new(io::Cursor::new(bytes)))
    }
}

impl Library {
    /// One layer of lines `d path [mode [uid gid time]]`, `f path content [mode [uid gid time]]`, `l path target`,
    /// `h path first`, `p path`.
    pub(super) fn tree(&mut self, lines: &[&str]) -> Tree {
        let mut entries = Vec::new();
        let mut files = Vec::new();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let at = path(words[1]);
            let (kind, rest) = match words[0] {
                "d" => (Kind::Dir { opaque: false }, &words[2..]),
                "f" => {
                    let bytes = words[2].as_bytes().to_vec();
                    let kind = Kind::File { size: bytes.len() as u64, digest: FileDigest::of(&bytes) };
                    files.push((at.clone(), bytes));
                    (kind, &words[3..])
                }
                "l" => (Kind::Symlink { target: words[2].into() }, &words[3..]),
                "h" => (Kind::Hardlink { to: path(words[2]) }, &words[3..]),
                "p" => (Kind::Fifo, &words[2..]),
                other => panic!("{other}"),
            };
            let number = |at: usize, default: u32| rest.get(at).map_or(default, |text| text.parse().unwrap());
            let mode = rest.first().map_or(0o755, |text| u32::from_str_radix(text, 8).unwrap());
            let meta = Meta {
                mode,
                uid: number(1, 0),
                gid: number(2, 0),
                mtime: i64::from(number(3, 7)),
                xattrs: Vec::new(),
            };
            entries.push(Entry { path: at, kind, meta });
        }
        let index = LayerIndex::new(entries);
        let diff_id = DiffId::of(&index.encode());
        self.files.extend(files.into_iter().map(|(at, bytes)| ((diff_id, at), bytes)));
        Tree::new(vec![Layer { diff_id, index: Arc::new(index) }])
    }
}

/// A directory with files: `name/`, `name`, `name=content`, `name->target`, `name@mode`.
pub(super) fn directory(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        put(dir.path(), name);
    }
    dir
}

fn put(dir: &Path, name: &str) {
    let (name, mode) = match name.split_once('@') {
        Some((name, mode)) => (name, Some(u32::from_str_radix(mode, 8).unwrap())),
        None => (name, None),
    };
    let (at, content) = name.split_once('=').unwrap_or((name, name));
    let link = at.split_once("->");
    let place = dir.join(link.map_or(at, |(at, _)| at).trim_end_matches('/'));
    make_dirs(dir, place.parent().unwrap());
    if let Some((_, target)) = link {
        symlink(target, &place).unwrap();
        return;
    }
    let default = if at.ends_with('/') {
        make_dirs(dir, &place);
        0o755
    } else {
        fs_err::write(&place, content).unwrap();
        0o644
    };
    set_mode(&place, mode.unwrap_or(default));
}

/// Makes what is missing, 0755 whatever the umask.
fn make_dirs(dir: &Path, place: &Path) {
    if place != dir && !place.exists() {
        make_dirs(dir, place.parent().unwrap());
        fs_err::create_dir(place).unwrap();
        set_mode(place, 0o755);
    }
}

fn set_mode(place: &Path, mode: u32) {
    fs_err::set_permissions(place, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A copy from the first source.
pub(super) fn copy(sources: &[&str], dest: &str) -> Copy {
    Copy {
        from: CopyFrom { input: 1, foreign: true },
        sources: sources.iter().map(|&text| text.to_owned()).collect(),
        dest: path(dest),
        into_dir: dest.ends_with('/') || dest.is_empty() || dest == ".",
        owner: None,
        chmod: None,
        unpack: Unpack::Never,
        link: false,
        parents: false,
        exclude: Vec::new(),
    }
}

pub(super) fn from_stage(sources: &[&str], dest: &str) -> Copy {
    Copy { from: CopyFrom { input: 1, foreign: false }, ..copy(sources, dest) }
}

pub(super) fn owned_by(user: &str, group: Option<&str>) -> OwnerSpec {
    OwnerSpec { user: user.to_owned(), group: group.map(str::to_owned) }
}

pub(super) fn context(dir: &tempfile::TempDir, ignore: &[&str]) -> Context {
    let patterns: Vec<String> = ignore.iter().map(|&text| text.to_owned()).collect();
    Context::open(dir.path(), Ignore::new(&patterns).unwrap(), &StatCache::default()).unwrap()
}

/// Runs one copy and shows the layer.
pub(super) fn run(
    library: &Library,
    root: &Tree,
    source: &Source<'_>,
    copy: Copy,
) -> Result<Vec<String>, FileError> {
    actions(library, root, &[*source], vec![FileAction::Copy(Box::new(copy))])
}

/// Runs actions; checks that what was planned, the tar, and the tree on disk are the same; shows the layer.
pub(super) fn actions(
    library: &Library,
    root: &Tree,
    inputs: &[Source<'_>],
    actions: Vec<FileAction>,
) -> Result<Vec<String>, FileError> {
    let (scratch, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cancel = Cancel::new();
    let cx = FileCx { contents: library, time: TIME, scratch: scratch.path(), cancel: &cancel };
    let planned = resolve(&FileOp { actions }, root, inputs, &cx)?;
    let known = planned.known();
    let mut tar = Vec::new();
    let mut tree = TreeWriter::new(Root::open(out.path()).unwrap());
    let index = planned.write(&mut tar, Some(&mut tree))?;
    tree.finish(&index).unwrap();
    assert_eq!(unpack(tar.as_slice(), None).unwrap(), index, "the tar is the index");
    if let Some(known) = known {
        assert_eq!(known, index, "what was known is what was written");
    }
    let on_disk = Root::open(out.path()).unwrap();
    let mut shown = Vec::new();
    for entry in index.entries() {
        let disk = on_disk.stat(&entry.path).unwrap().unwrap_or_else(|| panic!("{} on disk", entry.path));
        assert_eq!(disk.st_mtime, entry.meta.mtime, "time of {} on disk", entry.path);
        shown.push(show(entry, &on_disk));
    }
    Ok(shown)
}

fn show(entry: &Entry, disk: &Root) -> String {
    let Meta { mode, uid, gid, mtime, .. } = entry.meta;
    let time = if mtime == TIME { "T".to_owned() } else { mtime.to_string() };
    let path = entry.path.to_absolute();
    let rest = format!("{mode:o} {uid}:{gid} {time} {path}");
    match &entry.kind {
        Kind::Dir { opaque: false } => format!("d {rest}/"),
        Kind::Dir { opaque: true } => format!("o {rest}/"),
        Kind::File { .. } => {
            let mut text = String::new();
            disk.file(&entry.path).unwrap().read_to_string(&mut text).unwrap();
            format!("f {rest}={text}")
        }
        Kind::Symlink { target } => format!("l {rest}->{}", String::from_utf8_lossy(target)),
        Kind::Hardlink { to } => format!("h {rest}={to}"),
        other => format!("{} {rest}", other.noun()),
    }
}

/// The names of a layer, where modes and times are not the point.
pub(super) fn names(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.splitn(5, ' ').nth(4).unwrap()).collect()
}
