//! The floors of the house: dependencies go only downwards, and `unsafe` lives in one crate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which floor each crate stands on, and which crates of its own floor or above it may not name.
const FLOORS: [(&str, u32); 11] = [
    ("imgc-base", 0),
    ("imgc-syntax", 1),
    ("imgc-graph", 1),
    ("imgc-image", 1),
    ("imgc-lower", 2),
    ("imgc-optimise", 2),
    ("imgc-store", 2),
    ("imgc-registry", 2),
    ("imgc-sandbox", 2),
    ("imgc-execute", 3),
    ("imgc", 5),
];

/// Longest file, in lines.
const LONGEST: usize = 600;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn dependencies_go_downwards() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let floors: BTreeMap<&str, u32> = FLOORS.into_iter().collect();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(&floor) = floors.get(name) else {
            assert_eq!(name, "imgc-testkit", "`{name}` stands on no floor: add it to FLOORS");
            continue;
        };
        seen += 1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            if let Some(&below) = floors.get(to) {
                assert!(below < floor, "`{name}` (floor {floor}) may not use `{to}` (floor {below})");
            }
        }
    }
    assert_eq!(seen, FLOORS.len(), "a crate of FLOORS is gone");
}

/// The sources of the project; those of the corpus are input.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "corpus" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_are_short_and_say_their_job() {
    let mut found = Vec::new();
    sources(&workspace(), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    for path in found {
        let text = fs_err::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
        assert!(text.starts_with("//!"), "{} does not say its job in a `//!` head", path.display());
    }
}

#[test]
fn unsafe_lives_in_one_crate() {
    let mut found = Vec::new();
    sources(&workspace(), &mut found);
    let word = ["un", "safe "].concat();
    for path in found.iter().filter(|path| !path.to_string_lossy().contains("runtime/sandbox")) {
        let text = fs_err::read_to_string(path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let blocks = [format!("{word}{{"), format!("{word}fn"), format!("{word}impl")];
            assert!(
                !blocks.iter().any(|block| code.contains(block.as_str())),
                "{}:{}: only runtime/sandbox may do this",
                path.display(),
                number + 1
            );
        }
    }
}
