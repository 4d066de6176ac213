//! `imgc run`: try an image.

use std::io::IsTerminal;
use std::path::PathBuf;

use imgc_base::platform::Platform;
use imgc_execute::container::{self, RunOptions};
use imgc_execute::kept::Container;
use imgc_sandbox::{Attach, Status};

mod refused;

use super::find;
use crate::environment;
use crate::failure::Failure;
use crate::render;
use crate::session::Session;
use refused::Refused;

/// Run a program in an image
///
/// In the foreground; what it writes to its root is thrown away, unless `--keep` asks to keep it for `imgc commit`.
/// The exit code is the program's.
#[derive(Debug, clap::Args)]
#[command(override_usage = "imgc run [OPTIONS] IMAGE [COMMAND]...", disable_help_flag = true)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of docker run")]
pub struct Args {
    /// A name or id, and what stands in place of the image's CMD: program and arguments
    ///
    /// Options of this command stand before it: all that follows belongs to the program.
    // One list: of two, the first option after the image would be taken for one of `imgc`.
    #[arg(value_names = ["IMAGE", "COMMAND"], num_args = 1.., required = true, trailing_var_arg = true)]
    image_and_command: Vec<String>,
    // In place of the global one, whose short form would be taken from `--volume`.
    #[arg(long, action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
    /// Throw the changes away (what happens anyway)
    #[arg(long, conflicts_with = "keep")]
    rm: bool,
    /// Keep the changes: `imgc commit` makes an image of them, `imgc rm` removes them
    #[arg(long)]
    keep: bool,
    /// A name for `imgc ps`, `imgc commit` and `imgc rm`
    #[arg(long, value_name = "NAME", value_parser = container_name)]
    name: Option<String>,
    /// Set a variable; without a value it is taken from the environment
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Variables from a file, one NAME=VALUE a line
    #[arg(long = "env-file", value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// User, and group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Show a directory or file of this machine
    #[arg(short, long, value_name = "SOURCE:TARGET[:ro]")]
    volume: Vec<String>,
    /// A directory in memory
    #[arg(long, value_name = "TARGET")]
    tmpfs: Vec<String>,
    /// A port of the program; it uses this machine's network, so both numbers must be equal
    #[arg(short, long, value_name = "PORT[:PORT]")]
    publish: Vec<String>,
    /// Connect stdin
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
    /// Another entrypoint; empty for none
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// The root cannot be written to
    #[arg(long = "read-only")]
    read_only: bool,
    /// Network: host or none
    #[arg(long, default_value = "host", value_parser = ["host", "none"])]
    network: String,
    /// Name of the machine inside
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Add a line to /etc/hosts
    #[arg(long = "add-host", value_name = "HOST:IP")]
    hosts: Vec<String>,
    /// Print help
    // `-h` is docker's short form of `--hostname`.
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[command(flatten)]
    refused: Refused,
}

/// Docker's exit code when the run itself could not be set up.
const RUN_FAILED: u8 = 125;

impl Args {
    /// The image, and what is to run in it.
    fn parts(&self) -> (&str, &[String]) {
        self.image_and_command.split_first().map_or(("", &[]), |(image, command)| (image, command))
    }
}

/// Runs.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    start(session, args).map_err(|mut failure| {
        failure.code = RUN_FAILED;
        failure
    })
}

fn start(session: &Session, args: &Args) -> Result<u8, Failure> {
    let options = options(args)?;
    let (image, command) = args.parts();
    let store = session.store()?;
    let opened = find::open(&store, image, args.platform.as_ref())?;
    let layers = find::layers(&store, &opened)?;
    let given: Vec<String> = args.entrypoint.iter().chain(command).cloned().collect();
    let mut container =
        Container::create(&store, args.name.as_deref(), image, opened.descriptor.digest, &given, args.keep)?;
    if args.keep {
        container.hold(&store, &opened.descriptor)?;
    }
    let ended = container::run(&store, layers, &opened.config.config, &options, &container, &session.cancel);
    let status = match ended {
        Ok(status) => status,
        Err(error) => {
            container.remove(&store)?;
            return Err(error.into());
        }
    };
    let code = match status {
        Status::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Status::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
    };
    if args.keep {
        container.ended(i32::from(code))?;
        let id = &container.record.id;
        render::talk(session, &format!("kept as {id}; make an image of it: imgc commit {id} NAME"));
    } else {
        container.remove(&store)?;
    }
    Ok(code)
}

