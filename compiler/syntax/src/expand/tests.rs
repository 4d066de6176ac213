//! Tests of expansion, most of them read from the conformance table.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn expand(text: &str, vars: &[(&str, &str)]) -> Result<Expansion, ExpandError> {
    let vars: BTreeMap<String, String> = vars.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    Lexer::new('\\').expand(text, &vars)
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The conformance table of the shared data directory.
#[test]
fn conformance_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/lexer.json");
    #[expect(clippy::disallowed_methods, reason = "a test's own table")]
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: {path} absent");
        return;
    };
    let table: Value = serde_json::from_str(&text).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 308);
    let mut wrong = Vec::new();
    for case in cases {
        let escape = case["escape"].as_str().unwrap().chars().next().unwrap();
        let vars: BTreeMap<String, String> = case["env"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let got = Lexer::new(escape).expand(case["input"].as_str().unwrap(), &vars);
        let expect = &case["expect"];
        let right = match &got {
            Err(error) => {
                expect["error"] == true
                    && expect["error_contains"].as_str().is_none_or(|part| error.to_string().contains(part))
            }
            Ok(got) => {
                let unset: BTreeSet<String> = got.unset.iter().map(|unset| unset.name.clone()).collect();
                expect["error"] == false
                    && expect["word"].as_str().is_none_or(|word| word == got.text)
                    && expect.get("words").is_none_or(|words| strings(words) == got.words)
                    && expect
                        .get("matched")
                        .is_none_or(|set| strings(set) == got.set.iter().cloned().collect::<Vec<_>>())
                    && expect
                        .get("unmatched")
                        .is_none_or(|set| strings(set) == unset.into_iter().collect::<Vec<_>>())
            }
        };
        if !right {
            wrong.push(format!("{} {} -> {got:?}, expected {expect}", case["id"], case["input"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_other_escape_character() {
    let vars = BTreeMap::from([("v".to_owned(), "x".to_owned())]);
    let lexer = Lexer::new('`');
    for (text, expected) in
        [(r"C:\$v", r"C:\x"), ("`$v", "$v"), ("\"`$v`\"\"", "$v\""), ("a``b", "a`b"), ("a`", "a")]
    {
        assert_eq!(lexer.expand(text, &vars).unwrap().text, expected, "{text}");
    }
}

#[test]
fn modes() {
    let vars = BTreeMap::from([("v".to_owned(), "x".to_owned())]);
    let shown = Lexer::display('\\');
    for (text, expected) in [
        (r#"echo "$v" '$v' $w ${w:-1}"#, r#"echo "x" '$v' $w ${w:-1}"#),
        (r"a\ b", "a b"),
        ("${v}${w%%*}", "x${w%%*}"),
    ] {
        assert_eq!(shown.expand(text, &vars).unwrap().text, expected, "{text}");
    }
    let body = Lexer::heredoc();
    for (text, expected) in
        [("it's $v\n\"$v\"\n", "it's x\n\"x\"\n"), (r"\$v \\ \n", r"$v \ n"), ("${w-'a'}", "'a'")]
    {
        assert_eq!(body.expand(text, &vars).unwrap().text, expected, "{text}");
    }
}

#[test]
fn unset_variables_have_places() {
    let got = expand("a $b ${c:-$d}", &[]).unwrap();
    let places: Vec<_> = got.unset.iter().map(|unset| (unset.name.as_str(), unset.at.clone())).collect();
    assert_eq!(places, [("b", 2..4), ("d", 10..12), ("c", 5..8)]);
}

#[test]
fn errors_have_places() {
    for (text, reason, at) in [
        ("a'b", "unexpected end of statement while looking for matching single-quote", 1..2),
        ("a\"b", "unexpected end of statement while looking for matching double-quote", 1..2),
        ("x${a", "syntax error: missing '}'", 1..4),
        ("x${", "syntax error: missing '}'", 1..3),
        ("x${a:-b", "syntax error: missing '}'", 7..7),
        ("${}", "syntax error: bad substitution", 0..3),
        ("${a:=b}", "unsupported modifier (:=) in substitution", 0..5),
        ("${a!}", "unsupported modifier (!) in substitution", 0..4),
        ("${a/b}", "syntax error: missing '/' in ${}", 6..6),
        ("${a?}", "a: is not allowed to be unset", 0..5),
        ("${e:?}", "e: is not allowed to be empty", 0..6),
        ("${e#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'", 0..7),
    ] {
        let error = expand(text, &[("e", "")]).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.at), (reason, at), "{text}");
    }
}

#[test]
fn patterns() {
    let vars = [("p", "/usr/lib/libx.so.1"), ("e", ""), ("d", "a.b.c"), ("u", "äöü")];
    for (text, expected) in [
        ("${p##*/}", "libx.so.1"),
        ("${p%/*}", "/usr/lib"),
        ("${d%.*}", "a.b"),
        ("${d%%.*}", "a"),
        ("${d#*.}", "b.c"),
        ("${d##*.}", "c"),
        ("${d//./}", "abc"),
        ("${d/./-}", "a-b.c"),
        ("${d//?./<>}", "<><>c"),
        ("${d///-}", "-a-.-b-.-c-"),
        ("${e//x/y}", ""),
        ("${e//*/y}", "y"),
        ("${d//*/y}", "y"),
        ("${d/b*/y}", "a.y"),
        ("${d/*b/y}", "y.c"),
        ("${u#?}", "öü"),
        ("${u%?}", "äö"),
        ("${d#x*}", "a.b.c"),
        ("${d/\\*/x}", "a.b.c"),
        ("${d%%*a*b*c*}", ""),
    ] {
        assert_eq!(expand(text, &vars).unwrap().text, expected, "{text}");
    }
}

#[test]
fn bounds() {
    let deep = format!("{}x{}", "${a:-".repeat(10_000), "}".repeat(10_000));
    assert_eq!(expand(&deep, &[]).unwrap_err().reason, Reason::Depth);
    let big = "y".repeat(MAX_RESULT);
    assert_eq!(expand("$a$a", &[("a", &big)]).unwrap_err().reason, Reason::Long);
    let costly = format!("${{a##*{}b}}", "a".repeat(100));
    assert_eq!(expand(&costly, &[("a", &big.replace('y', "a"))]).unwrap_err().reason, Reason::Costly);
    let stars = format!("${{a##{}b}}", "*a".repeat(2000));
    assert_eq!(expand(&stars, &[("a", &"a".repeat(10_000))]).unwrap().text.len(), 10_000);
}

proptest! {
    #[test]
    fn never_panics(text in r#"[a$\{\}:\-+?#%/*'"\\ é1]{0,40}"#, value in "[a*?/é]{0,8}") {
        for lexer in [Lexer::new('\\'), Lexer::new('`'), Lexer::heredoc(), Lexer::display('\\')] {
            let vars = BTreeMap::from([("a".to_owned(), value.clone())]);
            if let Err(error) = lexer.expand(&text, &vars) {
                prop_assert!(error.at.end <= text.len());
                prop_assert!(text.get(error.at.clone()).is_some());
            }
        }
    }

    #[test]
    fn text_without_meaning_stays(text in "[a-z0-9 .,/:-]{0,40}") {
        let got = expand(&text, &[]).unwrap();
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        prop_assert_eq!(got.words, words);
        prop_assert_eq!(got.text, text);
    }

    /// Trimming and replacing agree with a matcher that tries everything.
    #[test]
    fn patterns_match_as_trying_all(value in "[ab]{0,7}", pattern in "[ab*?]{0,5}") {
        fn matches(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|skip| matches(rest, &text[skip..])),
                Some((b'?', rest)) => !text.is_empty() && matches(rest, &text[1..]),
                Some((char, rest)) => text.first() == Some(char) && matches(rest, &text[1..]),
            }
        }
        let ends: Vec<usize> =
            (0..=value.len()).filter(|&end| matches(pattern.as_bytes(), &value.as_bytes()[..end])).collect();
        let starts: Vec<usize> =
            (0..=value.len()).filter(|&start| matches(pattern.as_bytes(), &value.as_bytes()[start..])).collect();
        let vars = [("v", value.as_str()), ("p", pattern.as_str())];
        let got = |text: &str| expand(text, &vars).unwrap().text;
        prop_assert_eq!(got("${v#$p}"), &value[ends.first().copied().unwrap_or(0)..]);
        prop_assert_eq!(got("${v##$p}"), &value[ends.last().copied().unwrap_or(0)..]);
        prop_assert_eq!(got("${v%$p}"), &value[..starts.last().copied().unwrap_or(value.len())]);
        prop_assert_eq!(got("${v%%$p}"), &value[..starts.first().copied().unwrap_or(value.len())]);
    }
}
