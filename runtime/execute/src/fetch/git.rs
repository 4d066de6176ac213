//! A checkout of a git repository, by the machine's `git` with everything dangerous turned off.
//!
//! git gets an environment made of nothing, no configuration but what stands here, no hooks or filters,
//! and may speak https, http, ssh and git only (CVE-2022-39253, CVE-2024-32002, CVE-2025-48384). Remotes and
//! references are checked before they become arguments (CVE-2019-13139), the directory below the checkout is walked
//! without links (CVE-2026-33748), and user information never reaches a message (CVE-2023-26054).

use std::os::fd::AsFd;
use std::path::PathBuf;

use imgc_base::cancel::Cancel;
use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use imgc_image::rooted::list_fd;
use imgc_image::unpack::remove_all;
use imgc_image::{ImageError, Root};
use imgc_store::{Store, WorkDir};
use rustix::fs::{FileType, Mode, OFlags};

use super::account::{Accounts, Server};
use super::git_run::Runner;
use super::{FetchError, submodules};
use crate::context::{Context, MAX_DEPTH, StatCache};
use crate::file::FileError;

/// How git may reach a repository.
const PROTOCOLS: &str = "https:http:ssh:git";
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
    /// Fetch submodules too, and theirs.
    pub submodules: bool,
    /// Prefix of the commit (or annotated tag) that it must be.
    pub checksum: Option<&'a str>,
}

/// Fetches a repository into a private directory. `env` is lent to git: `PATH`, an agent's socket, proxies.
pub fn git(
    store: &Store,
    wanted: &Git<'_>,
    accounts: Accounts<'_>,
    env: &[(String, String)],
    cancel: &Cancel,
) -> Result<Context, FetchError> {
    fetch(store, wanted, accounts, env, PROTOCOLS, cancel)
}

pub(super) fn fetch(
    store: &Store,
    wanted: &Git<'_>,
    accounts: Accounts<'_>,
    env: &[(String, String)],
    protocols: &str,
    cancel: &Cancel,
) -> Result<Context, FetchError> {
    check_reference(wanted)?;
    let work = store.work_dir("git")?;
    let home = work.subdir("home")?;
    let main = Server::of(wanted.remote);
    let mut job =
        Job { work: &work, home, env, protocols, cancel, accounts, main: main.as_ref(), checkouts: 0 };
    let (dir, commit) = job.check_out(wanted.remote, wanted.reference, wanted.checksum)?;
    if wanted.submodules {
        submodules::fetch(&mut job, wanted.remote, &dir, &commit, 0)?;
    }
    let root = Root::open(&dir).map_err(FetchError::io("open a checkout"))?;
    if wanted.keep_git_dir {
        let dot_git = ImagePath::clean(".git").map_err(FileError::from)?;
        let inside = root.dir(&dot_git).map_err(FileError::from)?;
        for name in UNSTABLE {
            remove_all(&inside, name).map_err(FetchError::io("clean a checkout"))?;
        }
        // An index without the times and inodes of this machine.
        job.runner(&dir, wanted.remote, None).run("finish", &["read-tree", &commit])?;
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

/// One fetch: a repository, and those below it.
pub(super) struct Job<'j> {
    work: &'j WorkDir,
    home: PathBuf,
    env: &'j [(String, String)],
    protocols: &'j str,
    cancel: &'j Cancel,
    accounts: Accounts<'j>,
    /// The server of the repository that was asked for; the general token is for it alone.
    main: Option<&'j Server>,
    /// How many checkouts there are already.
    pub(super) checkouts: usize,
}

impl Job<'_> {
    /// git for one checkout.
    pub(super) fn runner<'r>(
        &'r self,
        dir: &'r std::path::Path,
        remote: &'r str,
        header: Option<&'r super::account::Header>,
    ) -> Runner<'r> {
        let (home, env, protocols, cancel) = (&self.home, self.env, self.protocols, self.cancel);
        Runner { dir, home, env, protocols, remote, header, cancel }
    }

    /// Checks one commit out into a directory of its own; gives both.
    pub(super) fn check_out(
        &mut self,
        remote: &str,
        reference: &str,
        checksum: Option<&str>,
    ) -> Result<(PathBuf, String), FetchError> {
        check_remote(remote, self.protocols)?;
        let dir = self.work.subdir(&format!("tree-{}", self.checkouts))?;
        self.checkouts += 1;
        let header = self.accounts.git(remote, self.main)?;
        let git = self.runner(&dir, remote, header.as_ref());
        git.run("prepare", &["init", "--quiet", "--template=", "--initial-branch=main", "."])?;
        git.fetch(reference, checksum)?;
        let fetched = git.run("read", &["rev-parse", "--verify", "--end-of-options", "FETCH_HEAD"])?;
        let commit =
            git.run("read", &["rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}"])?;
        if let Some(prefix) = checksum
            && !commit.starts_with(prefix)
            && !fetched.starts_with(prefix)
        {
            return Err(FetchError::Checksum {
                url: shown(remote),
                expected: prefix.to_owned(),
                got: commit,
            });
        }
        git.run("check out", &["checkout", "--quiet", "--detach", "--force", &commit])?;
        Ok((dir, commit))
    }
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
pub(super) fn shown(remote: &str) -> String {
    match remote.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => remote.to_owned(),
    }
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
