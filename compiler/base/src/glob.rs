//! Path patterns as Go's `filepath.Match` reads them: `COPY` sources and `.dockerignore`.
//!
//! A pattern becomes a list of states and is run over the path once, all alternatives side by side: the time is
//! bounded by path length times pattern length, whatever the pattern. Characters are Unicode scalar values; a byte
//! that is no UTF-8 counts as one character, and only `?`, `*` and classes match it.

use std::fmt;

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 4096;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A class is not closed, is empty or has a range without an end.
    #[error("pattern `{0}`: the class `[...]` is not well formed (escape a literal `[` as `\\[`)")]
    Class(String),
    /// A backslash with nothing behind it.
    #[error("pattern `{0}` ends in a backslash that escapes nothing")]
    Escape(String),
    /// An exception without a pattern.
    #[error("`!` alone excepts nothing: write a pattern behind it")]
    Exception,
    /// Longer than [`MAX_PATTERN`].
    #[error("pattern `{0}...` is too long")]
    Long(String),
}

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    literal: bool,
    states: Vec<State>,
}

/// One state of the matcher. Reaching the end of the list accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// This character.
    Char(u32),
    /// Any character but `/`.
    One,
    /// One character of the class. As in Go, a class may match `/`.
    Class { negated: bool, ranges: Vec<(u32, u32)> },
    /// Any number of characters, without `/`.
    Star,
    /// Any number of characters, with `/`.
    All,
    /// Start of `(.*/)?`: goes on, or enters the [`State::Dirs`] that follows.
    MaybeDirs,
    /// Within `(.*/)?`.
    Dirs,
}

impl State {
    /// True for a class with a range like `z-a`. Go's `Match` takes it for one that matches nothing, moby's ignore
    /// files refuse it.
    fn is_reversed(&self) -> bool {
        matches!(self, Self::Class { ranges, .. } if ranges.iter().any(|(low, high)| low > high))
    }
}

