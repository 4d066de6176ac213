//! A checkout of a git repository, by the machine's `git` with everything dangerous turned off.
//!
//! git gets an environment made of nothing, no configuration but what stands here, no hooks, filters or submodules,
//! and may speak https, http, ssh and git only (CVE-2022-39253, CVE-2024-32002, CVE-2025-48384). Remotes and
//! references are checked before they become arguments (CVE-2019-13139), the directory below the checkout is walked
//! without links (CVE-2026-33748), and user information never reaches a message (CVE-2023-26054).

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use imgc_base::cancel::Cancel;
use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use imgc_image::rooted::list_fd;
use imgc_image::unpack::remove_all;
use imgc_image::{ImageError, Root};
use imgc_store::Store;
use rustix::fs::{FileType, Mode, OFlags};

use super::FetchError;
use crate::context::{Context, MAX_DEPTH, StatCache};
use crate::file::FileError;

/// How git may reach a repository.
const PROTOCOLS: &str = "https:http:ssh:git";
/// How much of what git says is kept.
const MAX_MESSAGE: u64 = 64 << 10;
/// Parts of `.git` that differ between two equal fetches, or that only a working copy needs.
const UNSTABLE: [&[u8]; 8] =
    [b"index", b"logs", b"FETCH_HEAD", b"ORIG_HEAD", b"hooks", b"description", b"branches", b"gc.log"];

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Git<'a> {
    /// The repository, without user information.
    pub remote: &'a str,
    /// Branch, tag or commit; empty for the default branch.
    pub reference: &'a str,
    /// Directory below the checkout; empty for all.
    pub subdir: &'a str,
    /// Keep `.git`.
    pub keep_git_dir: bool,
    /// Prefix of the commit (or annotated tag) that it must be.
    pub checksum: Option<&'a str>,
}

/// Fetches a repository into a private directory. `env` is lent to git: `PATH`, an agent's socket, proxies.
pub fn git(
    store: &Store,
    wanted: &Git<'_>,
    env: &[(String, String)],
    cancel: &Cancel,
) -> Result<Context, FetchError> {
    fetch(store, wanted, env, PROTOCOLS, cancel)
}

pub(super) fn fetch(
    store: &Store,
    wanted: &Git<'_>,
    env: &[(String, String)],
    protocols: &str,
    cancel: &Cancel,
) -> Result<Context, FetchError> {
    check_remote(wanted.remote, protocols)?;
    check_reference(wanted)?;
    let work = store.work_dir("git")?;
    let (dir, home) = (work.subdir("tree")?, work.subdir("home")?);
    let git = Runner { dir: &dir, home: &home, env, protocols, remote: wanted.remote, cancel };
    git.run("prepare", &["init", "--quiet", "--template=", "--initial-branch=main", "."])?;
    git.fetch(wanted.reference)?;
    let fetched = git.run("read", &["rev-parse", "--verify", "--end-of-options", "FETCH_HEAD"])?;
    let commit = git.run("read", &["rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}"])?;
    if let Some(prefix) = wanted.checksum
        && !commit.starts_with(prefix)
        && !fetched.starts_with(prefix)
    {
        return Err(FetchError::Checksum {
            url: shown(wanted.remote),
            expected: prefix.to_owned(),
            got: commit,
        });
    }
    git.run("check out", &["checkout", "--quiet", "--detach", "--force", &commit])?;
    let root = Root::open(&dir).map_err(FetchError::io("open a checkout"))?;
    if wanted.keep_git_dir {
        let dot_git = ImagePath::clean(".git").map_err(FileError::from)?;
        let inside = root.dir(&dot_git).map_err(FileError::from)?;
        for name in UNSTABLE {
            remove_all(&inside, name).map_err(FetchError::io("clean a checkout"))?;
        }
        // An index without the times and inodes of this machine.
        git.run("finish", &["read-tree", &commit])?;
    } else {
        remove_all(&root, b".git").map_err(FetchError::io("clean a checkout"))?;
    }
    normalise(&root, &ImagePath::root(), 0)?;
    let below = ImagePath::clean(wanted.subdir).map_err(FileError::from)?;
    // The walk takes no links: a directory of the repository, or nothing.
    if root.dir(&below).is_err() {
        return Err(FetchError::Subdir { remote: shown(wanted.remote), subdir: wanted.subdir.to_owned() });
    }
    let mut place = dir.clone();
    for part in below.parts() {
        place.push(std::ffi::OsStr::new(std::str::from_utf8(part).unwrap_or_default()));
    }
    let context = Context::open(&place, Ignore::default(), &StatCache::default())?;
    Ok(context.holding(work))
}

