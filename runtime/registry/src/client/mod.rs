//! The operations on registries.

pub(crate) mod account;
pub(crate) mod blob;
pub(crate) mod copy;
mod delete;
mod list;
mod pull;
pub(crate) mod push;
mod referrers;
mod site;
pub(crate) mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use imgc_base::cancel::Cancel;

use crate::auth::Auth;
use crate::config::Config;
use crate::net::Net;
use crate::wire::{Site, Wire};
use crate::{Observer, Quiet};

/// A client for all registries. Cheap to clone; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    cancel: Cancel,
    observer: Arc<dyn Observer>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    net: Net,
    auth: Auth,
    /// Registries whose scheme was found out.
    sites: Mutex<BTreeMap<String, Site>>,
    /// Registries that refused a blob as one request.
    in_parts: Mutex<BTreeSet<String>>,
}

impl Client {
    /// A client with a configuration.
    pub fn new(config: Config) -> Self {
        Self::cancellable(config, Cancel::new())
    }

    /// A client that stops when asked.
    pub fn cancellable(config: Config, cancel: Cancel) -> Self {
        let net = Net::new(&config, cancel.clone());
        let shared = Shared {
            config,
            net,
            auth: Auth::default(),
            sites: Mutex::default(),
            in_parts: Mutex::default(),
        };
        Self { shared: Arc::new(shared), cancel, observer: Arc::new(Quiet) }
    }

    /// Tells an observer how far operations are.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    fn wire(&self) -> Wire<'_> {
        Wire {
            config: &self.shared.config,
            net: &self.shared.net,
            auth: &self.shared.auth,
            cancel: &self.cancel,
            observer: &*self.observer,
        }
    }
}
