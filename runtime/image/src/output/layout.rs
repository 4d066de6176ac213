//! OCI layouts: a directory that is made or added to, and the same as a tar.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use imgc_base::digest::{BlobDigest, FileDigest};
use imgc_base::path::ImagePath;
use imgc_base::reference::Reference;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::closure::closure;
use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::layout::{self, Layout};
use crate::manifest::{Descriptor, Index, media};
use crate::rooted::Root;
use crate::source::{self, Blobs, Checked};
use crate::tar_write::LayerWriter;

/// Writes images with all their blobs into a layout. If the directory is one already, it is added to, and an image
/// of the same name gives its name up. `index.json` is replaced last, so a crash leaves the old list or the new one.
pub fn write_layout(
    dir: &Path,
    roots: &[(Option<String>, Descriptor)],
    blobs: &dyn Blobs,
) -> Result<(), ImageError> {
    fs_err::create_dir_all(dir).map_err(ImageError::io("an image layout"))?;
    let root = Root::open(dir).map_err(ImageError::io("an image layout"))?;
    let fresh = root.stat(&ImagePath::strict(layout::MARKER)?)?.is_none();
    if fresh && !root.list(&ImagePath::root())?.is_empty() {
        let text = format!("`{}` is neither empty nor an image layout", dir.display());
        return Err(ImageError::Layout(text));
    }
    let mut index = if fresh { layout::empty_index() } else { Layout::open(dir)?.index().clone() };
    let top = root.dir(&ImagePath::root())?;
    let place = make_dir(&make_dir(&top, "blobs")?, "sha256")?;
    for (digest, size) in closure(roots.iter().map(|(_, root)| root), blobs)? {
        put_blob(&place, blobs, digest, size)?;
    }
    for (name, descriptor) in roots {
        add(&mut index, name.as_deref(), descriptor);
    }
    sync(&place)?;
    if fresh {
        replace(&top, layout::MARKER, &mut layout::marker().as_slice())?;
    }
    replace(&top, layout::INDEX, &mut json(&index, layout::INDEX)?.as_slice())?;
    sync(&top)
}

/// Writes images with all their blobs as a layout in a tar.
pub fn write_layout_archive(
    out: impl Write,
    roots: &[(Option<String>, Descriptor)],
    blobs: &dyn Blobs,
) -> Result<(), ImageError> {
    let mut index = layout::empty_index();
    for (name, descriptor) in roots {
        add(&mut index, name.as_deref(), descriptor);
    }
    let all = closure(roots.iter().map(|(_, root)| root), blobs)?;
    let documents = [(layout::INDEX, json(&index, layout::INDEX)?), (layout::MARKER, layout::marker())];
    write_archive(out, &all, &documents, blobs)
}

/// Writes blobs and documents; `documents` sort behind `blobs` and are given in order.
pub(super) fn write_archive(
    out: impl Write,
    all: &BTreeMap<BlobDigest, u64>,
    documents: &[(&str, Vec<u8>)],
    blobs: &dyn Blobs,
) -> Result<(), ImageError> {
    let mut tar = LayerWriter::new(out);
    for name in ["blobs", "blobs/sha256"] {
        tar.entry(&member(name, Kind::Dir { opaque: false }, 0o755)?)?;
    }
    for (digest, &size) in all {
        let kind = Kind::File { size, digest: FileDigest::from_bytes(*digest.as_bytes()) };
        let entry = member(&layout::blob_path(digest), kind, 0o644)?;
        let from = blobs.open(digest).map_err(|error| source::opening(digest, error))?;
        tar.entry_with(&entry, Checked::new(from, *digest, size))?;
    }
    for (name, bytes) in documents {
        let kind = Kind::File { size: bytes.len() as u64, digest: FileDigest::of(bytes) };
        tar.entry_with(&member(name, kind, 0o644)?, bytes.as_slice())?;
    }
    tar.finish()?.flush().map_err(ImageError::io("an archive"))
}

