//! From an image name to the places that are asked for it.

use imgc_base::reference::Reference;

use super::Config;
use crate::error::{Error, Kind};
use crate::url::{Origin, parse};

/// One place that may have a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What people call the registry there; accounts are looked up by it.
    pub(crate) registry: String,
    /// Where it is, if it is verified or was named with a scheme.
    pub(crate) origin: Origin,
    /// In front of `/v2/`; empty for nearly all.
    pub(crate) path: String,
    /// The repository there.
    pub(crate) repository: String,
    /// Plain HTTP and unverified certificates are accepted.
    pub(crate) insecure: bool,
    /// Whether plain HTTP is accepted if there is no HTTPS.
    pub(crate) plain: bool,
    /// A stand-in for the registry that was named.
    pub(crate) mirror: bool,
}

/// Docker Hub's name in image names.
pub(crate) const HUB: &str = "docker.io";
/// Where Docker Hub's registry is.
const HUB_HOST: &str = "registry-1.docker.io";

/// The origin of a registry's name.
pub(super) fn origin_of(registry: &str, https: bool) -> Result<Origin, Error> {
    let host = if matches!(registry, HUB | "index.docker.io") { HUB_HOST } else { registry };
    Origin::of_host(https, host)
        .map_err(|_| Error::new(Kind::Config, format!("`{registry}` is no registry's name")))
}

impl Config {
    /// The place that a registry's name leads to.
    pub(crate) fn place(&self, registry: &str, repository: &str) -> Result<Place, Error> {
        let origin = origin_of(registry, true)?;
        let insecure = self.is_insecure(registry);
        let plain = insecure || origin.is_loopback();
        Ok(Place {
            registry: registry.to_owned(),
            origin,
            path: String::new(),
            repository: repository.to_owned(),
            insecure,
            plain,
            mirror: false,
        })
    }

    /// The place of a registry as a whole.
    pub(crate) fn registry_place(&self, registry: &str) -> Result<Place, Error> {
        if self.registries.find(registry, "").is_some_and(|entry| entry.blocked) {
            return Err(blocked(registry));
        }
        self.place(registry, "")
    }

    /// The places to pull from, mirrors first.
    pub(crate) fn places(&self, reference: &Reference) -> Result<Vec<Place>, Error> {
        let (registry, repository) = (reference.registry(), reference.repository());
        let by_digest = reference.digest().is_some();
        let mut places = Vec::new();
        if let Some(own) = self.own.get(registry) {
            for address in &own.mirrors {
                places.push(self.mirror_at(address, repository)?);
            }
        }
        if let Some(entry) = self.registries.find(registry, repository) {
            if entry.blocked {
                return Err(blocked(registry));
            }
            for mirror in &entry.mirrors {
                let only = mirror.only.as_deref().unwrap_or("all");
                let skipped = match only {
                    "digest-only" => !by_digest,
                    "tag-only" => by_digest,
                    _ => entry.mirror_by_digest_only && !by_digest,
                };
                if !skipped {
                    let moved = entry.moved(registry, repository, &mirror.location);
                    let mut place = self.split(&moved)?;
                    place.insecure |= mirror.insecure;
                    place.plain |= mirror.insecure;
                    place.mirror = true;
                    places.push(place);
                }
            }
        } else if registry == HUB {
            for address in &self.daemon.registry_mirrors {
                places.push(self.mirror_at(address, repository)?);
            }
        }
        places.push(self.main_place(reference)?);
        Ok(places)
    }

    /// The place to push to: the registry itself, never a mirror.
    pub(crate) fn main_place(&self, reference: &Reference) -> Result<Place, Error> {
        let (registry, repository) = (reference.registry(), reference.repository());
        let Some(entry) = self.registries.find(registry, repository) else {
            return self.place(registry, repository);
        };
        if entry.blocked {
            return Err(blocked(registry));
        }
        let mut place = self.split(&entry.moved(registry, repository, &entry.location))?;
        place.insecure |= entry.insecure;
        place.plain |= entry.insecure;
        Ok(place)
    }

    fn split(&self, full: &str) -> Result<Place, Error> {
        let (registry, repository) = full.split_once('/').ok_or_else(|| {
            Error::new(Kind::Config, format!("registries.conf leads to `{full}`, which has no repository"))
        })?;
        self.place(registry, repository)
    }

    /// A mirror given as an address (`https://mirror.example.com/path`) or as a host.
    fn mirror_at(&self, address: &str, repository: &str) -> Result<Place, Error> {
        let mut place = if address.contains("://") {
            let url = parse(address)
                .map_err(|error| Error::new(Kind::Config, format!("a registry mirror: {error}")))?;
            let origin = Origin::of(&url);
            let mut place = self.place(&origin.host_port(), repository)?;
            place.plain = !origin.https;
            url.path().trim_end_matches('/').clone_into(&mut place.path);
            place.origin = origin;
            place
        } else {
            self.place(address.trim_end_matches('/'), repository)?
        };
        place.mirror = true;
        Ok(place)
    }

    fn is_insecure(&self, registry: &str) -> bool {
        self.own.get(registry).is_some_and(|own| own.insecure)
            || self.daemon.is_insecure(registry)
            || self.registries.find(registry, "").is_some_and(|entry| entry.insecure)
    }
}

fn blocked(registry: &str) -> Error {
    Error::new(Kind::Refused, format!("registry `{registry}` is blocked by registries.conf"))
}
