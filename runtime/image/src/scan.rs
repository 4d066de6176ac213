//! An overlay upper directory to a canonical layer.
//!
//! First a walk without content decides which paths changed against the layers below; then each changed file is read
//! once, for the tar, its own digest and whatever sits behind the writer. Times that the step set from the wall
//! clock become the step's time, in the layer and on disk (architecture part 6, "The step clock").

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use imgc_base::digest::{FileDigest, Hasher};
use imgc_base::path::ImagePath;
use rustix::fs::{AtFlags, FileType, Stat};

use crate::entry::{Entry, Kind, Meta};
use crate::error::ImageError;
use crate::index::LayerIndex;
use crate::normalise::{self, Candidate, Normalised};
use crate::rooted::{Root, meta_of, read_xattrs, set_time_at};
use crate::tar_write::LayerWriter;
use crate::tree::Tree;

/// When a step ran, and the time that its files get.
#[derive(Debug, Clone, Copy)]
pub struct StepClock {
    /// Wall clock of the file system when the step began: seconds and nanoseconds.
    pub start: (i64, i64),
    /// The time for what was written since, in seconds.
    pub time: i64,
}

impl StepClock {
    /// True for a file that gets the step's time; `below` is the time, if any, that the layers below give its path.
    ///
    /// That is one that was written since the step began, and one whose time is later than the step's: a server's "now",
    /// or a date that lies ahead of some builds and behind others. What was only copied up keeps its time.
    fn is_new(self, stat: &Stat, below: Option<i64>) -> bool {
        let time = (stat.st_mtime, stat.st_mtime_nsec.cast_signed());
        below != Some(time.0) && (time >= self.start || time.0 > self.time || self.may_be_rounded(time))
    }

    /// True for a time of this step that a program cut off: archives, `touch -d` and downloaders keep whole seconds, zip
    /// even ones.
    fn may_be_rounded(self, (seconds, nanos): (i64, i64)) -> bool {
        nanos == 0 && seconds >= self.start.0 & !1
    }
}

/// What an upper directory changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The entries of its layer, in order. Files have no digest yet.
    pub entries: Vec<Entry>,
    /// The files whose bytes were made the same on every machine.
    pub normalised: Normalised,
}

/// Finds what an upper directory changed; sets canonical times, also those inside files, on disk.
pub fn changes(upper: &Root, below: &Tree, clock: StepClock) -> Result<Changes, ImageError> {
    let mut walk =
        Walk { upper, below, clock, found: Vec::new(), moved: BTreeMap::new(), left_out: Normalised::new() };
    walk.directory(&ImagePath::root())?;
    let Walk { mut found, moved, left_out, .. } = walk;
    let files = found.iter().filter(|changed| matches!(changed.entry.kind, Kind::File { .. }));
    let files = files.map(|changed| Candidate {
        path: &changed.entry.path,
        time: changed.entry.meta.mtime,
        was: changed.was,
        is_new: changed.is_new,
        below: match below.get(&changed.entry.path).map(|found| &found.entry.kind) {
            Some(Kind::File { size, .. }) => *size,
            _ => 0,
        },
    });
    let mut normalised = normalise::apply(upper, files, clock.start.0, &moved)?;
    normalised.extend(left_out);
    found.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
    name_links(&mut found);
    Ok(Changes { entries: drop_unchanged(found, below), normalised })
}

struct Walk<'a> {
    upper: &'a Root,
    below: &'a Tree,
    clock: StepClock,
    found: Vec<Changed>,
    /// Python sources whose time changed: the old and the new one.
    moved: BTreeMap<ImagePath, (i64, i64)>,
    /// What is left out of the layer.
    left_out: Normalised,
}

struct Changed {
    entry: Entry,
    /// Device and inode of a file with several names.
    group: Option<(u64, u64)>,
    /// The time that it had on disk, in seconds.
    was: i64,
    /// True if the step clock gives it its time.
    is_new: bool,
}

