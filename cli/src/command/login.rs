//! `imgc login` and `imgc logout`: accounts at registries, in docker's own file.

use std::io::{BufRead, IsTerminal, Read, Write};

use imgc_registry::{Credential, Saved};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::names;
use crate::failure::{Failure, code};
use crate::render;
use crate::session::Session;

/// Log in to a registry
///
/// The account is checked there, then kept in docker's `config.json`, or with the credential helper that it names.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry's host, and its port if it has one
    #[arg(default_value = "docker.io")]
    server: String,
    /// The user
    #[arg(short, long)]
    username: Option<String>,
    /// The password (others on this machine can see it: prefer `--password-stdin`)
    #[arg(short, long, conflicts_with = "password_stdin", hide_env_values = true)]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
}

/// Log out of a registry
#[derive(Debug, clap::Args)]
pub struct Logout {
    /// The registry's host, and its port if it has one
    #[arg(default_value = "docker.io")]
    server: String,
}

/// Longest password that is read.
const PASSWORD_BYTES: u64 = 64 << 10;

/// Logs in.
pub fn run(session: &Session, args: Args) -> Result<u8, Failure> {
    let registry = names::registry(&args.server)?;
    let client = session.online()?;
    if args.password_stdin && args.username.is_none() {
        return Err(Failure::usage("`--password-stdin` needs `-u USER`"));
    }
    let user = match args.username {
        Some(user) => user,
        None => ask(&format!("User at {registry}: "), true)?,
    };
    let password = match args.password {
        Some(password) => {
            render::talk(
                session,
                "warning: `-p` shows the password to everybody on this machine; use `--password-stdin`",
            );
            password
        }
        None if args.password_stdin => {
            let mut text = String::new();
            std::io::stdin().lock().take(PASSWORD_BYTES).read_to_string(&mut text)?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => ask("Password: ", false)?,
    };
    if user.is_empty() || password.is_empty() {
        return Err(Failure::usage("the user or the password is empty"));
    }
    match client.login(&registry, &Credential::basic(user, password))? {
        Saved::File(path) => render::talk(
            session,
            &format!(
                "the password is in {}, not encrypted; a credential helper keeps it better",
                path.display()
            ),
        ),
        Saved::Helper(helper) => render::talk(session, &format!("the password is with `{helper}`")),
    }
    writeln!(std::io::stdout(), "Login Succeeded")?;
    Ok(0)
}

/// Logs out.
pub fn logout(session: &Session, args: &Logout) -> Result<u8, Failure> {
    let registry = names::registry(&args.server)?;
    let home = crate::environment::home().unwrap_or_default();
    // Nothing is asked of the registry, so this works offline too.
    let config = imgc_registry::Config::load(&crate::environment::get, &home)?;
    let gone = config.forget_login(&registry)?;
    if gone.is_empty() {
        render::talk(session, &format!("not logged in to {registry}"));
    } else {
        writeln!(std::io::stdout(), "Removed the login for {registry}")?;
    }
    Ok(0)
}

/// Asks on the terminal. What is typed is shown only if `echo`.
fn ask(what: &str, echo: bool) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() || crate::environment::is_ci() {
        return Err(Failure::usage("there is no terminal to ask for the account")
            .help("give it: `imgc login -u USER --password-stdin SERVER < FILE`"));
    }
    let mut err = std::io::stderr().lock();
    write!(err, "{what}")?;
    err.flush()?;
    let hidden = if echo { None } else { Some(Hidden::new()?) };
    let mut line = String::new();
    stdin.lock().take(PASSWORD_BYTES).read_line(&mut line)?;
    if hidden.is_some() {
        writeln!(err)?;
    }
    drop(hidden);
    if line.is_empty() {
        return Err(Failure::new(code::INTERRUPTED, "interrupted"));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal shows nothing while this lives.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn new() -> Result<Self, Failure> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).map_err(std::io::Error::from)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(std::io::Error::from)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that went away needs no mode.
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0).ok();
    }
}
