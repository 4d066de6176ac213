//! The client of image registries (OCI distribution specification).
//!
//! | module | what it does |
//! |---|---|
//! | `client` | the operations: pull, push, list, delete, search, log in |
//! | `exchange` | one request with login, redirects and further tries |
//! | `wire` | one request to one server |
//! | `auth` | challenges, accounts, tokens; where a password may go |
//! | `config` | the files of docker and containers, logins |
//! | `net` | connections: certificates, proxies, which addresses may be reached |
//! | `url` | origins, and the checks of addresses that registries name |
//!
//! Rules that hold everywhere: a credential is bound to scheme, host and port; redirects are followed here and not by
//! the HTTP library; every number from outside has a limit (`limits`); digests and sizes are checked while bytes
//! arrive. The store checks them again. `spec/registry.md` has the whole contract.

mod auth;
mod client;
mod clock;
mod config;
mod error;
mod exchange;
mod limits;
mod net;
mod retry;
mod secret;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod url;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;

pub use client::Client;
pub use client::account::Found;
pub use client::blob::BlobSink;
pub use client::copy::Remote;
pub use client::push::PushReport;
pub use client::upload::{BlobSource, Pushed};
pub use clock::Clock;
pub use config::{Config, Saved, Settings};
pub use error::{Error, Kind};
pub use net::Trust;
pub use secret::{Credential, Secret};

/// Hears how far long operations are. Called from several threads.
pub trait Observer: Send + Sync + fmt::Debug {
    /// So many bytes of a blob were sent or received.
    fn transferred(&self, what: &str, done: u64, total: u64) {
        let _ = (what, done, total);
    }

    /// Something worth saying: another try, a mirror that failed.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {}
