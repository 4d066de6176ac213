//! Logging in and out, and searching.

use serde::Deserialize;
use ureq::http::{Method, StatusCode};

use super::Client;
use super::site::base;
use crate::config::{HUB, Saved};
use crate::error::{Error, Kind, clean};
use crate::exchange::{Ask, Content};
use crate::limits;
use crate::secret::Credential;
use crate::url::{Origin, encode};
use crate::wire::Site;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The repository's name.
    pub name: String,
    /// What its owner says of it; empty where the registry keeps no descriptions.
    pub description: String,
    /// How many people like it.
    pub stars: u64,
    /// Kept by the registry's own people.
    pub official: bool,
}

/// Results of a search that are shown at most.
const RESULTS: usize = 100;

impl Client {
    /// Checks that a registry is there and speaks the protocol, with the configured account.
    pub fn ping(&self, registry: &str) -> Result<(), Error> {
        let doing = |error: Error| error.doing(format!("failed to reach registry `{registry}`"));
        let site = self.registry_site(registry).map_err(doing)?;
        let ask = Ask::new(Method::GET, base(&site).map_err(doing)?);
        let wire = self.wire();
        let reply = wire.send(&site, &ask, Content::Empty).map_err(doing)?;
        match reply.status() {
            StatusCode::OK => Ok(()),
            _ => Err(doing(wire.failure(&site, reply))),
        }
    }

    /// Checks an account at its registry and keeps it.
    pub fn login(&self, registry: &str, credential: &Credential) -> Result<Saved, Error> {
        let config = self.config().clone().with_credential(registry, credential.clone());
        Self::cancellable(config, self.cancel.clone()).ping(registry).map_err(|error| {
            match error.kind() {
                Kind::Unauthorized => error.with_help("check the user name and the password or token"),
                _ => error,
            }
        })?;
        self.config().save_login(registry, credential)
    }

    /// Forgets an account. Returns where it was; empty if there was none.
    pub fn logout(&self, registry: &str) -> Result<Vec<Saved>, Error> {
        self.config().forget_login(registry)
    }

    /// Looks for repositories: with the search of docker's first protocol where there is one, else in the catalog.
    pub fn search(&self, registry: &str, term: &str, limit: usize) -> Result<Vec<Found>, Error> {
        let doing = |error: Error| error.doing(format!("failed to search `{registry}`"));
        let limit = limit.clamp(1, RESULTS);
        if registry == HUB {
            let origin = Origin::of_host(true, "index.docker.io").map_err(doing)?;
            let site = Site { origin, ..self.registry_site(registry).map_err(doing)? };
            return self.first_search(&site, term, limit).map_err(doing);
        }
        match self.catalog(registry) {
            Ok(names) => {
                let term = term.to_lowercase();
                let found = names.into_iter().filter(|name| name.contains(&term)).take(limit);
                Ok(found
                    .map(|name| Found { name, description: String::new(), stars: 0, official: false })
                    .collect())
            }
            Err(error)
                if matches!(error.kind(), Kind::Network | Kind::Tls | Kind::Cancelled | Kind::Refused) =>
            {
                Err(error)
            }
            Err(error) => {
                let site = self.registry_site(registry).map_err(doing)?;
                // The catalog's error says more than that of a protocol that hardly any registry has.
                self.first_search(&site, term, limit).map_err(|_| error)
            }
        }
    }

    fn first_search(&self, site: &Site, term: &str, limit: usize) -> Result<Vec<Found>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            results: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            name: String,
            #[serde(default)]
            description: Option<String>,
            #[serde(default)]
            star_count: u64,
            #[serde(default)]
            is_official: bool,
        }
        let url = site.origin.url(&format!("/v1/search?q={}&n={limit}", encode(term)))?;
        let wire = self.wire();
        let (reply, bytes) =
            wire.get(site, &Ask::new(Method::GET, url), limits::PAGE_BYTES, "a list of results")?;
        if reply.status() != StatusCode::OK {
            return Err(wire.failure(site, reply));
        }
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(Kind::Protocol, format!("the list of results does not read: {error}"))
        })?;
        let found = answer.results.into_iter().take(limit).map(|one| Found {
            name: clean(&one.name),
            description: clean(&one.description.unwrap_or_default()),
            stars: one.star_count,
            official: one.is_official,
        });
        Ok(found.collect())
    }
}
