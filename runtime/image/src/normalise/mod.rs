//! Bytes of files that say nothing but when a step ran: they become what they are on every machine.
//!
//! The step clock (`spec/reproducibility.md` 2) moves the times of files. Some formats hold such a time inside, where a
//! tool looks for it again. A rule changes such bytes only where their place in the format says that they are a
//! time, and their value lies between the start of the step and the last change of the file: the clock of this step
//! and nothing else. No rule is for files whose digest tools write down elsewhere (packages, archives that are given
//! on): it would no longer be theirs. Of most files only headers are read here; the content is read once, later, by the writer of the layer.
//!
//! | rule | files | bytes |
//! |---|---|---|
//! | `apt-index` | `/var/cache/apt/pkgcache.bin`, `srcpkgcache.bin` | left out: times and numbers of files of the machine |
//! | `python-bytecode` | `*.pyc` | the time of the source in the header (PEP 552, flags 0) |
//! | `archive-times` | `*.a` | the times of members in their headers (`ar`) |
//! | `git-state` | git's `index`; what lies below `.git/logs` | times, devices and inodes of files; the times of reflogs |
//! | `gzip-time` | `*.gz` of logs and manuals: below `/var/log`, and `share/man`, `share/doc`, `share/info` anywhere | the time in the header (RFC 1952) |
//! | `java-keystore` | `cacerts`, `*.jks` with the usual password | the dates of entries, and the digest over all |
//! | `ldconfig-cache` | `/var/cache/ldconfig/aux-cache` | left out: inode numbers and times of the machine |
//! | `log-times` | the logs of dpkg, apt and `update-alternatives` | the times at the places where they stand in lines |

mod ar;
mod git;
mod gzip;
mod jks;
mod logs;
mod pyc;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use imgc_base::path::ImagePath;

use crate::error::ImageError;
use crate::rooted::{Root, set_time};

/// A rule by which bytes are the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The index that apt makes of lists as old as they were when the step ran.
    AptIndex,
    /// Times of members of `ar` archives.
    ArchiveTimes,
    /// What git notes of the machine.
    GitState,
    /// The time in the header of a gzip file.
    GzipTime,
    /// Dates of entries in a Java key store.
    JavaKeystore,
    /// The cache that only the machine which made it can use.
    LdconfigCache,
    /// Times in the logs of the package manager.
    LogTimes,
    /// The time of the source in the header of compiled Python.
    PythonBytecode,
}

impl Rule {
    /// Its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::AptIndex => "apt-index",
            Self::ArchiveTimes => "archive-times",
            Self::GitState => "git-state",
            Self::GzipTime => "gzip-time",
            Self::JavaKeystore => "java-keystore",
            Self::LdconfigCache => "ldconfig-cache",
            Self::LogTimes => "log-times",
            Self::PythonBytecode => "python-bytecode",
        }
    }

    /// What it does, for a sentence.
    pub fn what(self) -> &'static str {
        match self {
            Self::AptIndex => "left out: it is for lists with other times, and apt makes it again",
            Self::ArchiveTimes => "times of members moved with the files of the step",
            Self::GitState => "times moved with the files of the step, without devices and inodes",
            Self::GzipTime => "time in the header moved with the files of the step",
            Self::JavaKeystore => "dates of entries moved with the files of the step",
            Self::LdconfigCache => "left out: it holds inode numbers, and ldconfig makes it again",
            Self::LogTimes => "times in lines moved with the files of the step",
            Self::PythonBytecode => "time in the header moved with the source",
        }
    }
}

/// The paths that each rule changed, in byte order.
pub type Normalised = BTreeMap<Rule, Vec<ImagePath>>;

/// A path whose file is left out of layers if the step made it.
pub(crate) fn is_left_out(path: &ImagePath) -> Option<Rule> {
    match path.as_bytes() {
        b"var/cache/apt/pkgcache.bin" | b"var/cache/apt/srcpkgcache.bin" => Some(Rule::AptIndex),
        b"var/cache/ldconfig/aux-cache" => Some(Rule::LdconfigCache),
        _ => None,
    }
}

/// True where logs and manuals lie, which nobody keeps a digest of.
fn is_read_by_people(path: &ImagePath) -> bool {
    let parts: Vec<&[u8]> = path.parts().collect();
    let manuals: [&[u8]; 3] = [b"man", b"doc", b"info"];
    parts.starts_with(&[b"var", b"log"])
        || parts.windows(2).any(|pair| pair[0] == b"share" && manuals.contains(&pair[1]))
}

/// The times of the step that stand for "now".
#[derive(Debug, Clone, Copy)]
struct Window {
    /// When the step started, in seconds.
    start: i64,
    /// When the file was last changed.
    end: i64,
    /// What such a time becomes.
    time: i64,
}

impl Window {
    fn has(self, seconds: i64) -> bool {
        (self.start..=self.end).contains(&seconds)
    }

    /// For times that programs ask for: the clock of files is a tick behind, which may be the second before.
    fn with_a_tick(self) -> Self {
        Self { end: self.end.saturating_add(1), ..self }
    }
}

