//! An independent parser beside ours, instruction by instruction over the corpus. Where the two disagree on purpose
//! the file is listed with the reason.

use std::fmt::Write as _;

use parse_dockerfile as other;

use super::super::ast::{Command, CopySource, Healthcheck, Instruction, Kind, Run};
use super::{corpus, parsed};

/// Instructions that the other parser reads differently: folder, file, line, and why.
const DIFFERENT: [(&str, u32, &str); 20] = [
    ("differential/heredocs/quoted-name-with-blank", 2, NAME_WITH_BLANK),
    ("differential/heredocs/run-comments-and-backslashes-stay", 2, HEREDOC_PLACE),
    ("differential/heredocs/run-into-cat", 3, HEREDOC_PLACE),
    ("differential/heredocs/run-into-cat", 6, HEREDOC_PLACE),
    ("differential/heredocs/run-tabs", 2, HEREDOC_PLACE),
    ("differential/heredocs/run-two", 2, HEREDOC_PLACE),
    ("differential/metadata/entrypoint-empty.2", 2, EMPTY_LIST),
    ("dockerfiles/heredoc_redirect", 2, HEREDOC_PLACE),
    ("language/command", 7, EMPTY_LIST),
    ("language/copy", 8, FLAG_QUOTES),
    ("language/copy", 11, FLAG_QUOTES),
    ("language/from", 5, FLAG_QUOTES),
    ("language/heredoc", 11, HEREDOC_PLACE),
    ("language/heredoc", 18, HEREDOC_PLACE),
    ("language/heredoc", 25, HEREDOC_PLACE),
    ("language/heredoc", 39, NAME_WITH_BLANK),
    ("language/heredoc", 51, "`<< NAME` is no heredoc for the other parser"),
    ("language/run", 5, EMPTY_LIST),
    ("language/run", 12, FLAG_QUOTES),
    ("language/run", 15, "the other parser drops what follows a bare `--`"),
];

/// Only a command that begins with its heredoc, and just one.
const HEREDOC_PLACE: &str = "heredoc words further back, or several";
/// In `RUN` the reference has such names.
const NAME_WITH_BLANK: &str = "a blank in a quoted delimiter ends it for the other parser";
/// An empty list resets `ENTRYPOINT` and is accepted for `RUN` and `CMD` by `BuildKit`.
const EMPTY_LIST: &str = "the other parser refuses an empty list";
/// `BuildKit` resolves quotes and escapes within flags.
const FLAG_QUOTES: &str = "the other parser keeps quotes in flags";

#[test]
fn agrees_with_an_independent_parser() {
    let mut compared = 0;
    let mut unlike = Vec::new();
    let ours = ["dockerfiles", "language", "errors"].into_iter().flat_map(|folder| {
        corpus(folder).into_iter().map(move |(name, text)| (format!("{folder}/{name}"), text))
    });
    for (name, text) in ours.chain(tables()) {
        let file = parsed(&text).dockerfile;
        for ours in &file.instructions {
            compared += 1;
            // Alone, so that one difference hides no other.
            let alone = &text[ours.span.range()];
            let alone = format!("# escape={}\nFROM scratch\n{alone}\n", file.directives.escape);
            let theirs = match other::parse(&alone) {
                Ok(theirs) => their(theirs.instructions.last().unwrap(), file.directives.escape),
                Err(error) => error.to_string(),
            };
            let ours_shown = our(ours);
            let listed = DIFFERENT.iter().any(|(file, line, _)| *file == name && *line == ours.line);
            if listed == (ours_shown == theirs) {
                unlike.push(format!("{name}:{}\n  ours   {ours_shown}\n  theirs {theirs}", ours.line));
            }
        }
    }
    assert!(unlike.is_empty(), "differences not as listed\n{}", unlike.join("\n"));
    assert!(compared > 1000, "{compared}");
}

/// The Dockerfiles of the tables that are built by `buildah` too: area and case, and the text.
fn tables() -> Vec<(String, String)> {
    let dir = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/differential");
    let mut all = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let area = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs_err::read_to_string(&path).unwrap();
        for case in text.split("\n%% ").skip(1) {
            let (name, rest) = case.split_once('\n').unwrap_or((case, ""));
            let image = |line: &&str| line.starts_with("%image ") || *line == "%main";
            // The Dockerfile of an image that a case stands on is a file of its own.
            let mut file = 0;
            let mut texts = vec![String::new()];
            for line in rest.lines() {
                if image(&line) {
                    file += 1;
                    texts.push(String::new());
                } else if !line.starts_with('%') {
                    texts[file].push_str(line);
                    texts[file].push('\n');
                }
            }
            for (number, text) in texts.into_iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
                let number = if number == 0 { String::new() } else { format!(".{number}") };
                all.push((format!("differential/{area}/{name}{number}"), text));
            }
        }
    }
    all.sort();
    all
}