/// True if the text has an unescaped `*`, `?` or `[`.
pub fn has_meta(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

impl Pattern {
    /// Reads a pattern in which `**` means no more than `*`.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::build(text, false)?;
        // `[a/b]` would fall apart when matched part by part.
        for part in text.split('/') {
            Self::build(part, false).map_err(|_| PatternError::Class(shown(text)))?;
        }
        Ok(pattern)
    }

    /// Reads a pattern in which `**` also crosses `/`, as `.dockerignore` and `COPY --parents` have it: `**/x` is an
    /// `x` at any depth, `x/**` everything below `x`.
    pub fn doublestar(text: &str) -> Result<Self, PatternError> {
        Self::build(text, true)
    }

    fn build(text: &str, doublestar: bool) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::Long(shown(text)));
        }
        let mut states = Vec::with_capacity(text.len());
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '*' if doublestar && rest.next_if_eq(&'*').is_some() => {
                    let _slash = rest.next_if_eq(&'/');
                    if rest.peek().is_none() {
                        states.push(State::All);
                    } else {
                        states.extend([State::MaybeDirs, State::Dirs]);
                    }
                }
                '*' => {
                    if states.last() != Some(&State::Star) {
                        states.push(State::Star);
                    }
                }
                '?' => states.push(State::One),
                '[' => {
                    let class = class(&mut rest).filter(|class| !doublestar || !class.is_reversed());
                    states.push(class.ok_or_else(|| PatternError::Class(shown(text)))?);
                }
                '\\' => match rest.next() {
                    Some(c) => states.push(State::Char(c.into())),
                    None => return Err(PatternError::Escape(shown(text))),
                },
                c => states.push(State::Char(c.into())),
            }
        }
        let literal = states.iter().all(|state| matches!(state, State::Char(_)));
        Ok(Self { text: text.to_owned(), literal, states })
    }

    /// True if the whole path matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.run(path, |run, at| at == path.len() && run.accepts())
    }

    /// True if the path or a directory above it matches.
    pub fn matches_or_parent(&self, path: &[u8]) -> bool {
        self.run(path, |run, at| (at == path.len() || path[at] == b'/') && at > 0 && run.accepts())
    }

    /// True if a path that starts with `prefix` could match.
    pub fn may_match_below(&self, prefix: &[u8]) -> bool {
        self.run(prefix, |run, at| at == prefix.len() && !run.is_dead())
    }

    /// True if it matches one path only.
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// The one path that a literal pattern matches, escapes resolved.
    pub fn literal(&self) -> Option<Vec<u8>> {
        let text: Option<String> = self
            .states
            .iter()
            .map(|state| match state {
                State::Char(c) => char::from_u32(*c),
                _ => None,
            })
            .collect();
        text.map(String::into_bytes)
    }

    /// One pattern for each part of the path; empty and `.` parts are dropped.
    pub fn components(&self) -> Vec<Self> {
        let parts = self.text.split('/').filter(|part| !matches!(*part, "" | "."));
        parts.filter_map(|part| Self::build(part, false).ok()).collect()
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Runs over the path and asks `done` before each character and at the end.
    fn run(&self, path: &[u8], done: impl Fn(&Run<'_>, usize) -> bool) -> bool {
        let words = self.states.len() / 64 + 1;
        let (mut stack, mut heap) = ([0_u64; 8], Vec::new());
        let sets = if words * 2 <= stack.len() {
            &mut stack[..words * 2]
        } else {
            heap.resize(words * 2, 0);
            &mut heap[..]
        };
        let (now, next) = sets.split_at_mut(words);
        let mut run = Run { states: &self.states, now, next };
        enter(run.states, run.now, 0);
        let mut at = 0;
        loop {
            if done(&run, at) {
                return true;
            }
            let Some((c, width)) = decode(&path[at..]) else { return false };
            run.step(c);
            at += width;
            if run.is_dead() {
                return false;
            }
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

/// Where a match stands: the sets of states before and after a character.
struct Run<'a> {
    states: &'a [State],
    now: &'a mut [u64],
    next: &'a mut [u64],
}

impl Run<'_> {
    fn accepts(&self) -> bool {
        self.now[self.states.len() / 64] >> (self.states.len() % 64) & 1 == 1
    }

    fn is_dead(&self) -> bool {
        self.now.iter().all(|&word| word == 0)
    }

    fn step(&mut self, c: u32) {
        self.next.fill(0);
        let slash = c == u32::from('/');
        for word in 0..self.now.len() {
            let mut bits = self.now[word];
            while bits != 0 {
                let at = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let (stay, forward) = match self.states.get(at) {
                    None | Some(State::MaybeDirs) => (false, false),
                    Some(State::Char(want)) => (false, *want == c),
                    Some(State::One) => (false, !slash),
                    Some(State::Class { negated, ranges }) => {
                        // Go decodes a byte that is no UTF-8 as U+FFFD.
                        let c = c.min(INVALID);
                        let c = if c == INVALID { 0xFFFD } else { c };
                        (false, ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated)
                    }
                    Some(State::Star) => (!slash, false),
                    Some(State::All) => (true, false),
                    Some(State::Dirs) => (true, slash),
                };
                if stay {
                    enter(self.states, self.next, at);
                }
                if forward {
                    enter(self.states, self.next, at + 1);
                }
            }
        }
        self.now.copy_from_slice(self.next);
    }
}

/// Adds a state and those reached from it without a character.
fn enter(states: &[State], set: &mut [u64], mut at: usize) {
    loop {
        let (word, bit) = (at / 64, 1 << (at % 64));
        let known = set[word] & bit != 0;
        set[word] |= bit;
        match states.get(at) {
            _ if known => return,
            Some(State::Star | State::All) => at += 1,
            Some(State::MaybeDirs) => {
                // `Dirs` is entered beside, not through: it cannot be left without a slash.
                set[(at + 1) / 64] |= 1 << ((at + 1) % 64);
                at += 2;
            }
            _ => return,
        }
    }
}

/// The first number that is no Unicode scalar value; a byte that is no UTF-8 is this or more.
const INVALID: u32 = 0x11_0000;

/// The first character and its width.
fn decode(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((u32::from(first), 1));
    }
    let head = &bytes[..bytes.len().min(4)];
    let chunk = head.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(c) => Some((c.into(), c.len_utf8())),
        None => Some((INVALID + u32::from(first), 1)),
    }
}

/// Reads a class behind its `[`, as Go does: at least one item, `-` and `]` only escaped.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<State> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.next_if_eq(&']').is_some() {
            return Some(State::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() { class_char(rest)? } else { low };
        ranges.push((low, high));
    }
}

/// One character of a class; `None` if there is none that may stand there.
fn class_char(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<u32> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next().map(u32::from),
        c => Some(c.into()),
    }
}

