//! Errors and warnings as values; they are drawn by the cli (text, JSON, SARIF).

use std::fmt;

use crate::span::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The build goes on.
    Warning,
    /// The build stops.
    Error,
}

/// A marked place in a source, with a short text beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What is underlined.
    pub span: Span,
    /// What is said beside it; may be empty.
    pub text: String,
}

/// One message about the user's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code: `E0102` for errors, a rule's name (`StageNameCasing`) for checks.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One line without a final full stop.
    pub message: String,
    /// The place; the first label is the main one.
    pub labels: Vec<Label>,
    /// Facts that explain.
    pub notes: Vec<String>,
    /// What to do.
    pub helps: Vec<String>,
}

impl Diagnostic {
    /// Starts an error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// Starts a warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// Marks a place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds an explanation.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }
}

/// The candidate nearest to `given`, if it is near enough to be a slip of the finger.
///
/// Near means an edit distance (insert, delete, replace, swap of neighbours) of at most a third of the length,
/// ignoring case; where none is, the one candidate that begins with the word counts, if three letters are given.
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > 64 {
        return None;
    }
    let lower = given.to_lowercase();
    let limit = (given.chars().count() / 3).max(1);
    let mut nearest: Option<(usize, &str)> = None;
    let mut begun = Vec::new();
    for candidate in candidates.into_iter().filter(|candidate| candidate.len() <= 64) {
        let other = candidate.to_lowercase();
        let distance = edit_distance(&lower, &other);
        if distance <= limit && nearest.is_none_or(|(best, _)| distance < best) {
            nearest = Some((distance, candidate));
        }
        if lower.chars().count() >= 3 && other.starts_with(&lower) {
            begun.push(candidate);
        }
    }
    match (nearest, begun.as_slice()) {
        (Some((_, near)), _) => Some(near),
        (None, &[only]) => Some(only),
        (None, _) => None,
    }
}

/// Damerau-Levenshtein distance with adjacent swaps (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// `1 node`, `2 nodes`.
pub fn count<N: Copy + fmt::Display + PartialEq + From<u8>>(number: N, word: &str) -> String {
    if number == N::from(1) { format!("1 {word}") } else { format!("{number} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        let words = ["FROM", "RUN", "COPY", "ENTRYPOINT", "EXPOSE"];
        assert_eq!(did_you_mean("COYP", words), Some("COPY"));
        assert_eq!(did_you_mean("ENTRYPONT", words), Some("ENTRYPOINT"));
        assert_eq!(did_you_mean("run", words), Some("RUN"));
        assert_eq!(did_you_mean("BANANA", words), None);
        // A beginning that only one has.
        assert_eq!(did_you_mean("entry", words), Some("ENTRYPOINT"));
        assert_eq!(did_you_mean("EN", words), None);
        assert_eq!(did_you_mean("abc", ["abcdefgh", "abcxyzuv"]), None);
    }
}
