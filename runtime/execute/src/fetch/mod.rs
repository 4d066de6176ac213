//! Files and repositories from elsewhere: http, git, tar streams.
//!
//! | module | what it brings |
//! |---|---|
//! | [`mod@http`] | one file, kept in the store as a blob |
//! | [`mod@git`] | a checkout with its submodules, in a private directory |
//! | [`mod@stream`] | a build context as an archive, from a pipe or a file |
//! | [`archive`] | archives told apart by content |
//! | [`account`] | secrets for servers, by their hosts |
//!
//! Every name of what was brought is made here, none by a server (CVE-2026-33747).

pub mod account;
pub mod archive;
mod git;
mod git_run;
mod guard;
mod http;
mod stream;
mod submodules;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use imgc_base::cancel::Cancelled;
use imgc_base::digest::{BlobDigest, FileDigest};
use imgc_image::ImageError;
use imgc_store::StoreError;

use crate::file::{FileError, Source};

pub use account::Accounts;
pub use git::{Git, git};
pub use http::http;
pub use stream::{Delivered, stream};

/// A file from a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies.
    path: PathBuf,
    /// The name that it gets in a directory.
    name: String,
    /// When it was changed, as the server says; 0 if it does not.
    mtime: i64,
    /// The digest of its content.
    digest: BlobDigest,
}

impl Fetched {
    /// The file as the source of a copy.
    pub fn source(&self) -> Source<'_> {
        let digest = Some(FileDigest::from_bytes(*self.digest.as_bytes()));
        Source::File { path: &self.path, name: &self.name, mtime: self.mtime, digest }
    }

    /// Where it lies on this machine.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of its content.
    pub fn digest(&self) -> &BlobDigest {
        &self.digest
    }
}

/// How web servers are asked.
#[derive(Debug, Clone, Copy)]
pub struct Web<'a> {
    /// Whose certificates are believed.
    pub trust: &'a imgc_registry::Trust,
    /// Secrets for servers.
    pub accounts: Accounts<'a>,
}

/// Why something from elsewhere could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address makes no sense or is not allowed.
    #[error("cannot fetch `{url}`: {why}")]
    Address {
        /// Which address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No server may be asked, and it is not here.
    #[error("`{url}` is not here, but `--offline` was given")]
    Offline {
        /// Which address.
        url: String,
    },
    /// The authorities that this machine trusts do not read.
    #[error(transparent)]
    Trust(#[from] imgc_registry::Error),
    /// The server said no.
    #[error("failed to fetch `{url}`: the server answered {status}")]
    Status {
        /// Which address.
        url: String,
        /// The status code.
        status: u16,
    },
    /// The connection failed.
    #[error("failed to fetch `{url}`")]
    Transport {
        /// Which address.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The content is not what `--checksum` says.
    #[error("digest mismatch for `{url}`: expected {expected}, got {got}")]
    Checksum {
        /// Which address.
        url: String,
        /// What was asked for.
        expected: String,
        /// What came.
        got: String,
    },
    /// More than is accepted.
    #[error("`{url}` is larger than {limit} bytes")]
    Large {
        /// Which address.
        url: String,
        /// How much is accepted.
        limit: u64,
    },
    /// git said no.
    #[error("failed to {action} `{remote}` with git: {message}")]
    Git {
        /// What was tried.
        action: &'static str,
        /// Which repository.
        remote: String,
        /// The last lines that git wrote.
        message: String,
    },
    /// There is no git.
    #[error("failed to start `git`")]
    NoGit(#[source] io::Error),
    /// The directory asked for is not in the repository.
    #[error("`{subdir}` is not a directory of `{remote}`")]
    Subdir {
        /// Which repository.
        remote: String,
        /// Which directory.
        subdir: String,
    },
    /// A stream that is a context failed.
    #[error("failed to read the build context from {from}")]
    Stream {
        /// Where from.
        from: String,
        /// Why.
        #[source]
        source: ImageError,
    },
    /// A secret for a server could not be used.
    #[error("secret `{id}` cannot be used for a server: {why}")]
    Secret {
        /// Which secret.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// A repository asks for submodules that it may not have.
    #[error("submodule `{path}` of `{remote}` cannot be fetched: {why}")]
    Submodule {
        /// Which repository.
        remote: String,
        /// Where it would be.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file on this machine could not be read or written.
    #[error("failed to {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A path could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The build was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl FetchError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Checksum { got, .. } => {
                Some(format!("if the new content is right, write `--checksum={got}`"))
            }
            Self::Transport { source, .. } if is_untrusted(source) => Some(
                "if a proxy of this network signs for everybody, or the server signed for itself, name that certificate in the \
                 file of `SSL_CERT_FILE`"
                    .to_owned(),
            ),
            Self::NoGit(_) => Some("install git, or give the sources as a directory".to_owned()),
            Self::Git { remote, .. } if remote.starts_with("http") => Some(format!(
                "look at the address and the reference; a private repository needs a token: \
                 `--secret id=GIT_AUTH_TOKEN.{host},env=NAME`",
                host =
                    account::Server::of(remote).map_or_else(|| "HOST".to_owned(), |server| server.authority)
            )),
            Self::Git { .. } => Some(
                "private repositories need an ssh agent; look at the address and the reference".to_owned(),
            ),
            Self::Status { url, status: 401 | 403 } => Some(format!(
                "if it needs credentials, give them: `--secret id=HTTP_AUTH_TOKEN_{host},env=NAME` \
                 (or HTTP_AUTH_HEADER_{host})",
                host = account::Server::of(url).map_or_else(|| "HOST".to_owned(), |server| server.authority)
            )),
            _ => None,
        }
    }

    fn io<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Io { action, source: error.into() }
    }
}

/// True if nobody whom this machine trusts signed for the server.
fn is_untrusted(source: &dyn std::error::Error) -> bool {
    let text = source.to_string();
    ["UnknownIssuer", "CaUsedAsEndEntity"].iter().any(|sign| text.contains(sign))
}
