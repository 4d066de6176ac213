//! Contexts that are not directories: stdin, the address of a file or archive, a git repository.

use std::collections::BTreeMap;

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
    if context.starts_with("http://") || context.starts_with("https://") {
        online(session, context)?;
        let trust = session.web()?;
        let web = trust.as_ref().map(|trust| Web { trust, accounts });
        let file = fetch::http(store, context, None, None, web, &session.cancel);
        let file = file.map_err(|error| failure(&error))?;
        let bytes = file.open().map_err(|error| failure(&error))?;
        let delivered = fetch::stream(store, context, bytes, &session.cancel);
        return Ok(place(delivered.map_err(|error| failure(&error))?));
    }
    Ok(Place::Local)
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
