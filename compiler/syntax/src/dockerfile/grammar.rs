//! The pest parser: text of one logical line to ranges. Nothing here knows what an instruction means.

use std::ops::Range;

use pest::Parser as _;

// The derive makes public items without documentation.
#[allow(missing_docs, unreachable_pub)]
mod generated {
    /// The parser made from `grammar.pest`.
    #[derive(Debug, pest_derive::Parser)]
    #[grammar = "dockerfile/grammar.pest"]
    pub struct Grammar;
}

pub(super) use generated::{Grammar, Rule};
use pest::iterators::Pair;

/// The pair of `rule` at the start of `text`, if the rule matches.
pub(super) fn parse(rule: Rule, text: &str) -> Option<Pair<'_, Rule>> {
    Grammar::parse(rule, text).ok()?.next()
}

/// Where a pair stands in the text that was parsed.
pub(super) fn range(pair: &Pair<'_, Rule>) -> Range<usize> {
    let span = pair.as_span();
    span.start()..span.end()
}

/// The ranges of the direct children of `rule` in `text`, without the end of input.
pub(super) fn children(rule: Rule, text: &str) -> Vec<Range<usize>> {
    parse(rule, text)
        .into_iter()
        .flat_map(Pair::into_inner)
        .filter(|pair| pair.as_rule() != Rule::EOI)
        .map(|pair| range(&pair))
        .collect()
}

/// Words separated by blanks; quotes mean nothing.
pub(super) fn fields(text: &str) -> Vec<Range<usize>> {
    children(Rule::fields, text)
}

/// Words separated by white space, quotes and escapes respected and kept.
pub(super) fn words(text: &str, escape: char) -> Vec<Range<usize>> {
    children(if escape == '`' { Rule::words_t } else { Rule::words_s }, text)
}

/// The flag words at the start of `text`, and where the rest begins.
pub(super) fn flags(text: &str, escape: char) -> (Vec<Range<usize>>, usize) {
    // A line without flags is by far the most common one.
    if !text.trim_start().starts_with("--") {
        return (Vec::new(), text.len() - text.trim_start().len());
    }
    let Some(pair) = parse(if escape == '`' { Rule::flags_t } else { Rule::flags_s }, text) else {
        return (Vec::new(), 0);
    };
    let end = range(&pair).end;
    (pair.into_inner().map(|flag| range(&flag)).collect(), end)
}
