//! `CopyIgnoredFile`

use imgc_base::glob;
use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use imgc_syntax::dockerfile::ast::Kind;

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "CopyIgnoredFile",
    description: "Attempting to Copy file that is excluded by .dockerignore",
    experimental: false,
    find,
};

/// Literal sources from the main context that are left out, with all that is below them.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    // A pattern that does not read is the build's to report.
    let Ok(ignore) = Ignore::new(model.context.ignore) else { return };
    if ignore.is_empty() {
        return;
    }
    for step in model.steps() {
        let name = match &step.instruction.kind {
            Kind::Copy(copy) if copy.from.is_none() => "Copy",
            Kind::Add(_) => "Add",
            _ => continue,
        };
        for (source, span) in &step.words {
            if source.is_empty() || source.contains("://") || glob::has_meta(source) {
                continue;
            }
            let Ok(path) = ImagePath::clean(source) else { continue };
            let left_out =
                if path.is_root() { nothing_is_left(model.context.ignore) } else { ignore.prunes(&path) };
            if left_out {
                let shown = if path.is_root() { ".".to_owned() } else { path.to_absolute()[1..].to_owned() };
                let message =
                    format!("Attempting to {name} file {} that is excluded by .dockerignore", quoted(&shown));
                let help = format!("add `!{shown}` to the ignore file, or take out the pattern that matches");
                report.add_with(step.instruction, *span, message, Some(help));
            }
        }
    }
}

/// True if the patterns leave out everything.
fn nothing_is_left(patterns: &[String]) -> bool {
    let all = |pattern: &String| matches!(pattern.trim(), "*" | "**" | "**/*");
    patterns.iter().any(all) && !patterns.iter().any(|pattern| pattern.trim_start().starts_with('!'))
}

#[cfg(test)]
mod tests {
    use super::super::testing::found_with;
    use crate::tests::{Fake, options};

    #[test]
    fn cases() {
        let text = |line, verb, path| {
            format!("{line} Attempting to {verb} file \"{path}\" that is excluded by .dockerignore")
        };
        for (ignore, file, expected) in [
            (
                vec!["Dockerfile"],
                "COPY Dockerfile .\nADD ./Dockerfile /windy",
                vec![text(2, "Copy", "Dockerfile"), text(3, "Add", "Dockerfile")],
            ),
            (vec![], "COPY Dockerfile .", vec![]),
            (vec!["foobar"], "COPY Dockerfile /foobar\nCOPY --from=alpine foobar /", vec![]),
            (vec!["**", "!Dockerfile"], "COPY ./Dockerfile .\nCOPY . .", vec![]),
            (vec![".*"], "COPY . .", vec![]),
            (vec!["*"], "COPY . .", vec![text(2, "Copy", ".")]),
            (vec!["*.log"], "COPY *.log a[.]log /", vec![]),
            (vec!["x"], "ARG d=x\nCOPY $d/y /\nADD https://h/x /", vec![text(3, "Copy", "x/y")]),
            // An exception that cannot bring the path back.
            (vec!["sub", "!sub/b.txt"], "COPY sub/a.txt /", vec![text(2, "Copy", "sub/a.txt")]),
            (vec!["sub", "!other.txt"], "COPY sub/a.txt /", vec![text(2, "Copy", "sub/a.txt")]),
            (vec!["!sub/b.txt", "sub"], "COPY sub/a.txt /", vec![text(2, "Copy", "sub/a.txt")]),
            // One that brings something below back.
            (vec!["sub", "!sub/a.txt"], "COPY sub /sub\nCOPY sub/a.txt /\nCOPY . /c", vec![]),
            (vec!["su.b", "!su\\.b/keep.txt"], "COPY su.b /sub", vec![]),
        ] {
            let file = format!("FROM scratch\n{file}");
            let found = found_with("CopyIgnoredFile", &file, &options(), &ignore, Some(&Fake::new()));
            assert_eq!(found, expected, "{ignore:?} {file}");
        }
    }
}