/// What both parsers know, in one form. Blanks count as one: the other parser keeps continuations in some texts.
fn line(keyword: &str, parts: &[String]) -> String {
    let mut out = keyword.to_owned();
    for part in parts {
        let words: Vec<&str> = part.split_whitespace().collect();
        write!(out, " {:?}", words.join(" ")).unwrap();
    }
    out
}

fn our(instruction: &Instruction) -> String {
    let (keyword, parts) = match &instruction.kind {
        Kind::From(from) => {
            let mut parts = vec![from.image.value.clone()];
            parts.extend(from.platform.iter().map(|platform| format!("--platform={}", platform.value)));
            parts.extend(from.name.iter().map(|name| name.value.clone()));
            ("FROM", parts)
        }
        Kind::Run(run) => ("RUN", our_run(run)),
        Kind::Cmd(command) => ("CMD", our_command(command)),
        Kind::Entrypoint(command) => ("ENTRYPOINT", our_command(command)),
        Kind::Label(_) => ("LABEL", vec![instruction.text.clone()]),
        Kind::Env(_) => ("ENV", vec![instruction.text.clone()]),
        Kind::Arg(_) => ("ARG", vec![instruction.text.clone()]),
        Kind::Maintainer(word) => ("MAINTAINER", vec![word.value.clone()]),
        Kind::User(word) => ("USER", vec![word.value.clone()]),
        Kind::Workdir(word) => ("WORKDIR", vec![word.value.clone()]),
        Kind::Stopsignal(word) => ("STOPSIGNAL", vec![word.value.clone()]),
        Kind::Expose(list) => ("EXPOSE", list.iter().map(|word| word.value.clone()).collect()),
        Kind::Volume(list) => ("VOLUME", list.iter().map(|word| word.value.clone()).collect()),
        Kind::Shell(list) => ("SHELL", list.iter().map(|word| word.value.clone()).collect()),
        Kind::Copy(copy) | Kind::Add(copy) => {
            let keyword = if matches!(instruction.kind, Kind::Add(_)) { "ADD" } else { "COPY" };
            let mut parts: Vec<String> = copy
                .sources
                .iter()
                .map(|source| match source {
                    CopySource::Path(path) => path.value.clone(),
                    CopySource::Heredoc(heredoc) => heredoc.body.clone(),
                })
                .collect();
            parts.push(copy.dest.value.clone());
            let named = [
                ("from", &copy.from),
                ("chown", &copy.chown),
                ("chmod", &copy.chmod),
                ("checksum", &copy.checksum),
            ];
            let mut flags: Vec<String> = named
                .into_iter()
                .filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?.value)))
                .collect();
            flags.extend(copy.exclude.iter().map(|pattern| format!("--exclude={}", pattern.value)));
            flags.sort();
            parts.extend(flags);
            (keyword, parts)
        }
        Kind::Onbuild(onbuild) => return format!("ONBUILD {}", our(&onbuild.trigger)),
        Kind::Healthcheck(Healthcheck::None) => ("HEALTHCHECK", vec!["NONE".to_owned()]),
        Kind::Healthcheck(Healthcheck::Cmd { command, .. }) => ("HEALTHCHECK", our_command(command)),
    };
    line(keyword, &parts)
}

fn our_run(run: &Run) -> Vec<String> {
    let mut parts = our_command(&run.command);
    // The other parser takes the heredoc word out of the command.
    if let ([heredoc], true) = (&run.heredocs[..], parts[0].starts_with("<<")) {
        let name = parts[0].find(&heredoc.name).unwrap() + heredoc.name.len();
        parts[0] = parts[0][name..].trim_start_matches(['"', '\'']).to_owned();
    }
    parts.extend(run.mounts.iter().map(|mount| format!("--mount={}", mount.value)));
    parts.extend(run.network.iter().map(|network| format!("--network={}", network.value)));
    parts.extend(run.heredocs.iter().map(|heredoc| heredoc.body.clone()));
    parts
}

fn our_command(command: &Command) -> Vec<String> {
    match command {
        Command::Shell(text) => vec![text.value.clone()],
        Command::Exec(list, _) => {
            list.iter().map(|word| word.value.clone()).chain(["(exec)".to_owned()]).collect()
        }
    }
}

