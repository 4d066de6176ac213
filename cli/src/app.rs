//! The command line: global options, commands, and how a command ends.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use imgc_sandbox::{Isolation, SandboxError};

use crate::command;
use crate::docker_words;
use crate::failure::{Failure, code};
use crate::render;
use crate::session::Session;

/// The compiler for container images.
///
/// Turns a Dockerfile into an OCI image that is the same bit for bit on every machine. No daemon, no root.
#[derive(Debug, Parser)]
#[command(
    name = "imgc",
    version,
    propagate_version = true,
    max_term_width = 110,
    arg_required_else_help = true
)]
pub struct App {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Work as if started in DIR
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        global = true,
        help_heading = "Global options"
    )]
    pub directory: Option<PathBuf>,
    /// Colours
    #[arg(long, value_enum, default_value_t = When::Auto, global = true, help_heading = "Global options")]
    pub color: When,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Progress::Auto, global = true, help_heading = "Global options")]
    pub progress: Progress,
    /// Say more (for `run` before the command, whose own `-v` is docker's)
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Global options")]
    pub verbose: u8,
    /// Say only errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// One JSON object on stdout
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Ask no registry and no other server
    #[arg(long, global = true, help_heading = "Global options")]
    pub offline: bool,
    /// Where images and results are kept (default: `$XDG_DATA_HOME/imgc/store`)
    #[arg(long, value_name = "DIR", global = true, help_heading = "Global options")]
    pub store: Option<PathBuf>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// If the output is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Moving lines on a terminal, else plain.
    Auto,
    /// Moving lines.
    Tty,
    /// One line per event.
    Plain,
    /// One JSON object per line on stderr.
    Json,
    /// The same as json (the name that buildx uses).
    Rawjson,
    /// Nothing.
    Quiet,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<command::build::Args>),
    Plan(command::plan::Args),
    Check(command::check::Args),
    Graph(command::graph::Args),
    Why(command::why::Args),
    Verify(Box<command::verify::Args>),
    Run(command::run::Args),
    #[command(visible_alias = "ls")]
    Images(command::images::Args),
    Import(command::import::Args),
    Inspect(command::inspect::Args),
    History(command::history::Args),
    Size(command::size::Args),
    Diff(command::diff::Args),
    Files(command::files::Args),
    Cat(command::cat::Args),
    Squash(command::squash::Args),
    Load(command::load::Args),
    Save(command::save::Args),
    Tag(command::tag::Args),
    #[command(visible_alias = "rmi")]
    Rm(command::rm::Args),
    Pull(command::pull::Args),
    Push(command::push::Args),
    Copy(command::copy::Args),
    Export(command::export::Args),
    Commit(command::commit::Args),
    Ps(command::ps::Args),
    Index(command::index::Args),
    Search(command::search::Args),
    Login(command::login::Args),
    Logout(command::login::Logout),
    Cache(command::cache::Args),
    Store(command::store::Args),
}

/// Parses the command line, runs the command, and says what went wrong.
///
/// `enter` makes this process root of its own user namespace if it is not root; it is called while there is one thread.
pub fn run(enter: fn() -> Result<Isolation, SandboxError>) -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let parsed = parse(&line).or_else(|error| match unknown_command(&error) {
        Some(unknown) => docker_words::replaced(&line, unknown).map_or(Err(error), |line| parse(&line)),
        None => Err(error),
    });
    let app = match parsed {
        Ok(app) => app,
        Err(error) => {
            let code = if error.use_stderr() { code::USAGE } else { 0 };
            error.print().ok();
            return ExitCode::from(code);
        }
    };
    let global = app.global.clone();
    match start(app, enter) {
        Ok(code) => ExitCode::from(code),
        Err(mut failure) => {
            // Whoever waits for a server hears of an interruption as of a server that does not answer.
            if failure.code == code::NETWORK && imgc_sandbox::interrupt::cancel().check().is_err() {
                failure.code = code::INTERRUPTED;
            }
            render::failure(&failure, &global);
            ExitCode::from(failure.code)
        }
    }
}

fn parse(line: &[OsString]) -> Result<App, clap::Error> {
    // Every option can also come from the environment: `--no-cache` is IMGC_NO_CACHE.
    let matches = with_environment(App::command()).try_get_matches_from(line)?;
    App::from_arg_matches(&matches)
}

fn unknown_command(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidSubcommand)? {
        ContextValue::String(word) => Some(word),
        _ => None,
    }
}

fn start(app: App, enter: fn() -> Result<Isolation, SandboxError>) -> Result<u8, Failure> {
    if let Some(dir) = &app.global.directory {
        std::env::set_current_dir(dir)
            .map_err(|error| Failure::usage(format!("cannot work in `{}`: {error}", dir.display())))?;
    }
    render::set_color(app.global.color);
    let isolation = enter().map_err(|error| sandbox_failure(&error))?;
    imgc_sandbox::interrupt::install().map_err(|error| Failure::chain(code::MACHINE, &error))?;
    let session = Session { global: app.global, isolation, cancel: imgc_sandbox::interrupt::cancel() };
    match app.command {
        Command::Build(args) => command::build::run(&session, &args),
        Command::Check(args) => command::check::run(&session, &args),
        Command::Plan(args) => command::plan::run(&session, &args),
        Command::Graph(args) => command::graph::run(&session, &args),
        Command::Why(args) => command::why::run(&session, &args),
        Command::Verify(args) => command::verify::run(&session, &args),
        Command::Run(args) => command::run::run(&session, &args),
        Command::Images(args) => command::images::run(&session, &args),
        Command::Import(args) => command::import::run(&session, &args),
        Command::Inspect(args) => command::inspect::run(&session, &args),
        Command::History(args) => command::history::run(&session, &args),
        Command::Size(args) => command::size::run(&session, &args),
        Command::Diff(args) => command::diff::run(&session, &args),
        Command::Files(args) => command::files::run(&session, &args),
        Command::Cat(args) => command::cat::run(&session, &args),
        Command::Squash(args) => command::squash::run(&session, &args),
        Command::Load(args) => command::load::run(&session, &args),
        Command::Save(args) => command::save::run(&session, &args),
        Command::Tag(args) => command::tag::run(&session, &args),
        Command::Rm(args) => command::rm::run(&session, &args),
        Command::Pull(args) => command::pull::run(&session, &args),
        Command::Push(args) => command::push::run(&session, &args),
        Command::Copy(args) => command::copy::run(&session, &args),
        Command::Export(args) => command::export::run(&session, &args),
        Command::Commit(args) => command::commit::run(&session, &args),
        Command::Ps(args) => command::ps::run(&session, &args),
        Command::Index(args) => command::index::run(&session, &args),
        Command::Search(args) => command::search::run(&session, &args),
        Command::Login(args) => command::login::run(&session, args),
        Command::Logout(args) => command::login::logout(&session, &args),
        Command::Cache(args) => command::cache::run(&session, &args),
        Command::Store(args) => command::store::run(&session, &args),
    }
}

fn sandbox_failure(error: &SandboxError) -> Failure {
    let mut failure = Failure::chain(code::MACHINE, error);
    failure.helps.extend(error.help().map(str::to_owned));
    failure
}

/// Gives every long option of every command its environment variable.
fn with_environment(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| match arg.get_long() {
        Some(long) if long != "help" && long != "version" => {
            let name = format!("IMGC_{}", long.to_uppercase().replace('-', "_"));
            arg.env(name).hide_env(true)
        }
        _ => arg,
    });
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        with_environment(App::command()).debug_assert();
    }
}
