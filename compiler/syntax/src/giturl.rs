//! Git remotes as build contexts and sources of `ADD`: which texts are one, and what they ask for.
//!
//! | text | a git remote |
//! |---|---|
//! | `git://host/path`, `ssh://[user@]host/path` | always |
//! | `user@host:path` | always (ssh) |
//! | `https://host/path.git`, `http://...` | if the path ends in `.git` |
//! | `github.com/owner/repo` | yes, but it looks like a path: [`GitUrl::like_a_path`] |
//! | `./x.git`, `../x.git`, anything else | never |
//!
//! `#ref`, `#ref:subdir` and `#:subdir` follow, or a query: `?ref=`, `tag=`, `branch=`, `subdir=`, `checksum=`
//! (`commit=`), `keep-git-dir=`, `submodules=`, `mtime=`, `fetch-by-commit=`.

use thiserror::Error;

/// How the remote is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `https://`
    Https,
    /// `http://`: not encrypted.
    Http,
    /// `ssh://`, `user@host:path`
    Ssh,
    /// `git://`: not encrypted.
    Git,
}

/// Which time the files get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mtime {
    /// When they were checked out.
    Checkout,
    /// The commit's.
    Commit,
}

/// A git remote and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitUrl {
    /// What git is called with: no query, no fragment.
    pub remote: String,
    /// How it is reached.
    pub scheme: Scheme,
    /// The host, with its port, without the user.
    pub host: String,
    /// The path as it was written.
    pub path: String,
    /// A branch, tag (`refs/tags/...` if it can be nothing else) or commit.
    pub reference: Option<String>,
    /// The directory to take.
    pub subdir: Option<String>,
    /// What the commit's hash must start with.
    pub checksum: Option<String>,
    /// Whether `.git` stays.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched.
    pub submodules: Option<bool>,
    /// Which time the files get.
    pub mtime: Option<Mtime>,
    /// Whether the server is asked for the commit itself.
    pub fetch_by_commit: Option<bool>,
    /// `github.com/...`: a path in every place but a build context.
    pub like_a_path: bool,
}

impl GitUrl {
    /// The repository's name: the last part of the path without `.git`.
    pub fn name(&self) -> &str {
        let last = self.path.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        last.strip_suffix(".git").unwrap_or(last)
    }

    /// What the server is asked for: the reference, or the commit itself if the address wants that (`fetch-by-commit`).
    pub fn wanted(&self) -> Option<&str> {
        let commit = self.checksum.as_deref().filter(|_| self.fetch_by_commit == Some(true));
        commit.or(self.reference.as_deref())
    }

    /// Whether anyone on the way can read and change what is fetched.
    pub const fn unencrypted(&self) -> bool {
        matches!(self.scheme, Scheme::Http | Scheme::Git)
    }
}

/// Why a git remote's wishes cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GitUrlError {
    /// A key that has no meaning.
    #[error("unexpected query `{0}` in a git URL")]
    UnknownKey(String),
    /// A key without a value.
    #[error("query `{0}` of a git URL has no value")]
    NoValue(String),
    /// A key given twice.
    #[error("query `{0}` of a git URL has several values")]
    Repeated(String),
    /// A value that the key does not take.
    #[error("invalid {key} value in a git URL: `{value}`")]
    Invalid {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Two places ask for different things.
    #[error("{what} conflicts in a git URL: `{first}` and `{second}`")]
    Conflict {
        /// `ref` or `subdir`.
        what: &'static str,
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// Both `tag` and `branch`.
    #[error("branch conflicts with tag in a git URL")]
    BranchAndTag,
}

/// Reads a text as a git remote; `None` if it is none.
pub fn parse(text: &str) -> Result<Option<GitUrl>, GitUrlError> {
    let Some(parts) = recognise(text) else { return Ok(None) };
    let fragment = decode(parts.fragment);
    let (reference, subdir) = fragment.split_once(':').unwrap_or((&fragment, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut url = GitUrl {
        remote: if parts.like_a_path { format!("https://{}", parts.remote) } else { parts.remote.to_owned() },
        scheme: parts.scheme,
        host: parts.host.to_owned(),
        path: parts.path.to_owned(),
        reference: some(reference),
        subdir: some(subdir),
        checksum: None,
        keep_git_dir: None,
        submodules: None,
        mtime: None,
        fetch_by_commit: None,
        like_a_path: parts.like_a_path,
    };
    query(&mut url, parts.query)?;
    Ok(Some(url))
}

struct Parts<'a> {
    scheme: Scheme,
    remote: &'a str,
    host: &'a str,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
    like_a_path: bool,
}

fn recognise(text: &str) -> Option<Parts<'_>> {
    if text.starts_with("./") || text.starts_with("../") {
        return None;
    }
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (remote, query) = before.split_once('?').unwrap_or((before, ""));
    let parts =
        |scheme, host, path| Parts { scheme, remote, host, path, query, fragment, like_a_path: false };
    if let Some(path) = remote.strip_prefix("github.com/") {
        return Some(Parts { like_a_path: true, ..parts(Scheme::Https, "github.com", path) });
    }
    if let Some((scheme, rest)) = remote.split_once("://")
        && !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" => Scheme::Ssh,
            "git" => Scheme::Git,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.is_empty() || remote.contains(char::is_whitespace) {
            return None;
        }
        // Over HTTP anything can be served: only the name tells a repository from a file.
        if matches!(scheme, Scheme::Https | Scheme::Http) && decode(path).strip_suffix(".git").is_none() {
            return None;
        }
        return Some(parts(scheme, host, path));
    }
    let (user, rest) = remote.split_once('@')?;
    let (host, path) = rest.split_once(':')?;
    let word = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(char))
    };
    (word(user, "-_") && word(host, "-.")).then(|| parts(Scheme::Ssh, host, path))
}