impl Walk<'_> {
    /// Walks a directory; true if something in it was removed.
    fn directory(&mut self, dir: &ImagePath) -> Result<bool, ImageError> {
        let fd = self.upper.dir(dir)?;
        let mut removed = false;
        for item in self.upper.list(dir)? {
            let path = dir.child(&item.name);
            let stat = rustix::fs::statat(&fd, item.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(ImageError::at("stat", &path))?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if let Some(rule) = normalise::is_left_out(&path)
                && kind == FileType::RegularFile
                && self.is_new(&path, &stat)
            {
                rustix::fs::unlinkat(&fd, item.name.as_slice(), AtFlags::empty())
                    .map_err(ImageError::at("remove", &path))?;
                self.left_out.entry(rule).or_default().push(path);
                removed = true;
                continue;
            }
            let is_dir = kind == FileType::Directory;
            let Some(changed) = self.classify(&path, &stat)? else { continue };
            let (time, was) = (changed.entry.meta.mtime, (stat.st_mtime, stat.st_mtime_nsec));
            let whiteout = changed.entry.kind == Kind::Whiteout;
            if item.name.ends_with(b".py") && stat.st_mtime != time && !is_dir && !whiteout {
                self.moved.insert(path.clone(), (stat.st_mtime, time));
            }
            self.found.push(changed);
            let touched = is_dir && self.directory(&path)?;
            if !whiteout && (touched || was != (time, 0)) {
                set_time_at(&fd, &item.name, time).map_err(ImageError::at("set time of", &path))?;
            }
        }
        Ok(removed)
    }

    fn is_new(&self, path: &ImagePath, stat: &Stat) -> bool {
        // The layers below are asked only if it matters; their times are whole seconds.
        self.clock.is_new(stat, None)
            && (stat.st_mtime_nsec != 0
                || self.clock.is_new(stat, self.below.get(path).map(|found| found.entry.meta.mtime)))
    }

    fn classify(&self, path: &ImagePath, stat: &Stat) -> Result<Option<Changed>, ImageError> {
        let mut meta = meta_of(stat);
        let (was, is_new) = (stat.st_mtime, self.is_new(path, stat));
        meta.mtime = if is_new { self.clock.time } else { was };
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let mut group = (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if (major, minor) == (0, 0) => {
                // Overlayfs also records the removal of what only a mount point's stand-in had.
                if self.below.get(path).is_none() && self.below.below(path).is_empty() {
                    return Ok(None);
                }
                group = None;
                meta = Meta::default();
                Kind::Whiteout
            }
            FileType::Directory => {
                group = None;
                let fd = self.upper.dir(path)?;
                let opaque = Self::directory_xattrs(path, fd.as_fd(), &mut meta)?;
                Kind::Dir { opaque: opaque && self.hides_something(path) }
            }
            FileType::RegularFile => {
                let file = self.upper.file(path)?;
                read_xattrs(file.as_fd(), &mut meta).map_err(ImageError::at("read attributes of", path))?;
                Kind::File { size: stat.st_size.cast_unsigned(), digest: FileDigest::of(b"") }
            }
            FileType::Symlink => Kind::Symlink { target: self.upper.read_link(path)? },
            FileType::CharacterDevice => Kind::Char { major, minor },
            FileType::BlockDevice => Kind::Block { major, minor },
            FileType::Fifo => Kind::Fifo,
            // A socket means nothing in an image; containerd's archive leaves it out too.
            _ => return Ok(None),
        };
        Ok(Some(Changed { entry: Entry { path: path.clone(), kind, meta }, group, was, is_new }))
    }

    /// Reads a directory's attributes; true if overlayfs marked it as hiding what lies below.
    fn directory_xattrs(
        path: &ImagePath,
        fd: std::os::fd::BorrowedFd<'_>,
        meta: &mut Meta,
    ) -> Result<bool, ImageError> {
        // An O_PATH descriptor gives no attributes: open it for reading.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let fd = rustix::fs::openat(fd, c".", flags, rustix::fs::Mode::empty())
            .map_err(ImageError::at("open directory", path))?;
        read_xattrs(fd.as_fd(), meta).map_err(ImageError::at("read attributes of", path))?;
        let mut value = [0; 8];
        Ok(rustix::fs::fgetxattr(&fd, "user.overlay.opaque", &mut value)
            .is_ok_and(|length| &value[..length] == b"y"))
    }

    fn hides_something(&self, path: &ImagePath) -> bool {
        !self.below.below(path).is_empty()
    }
}

/// Gives all names of a file but the first (in path order) the form of a hard link.
fn name_links(found: &mut [Changed]) {
    let mut first: BTreeMap<(u64, u64), ImagePath> = BTreeMap::new();
    for changed in found {
        let Some(group) = changed.group else { continue };
        if !matches!(changed.entry.kind, Kind::File { .. }) {
            continue;
        }
        match first.get(&group) {
            Some(to) => changed.entry.kind = Kind::Hardlink { to: to.clone() },
            None => drop(first.insert(group, changed.entry.path.clone())),
        }
    }
}

