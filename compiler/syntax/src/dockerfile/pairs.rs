//! `ENV`, `LABEL` and `ARG`: names and values.

use imgc_base::Diagnostic;

use super::ast::{ArgDecl, Pairs, Word};
use super::error::PAIR;
use super::grammar;
use super::instruction::{Head, Parser};
use super::keyword::Keyword;
use super::text::Slice;

impl Parser<'_> {
    /// `ENV` and `LABEL`
    pub(super) fn pairs(&mut self, head: &Head<'_>, name: Keyword) -> Option<Pairs> {
        let args = head.args;
        let words = self.words(args);
        let Some(first) = words.first() else {
            let help = format!("write `{} name=value`", name.name());
            self.missing(head, "at least one argument", &help);
            return None;
        };
        if !first.as_str().contains('=') {
            return self.legacy(args, name).map(|pair| Pairs { pairs: vec![pair], legacy: true });
        }
        let pairs: Vec<Option<(Word, Word)>> = words
            .iter()
            .map(|&word| {
                let Some(equals) = word.as_str().find('=') else {
                    self.errors.push(
                        Diagnostic::error(
                            PAIR,
                            "syntax error: can't find = in a word of the form name=value",
                        )
                        .at(word.span(), "no `=`")
                        .help("a value with blanks needs quotes: name=\"two words\""),
                    );
                    return None;
                };
                self.named(word, equals, name)
            })
            .collect();
        Some(Pairs { pairs: pairs.into_iter().collect::<Option<_>>()?, legacy: false })
    }

    /// `ENV name rest of the line`
    fn legacy(&mut self, args: Slice<'_>, name: Keyword) -> Option<(Word, Word)> {
        let text = args.as_str();
        let blank = |char: char| matches!(char, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ');
        let Some(end) = text.find(blank) else {
            self.errors.push(
                Diagnostic::error(PAIR, format!("{} must have two arguments", name.name()))
                    .at(args.span(), "a name without a value")
                    .help(format!("write `{} {text}=value`, or `{text}=` for an empty value", name.name())),
            );
            return None;
        };
        let value = args.from(text.len() - text[end..].trim_start_matches(blank).len());
        let (key, value) = (self.word(args.part(0..end)), self.word(value));
        key.zip(value)
    }

    /// `ARG`
    pub(super) fn args(&mut self, head: &Head<'_>) -> Option<Vec<ArgDecl>> {
        let words = self.words(head.args);
        if words.is_empty() {
            self.missing(head, "at least one argument", "write `ARG name` or `ARG name=default`");
            return None;
        }
        let declared: Vec<Option<ArgDecl>> = words
            .iter()
            .map(|&word| match word.as_str().find('=') {
                None => self.word(word).map(|name| ArgDecl { name, default: None }),
                Some(equals) => self
                    .named(word, equals, Keyword::Arg)
                    .map(|(name, value)| ArgDecl { name, default: Some(value) }),
            })
            .collect();
        declared.into_iter().collect()
    }

    fn named(&mut self, word: Slice<'_>, equals: usize, name: Keyword) -> Option<(Word, Word)> {
        let key = word.part(0..equals);
        if key.is_empty() {
            self.errors.push(
                Diagnostic::error(PAIR, format!("{} names can not be blank", name.name()))
                    .at(word.span(), "no name before `=`")
                    .help("no blanks may stand around `=`"),
            );
            return None;
        }
        let (key, value) = (self.word(key), self.word(word.from(equals + 1)));
        key.zip(value)
    }

    fn words<'a>(&self, args: Slice<'a>) -> Vec<Slice<'a>> {
        grammar::words(args.as_str(), self.escape).into_iter().map(|range| args.part(range)).collect()
    }
}
