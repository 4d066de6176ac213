//! `RUN`

use imgc_base::Diagnostic;
use imgc_graph::{Exec, Network, NodeId, Op, Security};
use imgc_syntax::dockerfile::ast::{Command, Heredoc, Run};
use imgc_syntax::expand::{Lexer, NoVariables};

use super::{Outcome, add, mount};
use crate::build::{Builder, Place};
use crate::code::UNSUPPORTED;
use crate::gofmt::{append, quoted};
use crate::state::State;
use crate::title::shown;

/// The name that commands see as their machine's.
const HOSTNAME: &str = "buildkitsandbox";

/// What is run, and how it is shown.
#[derive(Debug)]
struct Program {
    args: Vec<String>,
    scripts: Vec<(String, String)>,
    title: String,
}

pub(super) fn lower(
    builder: &mut Builder<'_, '_>,
    state: &mut State,
    place: &mut Place<'_>,
    run: &Run,
) -> Outcome {
    let mut errors = Vec::new();
    for device in &run.devices {
        errors.push(
            Diagnostic::error(UNSUPPORTED, "`RUN --device` is not supported")
                .at(device.span, "asks for a device of the machine")
                .help("build without the device, and give it to the container that runs the image"),
        );
    }
    let mut inputs = vec![state.root];
    let mounts = mount::lower(builder, state, place, &run.mounts, &mut inputs, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let Some(mounts) = mounts else { return Ok(()) };
    let Program { args, scripts, title } = program(state, run);
    let network = match run.network.as_ref().map(|word| word.value.as_str()) {
        Some("none") => Network::None,
        Some("host") => Network::Host,
        // What the build was asked for; that is in no key.
        _ => Network::Default,
    };
    let insecure = run.security.as_ref().is_some_and(|word| word.value == "insecure");
    let hostname = builder.options.build_arg("BUILDKIT_SANDBOX_HOSTNAME").filter(|name| !name.is_empty());
    let exec = Exec {
        args,
        env: state.env.pairs().to_vec(),
        cwd: state.cwd.clone(),
        user: state.config.user.clone(),
        mounts,
        scripts,
        network,
        security: if insecure { Security::Insecure } else { Security::Sandbox },
        hostname: hostname.unwrap_or(HOSTNAME).to_owned(),
    };
    let bytes = state.env.bytes()
        + exec.args.iter().chain(exec.scripts.iter().map(|(_, s)| s)).map(String::len).sum::<usize>();
    builder.spend(bytes, place.span).map_err(|error| vec![error])?;
    let created_by = history(state, &exec.args);
    let title = format!("RUN {}{}", flags(run), shown(&title, builder.lexer.escape, &state.env));
    let node: NodeId = add(builder, state, place, Op::Exec(exec), &title, &inputs);
    state.step(created_by, node);
    Ok(())
}

/// `RUN |2 A=1 B=2 /bin/sh -c make # buildkit`: the arguments so far, each once, in the order of declaration.
fn history(state: &State, args: &[String]) -> String {
    let mut text = "RUN ".to_owned();
    let declared = state.args.pairs();
    if !declared.is_empty() {
        append(&mut text, format_args!("|{} ", declared.len()));
        for (name, value) in declared {
            let value = state.env.get(name).or(value.as_deref()).unwrap_or_default();
            append(&mut text, format_args!("{name}={value} "));
        }
    }
    text.push_str(&args.join(" "));
    text.push_str(" # buildkit");
    text
}

fn program(state: &State, run: &Run) -> Program {
    let text = match &run.command {
        Command::Exec(list, _) => {
            let args: Vec<String> = list.iter().map(|word| word.value.clone()).collect();
            let words: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
            let title = format!("[{}]", words.join(", "));
            return Program { args, scripts: Vec::new(), title };
        }
        Command::Shell(text) => &text.value,
    };
    match run.heredocs.as_slice() {
        [] => Program { args: state.with_shell(text), scripts: Vec::new(), title: text.clone() },
        [only] if is_bare(text, only) => {
            let title = format!("{text} ({})", summary(&only.body));
            if only.body.starts_with("#!") {
                let path = format!("/dev/pipes/{}", only.name);
                let scripts = vec![(only.name.clone(), only.body.clone())];
                return Program { args: state.with_shell(&path), scripts, title };
            }
            Program { args: state.with_shell(&only.body), scripts: Vec::new(), title }
        }
        several => {
            // The shell reads heredocs itself.
            let mut whole = text.clone();
            for heredoc in several {
                whole.push('\n');
                whole.push_str(&heredoc.raw_body);
                whole.push_str(&heredoc.name);
            }
            Program { args: state.with_shell(&whole), scripts: Vec::new(), title: text.clone() }
        }
    }
}

/// True if a line is nothing but one heredoc word.
fn is_bare(line: &str, heredoc: &Heredoc) -> bool {
    let Some(rest) = line.trim_start_matches(|char: char| char.is_ascii_digit()).strip_prefix("<<") else {
        return false;
    };
    let rest = if heredoc.strip_tabs { rest.strip_prefix('-').unwrap_or(rest) } else { rest };
    let words = Lexer::new('\\').expand(rest.trim_start(), &NoVariables).map(|done| done.words);
    !rest.contains('<') && words.is_ok_and(|words| words.len() == 1 && words[0] == heredoc.name)
        || rest.trim_start() == heredoc.name
}

/// The first line of a script.
fn summary(body: &str) -> String {
    let body = body.trim();
    let first = body.lines().next().unwrap_or_default();
    if body.lines().nth(1).is_some() { format!("{first}...") } else { first.to_owned() }
}

/// The flags as written, for titles.
fn flags(run: &Run) -> String {
    let mut text = String::new();
    for mount in &run.mounts {
        append(&mut text, format_args!("--mount={} ", mount.value));
    }
    if let Some(network) = &run.network {
        append(&mut text, format_args!("--network={} ", network.value));
    }
    if let Some(security) = &run.security {
        append(&mut text, format_args!("--security={} ", security.value));
    }
    text
}
