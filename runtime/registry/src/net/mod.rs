//! Connections: one agent per origin, with the certificates, the proxy and the reach that belong to it.

mod connect;
mod guard;
mod proxy;
mod secure;
mod tls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use imgc_base::cancel::Cancel;
use ureq::Agent;
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, RustlsConnector, SocksConnector, TcpConnector,
};

use crate::config::Config;
use crate::error::Error;
use crate::limits;
use crate::url::{Origin, Reach};

pub(crate) use guard::Reaches;
pub(crate) use proxy::Proxies;
pub(crate) use tls::Roots;
pub use tls::Trust;

/// An agent for web servers that are no registries.
fn agent_with(settings: ureq::config::Config, own_tls: Option<Arc<rustls::ClientConfig>>) -> Agent {
    let connector =
        ().chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(secure::Secure(own_tls))
            .chain(RustlsConnector::default());
    Agent::with_parts(settings, connector, ureq::unversioned::resolver::DefaultResolver::default())
}

/// What an agent is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    origin: Origin,
    /// The nearest address that may be connected to.
    nearest: Reach,
    verify: bool,
}

/// The connections of one client.
#[derive(Debug)]
pub(crate) struct Net {
    agents: Mutex<BTreeMap<Key, Agent>>,
    roots: Roots,
    reaches: Arc<Reaches>,
    cancel: Cancel,
}

impl Net {
    pub(crate) fn new(config: &Config, cancel: Cancel) -> Self {
        Self {
            agents: Mutex::default(),
            roots: Roots::new(config),
            reaches: Arc::new(Reaches::default()),
            cancel,
        }
    }

    /// How near a host that `home` names may be: never nearer than `home` itself is.
    pub(crate) fn nearest(&self, home: &Origin) -> Reach {
        self.reaches.of(home)
    }

    fn certificates(&self, config: &Config, origin: &Origin, verify: bool) -> Result<tls::Settings, Error> {
        // Scripted servers speak in the clear; reading the system's authorities for each would only take time.
        #[cfg(any(test, feature = "testing"))]
        if config.book.is_some() {
            return Ok((ureq::tls::TlsConfig::builder().build(), None));
        }
        self.roots.tls(config, origin, verify)
    }

    /// The agent for an origin. `nearest` is `None` for the registry itself, which may be anywhere.
    pub(crate) fn agent(
        &self,
        config: &Config,
        origin: &Origin,
        nearest: Option<Reach>,
        verify: bool,
    ) -> Result<Agent, Error> {
        let key = Key { origin: origin.clone(), nearest: nearest.unwrap_or(Reach::Never), verify };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let proxy = config.proxies.of(origin)?;
        let resolver = guard::Guard {
            reaches: Arc::clone(&self.reaches),
            nearest,
            proxy: proxy
                .as_ref()
                .map(|proxy| format!("{}:{}", proxy.host(), proxy.port()).to_ascii_lowercase()),
            #[cfg(any(test, feature = "testing"))]
            book: config.book.clone(),
        };
        let (tls, own_tls) = self.certificates(config, origin, verify)?;
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("imgc/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_response_header_size(limits::HEADER_BYTES)
            .max_idle_connections_per_host(limits::PARALLEL * 2)
            .timeout_resolve(Some(limits::CONNECT))
            .timeout_connect(Some(limits::CONNECT))
            .timeout_per_read(Some(limits::IDLE))
            .timeout_per_write(Some(limits::IDLE))
            .proxy(proxy)
            .tls_config(tls)
            .build();
        let plain =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(connect::Patient { cancel: self.cancel.clone() });
        #[cfg(any(test, feature = "testing"))]
        if config.book.is_some() {
            let agent = Agent::with_parts(settings, plain.chain(connect::Pretend), resolver);
            agents.insert(key, agent.clone());
            return Ok(agent);
        }
        let agent = Agent::with_parts(
            settings,
            plain.chain(secure::Secure(own_tls)).chain(RustlsConnector::default()),
            resolver,
        );
        agents.insert(key, agent.clone());
        Ok(agent)
    }
}
