//! One logical line: keyword, flags, arguments, and the dispatch to what each instruction makes of them.

use imgc_base::Diagnostic;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Span;

use super::ast::{Heredoc, Instruction, Kind, Onbuild};
use super::error::{ARGUMENTS, Errors, ONBUILD, UNKNOWN_INSTRUCTION};
use super::flag::Flags;
use super::grammar::{self, Rule};
use super::heredoc::{self, HeredocWord};
use super::json::{self, Json};
use super::keyword::Keyword;
use super::text::Slice;

/// A logical line split up.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// The first word.
    pub(super) keyword: Slice<'a>,
    /// Which instruction it names.
    pub(super) name: Option<Keyword>,
    /// The flag words.
    flags: Vec<Slice<'a>>,
    /// What follows, without white space around it.
    pub(super) args: Slice<'a>,
    /// The whole logical line.
    line: Slice<'a>,
}

/// What is needed to parse an instruction.
#[derive(Debug)]
pub(super) struct Parser<'e> {
    pub(super) escape: char,
    pub(super) errors: &'e mut Errors,
    /// Where the instruction ends in the file, heredoc bodies included.
    pub(super) end: u32,
    /// A line just above with `<<` in it that announced no heredoc.
    pub(super) suspect: Option<Span>,
    /// A flag of this instruction was wrong: what it lacks may have gone into the flag.
    wrong_flags: bool,
}

impl<'e> Parser<'e> {
    pub(super) fn new(escape: char, errors: &'e mut Errors) -> Self {
        Self { escape, errors, end: 0, suspect: None, wrong_flags: false }
    }