fn member(name: &str, kind: Kind, mode: u32) -> Result<Entry, ImageError> {
    Ok(Entry { path: ImagePath::strict(name)?, kind, meta: Meta { mode, ..Meta::default() } })
}

/// The canonical form of a document of ours.
pub(super) fn json(value: &impl serde::Serialize, what: &str) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(value).map_err(|source| ImageError::Json { what: what.to_owned(), source })
}

/// Adds an image to an index under a name; whoever had the name loses it.
///
/// As docker and `BuildKit` do, `ref.name` holds the tag alone, which is what `skopeo` and `umoci` ask for, and the
/// whole name stands beside it. Of two images with one tag, the later has the tag.
pub(super) fn add(index: &mut Index, name: Option<&str>, descriptor: &Descriptor) {
    index.media_type.get_or_insert_with(|| media::INDEX.to_owned());
    let mut root = descriptor.clone();
    root.annotations.remove(layout::REF_NAME);
    root.annotations.remove(layout::CONTAINERD_NAME);
    match name {
        Some(name) => {
            index.manifests.retain(|old| layout::name_of(old) != Some(name));
            let full = name.parse::<Reference>().ok().filter(|_| name.contains('/'));
            let tag = full.as_ref().map_or(Some(name), Reference::tag);
            if full.is_some() {
                root.annotations.insert(layout::CONTAINERD_NAME.to_owned(), name.to_owned());
            }
            if let Some(tag) = tag {
                for old in &mut index.manifests {
                    if old.annotations.get(layout::REF_NAME).is_some_and(|taken| taken == tag) {
                        old.annotations.remove(layout::REF_NAME);
                    }
                }
                root.annotations.insert(layout::REF_NAME.to_owned(), tag.to_owned());
            }
        }
        None => {
            index.manifests.retain(|old| layout::name_of(old).is_some() || old.digest != root.digest);
        }
    }
    index.manifests.push(root);
}

/// Makes a directory unless it is there, and opens it; a link of that name is refused.
fn make_dir(parent: &OwnedFd, name: &str) -> Result<OwnedFd, ImageError> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(ImageError::io("an image layout")(error)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(ImageError::io("an image layout"))
}

/// Copies a blob unless the right one is there.
fn put_blob(dir: &OwnedFd, blobs: &dyn Blobs, digest: BlobDigest, size: u64) -> Result<(), ImageError> {
    let name = digest.hex();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if let Ok(old) = rustix::fs::openat(dir, name.as_str(), flags, Mode::empty()) {
        let whole = io::copy(&mut Checked::new(File::from(old), digest, size), &mut io::sink());
        if whole.is_ok() {
            return Ok(());
        }
    }
    let from = blobs.open(&digest).map_err(|error| source::opening(&digest, error))?;
    replace(dir, &name, &mut Checked::new(from, digest, size))
}

/// Writes a file beside its place and renames it there.
fn replace(dir: &OwnedFd, name: &str, from: &mut impl Read) -> Result<(), ImageError> {
    let temporary = format!(".{name}.{}", std::process::id());
    let failed = || ImageError::io("an image layout");
    match rustix::fs::unlinkat(dir, temporary.as_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(failed()(error)),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    let mut file = File::from(rustix::fs::openat(dir, temporary.as_str(), flags, mode).map_err(failed())?);
    let written = io::copy(from, &mut file)
        .map_err(ImageError::io("an image layout"))
        .and_then(|_| rustix::fs::renameat(dir, temporary.as_str(), dir, name).map_err(failed()));
    if written.is_err() {
        // The error above is what matters.
        rustix::fs::unlinkat(dir, temporary.as_str(), AtFlags::empty()).ok();
    }
    written
}

fn sync(dir: &OwnedFd) -> Result<(), ImageError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(dir.as_fd(), c".", flags, Mode::empty())
        .map_err(ImageError::io("an image layout"))?;
    match rustix::fs::syncfs(&dir) {
        // Some network and FUSE file systems know no such call.
        Ok(()) | Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(ImageError::io("an image layout")(error)),
    }
}