/// As docker has it: letters, digits and `_.-`, two at least.
fn container_name(text: &str) -> Result<String, String> {
    let good = text.len() >= 2
        && text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if good { Ok(text.to_owned()) } else { Err("letters, digits, `_`, `.` and `-`, two at least".to_owned()) }
}

fn options(args: &Args) -> Result<RunOptions, Failure> {
    if let Some((option, instead)) = args.refused.first() {
        return Err(Failure::usage(format!("`{option}` is not supported")).help(instead));
    }
    for text in &args.publish {
        publish(text)?;
    }
    let mut env = Vec::new();
    for file in &args.env_file {
        for line in fs_err::read_to_string(file)?.lines() {
            let line = line.trim_start();
            if !line.is_empty() && !line.starts_with('#') {
                env.extend(variable(line));
            }
        }
    }
    env.extend(args.env.iter().filter_map(|text| variable(text)));
    let terminal = args.tty && std::io::stdout().is_terminal();
    if args.tty && !terminal {
        return Err(
            Failure::usage("`-t` needs a terminal").help("leave `-t` out when the output goes elsewhere")
        );
    }
    let mut hosts = Vec::new();
    for text in &args.hosts {
        let Some((name, address)) = text.split_once([':', '=']) else {
            return Err(Failure::usage(format!("`--add-host {text}` is not HOST:IP")));
        };
        hosts.push((name.to_owned(), address.to_owned()));
    }
    Ok(RunOptions {
        args: args.parts().1.to_vec(),
        entrypoint: args
            .entrypoint
            .as_ref()
            .map(|text| if text.is_empty() { Vec::new() } else { vec![text.clone()] }),
        env,
        cwd: args.workdir.clone(),
        user: args.user.clone(),
        hostname: args.hostname.clone(),
        network: args.network == "host",
        read_only: args.read_only,
        volumes: args.volume.iter().map(|text| volume(text)).collect::<Result<_, _>>()?,
        tmpfs: args.tmpfs.clone(),
        hosts,
        attach: match (terminal, args.interactive) {
            (true, _) => Attach::Terminal,
            (false, true) => Attach::Inherited,
            (false, false) => Attach::Output,
        },
    })
}

/// `[[IP:]PORT:]PORT[/PROTOCOL]`, where both ports may be ranges. The program is on this machine's network already.
fn publish(text: &str) -> Result<(), Failure> {
    let bad = || {
        Failure::usage(format!("`-p {text}` is not PORT or PORT:PORT"))
            .help("for example `-p 8080` or `-p 8080:8080`")
    };
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let mut parts = ports.rsplitn(3, ':');
    let (inner, outer) = (parts.next().unwrap_or_default(), parts.next().filter(|outer| !outer.is_empty()));
    let port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let range = |text: &str| text.split_once('-').map_or_else(|| port(text), |(a, b)| port(a) && port(b));
    if !matches!(protocol, "tcp" | "udp" | "sctp") || !range(inner) || !outer.is_none_or(range) {
        return Err(bad());
    }
    if outer.is_some_and(|outer| outer != inner) {
        return Err(Failure::usage(format!("`-p {text}`: the program uses this machine's network"))
            .help(format!("reach it at port {inner}, or tell the program another port")));
    }
    Ok(())
}

fn variable(text: &str) -> Option<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => environment::get(text).map(|value| (text.to_owned(), value)),
    }
}

fn volume(text: &str) -> Result<(PathBuf, String, bool), Failure> {
    let mut parts = text.split(':');
    let (Some(source), Some(target), mode, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::usage(format!("`-v {text}` is not SOURCE:TARGET[:ro]")));
    };
    let readonly = match mode {
        None | Some("rw") => false,
        Some("ro") => true,
        Some(other) => {
            return Err(Failure::usage(format!("`-v {text}`: `{other}` is not known")).help("use ro or rw"));
        }
    };
    if !target.starts_with('/') {
        return Err(Failure::usage(format!("`-v {text}`: `{target}` is not an absolute path in the image")));
    }
    if !source.starts_with(['/', '.']) {
        return Err(Failure::usage(format!("`-v {text}`: named volumes are not kept"))
            .help(format!("give a directory: `-v ./{source}:{target}`")));
    }
    let source =
        fs_err::canonicalize(source).map_err(|error| Failure::usage(format!("`-v {text}`: {error}")))?;
    Ok((source, target.to_owned(), readonly))
}
