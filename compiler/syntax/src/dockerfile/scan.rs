//! Physical lines to logical lines: byte order mark, directives, comments, continuations, heredoc bodies.

use std::collections::BTreeMap;

use imgc_base::Diagnostic;
use imgc_base::span::{SourceId, Span, Spanned};

use super::ast::{Directives, Heredoc};
use super::directive;
use super::error::{Errors, UNTERMINATED_HEREDOC};
use super::heredoc::HeredocWord;
use super::text::{Slice, Text};

/// One physical line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Without its end.
    pub(super) content: &'a str,
    /// With its end.
    pub(super) raw: &'a str,
    /// Where it starts in the file.
    pub(super) start: usize,
}

impl Line<'_> {
    fn is_comment(self) -> bool {
        self.content.trim_start().starts_with('#')
    }

    fn is_blank(self) -> bool {
        self.content.trim_start().is_empty()
    }
}

/// One instruction's text.
#[derive(Debug)]
pub(super) struct Logical {
    pub(super) text: Text,
    /// 1-based number of its first line.
    pub(super) line: u32,
    /// Comments directly above.
    pub(super) comments: Vec<Spanned<String>>,
    /// The first blank line within its continuations.
    pub(super) empty_continuation: Option<Span>,
}

/// Goes through a file once.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    source: SourceId,
    text: &'a str,
    at: usize,
    line: u32,
    pub(super) directives: Directives,
    /// Lines without leading tabs, and where the last of each starts. Made when first needed.
    last_lines: Option<BTreeMap<&'a str, usize>>,
}

