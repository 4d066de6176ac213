//! `git` as a program: an environment made of nothing, and its end.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use imgc_base::cancel::Cancel;

use super::FetchError;
use super::account::Header;
use super::git::shown;

/// How much of what git says is kept, in bytes.
const MAX_MESSAGE: u64 = 256 << 10;

/// Runs git.
pub(super) struct Runner<'g> {
    /// Where the checkout is.
    pub(super) dir: &'g Path,
    /// An empty home.
    pub(super) home: &'g Path,
    /// What of the machine's environment git may see.
    pub(super) env: &'g [(String, String)],
    /// How repositories may be reached.
    pub(super) protocols: &'g str,
    /// The repository.
    pub(super) remote: &'g str,
    /// What is sent to its server, and to no other.
    pub(super) header: Option<&'g Header>,
    /// The wish to stop.
    pub(super) cancel: &'g Cancel,
}

impl Runner<'_> {
    /// Fetches one reference, without history if the server lets us. A reference that is the beginning of a commit's name,
    /// asked for as such, is looked for in everything the server has.
    pub(super) fn fetch(&self, reference: &str, checksum: Option<&str>) -> Result<(), FetchError> {
        let reference = if reference.is_empty() { "HEAD" } else { reference };
        let hex = reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex && (7..40).contains(&reference.len()) && checksum == Some(reference) {
            return self.fetch_all(reference);
        }
        let shallow = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"];
        let remote = ["--end-of-options", self.remote, reference];
        let Err(error) = self.run("fetch", &[&shallow[..], &remote[..]].concat()) else { return Ok(()) };
        self.cancel.check()?;
        // A server may refuse a commit by its name, or know no shallow fetches (one that only serves files).
        let is_commit = hex && reference.len() >= 40;
        let no_shallow = matches!(&error, FetchError::Git { message, .. } if message.contains("shallow"));
        if !is_commit {
            let whole = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
            return if no_shallow {
                self.run("fetch", &[&whole[..], &remote[..]].concat()).map(drop)
            } else {
                Err(error)
            };
        }
        self.fetch_all(reference)
    }

    /// Fetches all branches and tags, and takes one commit of them.
    fn fetch_all(&self, commit: &str) -> Result<(), FetchError> {
        let all = ["fetch", "--quiet", "--no-recurse-submodules", "--end-of-options", self.remote];
        let heads = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        self.run("fetch", &[&all[..], &heads[..]].concat())?;
        let whole = format!("{commit}^{{commit}}");
        let whole = self.run("find the commit", &["rev-parse", "--verify", "--end-of-options", &whole])?;
        // FETCH_HEAD is what the rest reads.
        let file = self.dir.join(".git").join("FETCH_HEAD");
        fs_err::write(file, format!("{whole}\t\t\n")).map_err(FetchError::io("write a checkout"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for (name, value) in self.env {
            // Configuration by environment would undo what follows.
            if !name.starts_with("GIT_") {
                command.env(name, value);
            }
        }
        let settings: [(&str, OsString); 9] = [
            ("HOME", self.home.into()),
            ("XDG_CONFIG_HOME", self.home.into()),
            ("LC_ALL", "C".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("GIT_ALLOW_PROTOCOL", self.protocols.into()),
            ("GIT_ASKPASS", "".into()),
            ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ForwardAgent=no -o PermitLocalCommand=no".into()),
        ];
        command.envs(settings);
        if let Some(header) = self.header {
            // By the environment, since everyone may read the arguments of a process. No redirect is followed: git
            // would take the header along.
            let pairs = [
                (Header::git_key(self.remote), header.line()),
                ("http.followRedirects".to_owned(), "false".to_owned()),
            ];
            command.env("GIT_CONFIG_COUNT", pairs.len().to_string());
            for (number, (key, value)) in pairs.into_iter().enumerate() {
                command.env(format!("GIT_CONFIG_KEY_{number}"), key);
                command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
            }
        }
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.attributesFile=/dev/null",
            "core.autocrlf=false",
            "core.symlinks=true",
            "core.protectHFS=true",
            "core.protectNTFS=true",
            "credential.helper=",
            "fetch.fsckObjects=true",
            "gc.auto=0",
            "maintenance.auto=false",
            "protocol.ext.allow=never",
            "submodule.recurse=false",
            "advice.detachedHead=false",
        ] {
            command.args(["-c", setting]);
        }
        command.arg("-C").arg(self.dir).args(arguments);
        // Its own group, so that helpers end with it.
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs one command; gives the first line that it writes.
    pub(super) fn run(&self, action: &'static str, arguments: &[&str]) -> Result<String, FetchError> {
        let out = self.output(action, arguments)?;
        Ok(out.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Runs one command; gives what it writes, up to a bound.
    pub(super) fn output(&self, action: &'static str, arguments: &[&str]) -> Result<String, FetchError> {
        self.cancel.check()?;
        let mut child = self.command(arguments).spawn().map_err(FetchError::NoGit)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (out, error, status) = std::thread::scope(|scope| {
            let out = scope.spawn(|| collect(stdout));
            let error = scope.spawn(|| collect(stderr));
            let status = self.wait(&mut child);
            (out.join().unwrap_or_default(), error.join().unwrap_or_default(), status)
        });
        if status? {
            return Ok(out);
        }
        let lines: Vec<&str> = error.lines().rev().take(4).collect();
        let message = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
        // git repeats the address that it was given.
        let mut message = message.replace(self.remote, &shown(self.remote));
        if let Some(header) = self.header {
            message = header.hide(&message);
        }
        Err(FetchError::Git { action, remote: shown(self.remote), message })
    }

    /// Waits for the end; true if it was a good one.
    fn wait(&self, child: &mut Child) -> Result<bool, FetchError> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait().map_err(FetchError::io("wait for git"))? {
                return Ok(status.success());
            }
            if let Err(cancelled) = self.cancel.check() {
                let group = rustix::process::Pid::from_child(child);
                // It may have ended just now.
                rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
                child.wait().map_err(FetchError::io("stop git"))?;
                return Err(cancelled.into());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

/// Reads to the end; keeps the start.
fn collect(stream: Option<impl Read>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut bytes = Vec::new();
    // What cannot be read is not shown; the exit status counts.
    stream.by_ref().take(MAX_MESSAGE).read_to_end(&mut bytes).ok();
    std::io::copy(&mut stream, &mut std::io::sink()).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}
