//! Parser directives: the `# key=value` lines at the very top.

use imgc_base::Diagnostic;
use imgc_base::span::{Span, Spanned};

use super::error::{DIRECTIVE, Errors};
use super::grammar::{self, Rule};
use super::scan::{Line, Scanner};

/// Reads the unbroken run of known directives, and leaves the scanner at the first other line.
pub(super) fn read(scanner: &mut Scanner<'_>, errors: &mut Errors) {
    // A file may be run by a `#!` line. It is a comment to the parser, so `escape` is not a directive below it, but
    // the others, which are looked for apart from parsing, are found.
    let shebang = scanner.peek().is_some_and(|line| line.content.starts_with("#!"));
    if shebang {
        scanner.line();
    }
    let mut seen: Vec<(&'static str, Span)> = Vec::new();
    while let Some(line) = scanner.peek() {
        let Some((key, value)) = directive(scanner, line) else { break };
        scanner.line();
        if let Some((_, first)) = seen.iter().find(|(name, _)| *name == key) {
            errors.push(
                Diagnostic::error(DIRECTIVE, format!("only one `{key}` parser directive can be used"))
                    .at(value.span, "a second one here")
                    .at(*first, "first here"),
            );
            continue;
        }
        seen.push((key, value.span));
        match key {
            "escape" if shebang => {}
            "escape" => match value.value.as_str() {
                "\\" => scanner.directives.escape = '\\',
                "`" => scanner.directives.escape = '`',
                other => errors.push(
                    Diagnostic::error(DIRECTIVE, format!("invalid escape character `{other}`"))
                        .at(value.span, "neither `\\` nor `` ` ``")
                        .help("write `# escape=\\` or ``# escape=` ``"),
                ),
            },
            "syntax" => scanner.directives.syntax = Some(value),
            _ => scanner.directives.check = Some(value),
        }
    }
}

fn directive(scanner: &Scanner<'_>, line: Line<'_>) -> Option<(&'static str, Spanned<String>)> {
    let indent = line.content.len() - line.content.trim_start().len();
    let text = &line.content[indent..];
    if !text.starts_with('#') {
        return None;
    }
    let mut parts = grammar::parse(Rule::directive, text)?.into_inner();
    let key = parts.next()?;
    let key =
        ["syntax", "escape", "check"].into_iter().find(|known| known.eq_ignore_ascii_case(key.as_str()))?;
    let value = parts.next()?;
    let trimmed = value.as_str().trim_end();
    if trimmed.is_empty() {
        return None;
    }
    let start = line.start + indent + grammar::range(&value).start;
    let span = Span::new(scanner.source(), start as u32, (start + trimmed.len()) as u32);
    Some((key, Spanned::new(trimmed.to_owned(), span)))
}