impl<'a> Scanner<'a> {
    /// Starts after the directives.
    pub(super) fn new(source: SourceId, text: &'a str, errors: &mut Errors) -> Self {
        let mut scanner = Self {
            source,
            text,
            at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 },
            line: 0,
            directives: Directives { escape: '\\', syntax: None, check: None },
            last_lines: None,
        };
        directive::read(&mut scanner, errors);
        scanner
    }

    pub(super) const fn source(&self) -> SourceId {
        self.source
    }

    /// The next line, which stays the next.
    pub(super) fn peek(&self) -> Option<Line<'a>> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let raw = &rest[..length];
        Some(Line { content: raw.trim_end_matches(['\r', '\n']), raw, start: self.at })
    }

    /// The next physical line.
    pub(super) fn line(&mut self) -> Option<Line<'a>> {
        let line = self.peek()?;
        self.at += line.raw.len();
        self.line += 1;
        Some(line)
    }

    /// The next logical line.
    pub(super) fn logical(&mut self) -> Option<Logical> {
        let mut comments = Vec::new();
        let first = loop {
            let line = self.line()?;
            if line.is_comment() {
                let indent = line.content.len() - line.content.trim_start().len() + 1;
                let text = line.content[indent..].trim();
                let start = line.content.len() - line.content[indent..].trim_start().len();
                if text.is_empty() {
                    comments.clear();
                } else {
                    let start = line.start + start;
                    comments.push(Spanned::new(text.to_owned(), self.span(start, start + text.len())));
                }
            } else if line.is_blank() {
                comments.clear();
            } else {
                break line;
            }
        };
        let number = self.line;
        let indent = first.content.len() - first.content.trim_start().len();
        let (piece, mut goes_on) = self.cut_escape(&first.content[indent..]);
        let mut text = Text::new(self.source, piece, first.start + indent);
        let mut empty_continuation = None;
        while goes_on {
            let Some(line) = self.line() else { break };
            if line.is_comment() {
                continue;
            }
            if line.is_blank() {
                empty_continuation.get_or_insert(self.span(line.start, line.start + line.raw.len()));
                continue;
            }
            let piece;
            (piece, goes_on) = self.cut_escape(line.content);
            text.push(piece, line.start);
        }
        Some(Logical { text, line: number, comments, empty_continuation })
    }

    /// Removes the escape that continues a line; the second value tells whether there was one.
    ///
    /// An escape before it makes it an escaped one, and no further ones are counted: `\\\` ends the line too.
    fn cut_escape(&self, line: &'a str) -> (&'a str, bool) {
        let escape = self.directives.escape;
        match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
            Some(before) if !before.ends_with(escape) => (before, true),
            _ => (line, false),
        }
    }

    /// Reads the bodies that a logical line announces. `Err` once one has no end, which is reported: the rest of the
    /// file is then its body.
    pub(super) fn heredocs(
        &mut self,
        line: Slice<'_>,
        words: Vec<HeredocWord>,
        errors: &mut Errors,
    ) -> Result<Vec<(HeredocWord, Heredoc)>, ()> {
        let mut read = Vec::with_capacity(words.len());
        for word in words {
            if word.apart && !self.ends_later(&word.name) {
                continue;
            }
            let start = self.at;
            let first_line = self.line + 1;
            let mut near_miss = None;
            let end = loop {
                let Some(line) = self.line() else { break None };
                let bare = line.content.trim_start_matches('\t');
                if (if word.strip_tabs { bare } else { line.content }) == word.name {
                    break Some(line.start);
                }
                if near_miss.is_none() && line.content.trim() == word.name {
                    near_miss = Some((self.line, line));
                }
            };
            let Some(end) = end else {
                errors.push(self.unterminated(line, &word, first_line, near_miss));
                return Err(());
            };
            let raw = &self.text[start..end];
            let heredoc = Heredoc {
                name: word.name.clone(),
                expand: word.expand,
                strip_tabs: word.strip_tabs,
                fd: word.fd,
                body: if word.strip_tabs { strip_tabs(raw) } else { raw.to_owned() },
                raw_body: raw.to_owned(),
                span: self.span(start, end),
            };
            read.push((word, heredoc));
        }
        Ok(read)
    }

    /// Where the last line that was read ends, its newline not counted.
    pub(super) fn end(&self) -> u32 {
        self.text[..self.at].trim_end_matches(['\r', '\n']).len() as u32
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.source, start as u32, end as u32)
    }

    /// Whether a line that could end a heredoc of this name is still to come.
    fn ends_later(&mut self, name: &str) -> bool {
        let text = self.text;
        let lines = self.last_lines.get_or_insert_with(|| {
            let mut start = 0;
            let mut lines = BTreeMap::new();
            for raw in text.split_inclusive('\n') {
                lines.insert(raw.trim_end_matches(['\r', '\n']).trim_start_matches('\t'), start);
                start += raw.len();
            }
            lines
        });
        lines.get(name).is_some_and(|&last| last >= self.at)
    }

    fn unterminated(
        &self,
        line: Slice<'_>,
        word: &HeredocWord,
        first_line: u32,
        near_miss: Option<(u32, Line<'_>)>,
    ) -> Diagnostic {
        let name = &word.name;
        let error = Diagnostic::error(UNTERMINATED_HEREDOC, format!("unterminated heredoc `{name}`"))
            .at(line.of_line(word.range.clone()).span(), "begins here");
        let Some((number, near)) = near_miss else {
            // `<<EOF>/x`: a shell ends the name there, docker does not.
            let meant = name.split(['>', '|', ';', '&', ')']).next().unwrap_or_default();
            if !meant.is_empty() && meant.len() < name.len() {
                return error
                    .note("the name of a heredoc goes up to the next blank")
                    .help(format!("write a blank behind it: `<<{meant} {}`", &name[meant.len()..]));
            }
            return error
                .note(format!("no line from line {first_line} on is just `{name}`"))
                .help(format!("end the text with a line that holds `{name}` and nothing else"));
        };
        let error = error.at(self.span(near.start, near.start + near.content.len()), "not just the name");
        if near.content.trim_start_matches('\t') == name {
            error.help(format!("write `<<-{name}` to allow tabs before the last line, or remove them"))
        } else {
            error.help(format!("remove the blanks around `{name}` in line {number}"))
        }
    }
}

/// Removes the tabs at the start of every line.
fn strip_tabs(text: &str) -> String {
    text.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}
