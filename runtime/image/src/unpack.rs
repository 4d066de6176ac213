//! A layer's tar to an index, and to a directory that serves as a lower directory of overlay mounts.
//!
//! The only unpacker (security rule R3). Names are made clean first; a name that passes through a symbolic link of the
//! same layer is resolved inside the layer, so nothing on disk is ever reached through a link.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use imgc_base::digest::{FileDigest, Hasher};
use imgc_base::path::ImagePath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::index::LayerIndex;
use crate::rooted::{Root, make_node, set_meta, set_time_at};
use crate::seen::Seen;
use crate::tar_read::TarReader;
use crate::{implied, ownership, scratch};

/// Marks a directory that hides lower layers, for mounts with `userxattr`.
const OVERLAY_OPAQUE: &str = "user.overlay.opaque";

/// Reads a layer's tar; writes it below `into` if given. Returns its index.
///
/// `source` is read to its end.
pub fn unpack(source: impl Read, mut into: Option<&mut TreeWriter>) -> Result<LayerIndex, ImageError> {
    let mut reader = TarReader::new(source);
    let mut seen = Seen::default();
    while let Some(member) = reader.next_member()? {
        let Some(entry) = seen.classify(&member)? else { continue };
        for dir in seen.implied(&entry.path) {
            if let Some(tree) = into.as_deref_mut() {
                tree.put(&dir)?;
            }
            seen.insert(dir);
        }
        let entry = if let Kind::File { size, .. } = entry.kind {
            if let Some(tree) = into.as_deref_mut() {
                tree.file(entry, &mut reader)?
            } else {
                let digest = copy_hashed(&mut reader, &mut io::sink(), &entry.path)?;
                Entry { kind: Kind::File { size, digest }, ..entry }
            }
        } else {
            if let Some(tree) = into.as_deref_mut() {
                tree.put(&entry)?;
            }
            entry
        };
        seen.insert(entry);
    }
    reader.drain()?;
    let index = seen.finish();
    if let Some(tree) = into {
        tree.finish(&index)?;
    }
    Ok(index)
}

/// Writes entries below a fresh directory.
#[derive(Debug)]
pub struct TreeWriter {
    root: Root,
    /// The directory of the last entry, to save walks.
    last: Option<(ImagePath, OwnedFd)>,
}

impl TreeWriter {
    /// Writes below an empty directory that only this program uses.
    pub fn new(root: Root) -> Self {
        Self { root, last: None }
    }

    /// Writes a regular file and returns its entry with the digest of what was read.
    pub fn file(&mut self, entry: Entry, content: &mut impl Read) -> Result<Entry, ImageError> {
        let (file, path) = (self.create(&entry.path)?, &entry.path);
        let mut out = &file;
        let digest = copy_hashed(content, &mut out, path)?;
        set_meta(file.as_fd(), &entry.meta).map_err(ImageError::at("set attributes of", path))?;
        let Kind::File { size, .. } = entry.kind else { return Ok(entry) };
        Ok(Entry { kind: Kind::File { size, digest }, ..entry })
    }