/// Refuses what git could take for an option or another way to run a program.
fn check_remote(remote: &str, protocols: &str) -> Result<(), FetchError> {
    let refuse = |why: &str| FetchError::Address { url: shown(remote), why: why.to_owned() };
    if remote.is_empty() || remote.starts_with('-') || remote.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(refuse("it is no address of a repository"));
    }
    if remote.contains("::") {
        return Err(refuse("remote helpers are not used"));
    }
    if let Some((scheme, rest)) = remote.split_once("://") {
        let allowed = protocols.split(':').any(|allowed| scheme.eq_ignore_ascii_case(allowed));
        // `ssh://-oProxyCommand=...` would become an option of ssh.
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if allowed && !rest.starts_with('-') && !host.starts_with('-') {
            return Ok(());
        }
        return Err(refuse("only https, http, ssh and git repositories can be fetched"));
    }
    // `user@host:path`; anything else would be a path of this machine.
    match remote.split_once(':') {
        Some((host, path))
            if host.contains('@')
                && !host.contains('/')
                && !host.split('@').any(|part| part.starts_with('-') || part.is_empty())
                && !path.is_empty() =>
        {
            Ok(())
        }
        _ => Err(refuse("it is no address of a repository")),
    }
}

/// The grammar of `git check-ref-format`, and no options.
fn check_reference(wanted: &Git<'_>) -> Result<(), FetchError> {
    let text = wanted.reference;
    let bad = text.starts_with(['-', '+', '/'])
        || text.ends_with(['/', '.'])
        || text.as_bytes().ends_with(b".lock")
        || text.contains("..")
        || text.contains("@{")
        || text.len() > 255
        || text.bytes().any(|byte| byte.is_ascii_control() || b" ~^:?*[\\".contains(&byte));
    let hex =
        |text: &str| (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let message = if bad {
        format!("`{}` is no reference", text.escape_debug())
    } else if wanted.checksum.is_some_and(|checksum| !hex(checksum)) {
        "the checksum is not the start of a commit".to_owned()
    } else {
        return Ok(());
    };
    Err(FetchError::Git { action: "fetch", remote: shown(wanted.remote), message })
}

/// The remote without user information.
fn shown(remote: &str) -> String {
    match remote.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => remote.to_owned(),
    }
}

/// Runs git.
struct Runner<'g> {
    dir: &'g Path,
    home: &'g Path,
    env: &'g [(String, String)],
    protocols: &'g str,
    remote: &'g str,
    cancel: &'g Cancel,
}

impl Runner<'_> {
    /// Fetches one reference, without history if the server lets us.
    fn fetch(&self, reference: &str) -> Result<(), FetchError> {
        let reference = if reference.is_empty() { "HEAD" } else { reference };
        let shallow = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"];
        let remote = ["--end-of-options", self.remote, reference];
        let Err(error) = self.run("fetch", &[&shallow[..], &remote[..]].concat()) else { return Ok(()) };
        self.cancel.check()?;
        // A server may refuse a commit by its name, or know no shallow fetches.
        let is_commit = reference.len() >= 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_commit {
            return Err(error);
        }
        let all = ["fetch", "--quiet", "--no-recurse-submodules", "--end-of-options", self.remote];
        let heads = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        self.run("fetch", &[&all[..], &heads[..]].concat())?;
        // FETCH_HEAD is what the rest reads.
        let file = self.dir.join(".git").join("FETCH_HEAD");
        fs_err::write(file, format!("{reference}\t\t\n")).map_err(FetchError::io("write a checkout"))
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
    fn run(&self, action: &'static str, arguments: &[&str]) -> Result<String, FetchError> {
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
            return Ok(out.lines().next().unwrap_or_default().trim().to_owned());
        }
        let lines: Vec<&str> = error.lines().rev().take(4).collect();
        let message = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
        // git repeats the address that it was given.
        let message = message.replace(self.remote, &shown(self.remote));
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

/// Gives files the modes that git knows, whatever the umask was: 0644 or 0755.
fn normalise(root: &Root, dir: &ImagePath, depth: usize) -> Result<(), FileError> {
    if depth > MAX_DEPTH {
        return Err(FileError::Deep { path: dir.clone(), limit: MAX_DEPTH });
    }
    let fd = root.dir(dir)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let listing = rustix::fs::openat(&fd, c".", flags | OFlags::DIRECTORY, Mode::empty())
        .map_err(ImageError::at("list", dir))?;
    for listed in list_fd(listing).map_err(ImageError::at("list", dir))? {
        let path = ImagePath::strict(dir.child(&listed.name).as_bytes())?;
        let stat = rustix::fs::statat(&fd, listed.name.as_slice(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(ImageError::at("stat", &path))?;
        let mode = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => 0o755,
            FileType::RegularFile if stat.st_mode & 0o100 != 0 => 0o755,
            FileType::RegularFile => 0o644,
            _ => continue,
        };
        if stat.st_mode & 0o7777 != mode {
            let file = rustix::fs::openat(&fd, listed.name.as_slice(), flags, Mode::empty())
                .map_err(ImageError::at("open", &path))?;
            rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(mode))
                .map_err(ImageError::at("change mode of", &path))?;
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            normalise(root, &path, depth + 1)?;
        }
    }
    Ok(())
}