/// A text short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(path.as_bytes())
    }

    #[test]
    fn matches_like_go() {
        for (pattern, path, want) in [
            ("*.go", "main.go", true),
            ("*.go", "a/main.go", false),
            ("*/main.go", "a/main.go", true),
            ("**", "a/b", false),
            ("a?c", "a/c", false),
            ("a\\?c", "a?c", true),
            ("[a-c]*", "bx", true),
            ("[^a-c]*", "bx", false),
            ("", "", true),
            ("*", "", true),
            ("α*", "αβγ", true),
            ("?", "α", true),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} on {path}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_match_wildcards_only() {
        let path = b"a\xff\xfeb";
        assert!(Pattern::new("a*b").unwrap().matches(path));
        assert!(Pattern::new("a??b").unwrap().matches(path));
        assert!(!Pattern::new("a?b").unwrap().matches(path));
        assert!(!Pattern::new("a\u{fffd}\u{fffd}b").unwrap().matches(path));
    }

    #[test]
    fn literal_and_meta() {
        for (text, literal) in
            [("a/b", true), ("a\\*b", true), ("a*b", false), ("a[bc]", false), ("a?", false)]
        {
            assert_eq!(Pattern::new(text).unwrap().is_literal(), literal, "{text}");
            assert_eq!(has_meta(text), !literal, "{text}");
        }
        assert_eq!(Pattern::new("a\\*b").unwrap().literal().unwrap(), b"a*b");
        assert_eq!(Pattern::new("a*b").unwrap().literal(), None);
    }

    #[test]
    fn components_match_part_by_part() {
        let parts = Pattern::new("/src/./*.c/").unwrap().components();
        assert_eq!(parts.iter().map(Pattern::as_str).collect::<Vec<_>>(), ["src", "*.c"]);
        assert_eq!(Pattern::new("[a/b]"), Err(PatternError::Class("[a/b]".into())));
    }

    #[test]
    fn refuses() {
        assert_eq!(Pattern::new("a\\"), Err(PatternError::Escape("a\\".into())));
        assert!(matches!(Pattern::new("[]a]"), Err(PatternError::Class(_))));
        assert!(matches!(Pattern::new(&"a".repeat(MAX_PATTERN + 1)), Err(PatternError::Long(_))));
    }

    #[test]
    fn a_hostile_pattern_is_not_slow() {
        // Backtracking would need more steps than there are atoms.
        let pattern = Pattern::doublestar(&"**/*a".repeat(200)).unwrap();
        assert!(!pattern.matches("a/".repeat(1000).as_bytes()));
    }

    /// The meaning, written down as plainly as possible.
    fn naive(pattern: &[char], path: &[char]) -> bool {
        match pattern {
            [] => path.is_empty(),
            ['*', '*', '/', rest @ ..] | ['*', '*', rest @ ..] if rest.is_empty() => true,
            ['*', '*', '/', rest @ ..] | ['*', '*', rest @ ..] => {
                naive(rest, path) || (0..path.len()).any(|at| path[at] == '/' && naive(rest, &path[at + 1..]))
            }
            ['*', rest @ ..] => {
                let end = path.iter().position(|&c| c == '/').unwrap_or(path.len());
                (0..=end).any(|at| naive(rest, &path[at..]))
            }
            ['?', rest @ ..] => path.first().is_some_and(|&c| c != '/') && naive(rest, &path[1..]),
            ['[', '^', x, ']', rest @ ..] => path.first().is_some_and(|c| c != x) && naive(rest, &path[1..]),
            [c, rest @ ..] => path.first() == Some(c) && naive(rest, &path[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn agrees_with_the_naive_matcher(
            pattern in "([abβ/]|\\*{1,2}|\\*\\*/|\\?|\\[\\^a\\]){0,7}",
            path in "[abβ/]{0,8}",
        ) {
            let chars: Vec<char> = pattern.chars().collect();
            let text: Vec<char> = path.chars().collect();
            let compiled = Pattern::doublestar(&pattern).unwrap();
            let bytes = path.as_bytes();
            prop_assert_eq!(compiled.matches(bytes), naive(&chars, &text));
            let parents = (1..=text.len())
                .filter(|&at| at == text.len() || text[at] == '/')
                .any(|at| naive(&chars, &text[..at]));
            prop_assert_eq!(compiled.matches_or_parent(bytes), parents);
            if compiled.matches(bytes) {
                for (at, _) in path.char_indices() {
                    prop_assert!(compiled.may_match_below(&bytes[..at]));
                }
            }
        }

        #[test]
        fn reads_any_text(pattern in any::<String>(), path in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(pattern) = Pattern::new(&pattern) {
                let _ = pattern.matches(&path);
            }
        }
    }
}
