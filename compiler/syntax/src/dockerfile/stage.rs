//! `FROM`, and the order of instructions in a file.

use imgc_base::Diagnostic;
use imgc_base::span::{SourceId, Span};

use super::ast::From;
use super::error::{ARGUMENTS, BEFORE_FROM, EMPTY, Errors, NO_STAGE, STAGE_NAME};
use super::flag::Flags;
use super::grammar;
use super::instruction::{Head, Parser};
use super::keyword::Keyword;

impl Parser<'_> {
    /// `FROM`
    pub(super) fn from(&mut self, head: &Head<'_>, mut flags: Flags<'_>) -> Option<From> {
        let args = head.args;
        let fields: Vec<_> =
            grammar::fields(args.as_str()).into_iter().map(|range| args.part(range)).collect();
        let named = match fields[..] {
            [] => {
                self.missing(
                    head,
                    "either one or three arguments",
                    "name an image: `FROM debian:stable-slim`",
                );
                return None;
            }
            [_] => None,
            [_, keyword, name] if keyword.as_str().eq_ignore_ascii_case("as") => Some((keyword, name)),
            [image, second, ..] => {
                let wrong = args.from(second.start() - args.start());
                let error = Diagnostic::error(ARGUMENTS, "FROM requires either one or three arguments");
                self.errors.push(match second.as_str() {
                    comment if comment.starts_with('#') => error
                        .at(wrong.span(), "not a comment")
                        .note("a comment takes a line of its own; after an instruction `#` is ordinary text"),
                    word if word.eq_ignore_ascii_case("as") && fields.len() == 2 => {
                        error.at(wrong.span(), "no name follows").help("write the stage's name after AS")
                    }
                    word if word.eq_ignore_ascii_case("as") => error
                        .at(wrong.span(), "more than a name")
                        .help("a stage has one name, without blanks"),
                    word if fields.len() == 2 => error
                        .at(wrong.span(), "neither `AS name` nor the end of the line")
                        .help(format!("to name the stage, write `FROM {} AS {word}`", image.as_str())),
                    _ => error.at(wrong.span(), "neither `AS name` nor the end of the line"),
                });
                return None;
            }
        };
        let name = named.map(|(_, name)| name.spanned());
        if let Some(name) = &name {
            let lower = name.value.to_lowercase();
            let first = lower.starts_with(|char: char| char.is_ascii_lowercase());
            let rest =
                |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-_.".contains(char);
            if !first || !lower.chars().all(rest) {
                self.errors.push(
                    Diagnostic::error(STAGE_NAME, format!("invalid name for build stage: `{}`", name.value))
                        .at(
                            name.span,
                            if first {
                                "a character that is not allowed"
                            } else {
                                "must start with a letter"
                            },
                        )
                        .note("a name is a letter, then letters, digits, `-`, `_` and `.`"),
                );
            }
        }
        Some(From {
            platform: flags.text("platform"),
            image: self.word(fields[0])?,
            as_keyword: named.map(|(keyword, _)| keyword.spanned()),
            name,
        })
    }
}

/// An instruction's name and place, right or wrong.
pub(super) type Seen = (Option<Keyword>, Span);

/// Reports what stands before the first stage, and files without one.
pub(super) fn check_order(source: SourceId, seen: &[Seen], whole_file: bool, errors: &mut Errors) {
    let first = seen.iter().position(|(name, _)| *name == Some(Keyword::From));
    let early = &seen[..first.unwrap_or(seen.len())];
    // An unknown word may have been meant as FROM: what follows it is no second mistake.
    for (name, span) in early.iter().take_while(|(name, _)| name.is_some()) {
        if let Some(name) = name.filter(|name| *name != Keyword::Arg) {
            errors.push(
                Diagnostic::error(
                    BEFORE_FROM,
                    format!("no build stage in current context: {} before FROM", name.name()),
                )
                .at(*span, "no stage has begun")
                .note("only ARG, comments and parser directives may stand before the first FROM"),
            );
        }
    }
    // After a heredoc without an end, who knows what it swallowed.
    if first.is_some() || !whole_file || early.iter().any(|(name, _)| *name != Some(Keyword::Arg)) {
        return;
    }
    errors.push(match early.last() {
        Some((_, span)) => Diagnostic::error(NO_STAGE, "dockerfile contains no stages to build")
            .at(*span, "the last instruction")
            .help("a build needs a base: add `FROM`"),
        None => Diagnostic::error(EMPTY, "file with no instructions")
            .at(Span::new(source, 0, 0), "only comments and blank lines")
            .help("start with a base: `FROM debian:stable-slim`"),
    });
}
