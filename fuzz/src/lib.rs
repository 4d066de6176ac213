//! What each fuzz target does with its bytes. A panic is a fault; so is an answer that contradicts itself.
//!
//! The tests of the workspace run the same functions over the seeds, without libFuzzer.

use std::collections::BTreeMap;

use imgc_base::ImagePath;
use imgc_base::diagnostic::Diagnostic;
use imgc_base::glob::Pattern;
use imgc_base::ignore::{self, Ignore};
use imgc_base::reference::Reference;
use imgc_base::span::SourceId;
use imgc_image::LayerIndex;
use imgc_syntax::expand::{Lexer, Variables};
use imgc_syntax::{dockerfile, duration, giturl, mount};

const SOURCE: SourceId = SourceId(0);

/// Everything here is about text.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Every place of a message lies in the text, at whole characters.
fn places(found: &[Diagnostic], text: &str) {
    for label in found.iter().flat_map(|found| &found.labels) {
        assert!(text.get(label.span.range()).is_some(), "{found:?}");
    }
}

/// A whole file: bytes to text to instructions.
pub fn scanner(bytes: &[u8]) {
    let Ok(text) = dockerfile::decode("Dockerfile", bytes) else { return };
    let parsed = dockerfile::parse(SOURCE, text);
    places(&parsed.diagnostics, text);
    let mut end = 0;
    for instruction in &parsed.dockerfile.instructions {
        assert!(text.get(instruction.span.range()).is_some(), "{instruction:?}");
        assert!(instruction.span.start >= end, "instructions overlap: {instruction:?}");
        end = instruction.span.end;
    }
}

/// One instruction, with either escape character, and as a trigger.
pub fn instruction(bytes: &[u8]) {
    let Some(line) = text(bytes) else { return };
    for head in ["FROM scratch\n", "# escape=`\nFROM scratch\n", "FROM scratch\nONBUILD "] {
        let text = format!("{head}{line}");
        let parsed = dockerfile::parse(SOURCE, &text);
        places(&parsed.diagnostics, &text);
        assert_eq!(parsed.dockerfile, dockerfile::parse(SOURCE, &text).dockerfile);
    }
    if let Err(errors) = dockerfile::parse_trigger(SOURCE, line) {
        places(&errors, line);
    }
    drop(duration::parse(line));
}

/// A few variables.
struct Values(BTreeMap<&'static str, String>);

impl Variables for Values {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Expansion; the first line is the value of `$v`.
pub fn expansion(bytes: &[u8]) {
    let Some(all) = text(bytes) else { return };
    let (value, text) = all.split_once('\n').unwrap_or(("", all));
    let values =
        Values(BTreeMap::from([("v", value.to_owned()), ("empty", String::new()), ("a", "x y".to_owned())]));
    for lexer in [Lexer::new('\\'), Lexer::new('`'), Lexer::heredoc(), Lexer::display('\\')] {
        match lexer.expand(text, &values) {
            Ok(done) => {
                for unset in &done.unset {
                    assert!(text.get(unset.at.clone()).is_some(), "{unset:?}");
                }
            }
            Err(error) => assert!(text.get(error.at.clone()).is_some(), "{error:?}"),
        }
    }
    if let Ok(pattern) = Pattern::new(text) {
        // A pattern without a wildcard is its own only match.
        if let Some(literal) = pattern.literal() {
            assert!(pattern.matches(&literal), "{text}");
        }
        let _: bool = pattern.matches_or_parent(value.as_bytes());
    }
}

/// An ignore file; the first line is a path. What is pruned holds nothing that is kept.
pub fn ignore(bytes: &[u8]) {
    let (path, file) = bytes.split_at(bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0));
    let patterns = ignore::parse(file);
    let Ok(ignore) = Ignore::new(&patterns) else { return };
    let Some(Ok(path)) = text(path).map(ImagePath::clean) else { return };
    let excluded = ignore.excludes(&path);
    if let Some(parent) = path.parent()
        && !path.is_root()
        && !parent.is_root()
        && ignore.prunes(&parent)
    {
        assert!(excluded, "{patterns:?} prune {parent:?} but keep {path:?}");
    }
}

/// The value of `--mount`.
pub fn mounts(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match mount::parse(text) {
        Ok(options) => drop(options.secret_id().map(str::to_owned)),
        Err(error) => assert!(text.get(error.place.clone()).is_some(), "{error:?}"),
    }
    drop(mount::from_with_variable(text));
}

/// A git remote. What is read has a remote that is one again.
pub fn git_url(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(Some(url)) = giturl::parse(text) {
        let _: usize = url.name().len();
        if !url.like_a_path {
            let again = giturl::parse(&url.remote);
            assert!(matches!(&again, Ok(Some(again)) if again.remote == url.remote), "{url:?} {again:?}");
        }
    }
}

/// An image name. What is read reads again from its own text.
pub fn reference(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        let shown = reference.to_string();
        let again: Reference = shown.parse().expect("a name that was printed");
        assert_eq!(again.to_string(), shown);
        let familiar: Reference = reference.familiar().parse().expect("a short name that was printed");
        assert_eq!(familiar.to_string(), shown);
    }
}

/// A graph in its text form. What is read prints and reads to the same.
pub fn graph(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(graph) = imgc_graph::text::parse(text) {
        let shown = imgc_graph::text::print(&graph);
        let again = imgc_graph::text::parse(&shown).expect("a graph that was printed");
        assert_eq!(imgc_graph::text::print(&again), shown);
        drop(imgc_graph::verify::verify(&graph));
    }
}

/// A layer, compressed or not. What is read has an index that encodes to itself.
pub fn layer(bytes: &[u8]) {
    let Ok(stream) = imgc_image::compress::reader(bytes) else { return };
    // A small file may decompress to very much.
    let stream = std::io::Read::take(stream, 4 << 20);
    if let Ok(index) = imgc_image::unpack::unpack(stream, None) {
        let again = LayerIndex::decode(&index.encode()).expect("an index that was encoded");
        assert_eq!(again, index);
    }
    drop(LayerIndex::decode(bytes));
}