fn their(instruction: &other::Instruction<'_>, escape: char) -> String {
    let text = |value: &other::UnescapedString<'_>| value.value.to_string();
    let (keyword, parts) = match instruction {
        other::Instruction::From(from) => {
            let mut parts = vec![text(&from.image)];
            parts.extend(flags(&from.options, &["platform"]));
            parts.extend(from.as_.iter().map(|(_, name)| text(name)));
            ("FROM", parts)
        }
        other::Instruction::Run(run) => {
            let mut parts = their_command(&run.arguments, escape);
            parts.extend(flags(&run.options, &["mount"]));
            parts.extend(flags(&run.options, &["network"]));
            parts.extend(run.here_docs.iter().map(|heredoc| heredoc.value.to_string()));
            ("RUN", parts)
        }
        other::Instruction::Cmd(cmd) => ("CMD", their_command(&cmd.arguments, escape)),
        other::Instruction::Entrypoint(entrypoint) => {
            ("ENTRYPOINT", their_command(&entrypoint.arguments, escape))
        }
        other::Instruction::Label(label) => ("LABEL", vec![text(&label.arguments)]),
        other::Instruction::Env(env) => ("ENV", vec![text(&env.arguments)]),
        other::Instruction::Arg(arg) => ("ARG", vec![text(&arg.arguments)]),
        other::Instruction::Maintainer(maintainer) => ("MAINTAINER", vec![text(&maintainer.name)]),
        other::Instruction::User(user) => ("USER", vec![text(&user.arguments)]),
        other::Instruction::Workdir(workdir) => ("WORKDIR", vec![text(&workdir.arguments)]),
        other::Instruction::Stopsignal(signal) => ("STOPSIGNAL", vec![text(&signal.arguments)]),
        other::Instruction::Expose(expose) => ("EXPOSE", expose.arguments.iter().map(text).collect()),
        other::Instruction::Shell(shell) => ("SHELL", shell.arguments.iter().map(text).collect()),
        other::Instruction::Volume(volume) => {
            let list = match &volume.arguments {
                other::JsonOrStringArray::Json(list) => list.value.iter().map(text).collect(),
                other::JsonOrStringArray::String(list) => list.iter().map(text).collect(),
            };
            ("VOLUME", list)
        }
        other::Instruction::Copy(copy) => ("COPY", their_copy(&copy.src, &copy.dest, &copy.options)),
        other::Instruction::Add(add) => ("ADD", their_copy(&add.src, &add.dest, &add.options)),
        other::Instruction::Onbuild(onbuild) => {
            return format!("ONBUILD {}", their(&onbuild.instruction, escape));
        }
        other::Instruction::Healthcheck(check) => match &check.arguments {
            other::HealthcheckArguments::Cmd { arguments, .. } => {
                ("HEALTHCHECK", their_command(arguments, escape))
            }
            _ => ("HEALTHCHECK", vec!["NONE".to_owned()]),
        },
        _ => ("?", Vec::new()),
    };
    line(keyword, &parts)
}

fn their_copy(
    sources: &[other::Source<'_>],
    dest: &other::UnescapedString<'_>,
    options: &[other::Flag<'_>],
) -> Vec<String> {
    let mut parts: Vec<String> = sources
        .iter()
        .map(|source| match source {
            other::Source::Path(path) => path.value.to_string(),
            other::Source::HereDoc(heredoc) => heredoc.value.to_string(),
            _ => "?".to_owned(),
        })
        .collect();
    parts.push(dest.value.to_string());
    let mut flags = flags(options, &["from", "chown", "chmod", "checksum", "exclude"]);
    flags.sort();
    parts.extend(flags);
    parts
}

fn flags(options: &[other::Flag<'_>], names: &[&str]) -> Vec<String> {
    options
        .iter()
        .filter(|flag| names.contains(&flag.name.value.as_ref()))
        .map(|flag| {
            let value = flag.value.as_ref().map(|value| value.value.to_string()).unwrap_or_default();
            format!("--{}={value}", flag.name.value)
        })
        .collect()
}

fn their_command(command: &other::Command<'_>, escape: char) -> Vec<String> {
    match command {
        // The other parser hands out the text of the file: continuations and comments are still in it.
        other::Command::Shell(text) => vec![joined(text.value, escape)],
        other::Command::Exec(list) => {
            list.value.iter().map(|word| word.value.to_string()).chain(["(exec)".to_owned()]).collect()
        }
        _ => vec!["?".to_owned()],
    }
}

/// Joins the lines of a raw text, the plain way: the escape character at the end of a line, comment and blank lines dropped.
fn joined(text: &str, escape: char) -> String {
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        if number > 0 && (line.trim().is_empty() || line.trim_start().starts_with('#')) {
            continue;
        }
        out.push_str(line.trim_end().strip_suffix(escape).unwrap_or(line));
    }
    out
}