    /// Makes an empty regular file for a caller that writes it; attributes are set by [`Self::seal`].
    pub fn create(&mut self, path: &ImagePath) -> Result<std::fs::File, ImageError> {
        let name = path.name().unwrap_or_default();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = self.parent(path)?;
        let opened =
            retry_cleared(dir, name, || rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR));
        Ok(opened.map_err(ImageError::at("create", path))?.into())
    }

    /// Sets the attributes of a file made by [`Self::create`].
    pub fn seal(file: &std::fs::File, entry: &Entry) -> Result<(), ImageError> {
        set_meta(file.as_fd(), &entry.meta).map_err(ImageError::at("set attributes of", &entry.path))
    }

    /// Writes any other entry.
    pub fn put(&mut self, entry: &Entry) -> Result<(), ImageError> {
        let Entry { path, kind, meta } = entry;
        let name = path.name().unwrap_or_default();
        if let Kind::Hardlink { to } = kind {
            let from = self.root.place(to)?;
            let dir = self.parent(path)?;
            return retry_cleared(dir, name, || {
                rustix::fs::linkat(&from.dir, from.name, dir, name, AtFlags::empty())
            })
            .map_err(ImageError::at("link", path));
        }
        let dir = self.parent(path)?;
        match kind {
            Kind::Dir { opaque } => {
                make_dir(dir, name).map_err(ImageError::at("make directory", path))?;
                let fd = open_dir(dir, name).map_err(ImageError::at("open directory", path))?;
                set_meta(fd.as_fd(), meta).map_err(ImageError::at("set attributes of", path))?;
                if *opaque {
                    rustix::fs::fsetxattr(&fd, OVERLAY_OPAQUE, b"y", XattrFlags::empty())
                        .map_err(ImageError::at("mark opaque", path))?;
                }
                Ok(())
            }
            Kind::Symlink { target } => {
                retry_cleared(dir, name, || rustix::fs::symlinkat(target.as_slice(), dir, name))
                    .map_err(ImageError::at("link", path))?;
                finish_special(dir, name, meta).map_err(ImageError::at("set attributes of", path))
            }
            Kind::Fifo => {
                retry_cleared(dir, name, || make_node(dir, name, FileType::Fifo, meta.mode, 0))
                    .map_err(ImageError::at("make pipe", path))?;
                finish_special(dir, name, meta).map_err(ImageError::at("set attributes of", path))
            }
            Kind::Whiteout => retry_cleared(dir, name, || {
                rustix::fs::mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), 0)
            })
            .map_err(ImageError::at("make whiteout", path)),
            // No device works inside the sandbox (its user namespace forbids that), so none is made on disk, for
            // root as for everyone: the index has it.
            Kind::Char { .. } | Kind::Block { .. } | Kind::File { .. } | Kind::Hardlink { .. } => Ok(()),
        }
    }

    /// Sets the times of directories, which creating their files changed.
    pub fn finish(&mut self, index: &LayerIndex) -> Result<(), ImageError> {
        for entry in index.entries().iter().rev().filter(|entry| entry.kind.is_dir()) {
            let name = entry.path.name().unwrap_or_default();
            let dir = self.parent(&entry.path)?;
            set_time_at(dir, name, entry.meta.mtime).map_err(ImageError::at("set time of", &entry.path))?;
        }
        for path in implied::of_layer(index).iter().rev() {
            let name = path.name().unwrap_or_default();
            let time = Meta::IMPLIED_DIR.mtime;
            let dir = self.parent(path)?;
            set_time_at(dir, name, time).map_err(ImageError::at("set time of", path))?;
        }
        Ok(())
    }

    /// The directory of a path, made with its parents if missing.
    fn parent(&mut self, path: &ImagePath) -> Result<&OwnedFd, ImageError> {
        let parent = path.parent().unwrap_or_default();
        if self.last.as_ref().is_none_or(|(at, _)| *at != parent) {
            let fd = match self.root.dir(&parent) {
                Ok(fd) => fd,
                Err(ImageError::At { source, .. }) if is_missing(&source) => {
                    let mut fd = self.root.dir(&ImagePath::root())?;
                    for part in parent.parts() {
                        make_dir(&fd, part).map_err(ImageError::at("make directory", &parent))?;
                        fd = open_dir(&fd, part).map_err(ImageError::at("open directory", &parent))?;
                    }
                    fd
                }
                Err(error) => return Err(error),
            };
            self.last = Some((parent, fd));
        }
        Ok(&self.last.as_ref().expect("it was just set").1)
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
    )
}

/// Makes a directory unless there is one; anything else of the name goes.
fn make_dir(dir: &OwnedFd, name: &[u8]) -> io::Result<()> {
    let mode = Mode::from_raw_mode(0o755);
    match rustix::fs::mkdirat(dir, name, mode) {
        Err(Errno::EXIST) => {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
                rustix::fs::mkdirat(dir, name, mode)?;
            }
            Ok(())
        }
        other => Ok(other?),
    }
}

fn open_dir(dir: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?)
}

