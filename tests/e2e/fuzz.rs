//! The seeds of the fuzz targets (`fuzz/`), through the same functions, without libFuzzer.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "in `fuzz/` it is a crate of its own")]
mod targets;

use std::path::{Path, PathBuf};

/// A fuzz target and where its seeds lie.
type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

const TARGETS: [Target; 9] = [
    ("scanner", targets::scanner, &["compiler/syntax/corpus/dockerfiles", "compiler/syntax/corpus/errors"]),
    ("instruction", targets::instruction, &["compiler/syntax/corpus/language", "fuzz/seeds/instruction"]),
    ("expansion", targets::expansion, &["fuzz/seeds/expansion"]),
    ("ignore", targets::ignore, &["fuzz/seeds/ignore"]),
    ("mounts", targets::mounts, &["fuzz/seeds/mounts"]),
    ("git_url", targets::git_url, &["fuzz/seeds/git_url"]),
    ("reference", targets::reference, &["fuzz/seeds/reference"]),
    ("graph", targets::graph, &["fuzz/seeds/graph"]),
    ("layer", targets::layer, &["runtime/image/tests/corpus"]),
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs_err::read_dir(dir).unwrap().map(|item| item.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn seeds_replay() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, target, dirs) in TARGETS {
        assert!(root.join(format!("fuzz/fuzz_targets/{name}.rs")).exists(), "{name} has no target");
        let mut count = 0;
        for dir in dirs {
            for file in files(&root.join(dir)) {
                let bytes = fs_err::read(&file).unwrap();
                target(&bytes);
                // Cut and with a byte changed, for what a seed alone does not reach.
                target(&bytes[..bytes.len() / 2]);
                let mut changed = bytes;
                if let Some(byte) = changed.last_mut() {
                    *byte ^= 1;
                }
                target(&changed);
                count += 1;
            }
        }
        assert!(count >= 3, "{name} has {count} seeds");
    }
}

#[test]
fn every_target_is_replayed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let known =
        |path: &PathBuf| TARGETS.iter().any(|(name, ..)| path.file_stem().is_some_and(|stem| stem == *name));
    let unknown: Vec<PathBuf> = files(&root).into_iter().filter(|path| !known(path)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
