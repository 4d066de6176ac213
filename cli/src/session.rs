//! What every command shares: the global options, the store, the registry client, output.

use std::path::PathBuf;

use imgc_base::cancel::Cancel;
use imgc_sandbox::Isolation;
use imgc_store::Store;

use crate::app::Global;
use crate::environment;
use crate::failure::{Failure, code};

/// What every command shares.
#[derive(Debug)]
pub struct Session {
    /// The global options.
    pub global: Global,
    /// How steps will be isolated.
    pub isolation: Isolation,
    /// The user's wish to stop.
    pub cancel: Cancel,
}

impl Session {
    /// Where the store is.
    pub fn store_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.global.store {
            return Ok(dir.clone());
        }
        environment::data_dir().map(|dir| dir.join("store")).ok_or_else(|| {
            Failure::new(code::MACHINE, "there is no home directory to keep images in")
                .help("set HOME or XDG_DATA_HOME, or give `--store DIR`")
        })
    }

    /// Opens the store, making it if it is not there.
    pub fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.store_dir()?)?)
    }

    /// The registry client, with the configuration people already have; none when offline.
    pub fn client(&self) -> Result<Option<imgc_registry::Client>, Failure> {
        if self.global.offline {
            return Ok(None);
        }
        let home = environment::home().unwrap_or_default();
        let config = imgc_registry::Config::load(&environment::get, &home)?;
        Ok(Some(imgc_registry::Client::cancellable(config, self.cancel.clone())))
    }

    /// Whom to trust of the web servers that a build asks; none when offline.
    pub fn web(&self) -> Result<Option<imgc_registry::Trust>, Failure> {
        Ok(self.client()?.map(|client| imgc_registry::Trust::of(client.config())))
    }

    /// The registry client for a command that makes no sense without.
    pub fn online(&self) -> Result<imgc_registry::Client, Failure> {
        self.client()?
            .ok_or_else(|| Failure::new(code::NETWORK, "this needs a registry, but `--offline` was given"))
    }
}
