//! `.dockerignore`: which paths of a context are left out.
//!
//! The rules are those of moby's `patternmatcher`: the last pattern that matches a path, or a directory above it,
//! decides; `!` excepts; `**` crosses directories. A pattern `**x` without a slash matches every path that *ends* in
//! `x`, as there. Behind a backslash and inside a class Go's `filepath.Match` decides.

use crate::glob::{Pattern, PatternError};
use crate::path::ImagePath;

/// Reads an ignore file: one cleaned pattern per line, in order; comments and blank lines are dropped.
pub fn parse(text: &[u8]) -> Vec<String> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    let lines =
        text.lines().filter(|line| !line.starts_with('#')).map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.strip_prefix('!') {
            Some(rest) => format!("!{}", relative(rest.trim())),
            None => relative(line),
        })
        .collect()
}

/// A cleaned pattern without the leading slash.
fn relative(pattern: &str) -> String {
    let clean = clean(pattern);
    match clean.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => clean,
    }
}

/// Go's `filepath.Clean`, except that the empty text stays empty.
fn clean(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

/// A compiled list of patterns.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// One pattern.
#[derive(Debug, Clone)]
struct Rule {
    exception: bool,
    kind: Kind,
}

/// How a pattern is matched; most need no matcher.
#[derive(Debug, Clone)]
enum Kind {
    /// This path.
    Exact(Box<[u8]>),
    /// What starts with this (`dir/**`).
    Prefix(Box<[u8]>),
    /// What ends with this (`**/name`, `**.o`).
    Suffix(Box<[u8]>),
    /// Anything else.
    Glob(Box<Pattern>),
}

impl Ignore {
    /// Compiles patterns; blank ones are skipped.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let mut rules = Vec::new();
        for pattern in patterns {
            let trimmed = pattern.trim();
            if trimmed.is_empty() {
                continue;
            }
            let pattern = clean(trimmed);
            let (exception, pattern) = match pattern.strip_prefix('!') {
                Some("") => return Err(PatternError::Exception),
                Some(rest) => (true, rest),
                None => (false, pattern.as_str()),
            };
            rules.push(Rule { exception, kind: Kind::new(pattern)? });
        }
        Ok(Self { rules })
    }

    /// True if the path, or by a directory above it, is left out. The root never is.
    pub fn excludes(&self, path: &ImagePath) -> bool {
        !path.is_root() && self.verdict(path.as_bytes())
    }

    /// True if a directory need not be walked: it is left out, and no exception can bring back what is below it.
    pub fn prunes(&self, dir: &ImagePath) -> bool {
        if !self.excludes(dir) {
            return false;
        }
        let below = [dir.as_bytes(), b"/"].concat();
        // An exception that already matches the directory was overruled by a later pattern, also for what is below.
        let brings_back = |rule: &Rule| {
            rule.exception
                && !rule.kind.matches_or_parent(dir.as_bytes())
                && rule.kind.may_match_below(&below)
        };
        !self.rules.iter().any(brings_back)
    }

    /// True if there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn verdict(&self, path: &[u8]) -> bool {
        let mut excluded = false;
        for rule in &self.rules {
            // A rule that would change nothing is not looked at.
            if rule.exception == excluded && rule.kind.matches_or_parent(path) {
                excluded = !rule.exception;
            }
        }
        excluded
    }
}

impl Kind {
    fn new(pattern: &str) -> Result<Self, PatternError> {
        let compiled = Pattern::doublestar(pattern)?;
        let plain = |text: &str| !text.contains(['*', '?', '[', ']', '\\']);
        let bytes = |text: &str| text.as_bytes().into();
        Ok(match (pattern.strip_prefix("**"), pattern.strip_suffix("**")) {
            (Some(suffix), _) if plain(suffix) => Self::Suffix(bytes(suffix)),
            (None, Some(prefix)) if plain(prefix) => Self::Prefix(bytes(prefix)),
            (None, None) if plain(pattern) => Self::Exact(bytes(pattern)),
            _ => Self::Glob(Box::new(compiled)),
        })
    }

    fn matches_or_parent(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => {
                path.strip_prefix(&**exact).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
            }
            Self::Prefix(prefix) => path.starts_with(prefix),
            Self::Suffix(suffix) => {
                let ends = (1..=path.len()).filter(|&at| at == path.len() || path[at] == b'/');
                ends.into_iter().any(|end| ends_with(&path[..end], suffix))
            }
            Self::Glob(pattern) => pattern.matches_or_parent(path),
        }
    }

    /// True if a path that starts with `below` could match.
    fn may_match_below(&self, below: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.starts_with(below),
            Self::Prefix(prefix) => prefix.starts_with(below) || below.starts_with(prefix),
            Self::Suffix(_) => true,
            Self::Glob(pattern) => pattern.may_match_below(below),
        }
    }
}

