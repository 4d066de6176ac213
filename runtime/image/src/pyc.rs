//! Compiled Python that holds the time of its source.
//!
//! Python takes a `.pyc` for stale when its header has another modification time than the source (PEP 552, flags 0).
//! The step clock moves the source's time, so the header moves with it: else every start of the image would compile
//! again, and the header would hold the wall clock.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use imgc_base::path::ImagePath;

use crate::error::ImageError;
use crate::rooted::{Root, set_time};

/// Magic number, flags, time and size of the source.
const HEADER: usize = 16;
/// Where the flags stand: 0 means that time and size decide.
const FLAGS: std::ops::Range<usize> = 4..8;
/// Where the time stands: its low 32 bits, little-endian.
const TIME: std::ops::Range<usize> = 8..12;

/// The source of a compiled file: `d/__pycache__/m.cpython-311.pyc` and `d/m.pyc` come from `d/m.py`.
pub(crate) fn source_of(path: &ImagePath) -> Option<ImagePath> {
    let stem = path.name()?.strip_suffix(b".pyc")?;
    let dir = path.parent()?;
    if dir.name() != Some(b"__pycache__") {
        return Some(dir.child(&[stem, b".py"].concat()));
    }
    // `m.cpython-311.opt-1`: a module's name has no dot.
    let module = stem.split(|&byte| byte == b'.').next().filter(|module| !module.is_empty())?;
    Some(dir.parent()?.child(&[module, b".py"].concat()))
}

/// Moves the time in the headers of compiled files along with their sources; each is given with the time that it
/// has itself. `moved` has the sources whose time the step clock changed: the time they had on disk, and the one
/// they have now.
pub(crate) fn follow<'a>(
    root: &Root,
    compiled: impl Iterator<Item = (&'a ImagePath, i64)>,
    moved: &BTreeMap<ImagePath, (i64, i64)>,
) -> Result<(), ImageError> {
    for (path, time) in compiled {
        let Some((was, is)) = source_of(path).and_then(|source| moved.get(&source)) else { continue };
        let mut header = [0; HEADER];
        let length = root.file(path)?.read_at(&mut header, 0).map_err(ImageError::at("read", path))?;
        let held = |at: std::ops::Range<usize>| header[at].try_into().map_or(0, u32::from_le_bytes);
        if length == HEADER && held(FLAGS) == 0 && held(TIME) == low(*was) {
            let file = root.file_to_patch(path)?;
            file.write_all_at(&low(*is).to_le_bytes(), TIME.start as u64)
                .map_err(ImageError::at("write", path))?;
            set_time(file.as_fd(), time).map_err(ImageError::at("set time of", path))?;
        }
    }
    Ok(())
}

/// What a header keeps of a time.
pub(crate) fn low(seconds: i64) -> u32 {
    (seconds.cast_unsigned() & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::path;

    #[test]
    fn sources_by_name() {
        for (compiled, source) in [
            ("a/__pycache__/m.cpython-311.pyc", Some("a/m.py")),
            ("a/__pycache__/m.cpython-311.opt-1.pyc", Some("a/m.py")),
            ("__pycache__/m.pypy39.pyc", Some("m.py")),
            ("a/m.pyc", Some("a/m.py")),
            ("a/__pycache__/.pyc", None),
            ("a/m.py", None),
        ] {
            assert_eq!(source_of(&path(compiled)), source.map(path), "{compiled}");
        }
    }

    #[test]
    fn only_headers_that_hold_the_old_time_change() {
        let dir = tempfile::tempdir().unwrap();
        let header = |flags: u32, time: u32| {
            [3495u32, flags, time, 7]
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .chain(*b"code")
                .collect::<Vec<u8>>()
        };
        let cases = [
            ("old.pyc", header(0, 1000), header(0, 500)),
            ("hash.pyc", header(1, 1000), header(1, 1000)),
            ("other.pyc", header(0, 999), header(0, 999)),
            ("unmoved.pyc", header(0, 1000), header(0, 1000)),
            ("short.pyc", vec![0; 9], vec![0; 9]),
        ];
        for (name, before, _) in &cases {
            fs_err::write(dir.path().join(name), before).unwrap();
        }
        let moved = ["old", "hash", "other", "short"]
            .map(|name| (path(&format!("{name}.py")), (1000, 500)))
            .into_iter()
            .collect();
        let paths = cases.each_ref().map(|(name, ..)| path(name));
        follow(&Root::open(dir.path()).unwrap(), paths.iter().map(|path| (path, 42)), &moved).unwrap();
        let changed = fs_err::metadata(dir.path().join("old.pyc")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mtime(&changed), 42);
        for (name, _, after) in &cases {
            assert_eq!(fs_err::read(dir.path().join(name)).unwrap(), *after, "{name}");
        }
    }
}
