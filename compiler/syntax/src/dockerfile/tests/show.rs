//! A short form of the AST and of errors for snapshots, and the rule that every place lies in the text.

use std::fmt::Write as _;

use imgc_base::Diagnostic;
use imgc_base::span::{Span, Spanned};

use super::super::Parsed;
use super::super::ast::{
    Command, Copy, CopySource, Dockerfile, Healthcheck, Heredoc, Instruction, Kind, Pairs,
};
use super::SOURCE;

/// Every instruction in a few lines.
pub(super) fn dockerfile(file: &Dockerfile) -> String {
    let mut out = String::new();
    let directives = &file.directives;
    if directives.escape != '\\' || directives.syntax.is_some() || directives.check.is_some() {
        let value = |value: &Option<Spanned<String>>| value.as_ref().map(|value| value.value.clone());
        let (syntax, check) = (value(&directives.syntax), value(&directives.check));
        writeln!(out, "escape {} syntax {syntax:?} check {check:?}", directives.escape).unwrap();
    }
    for instruction in &file.instructions {
        for comment in &instruction.comments {
            writeln!(out, "# {}", comment.value).unwrap();
        }
        let blank = if instruction.empty_continuation.is_some() { " (blank line within)" } else { "" };
        writeln!(out, "{} {}{blank}", instruction.line, kind(instruction)).unwrap();
    }
    out
}

fn kind(instruction: &Instruction) -> String {
    let text = match &instruction.kind {
        Kind::From(from) => {
            let name = from.name.as_ref().map(|name| &name.value);
            format!("{:?} platform {:?} name {name:?}", from.image.value, option(from.platform.as_ref()))
        }
        Kind::Run(run) => {
            let mut text = String::new();
            for (name, values) in [("mount", &run.mounts), ("device", &run.devices)] {
                for value in values {
                    write!(text, "--{name} {:?} ", value.value).unwrap();
                }
            }
            for (name, value) in [("network", &run.network), ("security", &run.security)] {
                if let Some(value) = value {
                    write!(text, "--{name} {:?} ", value.value).unwrap();
                }
            }
            text.push_str(&command(&run.command));
            for body in &run.heredocs {
                write!(text, "\n    {}", heredoc(body)).unwrap();
            }
            text
        }
        Kind::Cmd(value) | Kind::Entrypoint(value) => command(value),
        Kind::Label(value) | Kind::Env(value) => pairs(value),
        Kind::Maintainer(value) | Kind::User(value) | Kind::Workdir(value) | Kind::Stopsignal(value) => {
            format!("{:?}", value.value)
        }
        Kind::Expose(list) | Kind::Volume(list) | Kind::Shell(list) => format!("{:?}", values(list)),
        Kind::Add(value) | Kind::Copy(value) => copy(value),
        Kind::Arg(list) => {
            let list = list.iter().map(|arg| (&arg.name.value, option(arg.default.as_ref())));
            format!("{:?}", list.collect::<Vec<_>>())
        }
        Kind::Onbuild(onbuild) => format!("{:?}\n    {}", onbuild.text, kind(&onbuild.trigger)),
        Kind::Healthcheck(Healthcheck::None) => "none".to_owned(),
        Kind::Healthcheck(Healthcheck::Cmd {
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
            command: run,
        }) => {
            format!(
                "{interval:?} {timeout:?} {start_period:?} {start_interval:?} {retries:?} {}",
                command(run)
            )
        }
    };
    format!("{} {text}", instruction.keyword.value)
}

fn option(value: Option<&Spanned<String>>) -> Option<&str> {
    value.map(|value| value.value.as_str())
}

fn values(list: &[Spanned<String>]) -> Vec<&str> {
    list.iter().map(|value| value.value.as_str()).collect()
}

fn command(command: &Command) -> String {
    match command {
        Command::Shell(text) => format!("shell {:?}", text.value),
        Command::Exec(list, _) => format!("exec {:?}", values(list)),
    }
}

fn pairs(pairs: &Pairs) -> String {
    let list: Vec<_> = pairs.pairs.iter().map(|(name, value)| (&name.value, &value.value)).collect();
    format!("{}{list:?}", if pairs.legacy { "legacy " } else { "" })
}

fn heredoc(heredoc: &Heredoc) -> String {
    let fd = heredoc.fd.map(|fd| fd.to_string()).unwrap_or_default();
    let tabs = if heredoc.strip_tabs { "-" } else { "" };
    let quoted = if heredoc.expand { "" } else { " quoted" };
    format!("{fd}<<{tabs}{:?}{quoted} {:?}", heredoc.name, heredoc.body)
}

fn copy(copy: &Copy) -> String {
    let mut text = String::new();
    for source in &copy.sources {
        match source {
            CopySource::Path(path) => write!(text, "{:?} ", path.value).unwrap(),
            CopySource::Heredoc(body) => write!(text, "[{}] ", heredoc(body)).unwrap(),
        }
    }
    write!(text, "-> {:?}", copy.dest.value).unwrap();
    for (name, value) in
        [("from", &copy.from), ("chown", &copy.chown), ("chmod", &copy.chmod), ("checksum", &copy.checksum)]
    {
        if let Some(value) = value {
            write!(text, " {name} {:?}", value.value).unwrap();
        }
    }
    for (name, value) in [("link", copy.link), ("parents", copy.parents)] {
        if value {
            write!(text, " {name}").unwrap();
        }
    }
    for (name, value) in [("keep-git-dir", copy.keep_git_dir), ("unpack", copy.unpack)] {
        if let Some(value) = value {
            write!(text, " {name} {value}").unwrap();
        }
    }
    if !copy.exclude.is_empty() {
        write!(text, " exclude {:?}", values(&copy.exclude)).unwrap();
    }
    text
}

