//! The corpus against its snapshots, and that every realistic Dockerfile parses.

use std::path::PathBuf;

use super::{corpus, parsed, read, right, show};

fn snapshots(folder: &str, take: impl Fn(&str) -> String) {
    let files = corpus(folder);
    assert!(!files.is_empty());
    let path = format!("{}/corpus/{folder}", env!("CARGO_MANIFEST_DIR"));
    insta::with_settings!({snapshot_path => path, prepend_module_to_snapshot => false, omit_expression => true}, {
        for (name, text) in files {
            insta::assert_snapshot!(name, take(&text));
        }
    });
}

#[test]
fn language() {
    snapshots("language", |text| show::dockerfile(&right(text)));
}

#[test]
fn errors() {
    snapshots("errors", |text| {
        let parsed = parsed(text);
        assert!(!parsed.diagnostics.is_empty(), "{text}");
        show::errors(text, &parsed.diagnostics)
    });
}

#[test]
fn every_realistic_dockerfile_parses() {
    let files = corpus("dockerfiles");
    assert!(files.len() >= 40, "{}", files.len());
    for (_, text) in files {
        assert!(right(&text).instructions.len() >= 2, "{text}");
    }
}

/// The tutorial's files are other people's texts: they are read where they lie and are no part of this repository.
#[test]
fn the_tutorials_parse() {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tutorial");
    let Ok(files) = read(&shared) else {
        eprintln!("SKIPPED: {} absent", shared.display());
        return;
    };
    assert!(files.len() >= 10);
    for (_, text) in files {
        right(&text);
    }
}