fn query(url: &mut GitUrl, query: &str) -> Result<(), GitUrlError> {
    let (mut tag, mut branch) = (None, None);
    let mut seen: Vec<String> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")));
        if seen.contains(&key) {
            return Err(GitUrlError::Repeated(key));
        }
        let value =
            || if value.is_empty() { Err(GitUrlError::NoValue(key.clone())) } else { Ok(value.clone()) };
        let flag = || match value() {
            Err(_) => Ok(true),
            Ok(value) => match value.as_str() {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
                "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
                _ => Err(GitUrlError::Invalid { key: key.clone(), value }),
            },
        };
        match key.as_str() {
            "ref" => agree(&mut url.reference, "ref", value()?)?,
            "tag" => tag = Some(full_name("refs/tags/", value()?)),
            "branch" => branch = Some(full_name("refs/heads/", value()?)),
            "subdir" => agree(&mut url.subdir, "subdir", value()?)?,
            "checksum" | "commit" => agree(&mut url.checksum, "checksum", value()?)?,
            "keep-git-dir" => url.keep_git_dir = Some(flag()?),
            "submodules" => url.submodules = Some(flag()?),
            "fetch-by-commit" => url.fetch_by_commit = Some(flag()?),
            "mtime" => {
                url.mtime = Some(match value()?.as_str() {
                    "checkout" => Mtime::Checkout,
                    "commit" => Mtime::Commit,
                    other => return Err(GitUrlError::Invalid { key: key.clone(), value: other.to_owned() }),
                });
            }
            _ => return Err(GitUrlError::UnknownKey(key)),
        }
        seen.push(key);
    }
    match (tag, branch) {
        (Some(_), Some(_)) => return Err(GitUrlError::BranchAndTag),
        (Some(name), None) | (None, Some(name)) => agree(&mut url.reference, "ref", name)?,
        (None, None) => {}
    }
    if url.reference.is_none() {
        url.reference.clone_from(&url.checksum);
    }
    Ok(())
}

fn full_name(prefix: &str, name: String) -> String {
    if name.starts_with(prefix) { name } else { format!("{prefix}{name}") }
}

/// Sets a field that another place may have set already.
fn agree(field: &mut Option<String>, what: &'static str, value: String) -> Result<(), GitUrlError> {
    match field.replace(value.clone()) {
        Some(first) if first != value => Err(GitUrlError::Conflict { what, first, second: value }),
        _ => Ok(()),
    }
}

