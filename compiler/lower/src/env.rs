//! Variables in order, and the expansion of words in their light.

use std::collections::BTreeMap;

use imgc_base::Diagnostic;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Span;
use imgc_syntax::dockerfile::ast::Word;
use imgc_syntax::expand::{ExpandError, Expansion, Lexer, Reason, Variables};

use crate::code::EXPANSION;

/// Names with values, in the order of their first definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ordered<V> {
    list: Vec<(String, V)>,
    places: BTreeMap<String, usize>,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self { list: Vec::new(), places: BTreeMap::new() }
    }
}

impl<V> Ordered<V> {
    /// Sets a value: in place if the name exists, else at the end.
    pub(crate) fn put(&mut self, name: &str, value: V) {
        if let Some(&place) = self.places.get(name) {
            self.list[place].1 = value;
        } else {
            self.places.insert(name.to_owned(), self.list.len());
            self.list.push((name.to_owned(), value));
        }
    }

    pub(crate) fn pairs(&self) -> &[(String, V)] {
        &self.list
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(name, _)| name.as_str())
    }
}

/// Variables.
pub(crate) type Env = Ordered<String>;

impl Ordered<String> {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.put(name, value.to_owned());
    }

    /// As `NAME=value` entries.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.list.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Reads `NAME=value` entries.
    pub(crate) fn from_entries(entries: &[String]) -> Self {
        let mut env = Self::default();
        for entry in entries {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            env.set(name, value);
        }
        env
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.places.get(name).map(|&place| self.list[place].1.as_str())
    }

    /// How many bytes names and values take together.
    pub(crate) fn bytes(&self) -> usize {
        self.list.iter().map(|(name, value)| name.len() + value.len() + 2).sum()
    }
}

impl Variables for Env {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

/// Expands a word.
pub(crate) fn expand(lexer: Lexer, word: &Word, env: &Env) -> Result<Expansion, Diagnostic> {
    lexer.expand(&word.value, env).map_err(|error| expand_error(&error, &word.value, word.span, env))
}

/// The place of some bytes of a word; the whole word if it was changed on its way from the file.
pub(crate) fn part(text: &str, span: Span, at: &std::ops::Range<usize>) -> Span {
    if (span.end - span.start) as usize != text.len() {
        return span;
    }
    Span { start: span.start + at.start as u32, end: span.start + at.end as u32, ..span }
}

/// Says why a text cannot be expanded.
pub(crate) fn expand_error(error: &ExpandError, text: &str, span: Span, env: &Env) -> Diagnostic {
    let label = match &error.reason {
        Reason::Quote(_) => "never closed",
        Reason::Required { .. } => "has no value",
        _ => "",
    };
    let diagnostic = Diagnostic::error(EXPANSION, error.to_string()).at(part(text, span, &error.at), label);
    match &error.reason {
        Reason::Required { name, .. } => match did_you_mean(name, env.names()) {
            Some(near) if near != name => diagnostic.help(format!("did you mean `{near}`?")),
            _ => diagnostic.help(format!("give it: `--build-arg {name}=VALUE`, where an ARG declares it")),
        },
        Reason::Modifier(_) => diagnostic
            .note("modifiers are `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%`, and `/pattern/text`, `//pattern/text`"),
        Reason::BadSubstitution => diagnostic.help("to write a dollar sign as such, escape it: `\\$`"),
        _ => diagnostic,
    }
}
