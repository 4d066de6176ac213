//! Credential helpers: `docker-credential-NAME`, run with care.
//!
//! A helper's name is a bare word, it is found in absolute directories of `PATH` only, it gets a short list of
//! variables and 30 seconds (CVE-2025-15558).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::error::{Error, Kind, clean};
use crate::secret::{Credential, Secret};

/// Variables that helpers need to find their user, their session and their cloud.
const PASSED: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "PATH",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_DIR",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "AZURE_CONFIG_DIR",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// How long a helper may take.
const TIME: Duration = Duration::from_secs(30);
/// Bytes of a helper's answer.
const ANSWER: u64 = 256 << 10;

/// What helpers are run with.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    path: Vec<PathBuf>,
    passed: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

impl Environment {
    pub(super) fn new(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let passed: BTreeMap<_, _> =
            PASSED.iter().filter_map(|name| env(name).map(|value| (*name, value))).collect();
        let path = passed.get("PATH").map(String::as_str).unwrap_or_default();
        let path = path.split(':').map(PathBuf::from).filter(|dir| dir.is_absolute()).collect();
        Self { path, passed }
    }

    /// The account that a helper keeps for a registry.
    pub(super) fn get(&self, name: &str, server: &str) -> Result<Option<Credential>, Error> {
        let Ok(output) = self.run(name, "get", server.as_bytes())? else { return Ok(None) };
        let answer: Answer = serde_json::from_slice(&output)
            .map_err(|_| failed(name, "its answer is no account (JSON with `Username` and `Secret`)"))?;
        if answer.secret.is_empty() && answer.username.is_empty() {
            return Ok(None);
        }
        if answer.username == "<token>" {
            return Ok(Some(Credential::Identity(Secret::new(answer.secret))));
        }
        Ok(Some(Credential::basic(answer.username, answer.secret)))
    }

    /// Gives an account to a helper.
    pub(super) fn store(&self, name: &str, server: &str, credential: &Credential) -> Result<(), Error> {
        let (user, secret) = match credential {
            Credential::Basic { user, password } => (user.as_str(), password),
            Credential::Identity(token) | Credential::Bearer(token) => ("<token>", token),
        };
        let input = serde_json::json!({ "ServerURL": server, "Username": user, "Secret": secret.expose() })
            .to_string();
        self.run(name, "store", input.as_bytes())?.map_err(|said| failed(name, &said))?;
        Ok(())
    }

    /// Lets a helper forget an account. False if it had none.
    pub(super) fn erase(&self, name: &str, server: &str) -> Result<bool, Error> {
        Ok(self.run(name, "erase", server.as_bytes())?.is_ok())
    }

    /// Runs a helper. The inner error is its word that it has no such account.
    fn run(&self, name: &str, verb: &str, input: &[u8]) -> Result<Result<Vec<u8>, String>, Error> {
        let program = self.find(name)?;
        let mut command = Command::new(&program);
        command.arg(verb).env_clear().envs(&self.passed);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(name, &error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that does not read its input still answers.
            drop(stdin.write_all(input));
        }
        let stdout = child.stdout.take();
        let reader = std::thread::spawn(move || {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                // What was read until an error is all there is.
                drop(stdout.take(ANSWER).read_to_end(&mut output));
            }
            output
        });
        let success =
            wait(&mut child, TIME).ok_or_else(|| failed(name, "it did not end within 30 seconds"))?;
        let output = reader.join().map_err(|_| failed(name, "its answer was lost"))?;
        if success {
            return Ok(Ok(output));
        }
        let said = clean(&String::from_utf8_lossy(&output));
        if said.contains("credentials not found") || said.contains("no credentials server URL") {
            return Ok(Err(said));
        }
        Err(failed(name, if said.is_empty() { "it ended badly, without a word" } else { &said }))
    }

    fn find(&self, name: &str) -> Result<PathBuf, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
            return Err(Error::new(
                Kind::Refused,
                format!("`{}` is no credential helper's name", clean(name)),
            ));
        }
        let file = format!("docker-credential-{name}");
        let found = self.path.iter().map(|dir| dir.join(&file)).find(|path| is_program(path));
        found.ok_or_else(|| {
            failed(name, "it is not installed").with_help(format!(
                "install `{file}`, or take `{name}` out of `credsStore` and `credHelpers` in docker's `config.json`"
            ))
        })
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// True if it ended well, false if not, `None` if it had to be stopped.
fn wait(child: &mut Child, time: Duration) -> Option<bool> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if start.elapsed() < time => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // Either call fails only if it is gone already.
                drop(child.kill());
                drop(child.wait());
                return None;
            }
        }
    }
}

fn failed(name: &str, why: &str) -> Error {
    Error::new(Kind::Config, format!("credential helper `docker-credential-{name}` failed: {}", clean(why)))
}