/// Drops directories that were only copied up: equal to the one below, with no change under them.
fn drop_unchanged(found: Vec<Changed>, below: &Tree) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::with_capacity(found.len());
    // Backwards, so that everything under a directory is decided before the directory.
    for changed in found.into_iter().rev() {
        let entry = changed.entry;
        let same = entry.kind == Kind::Dir { opaque: false }
            && match below.get(&entry.path) {
                Some(old) => old.entry.kind.is_dir() && old.entry.meta == entry.meta,
                None => entry.meta == Meta::IMPLIED_DIR && !below.below(&entry.path).is_empty(),
            };
        // Entries under a directory follow it at once or behind neighbours such as `a-b`; those are rare, so the
        // search over what was kept is short.
        let has_change = || {
            kept.iter()
                .rev()
                .take_while(|k| shares_prefix(&k.path, &entry.path))
                .any(|k| k.path.is_within(&entry.path))
        };
        if !same || has_change() {
            kept.push(entry);
        }
    }
    kept.reverse();
    kept
}

/// True while paths in byte order can still be under `dir`.
fn shares_prefix(path: &ImagePath, dir: &ImagePath) -> bool {
    path.as_bytes().starts_with(dir.as_bytes())
}

/// Reads a source and hashes what passes.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashingReader<R> {
    /// Starts.
    pub fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::new() }
    }

    /// The digest of what was read.
    pub fn digest(self) -> FileDigest {
        FileDigest::finish(self.hasher)
    }

    /// The digest of what was read, and the source.
    pub fn into_parts(self) -> (FileDigest, R) {
        (FileDigest::finish(self.hasher), self.inner)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hasher.update(&buf[..count]);
        Ok(count)
    }
}

