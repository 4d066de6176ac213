//! From a place in the configuration to a server: which scheme, verified or not.

use std::sync::PoisonError;

use imgc_base::reference::Reference;
use ureq::http::{Method, Uri};

use super::Client;
use crate::config::Place;
use crate::error::{Error, Kind};
use crate::url::Origin;
use crate::wire::{Body, Site};

impl Client {
    /// The servers to pull from, mirrors first.
    pub(super) fn sites(&self, reference: &Reference) -> Result<Vec<Place>, Error> {
        self.shared.config.places(reference)
    }

    /// The server to push to.
    pub(super) fn main_site(&self, reference: &Reference) -> Result<Site, Error> {
        self.settle(&self.shared.config.main_place(reference)?)
    }

    /// The server of a registry as a whole.
    pub(super) fn registry_site(&self, registry: &str) -> Result<Site, Error> {
        self.settle(&self.shared.config.registry_place(registry)?)
    }

    /// Finds out how a place is reached. Registries that are not marked insecure are reached by verified HTTPS and
    /// nothing else. Those marked insecure, and this machine, are tried with verified HTTPS, then (only if marked)
    /// with unverified HTTPS, then with plain HTTP.
    pub(super) fn settle(&self, place: &Place) -> Result<Site, Error> {
        let site = |origin: Origin, verify: bool| Site {
            registry: place.registry.clone(),
            origin,
            path: place.path.clone(),
            repository: place.repository.clone(),
            verify,
            insecure: place.insecure,
            mirror: place.mirror,
        };
        if !place.plain || !place.origin.https {
            return Ok(site(place.origin.clone(), !place.insecure));
        }
        let sites = || self.shared.sites.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sites().get(&place.registry) {
            return Ok(site(known.origin.clone(), known.verify));
        }
        let found = self
            .probe(place, &site)
            .map_err(|error| error.doing(format!("failed to reach registry `{}`", place.registry)))?;
        sites().insert(place.registry.clone(), found.clone());
        Ok(found)
    }

    fn probe(&self, place: &Place, site: &dyn Fn(Origin, bool) -> Site) -> Result<Site, Error> {
        let secure = site(place.origin.clone(), true);
        let first = match self.knock(&secure) {
            Ok(()) => return Ok(secure),
            Err(error) if matches!(error.kind(), Kind::Tls | Kind::Network) => error,
            Err(error) => return Err(error),
        };
        // A certificate that is not trusted means that there is HTTPS: plain HTTP cannot work.
        let untrusted = first.kind() == Kind::Tls && first.to_string().contains("certificate");
        if untrusted {
            if !place.insecure {
                return Err(first.with_help(format!(
                    "put its authority's certificate into `~/.config/containers/certs.d/{}/ca.crt`, or mark the \
                     registry as insecure",
                    place.registry
                )));
            }
            let unverified = site(place.origin.clone(), false);
            self.knock(&unverified)?;
            return Ok(unverified);
        }
        let plain =
            if place.origin.port == 443 { place.origin.host.clone() } else { place.origin.host_port() };
        let plain = site(Origin::of_host(false, &plain)?, true);
        self.knock(&plain)?;
        Ok(plain)
    }

    /// Any answer will do.
    fn knock(&self, site: &Site) -> Result<(), Error> {
        let url = base(site)?;
        self.wire().raw(site, &Method::GET, &url, &[], Body::Empty).map(drop)
    }
}

/// The address of a registry's version check.
pub(super) fn base(site: &Site) -> Result<Uri, Error> {
    site.origin.url(&format!("{}/v2/", site.path))
}

/// An address below a repository. `rest` starts with a slash.
pub(super) fn below(site: &Site, rest: &str) -> Result<Uri, Error> {
    site.origin.url(&format!("{}/v2/{}{rest}", site.path, site.repository))
}

/// The scope of an action on a repository.
pub(super) fn scope(repository: &str, actions: &str) -> String {
    format!("repository:{repository}:{actions}")
}