/// Runs a call that makes `name`; if something stands there (an archive may hold a name twice), removes it first.
pub(crate) fn retry_cleared<T>(
    dir: &OwnedFd,
    name: &[u8],
    make: impl Fn() -> rustix::io::Result<T>,
) -> io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            remove_all(dir, name)?;
            Ok(make()?)
        }
        other => Ok(other?),
    }
}

/// Owner, mode and time of what cannot be opened.
fn finish_special(dir: &OwnedFd, name: &[u8], meta: &Meta) -> io::Result<()> {
    ownership::set_at(dir, name, meta.uid, meta.gid)?;
    set_time_at(dir, name, meta.mtime)
}

/// Removes a name and everything below it, by descriptors: a swapped name cannot lead elsewhere.
pub fn remove_all(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    let dir = dir.as_fd();
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM | Errno::ACCESS) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(dir, name, flags, Mode::empty());
    let fd = match open() {
        // A directory that its owner may not read or enter, when this process is not privileged.
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(dir, name, Mode::RWXU, AtFlags::empty())?;
            open()?
        }
        other => other?,
    };
    for item in crate::rooted::list_fd(fd.try_clone()?)? {
        remove_all(&fd, &item.name)?;
    }
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

/// Copies to the end and hashes on the way.
pub fn copy_hashed(
    from: &mut impl Read,
    to: &mut impl Write,
    path: &ImagePath,
) -> Result<FileDigest, ImageError> {
    let mut hasher = Hasher::new();
    scratch::with(|buffer| {
        loop {
            match from.read(buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    to.write_all(&buffer[..count]).map_err(ImageError::at("write", path))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ImageError::at("read", path)(error)),
            }
        }
        Ok(())
    })?;
    Ok(FileDigest::finish(hasher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar_write::LayerWriter;

    /// `d a`, `f a/b content`, `l a target`, `h a to`, `w a` (raw names: `.wh.` is written as given).
    fn archive(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let (kind, name) = (words[0], words[1]);
            let third = words.get(2).copied().unwrap_or("");
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            let content = if kind == "f" { third } else { "" };
            header.set_entry_type(match kind {
                "d" => tar::EntryType::Directory,
                "l" => tar::EntryType::Symlink,
                "h" => tar::EntryType::Link,
                _ => tar::EntryType::Regular,
            });
            if matches!(kind, "l" | "h") {
                header.as_mut_bytes()[157..157 + third.len()].copy_from_slice(third.as_bytes());
            }
            header.set_size(content.len() as u64);
            header.set_mode(0o640);
            header.set_mtime(7);
            header.set_cksum();
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(content.as_bytes());
            out.resize(out.len().next_multiple_of(512), 0);
        }
        out.resize(out.len() + 1024, 0);
        out
    }

    fn listing(index: &LayerIndex) -> Vec<String> {
        let kind = |kind: &Kind| match kind {
            Kind::Dir { opaque: true } => "opaque".to_owned(),
            Kind::Hardlink { to } => format!("link to {to}"),
            other => other.noun().to_owned(),
        };
        index.entries().iter().map(|e| format!("{} {}", e.path, kind(&e.kind))).collect()
    }

    fn both(lines: &[&str]) -> (LayerIndex, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = TreeWriter::new(Root::open(dir.path()).unwrap());
        let index = unpack(archive(lines).as_slice(), Some(&mut tree)).unwrap();
        assert_eq!(unpack(archive(lines).as_slice(), None).unwrap(), index);
        (index, dir)
    }

    #[test]
    fn whiteouts_in_any_order() {
        let (index, _dir) = both(&[
            "d a",
            "f a/.wh.x",
            "f .wh.b",
            "d b",
            "d c",
            "f c/f 1",
            "f c/.wh..wh..opq",
            "f .wh..wh.plnk",
        ]);
        assert_eq!(listing(&index), ["/a directory", "/a/x whiteout", "/b opaque", "/c opaque", "/c/f file"]);
    }

    #[test]
    fn later_members_replace_earlier_ones() {
        let (index, dir) = both(&["d a", "f a/x 1", "f a 2", "f b 1", "d b", "f b/y 3"]);
        assert_eq!(listing(&index), ["/a file", "/b directory", "/b/y file"]);
        assert_eq!(fs_err::read_to_string(dir.path().join("a")).unwrap(), "2");
        assert_eq!(fs_err::read_to_string(dir.path().join("b/y")).unwrap(), "3");
    }

    /// CVE-2021-29136, CVE-2026-17106 and kin: a link, then a file through it.
    #[test]
    fn names_through_links_stay_inside() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().to_str().unwrap();
        let (index, dir) =
            both(&[&format!("l esc {target}"), "f esc/pwned 1", "l up ../../..", "f up/etc-file 2"]);
        assert!(index.get(&ImagePath::clean("etc-file").unwrap()).is_some(), "{:?}", listing(&index));
        assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(fs_err::read_to_string(dir.path().join("etc-file")).unwrap(), "2");
    }

    #[test]
    fn hostile_names_are_refused() {
        for lines in [
            &["f ../x 1"][..],
            &["f a/../../x 1"],
            &["h a /etc/passwd"],
            &["f .wh..wh..opq"],
            &["f .wh.."],
            &["l a b", "l b a", "f a/x 1"],
        ] {
            assert!(unpack(archive(lines).as_slice(), None).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn hard_links_share_the_file() {
        use std::os::unix::fs::MetadataExt;
        let (index, dir) = both(&["d d", "f d/one abc", "h two /d/one", "h three two"]);
        assert_eq!(
            listing(&index),
            ["/d directory", "/d/one file", "/three link to /d/one", "/two link to /d/one"]
        );
        let inode = |name: &str| fs_err::metadata(dir.path().join(name)).unwrap().ino();
        assert_eq!(inode("d/one"), inode("three"));
    }

    /// A name that is written again is another file; its other names keep the old one.
    #[test]
    fn replaced_files_live_on_under_their_other_names() {
        let lines = ["f b old", "h a b", "h c b", "f b new", "h d a", "h a d", "f x 1", "h y x", "f x/z 2"];
        let (index, dir) = both(&lines);
        assert_eq!(
            listing(&index),
            ["/a file", "/b file", "/c link to /a", "/d link to /a", "/x opaque", "/x/z file", "/y file"]
        );
        for entry in index.entries() {
            if let Kind::File { digest, .. } = entry.kind {
                let path = dir.path().join(entry.path.to_absolute().trim_start_matches('/'));
                assert_eq!(FileDigest::of(&fs_err::read(path).unwrap()), digest, "{}", entry.path);
            }
        }
    }

    /// A whiteout, then names below it: the directory hides the lower one, for overlayfs too.
    #[test]
    fn directories_over_whiteouts_are_opaque_on_disk() {
        let (index, dir) = both(&["f .wh.a", "f a/x 1", "f b 1", "f b/y 2"]);
        assert_eq!(listing(&index), ["/a opaque", "/a/x file", "/b opaque", "/b/y file"]);
        for name in ["a", "b"] {
            let mut value = [0; 2];
            let path = dir.path().join(name);
            let length = rustix::fs::lgetxattr(&path, OVERLAY_OPAQUE, &mut value).unwrap();
            assert_eq!(&value[..length], b"y", "{name}");
        }
    }

    #[test]
    fn times_and_modes_reach_the_disk() {
        use std::os::unix::fs::MetadataExt;
        let (_, dir) = both(&["d d", "f d/f 1"]);
        for name in ["d", "d/f"] {
            let stat = fs_err::metadata(dir.path().join(name)).unwrap();
            assert_eq!((stat.mode() & 0o7777, stat.mtime(), stat.mtime_nsec()), (0o640, 7, 0), "{name}");
        }
    }

    #[test]
    fn canonical_layer_survives_the_round_trip() {
        let lines = ["d a", "f a/x hello", "h b a/x", "l c a", "f .wh.gone"];
        let (index, _dir) = both(&lines);
        let mut writer = LayerWriter::new(Vec::new());
        for entry in index.entries() {
            writer
                .entry_with(entry, if entry.path.to_absolute() == "/a/x" { &b"hello"[..] } else { b"" })
                .unwrap();
        }
        assert_eq!(unpack(writer.finish().unwrap().as_slice(), None).unwrap(), index);
    }
}