/// Writes entries with the content of files below `root` as a canonical layer; returns the index with digests.
pub fn write_layer(root: &Root, entries: Vec<Entry>, out: impl Write) -> Result<LayerIndex, ImageError> {
    let mut writer = LayerWriter::new(out);
    let mut done = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry = if let Kind::File { size, .. } = entry.kind {
            let mut content = HashingReader::new(root.file(&entry.path)?);
            writer.entry_with(&entry, &mut content)?;
            Entry { kind: Kind::File { size, digest: content.digest() }, ..entry }
        } else {
            writer.entry(&entry)?;
            entry
        };
        done.push(entry);
    }
    writer.finish()?.flush().map_err(ImageError::io("a layer"))?;
    Ok(LayerIndex::new(done))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imgc_base::digest::DiffId;
    use rustix::fs::Mode;

    use super::*;
    use crate::tree::Layer;

    const CLOCK: StepClock = StepClock { start: (1_000_000_000, 0), time: 500 };

    fn scan(dir: &std::path::Path, below: &Tree) -> (LayerIndex, Vec<u8>) {
        let root = Root::open(dir).unwrap();
        let entries = changes(&root, below, CLOCK).unwrap().entries;
        let mut tar = Vec::new();
        let index = write_layer(&root, entries, &mut tar).unwrap();
        (index, tar)
    }

    #[test]
    fn same_tree_same_bytes() {
        let make = || {
            let dir = tempfile::tempdir().unwrap();
            fs_err::create_dir(dir.path().join("d")).unwrap();
            fs_err::write(dir.path().join("d/b"), "b").unwrap();
            fs_err::hard_link(dir.path().join("d/b"), dir.path().join("a")).unwrap();
            std::os::unix::fs::symlink("d/b", dir.path().join("l")).unwrap();
            dir
        };
        let (one, two) = (make(), make());
        let (index, tar) = scan(one.path(), &Tree::default());
        assert_eq!(tar, scan(two.path(), &Tree::default()).1);
        let kinds: Vec<String> =
            index.entries().iter().map(|e| format!("{} {:?} {}", e.path, e.kind, e.meta.mtime)).collect();
        assert!(kinds[0].starts_with("/a File") && kinds[0].ends_with(" 500"), "{kinds:?}");
        assert!(kinds[2].starts_with("/d/b Hardlink { to: \"/a\" }"), "{kinds:?}");
        // The disk has the layer's times: a second scan with a later start finds the same layer.
        assert_eq!(scan(one.path(), &Tree::default()).1, tar);
    }

    #[test]
    fn directories_that_were_only_copied_up_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["same", "touched", "same-not"] {
            fs_err::create_dir(dir.path().join(name)).unwrap();
        }
        fs_err::write(dir.path().join("touched/f"), "").unwrap();
        let (all, _) = scan(dir.path(), &Tree::default());
        let lower = LayerIndex::new(all.entries().iter().filter(|e| e.kind.is_dir()).cloned().collect());
        let below = Tree::new(vec![Layer { diff_id: DiffId::of(b""), index: Arc::new(lower) }]);
        let (index, _) = scan(dir.path(), &below);
        let paths: Vec<_> = index.entries().iter().map(|e| e.path.to_absolute()).collect();
        assert_eq!(paths, ["/touched", "/touched/f"]);
    }

    /// The time in a compiled file's header moves with its source, in the layer and on disk, and nothing else does.
    #[test]
    fn compiled_python_follows_its_source() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("__pycache__")).unwrap();
        fs_err::write(dir.path().join("m.py"), "x = 1").unwrap();
        let stat = fs_err::metadata(dir.path().join("m.py")).unwrap();
        let compiled = |time: u32| [3495, 0, time, 5].map(u32::to_le_bytes).concat();
        let path = dir.path().join("__pycache__/m.cpython-311.pyc");
        let now = std::os::unix::fs::MetadataExt::mtime(&stat);
        fs_err::write(&path, compiled(now.cast_unsigned() as u32)).unwrap();
        let (index, tar) = scan(dir.path(), &Tree::default());
        assert_eq!(fs_err::read(&path).unwrap(), compiled(500));
        let entry = &index.entries()[1];
        assert_eq!(entry.kind, Kind::File { size: 16, digest: FileDigest::of(&compiled(500)) });
        assert_eq!(scan(dir.path(), &Tree::default()).1, tar, "on disk as in the layer");
    }

    /// A foreign layer may hold what is in a directory without the directory: removing it is a change all the same.
    #[test]
    fn implied_directories_can_be_removed() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: a whiteout is a device, which needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for name in ["implied", "nothing"] {
            let path = dir.path().join(name);
            rustix::fs::mknodat(rustix::fs::CWD, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
        }
        let below = Tree::new(vec![crate::testing::layer(&["f implied/x 1"])]);
        let (index, _) = scan(dir.path(), &below);
        let paths: Vec<_> = index.entries().iter().map(|e| (e.path.to_absolute(), e.kind.clone())).collect();
        assert_eq!(paths, [("/implied".to_owned(), Kind::Whiteout)]);
    }

    /// Entries of files with these times (and those below, if any), as a step with this clock leaves them.
    fn times(clock: StepClock, files: &[(&str, (u64, u32), Option<i64>)]) -> Vec<(String, i64)> {
        let dir = tempfile::tempdir().unwrap();
        let mut lower = Vec::new();
        for (name, (seconds, nanos), below) in files {
            let file = fs_err::File::create(dir.path().join(name)).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::new(*seconds, *nanos);
            file.file().set_modified(time).unwrap();
            if let Some(below) = below {
                let mut entry = crate::testing::entry(&format!("f {name} 1"));
                entry.meta.mtime = *below;
                lower.push(entry);
            }
        }
        lower.sort_by(|a, b| a.path.cmp(&b.path));
        let below = Tree::new(vec![crate::testing::named(LayerIndex::new(lower))]);
        let root = Root::open(dir.path()).unwrap();
        let found = changes(&root, &below, clock).unwrap();
        let of = |entry: &Entry| (entry.path.to_string(), entry.meta.mtime);
        found.entries.iter().map(of).collect()
    }

    /// Archives, downloaders and `touch -d` set whole seconds: in the second in which the step began, that is before it.
    #[test]
    fn the_clock_in_whole_seconds_is_the_clock() {
        const TIME: i64 = 2_000_000_000;
        let files = [
            ("a-later", (1_000_000_002, 0), None),
            ("b-same", (1_000_000_001, 0), Some(1)),
            ("c-zip", (1_000_000_000, 0), None),
            ("d-old", (999_999_999, 0), None),
            ("e-finer", (1_000_000_001, 1), None),
            ("f-copied-up", (1_000_000_001, 0), Some(1_000_000_001)),
        ];
        let found = times(StepClock { start: (1_000_000_001, 700_000_000), time: TIME }, &files);
        let found: Vec<i64> = found.into_iter().map(|(_, time)| time).collect();
        assert_eq!(found, [TIME, TIME, TIME, 999_999_999, 1_000_000_001, 1_000_000_001]);
    }

    /// A date between the step's time and the wall clock is ahead of some builds and behind others.
    #[test]
    fn no_time_is_later_than_the_steps() {
        let files = [
            ("a-behind", (499, 5), None),
            ("b-equal", (500, 0), None),
            ("c-ahead", (600, 0), None),
            ("d-copied-up", (600, 0), Some(600)),
            ("e-written", (700, 0), Some(600)),
        ];
        for start in [550, 650, 1_000_000_000] {
            let found = times(StepClock { start: (start, 0), time: 500 }, &files);
            let found: Vec<i64> = found.into_iter().map(|(_, time)| time).collect();
            assert_eq!(found, [499, 500, 500, 600, 500], "a step that began at {start}");
        }
    }

    #[test]
    fn old_times_are_data() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs_err::File::create(dir.path().join("old")).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(123, 999);
        file.file().set_modified(time).unwrap();
        let (index, _) = scan(dir.path(), &Tree::default());
        assert_eq!(index.entries()[0].meta.mtime, 123);
    }
}
