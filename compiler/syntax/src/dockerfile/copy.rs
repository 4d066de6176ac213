//! `COPY` and `ADD`.

use imgc_base::Diagnostic;

use super::ast::{Copy, CopySource, Heredoc, Word};
use super::error::{ARGUMENTS, HEREDOC_PLACE, NO_VARIABLES};
use super::flag::Flags;
use super::heredoc::HeredocWord;
use super::instruction::{Head, Parser};
use super::keyword::Keyword;
use super::text::Slice;

/// One argument: a word, or the place of a heredoc.
enum Argument {
    Path(Word),
    Heredoc(HeredocWord, Heredoc),
}

impl Parser<'_> {
    /// `COPY` and `ADD`
    pub(super) fn copy(
        &mut self,
        head: &Head<'_>,
        name: Keyword,
        mut flags: Flags<'_>,
        heredocs: Vec<(HeredocWord, Heredoc)>,
    ) -> Option<Copy> {
        let from = flags.text("from");
        if let Some(from) = &from {
            self.check_from(from);
        }
        let mut arguments = match self.json_or_none(head.args)? {
            Some(list) => {
                for word in &list {
                    self.check_quotes(&word.value, word.span);
                }
                list.into_iter().map(Argument::Path).collect()
            }
            None => self.copy_arguments(head.args, heredocs)?,
        };
        let dest = match arguments.pop() {
            None => {
                self.missing(
                    head,
                    "at least two arguments",
                    &format!("write `{} source destination`", name.name()),
                );
                return None;
            }
            Some(Argument::Heredoc(word, _)) => {
                let message = format!("{} cannot accept a heredoc as a destination", name.name());
                self.errors.push(
                    Diagnostic::error(HEREDOC_PLACE, message)
                        .at(head.args.of_line(word.range).span(), "the last argument is the destination")
                        .help("write the path after it"),
                );
                return None;
            }
            Some(Argument::Path(dest)) => dest,
        };
        if arguments.is_empty() {
            self.errors.push(
                Diagnostic::error(
                    ARGUMENTS,
                    format!("{} requires at least two arguments, but only one was provided", name.name()),
                )
                .at(dest.span, "a source without a destination, or the other way round")
                .help(format!(
                    "write `{} {} .` to copy into the working directory",
                    name.name(),
                    dest.value
                )),
            );
            return None;
        }
        Some(Copy {
            sources: arguments
                .into_iter()
                .map(|argument| match argument {
                    Argument::Path(word) => CopySource::Path(word),
                    Argument::Heredoc(_, heredoc) => CopySource::Heredoc(heredoc),
                })
                .collect(),
            dest,
            from,
            chown: flags.text("chown"),
            chmod: flags.text("chmod"),
            link: flags.bool("link").unwrap_or(false),
            parents: flags.bool("parents").unwrap_or(false),
            exclude: flags.list("exclude"),
            checksum: flags.text("checksum"),
            keep_git_dir: flags.bool("keep-git-dir"),
            unpack: flags.bool("unpack"),
        })
    }

    /// The arguments in shell form. Heredocs are found before blanks separate, so that their names may hold blanks.
    fn copy_arguments(
        &mut self,
        args: Slice<'_>,
        heredocs: Vec<(HeredocWord, Heredoc)>,
    ) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        let mut failed = false;
        let mut at = args.start();
        let mut plain = |parser: &mut Self, from: usize, to: usize, arguments: &mut Vec<Argument>| {
            let part = args.of_line(from..to);
            match parser.field_words(part) {
                Some(words) => arguments.extend(words.into_iter().map(Argument::Path)),
                None => failed = true,
            }
        };
        for (word, heredoc) in heredocs {
            // A heredoc among the flags is none that a copy could place.
            if word.range.start < at {
                continue;
            }
            plain(self, at, word.range.start, &mut arguments);
            at = word.range.end;
            arguments.push(Argument::Heredoc(word, heredoc));
        }
        plain(self, at, args.end(), &mut arguments);
        (!failed).then_some(arguments)
    }

    fn check_from(&mut self, from: &Word) {
        if from.value.trim_end_matches('$').contains('$') {
            self.errors.push(
                Diagnostic::error(NO_VARIABLES, "variable expansion is not supported for --from")
                    .at(from.span, "holds a variable")
                    .help(
                        "define a new stage with FROM using ARG from global scope, and name that stage here",
                    ),
            );
        }
    }
}
