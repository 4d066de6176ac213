//! Contexts that are not directories: stdin, the address of a file or archive, a git repository.

use std::collections::BTreeMap;
use std::io::Read;

use imgc_execute::Secret;
use imgc_execute::context::Context;
use imgc_execute::fetch::{self, Accounts, Delivered, Web};
use imgc_store::Store;

use crate::environment;
use crate::failure::{Failure, code};
use crate::session::Session;

/// What stands behind the name of a context.
#[derive(Debug)]
pub enum Place {
    /// A directory of this machine.
    Local,
    /// A Dockerfile without a context.
    Text(Vec<u8>),
    /// A directory that was fetched; it is gone when this value is.
    Fetched(Box<Context>),
}

/// What the main context is fetched with.
#[derive(Debug)]
pub struct With {
    /// Secrets, some of which are for servers.
    pub secrets: BTreeMap<String, Secret>,
    /// Keep `.git` of a repository (`BUILDKIT_CONTEXT_KEEP_GIT_DIR`).
    pub keep_git_dir: bool,
}

/// Fetches a context if its name says that it is elsewhere.
pub fn fetch(session: &Session, store: &Store, context: &str, with: &With) -> Result<Place, Failure> {
    let accounts = Accounts::new(&with.secrets);
    if context == "-" {
        let delivered = fetch::stream(store, "stdin", std::io::stdin().lock(), &session.cancel);
        return Ok(place(delivered.map_err(|error| failure(&error))?));
    }
    let git = imgc_syntax::giturl::parse(context)
        .map_err(|error| Failure::usage(format!("the context `{context}`: {error}")))?;
    // `github.com/o/r` may also be a directory.
    if let Some(git) = git.filter(|git| !git.like_a_path || !std::path::Path::new(context).is_dir()) {
        online(session, context)?;
        let wanted = fetch::Git {
            remote: &git.remote,
            reference: git.wanted().unwrap_or_default(),
            subdir: git.subdir.as_deref().unwrap_or_default(),
            keep_git_dir: git.keep_git_dir.unwrap_or(with.keep_git_dir),
            submodules: git.submodules.unwrap_or(true),
            checksum: git.checksum.as_deref(),
        };
        let context = fetch::git(store, &wanted, accounts, &environment::for_git(), &session.cancel);
        return Ok(Place::Fetched(Box::new(context.map_err(|error| failure(&error))?)));
    }
    if is_address(context) {
        let bytes = file(session, store, context, with)?;
        let delivered = fetch::stream(store, context, bytes, &session.cancel);
        return Ok(place(delivered.map_err(|error| failure(&error))?));
    }
    Ok(Place::Local)
}

/// True for the address of a file of a web server.
pub fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// A file of a web server.
pub fn file(session: &Session, store: &Store, url: &str, with: &With) -> Result<impl Read + use<>, Failure> {
    online(session, url)?;
    let trust = session.web()?;
    let web = trust.as_ref().map(|trust| Web { trust, accounts: Accounts::new(&with.secrets) });
    let file = fetch::http(store, url, None, None, web, &session.cancel).map_err(|error| failure(&error))?;
    file.open().map_err(|error| failure(&error))
}

fn place(delivered: Delivered) -> Place {
    match delivered {
        Delivered::Text(text) => Place::Text(text),
        Delivered::Context(context) => Place::Fetched(context),
    }
}

fn online(session: &Session, context: &str) -> Result<(), Failure> {
    if session.global.offline {
        return Err(Failure::new(
            code::NETWORK,
            format!("`{context}` is elsewhere, but `--offline` was given"),
        ));
    }
    Ok(())
}

fn failure(error: &fetch::FetchError) -> Failure {
    let mut failure = Failure::chain(code::NETWORK, error);
    failure.helps.extend(error.help());
    failure
}
