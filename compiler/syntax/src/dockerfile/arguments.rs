//! Plain arguments: the instructions that are a list of words, or one text.

use imgc_base::Diagnostic;
use imgc_base::span::{Span, Spanned};

use super::ast::Word;
use super::error::{BLANK_VOLUME, NOT_STRINGS, UNCLOSED_QUOTE};
use super::grammar;
use super::instruction::{Head, Parser};
use super::json::{self, Json};
use super::text::Slice;

impl Parser<'_> {
    /// The whole text after the keyword: `USER`, `WORKDIR`, `STOPSIGNAL`, `MAINTAINER`.
    pub(super) fn single<'a>(&mut self, head: &Head<'a>) -> Option<Slice<'a>> {
        if head.args.is_empty() {
            self.missing(head, "exactly one argument", "write it after the keyword, or remove the line");
            return None;
        }
        Some(head.args)
    }

    /// As [`Self::single`], with variables.
    pub(super) fn single_word(&mut self, head: &Head<'_>) -> Option<Word> {
        let args = self.single(head)?;
        self.word(args)
    }

    /// `EXPOSE`
    pub(super) fn expose(&mut self, head: &Head<'_>) -> Option<Vec<Word>> {
        if head.args.is_empty() {
            self.missing(head, "at least one argument", "name the ports: `EXPOSE 80/tcp 443`");
            return None;
        }
        self.field_words(head.args)
    }

    /// `VOLUME`
    pub(super) fn volume(&mut self, head: &Head<'_>) -> Option<Vec<Word>> {
        let volumes = match self.json_or_none(head.args)? {
            Some(list) => {
                for volume in &list {
                    self.check_quotes(&volume.value, volume.span);
                }
                list
            }
            None => self.field_words(head.args)?,
        };
        if volumes.is_empty() {
            self.missing(head, "at least one argument", "name the directories: `VOLUME /var/lib/data`");
            return None;
        }
        let trimmed: Vec<Word> =
            volumes.into_iter().map(|volume| volume.map(|path| path.trim().to_owned())).collect();
        if let Some(blank) = trimmed.iter().find(|volume| volume.value.is_empty()) {
            self.errors.push(
                Diagnostic::error(BLANK_VOLUME, "VOLUME specified can not be an empty string")
                    .at(blank.span, "no path"),
            );
            return None;
        }
        Some(trimmed)
    }

    /// Words separated by blanks, with variables.
    pub(super) fn field_words(&mut self, args: Slice<'_>) -> Option<Vec<Word>> {
        let fields: Vec<Slice<'_>> =
            grammar::fields(args.as_str()).into_iter().map(|range| args.part(range)).collect();
        let before = self.errors.count();
        let mut words = Vec::with_capacity(fields.len());
        // Quotes do not hold words together here. Who expected that finds one mistake, not two.
        let mut open: Option<Slice<'_>> = None;
        for field in fields {
            match unclosed_quote(field.as_str(), self.escape).map(|at| field.from(at)) {
                None => words.push(field.spanned()),
                Some(quote) => {
                    open = match open.take() {
                        None => Some(quote),
                        Some(first) => {
                            self.blank_in_quotes(args.of_line(first.start()..quote.start() + 1));
                            None
                        }
                    }
                }
            }
        }
        if let Some(quote) = open {
            self.errors.push(unclosed(quote.part(0..1).span(), self.escape));
        }
        (self.errors.count() == before).then_some(words)
    }

    fn blank_in_quotes(&mut self, quoted: Slice<'_>) {
        let text = quoted.as_str().trim_matches(['"', '\'']);
        self.errors.push(
            Diagnostic::error(UNCLOSED_QUOTE, "quotes cannot hold words together here")
                .at(quoted.span(), "several words")
                .note("blanks separate these arguments first; a quote must be closed in its own word")
                .help(format!("COPY, ADD and VOLUME take blanks in JSON form: `[\"{text}\", ...]`")),
        );
    }

    /// The strings of a JSON array, `Some(None)` if the text is none, `None` after an error.
    #[allow(clippy::option_option)]
    pub(super) fn json_or_none(&mut self, args: Slice<'_>) -> Option<Option<Vec<Spanned<String>>>> {
        match json::read(args.as_str()) {
            Json::No => Some(None),
            Json::Strings(list) => {
                let spanned = |(value, range)| Spanned::new(value, args.part(range).span());
                Some(Some(list.into_iter().map(spanned).collect()))
            }
            Json::Other(range) => {
                let other = args.part(range);
                let error =
                    Diagnostic::error(NOT_STRINGS, "only string type is allowed in JSON format arrays")
                        .at(other.span(), "not a string");
                self.errors.push(if other.as_str().len() <= 32 && !other.as_str().starts_with(['[', '{']) {
                    error.help(format!("write it in quotes: `\"{}\"`", other.as_str()))
                } else {
                    error
                });
                None
            }
        }
    }

    /// A text with variables.
    pub(super) fn word(&mut self, slice: Slice<'_>) -> Option<Word> {
        if let Some(at) = unclosed_quote(slice.as_str(), self.escape) {
            self.errors.push(unclosed(slice.part(at..at + 1).span(), self.escape));
            return None;
        }
        Some(slice.spanned())
    }

    /// Reports a quote that is never closed in a value that no longer has its places.
    pub(super) fn check_quotes(&mut self, value: &str, span: Span) {
        if unclosed_quote(value, self.escape).is_some() {
            self.errors.push(unclosed(span, self.escape));
        }
    }
}

fn unclosed(span: Span, escape: char) -> Diagnostic {
    let escaped = format!("for a quote as such, write the escape character before it: `{escape}'`");
    Diagnostic::error(UNCLOSED_QUOTE, "a quote is never closed").at(span, "opened here").help(escaped)
}

/// The place of a quote that is never closed.
fn unclosed_quote(text: &str, escape: char) -> Option<usize> {
    let mut open: Option<(char, usize)> = None;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match open {
            Some((quote, _)) if char == quote => open = None,
            Some(('\'', _)) => {}
            _ if char == escape => drop(chars.next()),
            None if char == '"' || char == '\'' => open = Some((char, at)),
            _ => {}
        }
    }
    open.map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::unclosed_quote;

    #[test]
    fn finds_the_quote_that_is_open_at_the_end() {
        for (text, escape, at) in [
            ("a", '\\', None),
            ("'a' \"b\"", '\\', None),
            ("it's", '\\', Some(2)),
            ("it\\'s", '\\', None),
            ("it\\'s", '`', Some(3)),
            ("'a\\'", '\\', None),
            ("\"a\\\"", '\\', Some(0)),
            ("\"it's\"", '\\', None),
            ("\\", '\\', None),
        ] {
            assert_eq!(unclosed_quote(text, escape), at, "{text}");
        }
    }
}