/// Resolves `%41`. What is no such escape stays.
fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = text
            .get(at + 1..at + 3)
            .filter(|hex| bytes[at] == b'%' && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `remote|ref|subdir|name`
    fn short(text: &str) -> String {
        match parse(text) {
            Ok(None) => "no".to_owned(),
            Err(error) => error.to_string(),
            Ok(Some(url)) => format!(
                "{}|{}|{}|{}",
                url.remote,
                url.reference.as_deref().unwrap_or_default(),
                url.subdir.as_deref().unwrap_or_default(),
                url.name()
            ),
        }
    }

    #[test]
    fn which_texts_are_git_remotes() {
        for (text, expected) in [
            ("https://example.com/", "no"),
            ("https://example.com/foo", "no"),
            ("https://example.com/foo?ref=main", "no"),
            ("https://example.com/foo.git", "https://example.com/foo.git|||foo"),
            ("https://example.com/foo.git#deadbeef", "https://example.com/foo.git|deadbeef||foo"),
            ("https://example.com/foo.git#release/1.2", "https://example.com/foo.git|release/1.2||foo"),
            ("https://example.com/foo.git/", "no"),
            ("https://example.com/foo.git.bar", "no"),
            ("http://example.com/docker.git:#branch", "no"),
            ("HTTPS://example.com/a.git", "HTTPS://example.com/a.git|||a"),
            ("git://example.com/foo", "git://example.com/foo|||foo"),
            ("ssh://git@example.com:22/a/b.git#v1:sub", "ssh://git@example.com:22/a/b.git|v1|sub|b"),
            ("github.com/owner/repo#main", "https://github.com/owner/repo|main||repo"),
            ("github.com/owner/repo?tag=v1.0.0", "https://github.com/owner/repo|refs/tags/v1.0.0||repo"),
            ("example.com/owner/repo.git", "no"),
            ("https://user:secret@example.com/a.git", "https://user:secret@example.com/a.git|||a"),
            ("git@example.com:owner/repo", "git@example.com:owner/repo|||repo"),
            ("git@example.com:repo.git", "git@example.com:repo.git|||repo"),
            ("git@example.com:o/r.git?subdir=/s#v1", "git@example.com:o/r.git|v1|/s|r"),
            ("https://example.com/b.git#a/b:c/d", "https://example.com/b.git|a/b|c/d|b"),
            ("https://example.com/b.git#:dir", "https://example.com/b.git||dir|b"),
            ("./.git", "no"),
            (".git", "no"),
            ("./x.git", "no"),
            ("../x.git#main", "no"),
            ("ftp://example.com/x.git", "no"),
            ("user@host", "no"),
            ("a b@host:x", "no"),
            ("dir/a@b:c", "no"),
            ("", "no"),
            ("https:///x.git", "no"),
            ("https://example.com/x%2Egit#a%2Fb", "https://example.com/x%2Egit|a/b||x%2Egit"),
        ] {
            assert_eq!(short(text), expected, "{text}");
        }
    }

    #[test]
    fn queries() {
        let base = "https://example.com/r.git";
        for (query, expected) in [
            ("?ref=v1&subdir=/s", format!("{base}|v1|/s|r")),
            ("?tag=v1", format!("{base}|refs/tags/v1||r")),
            ("?tag=refs/tags/v1", format!("{base}|refs/tags/v1||r")),
            ("?branch=v1", format!("{base}|refs/heads/v1||r")),
            ("?checksum=abc123", format!("{base}|abc123||r")),
            ("?commit=abc123#main", format!("{base}|main||r")),
            ("?ref=a#a", format!("{base}|a||r")),
            ("?subdir=a%20b+c", format!("{base}||a b c|r")),
            ("?ref=v1#v2", "ref conflicts in a git URL: `v2` and `v1`".to_owned()),
            ("?ref=v1&tag=v2", "ref conflicts in a git URL: `v1` and `refs/tags/v2`".to_owned()),
            ("?subdir=a#:b", "subdir conflicts in a git URL: `b` and `a`".to_owned()),
            ("?tag=v1&branch=v1", "branch conflicts with tag in a git URL".to_owned()),
            ("?invalid=1", "unexpected query `invalid` in a git URL".to_owned()),
            ("?ref=", "query `ref` of a git URL has no value".to_owned()),
            ("?ref=a&ref=a", "query `ref` of a git URL has several values".to_owned()),
            ("?submodules=maybe", "invalid submodules value in a git URL: `maybe`".to_owned()),
            ("?mtime=now", "invalid mtime value in a git URL: `now`".to_owned()),
        ] {
            assert_eq!(short(&format!("{base}{query}")), expected, "{query}");
        }
        let url = parse(&format!("{base}?submodules&keep-git-dir=false&mtime=commit&fetch-by-commit=1"));
        let url = url.unwrap().unwrap();
        assert_eq!((url.submodules, url.keep_git_dir), (Some(true), Some(false)));
        assert_eq!((url.mtime, url.fetch_by_commit), (Some(Mtime::Commit), Some(true)));
        let wanted = |query: &str| {
            let url = parse(&format!("{base}{query}")).unwrap().unwrap();
            url.wanted().map(str::to_owned)
        };
        assert_eq!(wanted("?ref=main&checksum=abc1234").as_deref(), Some("main"));
        assert_eq!(wanted("?ref=main&checksum=abc1234&fetch-by-commit").as_deref(), Some("abc1234"));
        assert_eq!(wanted(""), None);
    }

    #[test]
    fn warnings_in_the_value() {
        let url = |text| parse(text).unwrap().unwrap();
        assert!(url("http://example.com/x.git").unencrypted() && url("git://example.com/x").unencrypted());
        assert!(!url("git@example.com:x").unencrypted());
        assert!(url("github.com/a/b").like_a_path && !url("https://github.com/a/b.git").like_a_path);
        assert_eq!(url("ssh://me@example.com:2222/x").host, "example.com:2222");
    }
}
