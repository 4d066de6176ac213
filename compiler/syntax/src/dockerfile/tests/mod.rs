//! Tests of the whole front end, and what they share: the corpus, a short form of the AST, drawn errors.

mod conformance;
mod corpus;
mod fuzz;
mod language;
mod oracle;
mod show;

use std::path::PathBuf;

use super::{Parsed, parse};
use imgc_base::span::SourceId;

const SOURCE: SourceId = SourceId(3);

/// The Dockerfiles of a folder of the corpus: name without extension, and text; sorted.
fn corpus(folder: &str) -> Vec<(String, String)> {
    read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder)).unwrap()
}

fn read(folder: &std::path::Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "Dockerfile") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            files.push((name, fs_err::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn parsed(text: &str) -> Parsed {
    let parsed = parse(SOURCE, text);
    show::check_spans(text, &parsed);
    parsed
}

/// Parses a text that must be right.
fn right(text: &str) -> super::ast::Dockerfile {
    let parsed = parsed(text);
    assert!(parsed.diagnostics.is_empty(), "{text}\n{}", show::errors(text, &parsed.diagnostics));
    parsed.dockerfile
}

/// The only instruction of a text, in front of which `FROM scratch` is put.
fn only(line: &str) -> super::ast::Kind {
    let mut file = right(&format!("FROM scratch\n{line}"));
    assert_eq!(file.instructions.len(), 2, "{line}");
    file.instructions.remove(1).kind
}