/// A file that the step changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// Where it is.
    pub(crate) path: &'a ImagePath,
    /// The time that it has on disk, which is the layer's by now.
    pub(crate) time: i64,
    /// The time that it had there before, in seconds.
    pub(crate) was: i64,
    /// True if the step clock gave it its time.
    pub(crate) is_new: bool,
    /// The size of the file that the layers below have there.
    pub(crate) below: u64,
}

/// New bytes at places of a file.
type Patches = Vec<(u64, Vec<u8>)>;

/// Applies the rules to files that a step changed; `start` is when it began. `moved` has the Python sources whose time
/// the step clock changed: the time they had on disk, and the one they have now.
pub(crate) fn apply<'a>(
    root: &Root,
    files: impl Iterator<Item = Candidate<'a>>,
    start: i64,
    moved: &BTreeMap<ImagePath, (i64, i64)>,
) -> Result<Normalised, ImageError> {
    let mut done = Normalised::new();
    for candidate in files {
        let Candidate { path, time, was, is_new, below } = candidate;
        let name = path.name().unwrap_or_default();
        let window = Window { start, end: was, time };
        let (rule, patches) = if let Some(times) = pyc::source_of(path).and_then(|source| moved.get(&source))
        {
            (Rule::PythonBytecode, look(root, path, |file| pyc::patches(file, *times))?)
        } else if is_new && name.ends_with(b".a") {
            (Rule::ArchiveTimes, look(root, path, |file| ar::patches(file, window))?)
        } else if is_new && name.ends_with(b".gz") && is_read_by_people(path) {
            (Rule::GzipTime, look(root, path, |file| gzip::patches(file, window))?)
        } else if is_new && git::is_index(path) {
            (Rule::GitState, look(root, path, |file| git::index_patches(file, window))?)
        } else if is_new && git::is_reflog(path) {
            (Rule::GitState, look(root, path, |file| git::reflog_patches(file, window))?)
        } else if is_new && jks::is_store(path) {
            (Rule::JavaKeystore, look(root, path, |file| jks::patches(file, window))?)
        } else if is_new && let Some(form) = logs::form(path) {
            (Rule::LogTimes, look(root, path, |file| logs::patches(file, form, below, window))?)
        } else {
            continue;
        };
        if patches.is_empty() {
            continue;
        }
        let file = root.file_to_patch(path)?;
        for (at, bytes) in patches {
            file.write_all_at(&bytes, at).map_err(ImageError::at("write", path))?;
        }
        set_time(file.as_fd(), time).map_err(ImageError::at("set time of", path))?;
        done.entry(rule).or_default().push(path.clone());
    }
    for paths in done.values_mut() {
        paths.sort();
    }
    Ok(done)
}

fn look(
    root: &Root,
    path: &ImagePath,
    patches: impl FnOnce(&File) -> io::Result<Patches>,
) -> Result<Patches, ImageError> {
    patches(&root.file(path)?).map_err(ImageError::at("read", path))
}

