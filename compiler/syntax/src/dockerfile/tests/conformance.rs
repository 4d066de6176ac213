//! The table of cases read off the reference implementation.

use std::path::PathBuf;

use serde_json::Value;

use super::super::ast::{Command, CopySource, Heredoc, Kind};
use super::super::{grammar, heredoc, json, parse};
use super::{SOURCE, only, parsed, right, show};

/// The cases of one kind, or nothing, said aloud, where the table is not there.
fn cases(kind: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lexer.json");
    let Ok(text) = fs_err::read_to_string(&path) else {
        eprintln!("SKIPPED: {} absent", path.display());
        return Vec::new();
    };
    let table: Value = serde_json::from_str(&text).unwrap();
    match &table["parser"][kind] {
        Value::Array(list) => list.clone(),
        other => vec![other.clone()],
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|value| text(value).to_owned()).collect()
}

#[test]
fn words() {
    for case in cases("parse_words") {
        let input = text(&case["input"]);
        let words: Vec<String> =
            grammar::words(input, '\\').into_iter().map(|range| input[range].to_owned()).collect();
        assert_eq!(words, strings(&case["expect"]), "{input}");
    }
}

#[test]
fn json_arrays() {
    for case in cases("json_arrays") {
        let input = text(&case["input"]);
        match json::read(input) {
            json::Json::Strings(list) => {
                let list: Vec<String> = list.into_iter().map(|(value, _)| value).collect();
                assert_eq!(list, strings(&case["expect"]), "{input}");
            }
            json::Json::Other(_) => assert_eq!(case["expect"], "error", "{input}"),
            json::Json::No => panic!("{input}"),
        }
    }
}

#[test]
fn heredoc_words() {
    for case in cases("heredoc_word") {
        let input = text(&case["input"]);
        let found = heredoc::find(input);
        match &case["expect"] {
            // An unclosed quote is no heredoc here: the reference ignores the error when it looks at a whole line.
            Value::Null => assert!(found.len() != 1 || found[0].range.len() != input.len(), "{input}"),
            Value::String(error) if error == "error" => assert!(found.is_empty(), "{input}"),
            name => assert_eq!(found[0].name, text(name), "{input}"),
        }
    }
    for case in cases("heredocs_from_line") {
        let input = text(&case["input"]);
        let names: Vec<String> = heredoc::find(input).into_iter().map(|word| word.name).collect();
        assert_eq!(names, strings(&case["expect"]), "{input}");
    }
}

fn same(found: &Heredoc, expected: &Value) {
    assert_eq!(found.name, text(&expected["name"]));
    assert_eq!(found.raw_body, text(&expected["content"]));
    assert_eq!(found.expand, expected["expand"].as_bool().unwrap());
    assert_eq!(found.strip_tabs, expected["chomp"].as_bool().unwrap());
    assert_eq!(u64::from(found.fd.unwrap_or(0)), expected["fd"].as_u64().unwrap());
}

#[test]
fn heredocs_of_a_file() {
    for case in cases("heredoc_file") {
        // One line holds what is no instruction; the reference drops that only later.
        let parsed = parse(SOURCE, text(&case["dockerfile"]));
        let found: Vec<Vec<Heredoc>> = parsed
            .dockerfile
            .instructions
            .iter()
            .filter_map(|instruction| match &instruction.kind {
                Kind::Run(run) if !run.heredocs.is_empty() => Some(run.heredocs.clone()),
                Kind::Copy(copy) => Some(
                    copy.sources
                        .iter()
                        .filter_map(|source| match source {
                            CopySource::Heredoc(heredoc) => Some(heredoc.clone()),
                            CopySource::Path(_) => None,
                        })
                        .collect(),
                ),
                _ => None,
            })
            .collect();
        let expected: Vec<&Value> =
            case["expect"].as_array().unwrap().iter().filter(|list| !list.is_null()).collect();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let expected = expected.as_array().unwrap();
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(found, expected)| same(found, expected));
        }
        let codes: Vec<&str> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, [super::super::error::UNKNOWN_INSTRUCTION], "`INVALID` alone");
    }
}

#[test]
fn instruction_errors() {
    for case in cases("instruction_errors") {
        let dockerfile = text(&case["dockerfile"]);
        let parsed = parsed(&format!("FROM scratch\n{dockerfile}"));
        let first = &parsed.diagnostics[0].message;
        // The same words, up to capitals, marks around names, and what our second label says.
        let plain = |text: &str| text.to_lowercase().replace(['`', '.'], "");
        let expected = plain(text(&case["error_contains"]));
        let expected = expected.split(" destination could").next().unwrap();
        assert!(
            plain(first).contains(expected),
            "{dockerfile}\n{expected}\n{}",
            show::errors(dockerfile, &parsed.diagnostics)
        );
    }
}

#[test]
fn copied_heredocs() {
    for case in cases("copy_heredoc") {
        let Kind::Copy(copy) = only(text(&case["dockerfile"])) else { panic!() };
        assert_eq!(copy.dest.value, text(&case["dest"]));
        let mut paths = Vec::new();
        let mut bodies = Vec::new();
        for source in copy.sources {
            match source {
                CopySource::Path(path) => paths.push(path.value),
                CopySource::Heredoc(heredoc) => bodies.push((heredoc.name, heredoc.body, heredoc.expand)),
            }
        }
        assert_eq!(paths, strings(&case["sources"]));
        let expected: Vec<(String, String, bool)> = case["contents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|body| {
                (text(&body["path"]).to_owned(), text(&body["data"]).to_owned(), body["expand"] == true)
            })
            .collect();
        assert_eq!(bodies, expected);
    }
}

#[test]
fn run_heredocs() {
    for case in cases("run_heredoc") {
        let Kind::Run(run) = only(text(&case["dockerfile"])) else { panic!() };
        let (shell, command) = match run.command {
            Command::Shell(text) => (true, vec![text.value]),
            Command::Exec(list, _) => (false, list.into_iter().map(|word| word.value).collect()),
        };
        assert_eq!((shell, command), (case["shell"] == true, strings(&case["command"])));
        let files: Vec<(String, String, bool)> = run
            .heredocs
            .into_iter()
            .map(|heredoc| (heredoc.name, heredoc.raw_body, heredoc.strip_tabs))
            .collect();
        let expected: Vec<(String, String, bool)> = case["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                (text(&file["name"]).to_owned(), text(&file["data"]).to_owned(), file["chomp"] == true)
            })
            .collect();
        assert_eq!(files, expected);
    }
}

#[test]
fn directives() {
    for case in cases("directives") {
        let file = right(&format!("{}FROM scratch\n", text(&case["dockerfile"])));
        assert_eq!(file.directives.escape.to_string(), text(&case["expect"][0][1]));
    }
    for case in cases("detect_syntax") {
        let input = text(&case["input"]);
        // `//syntax=` and JSON are for frontends whose files are no Dockerfiles.
        if input.contains("//syntax") || input.starts_with('{') {
            continue;
        }
        let found = parse(SOURCE, input).dockerfile.directives.syntax.map(|value| value.value);
        let expected = case["cmdline"].as_str().or(case["ref"].as_str());
        assert_eq!(found.as_deref(), expected, "{input}");
    }
}
