//! Compiled Python that holds the time of its source.
//!
//! Python takes a `.pyc` for stale when its header has another modification time than the source (PEP 552, flags 0).
//! The step clock moves the source's time, so the header moves with it: else every start of the image would compile
//! again, and the header would hold the wall clock.

use std::fs::File;
use std::io;

use imgc_base::path::ImagePath;

use super::{Patches, low, read_at};

/// Magic number, flags, time and size of the source.
const HEADER: usize = 16;
/// Where the flags stand: 0 means that time and size decide.
const FLAGS: std::ops::Range<usize> = 4..8;
/// Where the time stands: its low 32 bits, little-endian.
const TIME: std::ops::Range<usize> = 8..12;

/// The source of a compiled file: `d/__pycache__/m.cpython-311.pyc` and `d/m.pyc` come from `d/m.py`.
pub(super) fn source_of(path: &ImagePath) -> Option<ImagePath> {
    let stem = path.name()?.strip_suffix(b".pyc")?;
    let dir = path.parent()?;
    if dir.name() != Some(b"__pycache__") {
        return Some(dir.child(&[stem, b".py"].concat()));
    }
    // `m.cpython-311.opt-1`: a module's name has no dot.
    let module = stem.split(|&byte| byte == b'.').next().filter(|module| !module.is_empty())?;
    Some(dir.parent()?.child(&[module, b".py"].concat()))
}

/// What must change in a compiled file whose source had one time and now has another: nothing, if it does not hold
/// the old one.
pub(super) fn patches(file: &File, (was, is): (i64, i64)) -> io::Result<Patches> {
    let Some(header) = read_at::<HEADER>(file, 0)? else { return Ok(Patches::new()) };
    let held = |at: std::ops::Range<usize>| header[at].try_into().map_or(0, u32::from_le_bytes);
    let is_its = held(FLAGS) == 0 && held(TIME) == low(was);
    Ok(is_its.then(|| (TIME.start as u64, low(is).to_le_bytes().to_vec())).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, patched};
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
        let header = |flags: u32, time: u32| {
            [3495u32, flags, time, 7]
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .chain(*b"code")
                .collect::<Vec<u8>>()
        };
        for (before, after) in [
            (header(0, 1000), header(0, 500)),
            (header(1, 1000), header(1, 1000)),
            (header(0, 999), header(0, 999)),
            (vec![0; 9], vec![0; 9]),
        ] {
            let found = patches(&file(&before), (1000, 500)).unwrap();
            assert_eq!(patched(&before, found), after);
        }
    }
}
