//! The configuration that people already have, read once and handed to the client.
//!
//! | file | what is taken |
//! |---|---|
//! | `$DOCKER_AUTH_CONFIG` | accounts, before those of files |
//! | `$DOCKER_CONFIG/config.json` or `~/.docker/config.json` | accounts, credential helpers; written by login and logout |
//! | `$REGISTRY_AUTH_FILE`, `$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json` | accounts |
//! | `certs.d/HOST[:PORT]/` of docker and containers | authorities, client certificates |
//! | `/etc/docker/daemon.json` | `insecure-registries`, `registry-mirrors` |
//! | `registries.conf`, `registries.conf.d/*.conf` (version 2; of version 1 `insecure` and `block`) | mirrors, aliases, `blocked`, `insecure`, `location` |
//! | `/etc/imgc/config.toml`, `~/.config/imgc/config.toml` | the `[registry."HOST"]` tables ([`Settings`]) |
//!
//! The environment comes in through a function; nothing here reads it.

pub(crate) mod accounts;
mod daemon;
pub(crate) mod files;
mod helper;
mod login;
mod own;
mod places;
mod registries;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::{Clock, System};
use crate::error::Error;
use crate::net::Proxies;
use crate::secret::{Credential, Secret};
use crate::url::Origin;

pub use login::Saved;
pub use own::Settings;
pub(crate) use places::{HUB, Place};

/// How registries are reached and who we are there.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) docker_dir: PathBuf,
    pub(crate) auth_text: Option<Secret>,
    pub(crate) auth_files: Vec<PathBuf>,
    pub(crate) certificate_roots: Vec<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) cert_dir: Option<PathBuf>,
    pub(crate) proxies: Proxies,
    pub(crate) helpers: helper::Environment,
    pub(crate) daemon: daemon::Daemon,
    pub(crate) registries: registries::Registries,
    pub(crate) own: BTreeMap<String, Settings>,
    pub(crate) given: BTreeMap<String, Credential>,
    pub(crate) clock: Arc<dyn Clock>,
    #[cfg(any(test, feature = "testing"))]
    pub(crate) book: Option<crate::testing::Book>,
}

impl Config {
    /// Nothing configured: anonymous, the system's certificates, no proxy. Logins go below `docker_dir`.
    pub fn empty(docker_dir: &Path) -> Self {
        Self {
            docker_dir: docker_dir.to_owned(),
            auth_text: None,
            auth_files: Vec::new(),
            certificate_roots: Vec::new(),
            cert_file: None,
            cert_dir: None,
            proxies: Proxies::default(),
            helpers: helper::Environment::default(),
            daemon: daemon::Daemon::default(),
            registries: registries::Registries::default(),
            own: BTreeMap::new(),
            given: BTreeMap::new(),
            clock: Arc::new(System),
            #[cfg(any(test, feature = "testing"))]
            book: None,
        }
    }

    /// Reads the configuration files of docker and containers.
    pub fn load(env: &dyn Fn(&str) -> Option<String>, home: &Path) -> Result<Self, Error> {
        Self::load_below(env, home, Path::new("/etc"))
    }

    /// The same with another place for `/etc`.
    pub fn load_below(env: &dyn Fn(&str) -> Option<String>, home: &Path, etc: &Path) -> Result<Self, Error> {
        let path = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let docker_dir = path("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker"));
        let user = path("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let mut config = Self::empty(&docker_dir);
        config.auth_text = env("DOCKER_AUTH_CONFIG").filter(|text| !text.trim().is_empty()).map(Secret::new);
        config.auth_files = path("REGISTRY_AUTH_FILE").map_or_else(
            || {
                let runtime = path("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json"));
                let own = [docker_dir.join("config.json"), user.join("containers/auth.json")];
                own[..1].iter().cloned().chain(runtime).chain(own[1..].iter().cloned()).collect()
            },
            |file| vec![file, docker_dir.join("config.json")],
        );
        config.certificate_roots = vec![
            user.join("containers/certs.d"),
            user.join("docker/certs.d"),
            docker_dir.join("certs.d"),
            etc.join("containers/certs.d"),
            etc.join("docker/certs.d"),
        ];
        config.cert_file = path("SSL_CERT_FILE");
        config.cert_dir = path("SSL_CERT_DIR");
        config.proxies = Proxies::new(env);
        config.helpers = helper::Environment::new(env);
        config.daemon =
            daemon::Daemon::load(&[etc.join("docker/daemon.json"), user.join("docker/daemon.json")])?;
        config.registries = registries::Registries::load(
            path("CONTAINERS_REGISTRIES_CONF").as_deref(),
            &[etc.join("containers"), user.join("containers")],
        )?;
        config.own = own::load(&[etc.join("imgc/config.toml"), user.join("imgc/config.toml")])?;
        Ok(config)
    }

    /// Adds what imgc's own configuration says of a registry.
    #[must_use]
    pub fn with_settings(mut self, registry: &str, settings: Settings) -> Self {
        self.own.insert(registry.to_owned(), settings);
        self
    }

    /// Marks a registry as insecure: plain HTTP and unverified certificates are accepted.
    #[must_use]
    pub fn with_insecure(mut self, registry: &str) -> Self {
        self.own.entry(registry.to_owned()).or_default().insecure = true;
        self
    }

    /// Uses an account for a registry, whatever the files say.
    #[must_use]
    pub fn with_credential(mut self, registry: &str, credential: Credential) -> Self {
        self.given.insert(registry.to_owned(), credential);
        self
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Leads names to a scripted server.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn with_book(mut self, book: crate::testing::Book) -> Self {
        self.book = Some(book);
        self
    }

    /// The full name that an alias of `registries.conf` gives to a short one: `fedora` to
    /// `registry.fedoraproject.org/fedora`.
    pub fn alias(&self, name: &str) -> Option<&str> {
        self.registries.alias(name)
    }

    /// A name as it was written, with its alias put in place; tag and digest stay.
    pub fn expand(&self, text: &str) -> String {
        let last = text.rfind('/').map_or(0, |slash| slash + 1);
        let end = text[last..].find([':', '@']).map_or(text.len(), |at| last + at);
        self.alias(&text[..end]).map_or_else(|| text.to_owned(), |full| format!("{full}{}", &text[end..]))
    }

    /// The directories that may hold certificates of an origin.
    pub(crate) fn certificate_dirs(&self, origin: &Origin) -> Vec<PathBuf> {
        let mut names = vec![format!("{}:{}", origin.host, origin.port)];
        if origin.port == 443 {
            names.push(origin.host.clone());
        }
        self.certificate_roots.iter().flat_map(|root| names.iter().map(|name| root.join(name))).collect()
    }

    /// Files of authorities that imgc's own configuration names for an origin.
    pub(crate) fn authority_files(&self, origin: &Origin) -> Vec<PathBuf> {
        let named =
            self.own.iter().filter(|(name, _)| places::origin_of(name, true).is_ok_and(|own| own == *origin));
        named.filter_map(|(_, settings)| settings.ca.clone()).collect()
    }
}