/// True if a path ends in the suffix; `/name` also is the path `name`.
fn ends_with(path: &[u8], suffix: &[u8]) -> bool {
    path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ignore(patterns: &[&str]) -> Ignore {
        Ignore::new(&patterns.iter().map(|&p| p.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn path(text: &str) -> ImagePath {
        ImagePath::clean(text).unwrap()
    }

    /// The conformance table; `None`, said aloud, where it is absent.
    fn table() -> Option<serde_json::Value> {
        let dir = option_env!("IMGC_SHARED").map_or_else(
            || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned(),
            str::to_owned,
        );
        let file = format!("{dir}/data/dockerignore.json");
        let Ok(reader) = std::fs::File::open(&file) else {
            eprintln!("SKIPPED: {file} is absent");
            return None;
        };
        Some(serde_json::from_reader(std::io::BufReader::new(reader)).unwrap())
    }

    fn strings(value: &serde_json::Value) -> Vec<String> {
        value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn conforms_to_moby() {
        let Some(table) = table() else { return };
        let mut cases = 0;
        for case in table["match"].as_array().unwrap() {
            cases += 1;
            let given = case["path"].as_str().unwrap();
            let verdict = Ignore::new(&strings(&case["patterns"])).map(|ignore| {
                // The table asks two things that no `ImagePath` can: trailing slashes and a bare `/`.
                if case["raw_path"] == true {
                    ignore.verdict(given.as_bytes())
                } else {
                    ignore.excludes(&path(given))
                }
            });
            match case["expect"].as_bool() {
                Some(want) => assert_eq!(verdict, Ok(want), "{case}"),
                None => assert!(verdict.is_err(), "{case}"),
            }
        }
        for case in table["readfile"].as_array().unwrap() {
            cases += 1;
            assert_eq!(
                parse(case["content"].as_str().unwrap().as_bytes()),
                strings(&case["expect"]),
                "{case}"
            );
        }
        for case in table["compile"].as_array().unwrap() {
            cases += 1;
            let kind = match Kind::new(case["pattern"].as_str().unwrap()).unwrap() {
                Kind::Exact(_) => "exact",
                Kind::Prefix(_) => "prefix",
                Kind::Suffix(_) => "suffix",
                Kind::Glob(_) => "regexp",
            };
            assert_eq!(kind, case["kind"].as_str().unwrap(), "{case}");
        }
        for case in table["clean"].as_array().unwrap() {
            cases += 1;
            let compiled = Ignore::new(&strings(&case["patterns"]));
            assert_eq!(compiled.is_err(), case["error"] == true, "{case}");
            let Ok(compiled) = compiled else { continue };
            if let Some(count) = case["count"].as_u64() {
                assert_eq!(compiled.rules.len() as u64, count, "{case}");
            }
            assert_eq!(
                compiled.rules.iter().any(|rule| rule.exception),
                case["exclusions"] == true,
                "{case}"
            );
        }
        assert_eq!(cases, 166);
    }

    #[test]
    fn reads_a_file() {
        let text = b"\xEF\xBB\xBF# no\r\n/a/./b/\r\n #kept\n! /c \n\n../x\n/\n";
        assert_eq!(parse(text), ["a/b", "#kept", "!c", "../x", "/"]);
    }

    #[test]
    fn prunes_what_no_exception_reaches() {
        for (patterns, dir, want) in [
            (&["node_modules"][..], "node_modules", true),
            (&["node_modules"], "node_modules/a/b", true),
            (&["node_modules"], "src", false),
            (&["docs", "!docs/README.md"], "docs", false),
            (&["docs", "!docs/README.md"], "docs/img", true),
            (&["*", "!src"], "target", true),
            (&["*", "!src"], "src", false),
            (&["**", "!**/*.go"], "a", false),
            (&["a", "!a/b", "a/b"], "a/b", true),
            (&["a", "!a/b", "a/b"], "a", false),
            (&["a", "!a/b/**"], "a", false),
            (&["a", "!a/b*/c"], "a/bx", false),
            (&["a", "!a/b*/c"], "a/x", true),
        ] {
            assert_eq!(ignore(patterns).prunes(&path(dir)), want, "{patterns:?} {dir}");
        }
    }

    #[test]
    fn the_root_stays() {
        assert!(!ignore(&["**"]).excludes(&ImagePath::root()));
        assert!(Ignore::new(&[]).unwrap().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_quick_kinds_agree_with_the_matcher(pattern in "(\\*\\*/)?[ab]{1,2}(/[ab])?(/\\*\\*)?", given in "[ab]{1,2}(/[ab]{1,2}){0,3}") {
            let quick = Kind::new(&pattern).unwrap().matches_or_parent(given.as_bytes());
            prop_assert_eq!(quick, Pattern::doublestar(&pattern).unwrap().matches_or_parent(given.as_bytes()));
        }

        #[test]
        fn nothing_below_a_pruned_directory_is_kept(
            patterns in proptest::collection::vec("!?(\\*\\*/)?[ab*]{1,2}(/[ab*]{1,2}){0,2}", 1..5),
            dir in "[ab]{1,2}(/[ab]{1,2})?",
            below in "[ab]{1,2}(/[ab]{1,2}){0,2}",
        ) {
            let Ok(ignore) = Ignore::new(&patterns) else { return Ok(()) };
            if ignore.prunes(&path(&dir)) {
                prop_assert!(ignore.excludes(&path(&format!("{dir}/{below}"))), "{:?} {} {}", patterns, dir, below);
            }
        }
    }
}
