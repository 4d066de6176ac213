//! The Dockerfile front end: text to AST in two steps.
//!
//! `scan` turns physical lines into logical ones (directives, comments, continuations, heredoc bodies), each with
//! the way back to its place in the file; then each logical line is parsed alone by the pest grammar in
//! `grammar.pest` and made into an [`ast::Instruction`]. So one wrong instruction is one error and the others still
//! parse. Names and variables mean nothing here.

mod arguments;
pub mod ast;
mod copy;
mod directive;
pub mod error;
mod flag;
mod grammar;
mod health;
mod heredoc;
mod instruction;
mod json;
mod keyword;
mod pairs;
mod run;
mod scan;
mod source;
mod stage;
#[cfg(test)]
mod tests;
mod text;

use imgc_base::Diagnostic;
use imgc_base::span::{SourceId, Span};

use ast::{Dockerfile, Instruction, Kind};
use error::Errors;
use instruction::Parser;
use keyword::Keyword;
use scan::Scanner;
pub use source::decode;

/// What parsing yields: all that is right, and all that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Every instruction that parsed.
    pub dockerfile: Dockerfile,
    /// Every error, in file order. Empty if and only if the file is right.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses a Dockerfile.
pub fn parse(source: SourceId, text: &str) -> Parsed {
    let mut errors = Errors::default();
    let text = source::check(source, text, &mut errors);
    let file = instructions(source, text, &mut errors);
    if !text.is_empty() {
        stage::check_order(source, &file.seen, file.whole, &mut errors);
    }
    let mut diagnostics = errors.into_vec();
    diagnostics
        .sort_by_key(|diagnostic| diagnostic.labels.first().map_or(u32::MAX, |label| label.span.start));
    Parsed { dockerfile: file.dockerfile, diagnostics }
}

/// Parses a trigger that an image carries from `ONBUILD`: one instruction, with heredoc bodies.
///
/// The escape character is always `\`.
pub fn parse_trigger(source: SourceId, text: &str) -> Result<Instruction, Vec<Diagnostic>> {
    let mut errors = Errors::default();
    let text = source::check(source, text, &mut errors);
    let file = instructions(source, text, &mut errors);
    if errors.count() == 0 {
        let mut list = file.dockerfile.instructions;
        let (Some(only), true) = (list.pop(), list.is_empty()) else {
            let whole = Span::new(source, 0, text.len() as u32);
            return Err(vec![
                Diagnostic::error(error::ONBUILD, "a trigger of the base image is not one instruction")
                    .at(whole, "stored in the image")
                    .note("the image was built with a broken ONBUILD"),
            ]);
        };
        let keyword = Keyword::find(&only.keyword.value);
        match keyword.and_then(|keyword| instruction::not_a_trigger(keyword, only.keyword.span)) {
            None => return Ok(only),
            Some(error) => errors.push(error),
        }
    }
    Err(errors.into_vec())
}

/// What was read of a file.
struct File {
    dockerfile: Dockerfile,
    /// Every instruction, wrong ones included.
    seen: Vec<stage::Seen>,
    /// False if a heredoc without an end took the rest.
    whole: bool,
}

fn instructions(source: SourceId, text: &str, errors: &mut Errors) -> File {
    let mut scanner = Scanner::new(source, text, errors);
    let mut instructions = Vec::new();
    let mut seen = Vec::new();
    let mut whole = true;
    let mut suspect = None;
    while let Some(logical) = scanner.logical() {
        let mut parser = Parser::new(scanner.directives.escape, errors);
        let line = logical.text.whole();
        let head = parser.head(line);
        seen.push((head.name, head.keyword.span()));
        let words = parser.heredoc_words(&head);
        if head.name.is_some() {
            suspect = parser.suspect;
        }
        parser.suspect = suspect;
        let Ok(heredocs) = scanner.heredocs(line, words, parser.errors) else {
            whole = false;
            break;
        };
        parser.end = scanner.end();
        if let Some(kind) = parser.kind(&head, heredocs) {
            instructions.push(Instruction {
                span: Span::new(source, head.keyword.span().start, scanner.end()),
                line: logical.line,
                keyword: head.keyword.spanned(),
                text: head.args.as_str().to_owned(),
                comments: logical.comments,
                empty_continuation: logical.empty_continuation,
                kind,
            });
        }
    }
    File { dockerfile: Dockerfile { directives: scanner.directives, instructions }, seen, whole }
}

impl Instruction {
    /// Whether it starts a stage.
    pub const fn is_from(&self) -> bool {
        matches!(self.kind, Kind::From(_))
    }
}
