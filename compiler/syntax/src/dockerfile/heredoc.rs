//! Heredoc words: which words of a line announce a body, and what its last line is called.

use std::ops::Range;

use pest::iterators::Pair;

use super::grammar::{self, Rule};

/// `<<NAME` as it stands in a logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeredocWord {
    /// Where it stands in the logical line.
    pub(super) range: Range<usize>,
    /// The delimiter, quotes and escapes removed.
    pub(super) name: String,
    /// No part of it was quoted.
    pub(super) expand: bool,
    /// `<<-`
    pub(super) strip_tabs: bool,
    /// The number before `<<`.
    pub(super) fd: Option<u32>,
    /// Blanks stood between `<<` and the name: perhaps a shift in arithmetic, not a heredoc.
    pub(super) apart: bool,
}

/// The heredocs that a logical line announces, in order.
///
/// None when a quote of the line is never closed: no shell would run such a line either.
pub(super) fn find(line: &str) -> Vec<HeredocWord> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let Some(pair) = grammar::parse(Rule::shell_line, line) else { return Vec::new() };
    pair.into_inner().filter(|pair| pair.as_rule() == Rule::heredoc).map(|pair| word(&pair)).collect()
}

fn word(pair: &Pair<'_, Rule>) -> HeredocWord {
    let mut word = HeredocWord {
        range: grammar::range(pair),
        name: String::new(),
        expand: true,
        strip_tabs: false,
        fd: None,
        apart: false,
    };
    for part in pair.clone().into_inner() {
        match part.as_rule() {
            Rule::fd if !part.as_str().is_empty() => {
                // No shell knows a descriptor that large; the number only has to stay wrong.
                word.fd = Some(part.as_str().parse().unwrap_or(u32::MAX));
            }
            Rule::dash => word.strip_tabs = true,
            Rule::gap => word.apart = true,
            Rule::delimiter => (word.name, word.expand) = unquote(part.as_str()),
            _ => {}
        }
    }
    word
}

/// Removes quotes and escapes; the second value is false if there were quotes.
///
/// An escape alone does not count as a quote, unlike in a shell: so `BuildKit` decides for `COPY`, and for `RUN` the
/// shell sees the word itself.
fn unquote(raw: &str) -> (String, bool) {
    let mut name = String::with_capacity(raw.len());
    let mut quoted = false;
    let mut open = None;
    let mut chars = raw.chars().peekable();
    while let Some(char) = chars.next() {
        match (open, char) {
            (Some(quote), _) if char == quote => open = None,
            (None, '"' | '\'') => {
                open = Some(char);
                quoted = true;
            }
            (None, '\\') => name.extend(chars.next()),
            (Some('"'), '\\') if matches!(chars.peek(), Some('"' | '$' | '\\')) => name.extend(chars.next()),
            _ => name.push(char),
        }
    }
    (name, !quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        find(line).into_iter().map(|word| word.name).collect()
    }

    #[test]
    fn words_that_announce_a_heredoc() {
        for (line, expected) in [
            ("RUN <<EOF", vec!["EOF"]),
            ("RUN <<-EOF", vec!["EOF"]),
            ("RUN <<- EOF", vec!["EOF"]),
            ("RUN << -EOF", vec!["-EOF"]),
            ("RUN <<  EOF  > foo", vec!["EOF"]),
            ("RUN 4<<EOF cat <<'A B'", vec!["EOF", "A B"]),
            ("RUN <<EOF<X", vec![]),
            ("RUN <<<EOF", vec![]),
            ("RUN cat<<EOF", vec![]),
            ("RUN '<<EOF' \"<<X\"", vec![]),
            ("RUN <<", vec![]),
            ("RUN <<-", vec![]),
            ("RUN <<'EOF", vec![]),
            ("RUN <<EOF && echo it's", vec![]),
            ("RUN <<EOF && echo it\\'s", vec!["EOF"]),
            ("RUN x ${a:- <<EOF} <<B", vec!["B"]),
            ("RUN <<EOF \\", vec!["EOF"]),
            ("RUN << <<EOF", vec!["EOF"]),
            ("RUN <<$EOF", vec!["$EOF"]),
            ("RUN <<é", vec!["é"]),
        ] {
            assert_eq!(names(line), expected, "{line}");
        }
    }

    #[test]
    fn delimiters() {
        for (line, name, expand, strip_tabs, fd, apart) in [
            ("<<EOF", "EOF", true, false, None, false),
            ("<<-'EOF'", "EOF", false, true, None, false),
            ("<<EO\"F\"", "EOF", false, false, None, false),
            ("<<eo\\'f", "eo'f", true, false, None, false),
            ("<<'e'o\\'f", "eo'f", false, false, None, false),
            ("<<\"a\\\"b\"", "a\"b", false, false, None, false),
            ("12<<x", "x", true, false, Some(12), false),
            ("99999999999<<x", "x", true, false, Some(u32::MAX), false),
            ("<<  x", "x", true, false, None, true),
        ] {
            let found = find(line);
            assert_eq!(found.len(), 1, "{line}");
            let word = &found[0];
            assert_eq!(
                (word.name.as_str(), word.expand, word.strip_tabs, word.fd, word.apart),
                (name, expand, strip_tabs, fd, apart),
                "{line}"
            );
        }
    }
}