    /// Splits a line. Reports nothing yet.
    pub(super) fn head<'a>(&self, line: Slice<'a>) -> Head<'a> {
        let text = line.as_str();
        let (keyword, rest) = match grammar::parse(Rule::instruction, text) {
            Some(pair) => {
                let end = grammar::range(&pair).end;
                let keyword = pair.into_inner().next().map_or(0..0, |pair| grammar::range(&pair));
                (line.part(keyword), line.from(end))
            }
            None => (line.part(0..0), line.from(text.len())),
        };
        let (flags, args) = grammar::flags(rest.as_str(), self.escape);
        Head {
            keyword,
            name: Keyword::find(keyword.as_str()),
            flags: flags.into_iter().map(|range| rest.part(range)).collect(),
            args: rest.from(args).trim(),
            line,
        }
    }

    /// The heredocs that a line announces.
    pub(super) fn heredoc_words(&mut self, head: &Head<'_>) -> Vec<HeredocWord> {
        if !head.line.as_str().contains("<<") {
            return Vec::new();
        }
        let takes = |head: &Head<'_>| {
            head.name.is_some_and(Keyword::takes_heredocs) && json::read(head.args.as_str()) == Json::No
        };
        let found = match head.name {
            Some(Keyword::Onbuild) => takes(&self.head(head.args)),
            _ => takes(head),
        };
        if !found {
            return Vec::new();
        }
        let words = heredoc::find(head.line.as_str());
        self.suspect = words.is_empty().then(|| head.line.trim().span());
        words
    }

    /// What the line says; `None` if it is wrong, which is reported.
    pub(super) fn kind(&mut self, head: &Head<'_>, heredocs: Vec<(HeredocWord, Heredoc)>) -> Option<Kind> {
        let before = self.errors.count();
        let Some(name) = head.name else {
            self.unknown(head);
            return None;
        };
        let flags = Flags::check(name, &head.flags, self.escape, self.errors);
        self.wrong_flags = self.errors.count() > before;
        let kind = match name {
            Keyword::From => self.from(head, flags).map(Kind::From),
            Keyword::Run => self.run(head, flags, heredocs).map(Kind::Run),
            Keyword::Cmd => self.command(head, head.args).map(Kind::Cmd),
            Keyword::Entrypoint => self.command(head, head.args).map(Kind::Entrypoint),
            Keyword::Shell => self.shell(head).map(Kind::Shell),
            Keyword::Copy => self.copy(head, name, flags, heredocs).map(Kind::Copy),
            Keyword::Add => self.copy(head, name, flags, heredocs).map(Kind::Add),
            Keyword::Label => self.pairs(head, name).map(Kind::Label),
            Keyword::Env => self.pairs(head, name).map(Kind::Env),
            Keyword::Arg => self.args(head).map(Kind::Arg),
            Keyword::Healthcheck => self.healthcheck(head, flags).map(Kind::Healthcheck),
            Keyword::Onbuild => self.onbuild(head, heredocs).map(Kind::Onbuild),
            Keyword::Maintainer => self.single(head).map(|slice| Kind::Maintainer(slice.spanned())),
            Keyword::User => self.single_word(head).map(Kind::User),
            Keyword::Workdir => self.single_word(head).map(Kind::Workdir),
            Keyword::Stopsignal => self.single_word(head).map(Kind::Stopsignal),
            Keyword::Expose => self.expose(head).map(Kind::Expose),
            Keyword::Volume => self.volume(head).map(Kind::Volume),
        };
        kind.filter(|_| self.errors.count() == before)
    }

    /// Reports that an instruction has no arguments.
    pub(super) fn missing(&mut self, head: &Head<'_>, how_many: &str, help: &str) {
        if self.wrong_flags {
            return;
        }
        let keyword = head.keyword.as_str().to_ascii_uppercase();
        self.errors.push(
            Diagnostic::error(ARGUMENTS, format!("{keyword} requires {how_many}"))
                .at(head.keyword.span(), "nothing follows")
                .help(help),
        );
    }

    fn unknown(&mut self, head: &Head<'_>) {
        let word = head.keyword.as_str();
        if self.errors.full() {
            self.errors.push(Diagnostic::error(UNKNOWN_INSTRUCTION, "unknown instruction"));
            return;
        }
        if word.is_empty() {
            self.errors.push(
                Diagnostic::error(UNKNOWN_INSTRUCTION, "a continued line without an instruction")
                    .at(head.keyword.span(), "nothing follows"),
            );
            return;
        }
        if let Some((at, char)) = word.char_indices().find(|(_, char)| char.is_whitespace())
            && let Some(name) = Keyword::find(&word[..at])
        {
            let code = format!("U+{:04X}", u32::from(char));
            self.errors.push(
                Diagnostic::error(
                    UNKNOWN_INSTRUCTION,
                    format!("{code} after {} is not a blank", name.name()),
                )
                .at(head.keyword.part(at..at + char.len_utf8()).span(), "looks like a blank")
                .help("replace it by a space; text copied from a web page may hold such characters"),
            );
            return;
        }
        // A word may be a megabyte long.
        let shown: String = word.chars().take(64).collect();
        let error = Diagnostic::error(UNKNOWN_INSTRUCTION, format!("unknown instruction: {shown}"))
            .at(head.keyword.span(), "no instruction has this name");
        let near = did_you_mean(word, Keyword::ALL.map(Keyword::name))
            // `FROM:` and `RUN=` are slips of another kind.
            .or_else(|| {
                let letters = word.trim_matches(|char: char| !char.is_ascii_alphabetic());
                Keyword::find(letters).map(Keyword::name)
            });
        self.errors.push(match (near, self.suspect) {
            (Some(near), _) => error.help(format!("did you mean {near}?")),
            (None, Some(suspect)) => error
                .at(suspect, "`<<` begins no heredoc here")
                .note("it must begin a word, and every quote of its line must be closed"),
            (None, None) => error.note(
                "a command that goes on over several lines needs the escape character at the end of each but the last",
            ),
        });
    }

    fn onbuild(&mut self, head: &Head<'_>, heredocs: Vec<(HeredocWord, Heredoc)>) -> Option<Onbuild> {
        if head.args.is_empty() {
            self.missing(
                head,
                "at least one argument",
                "write the instruction that is to run: `ONBUILD RUN make`",
            );
            return None;
        }
        let inner = self.head(head.args);
        if let Some(error) = inner.name.and_then(|name| not_a_trigger(name, inner.keyword.span())) {
            self.errors.push(error);
            return None;
        }
        // Blanks at the end of the line belong to the stored text.
        let mut text = head.line.of_line(head.args.start()..head.line.end()).as_str().to_owned();
        for (_, heredoc) in &heredocs {
            text.push('\n');
            text.push_str(&heredoc.raw_body);
            text.push_str(&heredoc.name);
        }
        let kind = self.kind(&inner, heredocs)?;
        let keyword = inner.keyword.spanned();
        let trigger = Instruction {
            span: Span { end: self.end, ..keyword.span },
            line: 0,
            keyword,
            text: inner.args.as_str().to_owned(),
            comments: Vec::new(),
            empty_continuation: None,
            kind,
        };
        Some(Onbuild { text, trigger: Box::new(trigger) })
    }
}

/// The error for an instruction that cannot be a trigger.
pub(super) fn not_a_trigger(name: Keyword, span: Span) -> Option<Diagnostic> {
    let message = match name {
        Keyword::Onbuild => "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned(),
        Keyword::From | Keyword::Maintainer => format!("{} isn't allowed as an ONBUILD trigger", name.name()),
        _ => return None,
    };
    Some(Diagnostic::error(ONBUILD, message).at(span, "not a trigger"))
}