/// Errors with the marked text below the line.
pub(super) fn errors(text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        writeln!(out, "{}: {}", diagnostic.code, diagnostic.message).unwrap();
        for label in &diagnostic.labels {
            let range = label.span.range();
            let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let line = text[start..].lines().next().unwrap_or_default();
            let number = text[..start].matches('\n').count() + 1;
            let marked = range.end.min(start + line.len()).max(range.start);
            let width = text[range.start..marked].chars().count().max(1);
            let indent = text[start..range.start].chars().count();
            let more = if range.end > start + line.len() { ".." } else { "" };
            writeln!(out, "{number:>4} | {}", line.replace('\t', " ")).unwrap();
            writeln!(out, "     | {}{}{more} {}", " ".repeat(indent), "^".repeat(width), label.text).unwrap();
        }
        for note in &diagnostic.notes {
            writeln!(out, "     = note: {note}").unwrap();
        }
        for help in &diagnostic.helps {
            writeln!(out, "     = help: {help}").unwrap();
        }
    }
    out
}

/// Every place lies in the text, starts and ends between characters, and instructions follow one another.
pub(super) fn check_spans(text: &str, parsed: &Parsed) {
    let check = |span: Span| {
        assert_eq!(span.source, SOURCE);
        assert!(text.get(span.range()).is_some(), "{span:?} in {text:?}");
    };
    for label in parsed.diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
        check(label.span);
    }
    let directives = &parsed.dockerfile.directives;
    directives.syntax.iter().chain(&directives.check).for_each(|value| check(value.span));
    let mut end = 0;
    for instruction in &parsed.dockerfile.instructions {
        assert!(instruction.span.start >= end, "{instruction:?}");
        end = instruction.span.end;
        let mut all = Vec::new();
        spans(instruction, &mut all);
        for span in all {
            check(span);
            assert!(
                span.start >= instruction.span.start && span.end <= instruction.span.end,
                "{instruction:?}"
            );
        }
        instruction.comments.iter().for_each(|comment| check(comment.span));
        instruction.empty_continuation.into_iter().for_each(check);
        // A keyword may itself be continued on the next line.
        let keyword = &instruction.keyword;
        if keyword.span.range().len() == keyword.value.len() {
            assert_eq!(&text[keyword.span.range()], keyword.value);
        }
    }
}

fn spans(instruction: &Instruction, all: &mut Vec<Span>) {
    all.extend([instruction.span, instruction.keyword.span]);
    let mut words: Vec<&Spanned<String>> = Vec::new();
    match &instruction.kind {
        Kind::From(from) => {
            words.push(&from.image);
            words.extend([&from.platform, &from.as_keyword, &from.name].into_iter().flatten());
        }
        Kind::Run(run) => {
            words.extend(run.mounts.iter().chain(&run.devices).chain(&run.network).chain(&run.security));
            command_spans(&run.command, all);
            all.extend(run.heredocs.iter().map(|heredoc| heredoc.span));
        }
        Kind::Cmd(command) | Kind::Entrypoint(command) => command_spans(command, all),
        Kind::Label(pairs) | Kind::Env(pairs) => {
            words.extend(pairs.pairs.iter().flat_map(|(name, value)| [name, value]));
        }
        Kind::Maintainer(word) | Kind::User(word) | Kind::Workdir(word) | Kind::Stopsignal(word) => {
            words.push(word);
        }
        Kind::Expose(list) | Kind::Volume(list) | Kind::Shell(list) => words.extend(list),
        Kind::Add(copy) | Kind::Copy(copy) => {
            for source in &copy.sources {
                match source {
                    CopySource::Path(path) => words.push(path),
                    CopySource::Heredoc(heredoc) => all.push(heredoc.span),
                }
            }
            words.push(&copy.dest);
            words.extend([&copy.from, &copy.chown, &copy.chmod, &copy.checksum].into_iter().flatten());
            words.extend(&copy.exclude);
        }
        Kind::Arg(list) => {
            words.extend(list.iter().flat_map(|arg| std::iter::once(&arg.name).chain(&arg.default)));
        }
        Kind::Onbuild(onbuild) => spans(&onbuild.trigger, all),
        Kind::Healthcheck(Healthcheck::None) => {}
        Kind::Healthcheck(Healthcheck::Cmd { command, .. }) => command_spans(command, all),
    }
    all.extend(words.into_iter().map(|word| word.span));
}

fn command_spans(command: &Command, all: &mut Vec<Span>) {
    match command {
        Command::Shell(text) => all.push(text.span),
        Command::Exec(list, span) => {
            all.push(*span);
            all.extend(list.iter().map(|word| word.span));
        }
    }
}