/// Bytes at a place; `None` if the file ends before.
fn read_at<const N: usize>(file: &File, at: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// A whole file; `None` if it has more than `most` bytes.
fn whole(file: &File, most: u64) -> io::Result<Option<Vec<u8>>> {
    let size = file.metadata()?.len();
    if size > most {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

/// What a header of 32 bits keeps of a time.
fn low(seconds: i64) -> u32 {
    (seconds.cast_unsigned() & 0xffff_ffff) as u32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::scan::{self, StepClock};
    use crate::tree::Tree;

    /// What a step leaves when it runs at a time: every kind of file that a rule knows, and some like them.
    fn left_at(now: i64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let member =
            |time: i64| format!("!<arch>\n{:<16}{time:<12}0     0     100644  2         `\nab", "a.o/");
        let gzip = |time: i64| [&[0x1f, 0x8b, 8, 0], &low(time).to_le_bytes()[..], b"\0\x03rest"].concat();
        let compiled = |time: i64| [3495, 0, low(time), 5].map(u32::to_le_bytes).concat();
        let cache = "var/cache/ldconfig";
        for name in [cache, "var/cache/apt", "var/log", "usr/local/share/man/man1"] {
            fs_err::create_dir_all(dir.path().join(name)).unwrap();
        }
        for (name, time, content) in [
            ("m.py", now, b"x = 1".to_vec()),
            ("m.pyc", now + 1, compiled(now)),
            ("lib.a", now + 1, member(now).into_bytes()),
            ("var/log/log.gz", now, gzip(now)),
            ("usr/local/share/man/man1/x.1.gz", now, gzip(now)),
            // Data that was there before: an old archive, and a file that came with an old time.
            ("data.a", now, member(77).into_bytes()),
            ("var/log/old.gz", 99, gzip(99)),
            ("var/cache/ldconfig/aux-cache", now, format!("inode at {now}").into_bytes()),
            ("var/cache/ldconfig/other", now, b"other".to_vec()),
            ("var/cache/ldconfig/pkgcache.bin", now, b"not apt's".to_vec()),
            ("var/cache/apt/pkgcache.bin", now, format!("lists of {now}").into_bytes()),
        ] {
            let path = dir.path().join(name);
            fs_err::write(&path, content).unwrap();
            set(&path, time);
        }
        let mut dirs = vec![
            cache,
            "var/cache/apt",
            "var/cache",
            "var/log",
            "var",
            "usr/local/share/man/man1",
            "usr/local/share/man",
        ];
        dirs.extend(["usr/local/share", "usr/local", "usr"]);
        for name in dirs {
            set(&dir.path().join(name), now);
        }
        dir
    }

    fn set(path: &std::path::Path, seconds: i64) {
        set_time(std::fs::File::open(path).unwrap().as_fd(), seconds).unwrap();
    }

    /// Each file whose raw bytes differ between two runs is the same in the layers, which differ in nothing.
    #[test]
    fn one_layer_whenever_the_step_ran() {
        let layer = |now: i64| {
            let dir = left_at(now);
            let raw = |name: &str| fs_err::read(dir.path().join(name)).unwrap();
            let before = ["m.pyc", "lib.a", "var/log/log.gz", "var/cache/ldconfig/aux-cache"].map(raw);
            let root = Root::open(dir.path()).unwrap();
            let clock = StepClock { start: (now, 0), time: 500 };
            let scan::Changes { entries, normalised } =
                scan::changes(&root, &Tree::default(), clock).unwrap();
            let mut tar = Vec::new();
            let index = scan::write_layer(&root, entries, &mut tar).unwrap();
            assert!(!dir.path().join("var/cache/ldconfig/aux-cache").exists(), "on disk as in the layer");
            let cache = fs_err::metadata(dir.path().join("var/cache/ldconfig")).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::mtime(&cache), 500);
            (before, tar, index, normalised)
        };
        let (one, two) = (layer(1_000_000), layer(2_000_000));
        for (one, two) in one.0.iter().zip(&two.0) {
            assert_ne!(one, two);
        }
        assert_eq!(one.1, two.1);
        let times: Vec<_> =
            one.2.entries().iter().map(|entry| (entry.path.to_string(), entry.meta.mtime)).collect();
        assert_eq!(times.iter().filter(|(_, time)| *time != 500).count(), 1, "{times:?}");
        let by_rule: Vec<_> = one
            .3
            .iter()
            .map(|(rule, paths)| (rule.name(), paths.iter().map(ToString::to_string).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            by_rule,
            [
                ("apt-index", vec!["/var/cache/apt/pkgcache.bin".to_owned()]),
                ("archive-times", vec!["/lib.a".to_owned()]),
                (
                    "gzip-time",
                    vec!["/usr/local/share/man/man1/x.1.gz".to_owned(), "/var/log/log.gz".to_owned()]
                ),
                ("ldconfig-cache", vec!["/var/cache/ldconfig/aux-cache".to_owned()]),
                ("python-bytecode", vec!["/m.pyc".to_owned()]),
            ]
        );
        assert_eq!(one.3, two.3);
    }

    /// What is given on with a digest keeps every byte, whatever time is in it.
    #[test]
    fn archives_that_are_given_on_stay() {
        let dir = tempfile::tempdir().unwrap();
        let gzip = [&[0x1f, 0x8b, 8, 0], &1_000_000u32.to_le_bytes()[..], b"\0\x03rest"].concat();
        let member = format!("!<arch>\n{:<16}{:<12}0     0     100644  2         `\nab", "a.o/", 1_000_000);
        for (name, content) in
            [("Packages.gz", gzip.as_slice()), ("app.tgz", &gzip), ("app.deb", member.as_bytes())]
        {
            fs_err::write(dir.path().join(name), content).unwrap();
            set(&dir.path().join(name), 1_000_000);
        }
        let root = Root::open(dir.path()).unwrap();
        let clock = StepClock { start: (1_000_000, 0), time: 500 };
        let found = scan::changes(&root, &Tree::default(), clock).unwrap();
        assert_eq!(found.normalised, Normalised::new());
        assert_eq!(fs_err::read(dir.path().join("app.tgz")).unwrap(), gzip);
    }

    /// A file with this content.
    pub(crate) fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    /// The bytes with some others in them, cut.
    pub(crate) fn edited(bytes: &[u8], edits: &[(usize, u8)], length: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (at, byte) in edits {
            let at = at % bytes.len();
            bytes[at] = *byte;
        }
        bytes.truncate(length);
        bytes
    }

    /// The content after the patches.
    pub(crate) fn patched(bytes: &[u8], patches: Patches) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (at, new) in patches {
            bytes[at as usize..at as usize + new.len()].copy_from_slice(&new);
        }
        bytes
    }

    /// The clock of a step from 1000 to 1010 whose files get the time 500.
    pub(super) const WINDOW: Window = Window { start: 1000, end: 1010, time: 500 };
}
