//! Variable expansion and word splitting: the small shell language inside Dockerfile arguments.
//!
//! One pass over the text, one result. Everything here is bounded: nesting by [`MAX_DEPTH`], the result by
//! [`MAX_RESULT`], and pattern matching by a budget, so that no text makes expansion slow.
//!
//! ```
//! use std::collections::BTreeMap;
//! use imgc_syntax::expand::Lexer;
//!
//! let vars = BTreeMap::from([("v".to_owned(), "1.2".to_owned())]);
//! let done = Lexer::new('\\').expand("app-${v%.*}-${w:-x}", &vars).unwrap();
//! assert_eq!(done.text, "app-1-x");
//! assert_eq!(done.unset[0].name, "w");
//! ```

mod lexer;
mod pattern;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How deep `${a:-${b:-...}}` may nest.
pub const MAX_DEPTH: usize = 64;
/// The longest text, in bytes, that an expansion may make.
pub const MAX_RESULT: usize = 1 << 20;

/// Where values come from.
pub trait Variables {
    /// The value of a variable; `None` if it is unset, which is not the same as empty.
    fn value(&self, name: &str) -> Option<&str>;
}

impl Variables for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// No variable is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn value(&self, _: &str) -> Option<&str> {
        None
    }
}

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent modes of one lexer")]
pub struct Lexer {
    /// The character that takes the meaning from the next one.
    pub escape: char,
    /// Quotes stay in the result (they still decide what is expanded).
    pub raw_quotes: bool,
    /// Escape characters stay in the result.
    pub raw_escapes: bool,
    /// Quotes are ordinary characters (heredoc bodies).
    pub plain_quotes: bool,
    /// References to unset variables stay in the result as they were written (titles of steps).
    pub keep_unset: bool,
}

impl Lexer {
    /// The usual reading: quotes and escapes are removed, unset variables are empty.
    pub const fn new(escape: char) -> Self {
        Self { escape, raw_quotes: false, raw_escapes: false, plain_quotes: false, keep_unset: false }
    }

    /// For the bodies of heredocs: quotes are text, `\` escapes.
    pub const fn heredoc() -> Self {
        Self { plain_quotes: true, ..Self::new('\\') }
    }

    /// For showing a command to people: quotes and unset variables stay.
    pub const fn display(escape: char) -> Self {
        Self { raw_quotes: true, keep_unset: true, ..Self::new(escape) }
    }

    /// Expands a text.
    pub fn expand(&self, text: &str, variables: &dyn Variables) -> Result<Expansion, ExpandError> {
        lexer::run(*self, text, variables)
    }
}

/// A reference to a variable that was unset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unset {
    /// The variable.
    pub name: String,
    /// The bytes of the reference in the text, from `$` to the end of the name.
    pub at: Range<usize>,
}

/// What expansion made of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expansion {
    /// The text as one word.
    pub text: String,
    /// The text split at blanks that were neither quoted nor escaped.
    pub words: Vec<String>,
    /// Variables that were used and set.
    pub set: BTreeSet<String>,
    /// Uses of variables that were unset, in order. A name may come more than once.
    pub unset: Vec<Unset>,
}

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ExpandError {
    /// What is wrong.
    pub reason: Reason,
    /// The bytes of the text that are to blame.
    pub at: Range<usize>,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The other quote is missing.
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    Quote(&'static str),
    /// The brace that ends `${` is missing.
    #[error("syntax error: missing '}}'")]
    Brace,
    /// The slash between pattern and replacement is missing.
    #[error("syntax error: missing '/' in ${{}}")]
    Slash,
    /// `${}`, `${:x}` or `${{`.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// A modifier that does not exist.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${v?}`, `${v:?}`: the author demands a value.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the author says.
        message: String,
    },
    /// A pattern with an escape that means nothing.
    #[error("invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The character after the backslash; empty at the end.
        escaped: String,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("substitutions are nested deeper than {MAX_DEPTH}")]
    Depth,
    /// Longer than [`MAX_RESULT`].
    #[error("the result is longer than {MAX_RESULT} bytes")]
    Long,
    /// Pattern matching that would take too long.
    #[error("the patterns take too long to match")]
    Costly,
}
