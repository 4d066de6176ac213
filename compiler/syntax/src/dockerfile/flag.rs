//! Flags: `--name=value` words between the keyword and the arguments.

use imgc_base::Diagnostic;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Spanned;

use super::ast::Word;
use super::error::{Errors, FLAG_VALUE, UNCLOSED_QUOTE, UNKNOWN_FLAG};
use super::keyword::{FlagKind, Keyword};
use super::text::Slice;

/// One flag as it was written.
#[derive(Debug)]
struct Flag<'a> {
    /// The name, without dashes.
    name: &'static str,
    /// The value with quotes and escapes resolved; `None` without `=`.
    value: Option<Word>,
    /// The whole word.
    whole: Slice<'a>,
}

/// The flags of one instruction, checked against its table.
#[derive(Debug)]
pub(super) struct Flags<'a> {
    given: Vec<Flag<'a>>,
}

impl<'a> Flags<'a> {
    /// Checks the flag words of an instruction. What is wrong is reported and left out.
    pub(super) fn check(keyword: Keyword, words: &[Slice<'a>], escape: char, errors: &mut Errors) -> Self {
        let mut given: Vec<Flag<'a>> = Vec::new();
        for &whole in words {
            let body = whole.from(2);
            let text = body.as_str();
            let equals = text.find('=');
            let name = body.part(0..equals.unwrap_or(text.len()));
            let Some(&(known, kind)) = keyword.flags().iter().find(|(known, _)| *known == name.as_str())
            else {
                errors.push(unknown(keyword, whole.part(0..2 + name.as_str().len()), name.as_str()));
                continue;
            };
            // Lists may be long; only single flags are looked for again.
            if kind != FlagKind::List
                && let Some(first) = given.iter().find(|flag| flag.name == known)
            {
                errors.push(
                    Diagnostic::error(FLAG_VALUE, format!("`--{known}` is given twice"))
                        .at(whole.span(), "a second time here")
                        .at(first.whole.span(), "first here")
                        .help("keep one of them"),
                );
                continue;
            }
            let value = match equals {
                None => None,
                Some(at) => {
                    let raw = body.from(at + 1);
                    let (value, unclosed) = unquote(raw.as_str(), escape);
                    if let Some(quote) = unclosed {
                        errors.push(
                            Diagnostic::error(UNCLOSED_QUOTE, "a quote is never closed")
                                .at(raw.part(quote..quote + 1).span(), "opened here")
                                .note(format!("so the value of `--{known}` takes in the rest of the line")),
                        );
                        continue;
                    }
                    Some(Spanned::new(value, raw.span()))
                }
            };
            if let Err(error) = check_value(known, kind, value.as_ref(), whole) {
                errors.push(error);
                continue;
            }
            given.push(Flag { name: known, value, whole });
        }
        Self { given }
    }

    /// The value of a [`FlagKind::Text`] flag.
    pub(super) fn text(&mut self, name: &str) -> Option<Word> {
        self.given.iter_mut().find(|flag| flag.name == name)?.value.take()
    }

    /// The values of a [`FlagKind::List`] flag in order.
    pub(super) fn list(&mut self, name: &str) -> Vec<Word> {
        self.given.iter_mut().filter(|flag| flag.name == name).filter_map(|flag| flag.value.take()).collect()
    }

    /// The value of a [`FlagKind::Bool`] flag, if it was given.
    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        let flag = self.given.iter().find(|flag| flag.name == name)?;
        Some(flag.value.as_ref().is_none_or(|value| value.value.eq_ignore_ascii_case("true")))
    }
}

fn check_value(name: &str, kind: FlagKind, value: Option<&Word>, whole: Slice<'_>) -> Result<(), Diagnostic> {
    let missing = |help: String| {
        Diagnostic::error(FLAG_VALUE, format!("missing a value on flag `--{name}`"))
            .at(whole.span(), "no value")
            .help(help)
    };
    match (kind, value) {
        (FlagKind::Bool, None) | (FlagKind::Text | FlagKind::List, Some(_)) => Ok(()),
        (FlagKind::Bool, Some(value)) if value.value.is_empty() => {
            Err(missing(format!("write `--{name}`, or `--{name}=true`, or `--{name}=false`")))
        }
        (FlagKind::Bool, Some(value)) => {
            if value.value.eq_ignore_ascii_case("true") || value.value.eq_ignore_ascii_case("false") {
                return Ok(());
            }
            Err(Diagnostic::error(
                FLAG_VALUE,
                format!("`--{name}` is `true` or `false`, not `{}`", value.value),
            )
            .at(value.span, "not a boolean")
            .note("no variables are expanded here"))
        }
        (FlagKind::Text | FlagKind::List, None) => Err(missing(format!("write `--{name}=VALUE`"))),
    }
}

fn unknown(keyword: Keyword, place: Slice<'_>, name: &str) -> Diagnostic {
    let error = Diagnostic::error(UNKNOWN_FLAG, format!("unknown flag: `--{name}`"))
        .at(place.span(), format!("{} has no such flag", keyword.name()));
    let names = || keyword.flags().iter().map(|(name, _)| *name);
    if let Some(near) = did_you_mean(name, names()) {
        return error.help(format!("did you mean `--{near}`?"));
    }
    let others: Vec<&str> = Keyword::ALL
        .into_iter()
        .filter(|other| other.flags().iter().any(|(known, _)| *known == name))
        .map(Keyword::name)
        .collect();
    if !others.is_empty() {
        return error.note(format!("`--{name}` is a flag of {}", others.join(" and ")));
    }
    if names().next().is_none() {
        let error = error.note(format!("{} takes no flags", keyword.name()));
        return match keyword {
            Keyword::Cmd | Keyword::Entrypoint => error.help(format!(
                "an argument that starts with `--` can stand in the JSON form: `{} [\"--{name}\"]`",
                keyword.name()
            )),
            _ => error,
        };
    }
    let list: Vec<String> = names().map(|name| format!("`--{name}`")).collect();
    error.note(format!("its flags are {}", list.join(", ")))
}

/// Resolves quotes and escapes. The second value is the place of a quote that is never closed.
fn unquote(raw: &str, escape: char) -> (String, Option<usize>) {
    let mut value = String::with_capacity(raw.len());
    let mut open: Option<(char, usize)> = None;
    let mut chars = raw.char_indices();
    while let Some((at, char)) = chars.next() {
        match open {
            Some((quote, _)) if char == quote => open = None,
            None if char == '"' || char == '\'' => open = Some((char, at)),
            // An escape at the very end is dropped.
            _ if char == escape => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(char),
        }
    }
    (value, open.map(|(_, at)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_are_resolved_once() {
        for (raw, escape, value, unclosed) in [
            ("a", '\\', "a", None),
            ("\"a b\",c", '\\', "a b,c", None),
            (r"a\ b", '\\', "a b", None),
            (r"a\ b", '`', r"a\ b", None),
            (r"'a\'b'", '\\', "a'b", None),
            (r"a\", '\\', "a", None),
            ("x\"ab", '\\', "xab", Some(1)),
            ("\"é\"", '\\', "é", None),
        ] {
            assert_eq!(unquote(raw, escape), (value.to_owned(), unclosed), "{raw}");
        }
    }
}
