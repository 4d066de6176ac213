//! Pulling documents: manifests, indexes, configs. Their bytes stay as they came.

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::manifest::media;
use imgc_image::{Descriptor, Document, limits as image_limits};
use ureq::http::{HeaderName, Method, StatusCode, header};

use super::Client;
use super::site::{below, scope};
use crate::error::{Error, Kind};
use crate::exchange::{Ask, Content, Reply};
use crate::wire::Site;

/// What is understood, best first.
pub(super) const ACCEPT: [&str; 4] =
    [media::INDEX, media::MANIFEST, media::DOCKER_LIST, media::DOCKER_MANIFEST];

/// Header with the digest of an answer.
pub(super) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

impl Client {
    /// What a name stands for, without its content.
    pub fn resolve(&self, reference: &Reference) -> Result<Descriptor, Error> {
        self.at_any_place(reference, "resolve", |site| {
            let wire = self.wire();
            let reply = wire.send(site, &ask(site, Method::HEAD, &name(reference))?, Content::Empty)?;
            if reply.status() != StatusCode::OK {
                // An answer without a body says too little; and some registries know no HEAD.
                return self.fetch(site, reference).map(|(descriptor, _)| descriptor);
            }
            let kind = reply.header(&header::CONTENT_TYPE).map(bare).unwrap_or_default().to_owned();
            // Without a body some servers announce none: no manifest has no bytes.
            let size = reply.header(&header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
            let size = size.filter(|size| *size > 0);
            let digest = reply.header(&DIGEST).and_then(|text| text.parse::<BlobDigest>().ok());
            match (digest, size) {
                (Some(digest), Some(size)) if ACCEPT.contains(&kind.as_str()) => {
                    if reference.digest().is_some_and(|wanted| wanted != digest) {
                        return Err(differs(reference.digest(), &digest));
                    }
                    Ok(Descriptor::new(&kind, digest, size))
                }
                _ => self.fetch(site, reference).map(|(descriptor, _)| descriptor),
            }
        })
    }

    /// The manifest or index that a name stands for, in its own bytes.
    pub fn manifest(&self, reference: &Reference) -> Result<(Descriptor, Vec<u8>), Error> {
        self.at_any_place(reference, "pull", |site| self.fetch(site, reference))
    }

    /// A manifest, index or config that a descriptor names.
    pub fn document(&self, reference: &Reference, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, Error> {
        if wanted.size > limit {
            return Err(Error::new(
                Kind::Limit,
                format!("document {} has {} bytes, over the limit of {limit}", wanted.digest, wanted.size),
            ));
        }
        if media::is_manifest(&wanted.media_type) || media::is_index(&wanted.media_type) {
            let bytes = self.at_any_place(reference, "pull", |site| {
                self.fetch_named(site, &wanted.digest.to_string(), Some(wanted.digest))
                    .map(|(_, bytes)| bytes)
            })?;
            if bytes.len() as u64 != wanted.size {
                return Err(Error::new(
                    Kind::DigestMismatch,
                    format!("manifest {} has {} bytes, not {}", wanted.digest, bytes.len(), wanted.size),
                ));
            }
            return Ok(bytes);
        }
        let mut bytes = super::blob::Buffer::default();
        self.blob(reference, wanted, &mut bytes)?;
        Ok(bytes.0)
    }

    fn fetch(&self, site: &Site, reference: &Reference) -> Result<(Descriptor, Vec<u8>), Error> {
        self.fetch_named(site, &name(reference), reference.digest())
    }

    fn fetch_named(
        &self,
        site: &Site,
        name: &str,
        wanted: Option<BlobDigest>,
    ) -> Result<(Descriptor, Vec<u8>), Error> {
        let wire = self.wire();
        let (reply, bytes) =
            wire.get(site, &ask(site, Method::GET, name)?, image_limits::MANIFEST_BYTES, "a manifest")?;
        if reply.status() != StatusCode::OK {
            return Err(wire.failure(site, reply));
        }
        read_manifest(&reply, bytes, wanted)
    }

    /// Asks each place until one has it. The registry itself has the last word.
    pub(super) fn at_any_place<T>(
        &self,
        reference: &Reference,
        verb: &str,
        ask: impl Fn(&Site) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let doing = |error: Error| error.doing(format!("failed to {verb} `{reference}`"));
        for place in self.sites(reference).map_err(doing)? {
            let found = self.settle(&place).and_then(|site| ask(&site));
            match found {
                Ok(found) => return Ok(found),
                Err(error) if place.mirror && error.kind() != Kind::Cancelled => {
                    self.wire().tell(&format!("mirror `{}`: {error}", place.registry));
                }
                Err(error) => return Err(doing(error)),
            }
        }
        Err(Error::new(Kind::Config, format!("no place is configured for `{reference}`")))
    }
}

/// What a manifest is asked for by: the digest decides, else the tag.
pub(super) fn name(reference: &Reference) -> String {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_owned(),
    }
}

fn ask(site: &Site, method: Method, name: &str) -> Result<Ask, Error> {
    Ok(Ask::new(method, below(site, &format!("/manifests/{name}"))?)
        .header(header::ACCEPT, ACCEPT.join(", "))
        .scope(scope(&site.repository, "pull")))
}

/// A media type without parameters.
fn bare(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

fn differs(wanted: Option<BlobDigest>, got: &BlobDigest) -> Error {
    let wanted = wanted.map(|digest| digest.to_string()).unwrap_or_default();
    Error::new(Kind::DigestMismatch, format!("the registry sent {got} instead of {wanted}"))
}

/// Reads a manifest from an answer and checks all that is said of it.
pub(super) fn read_manifest(
    reply: &Reply,
    bytes: Vec<u8>,
    wanted: Option<BlobDigest>,
) -> Result<(Descriptor, Vec<u8>), Error> {
    let stated = reply.header(&header::CONTENT_TYPE).map(bare).unwrap_or_default().to_owned();
    let named = reply.header(&DIGEST).map(str::to_owned);
    let digest = BlobDigest::of(&bytes);
    if wanted.is_some_and(|wanted| wanted != digest) {
        return Err(differs(wanted, &digest));
    }
    // A header in another algorithm cannot be compared; one in ours must be true.
    if let Some(named) = named.and_then(|text| text.parse::<BlobDigest>().ok())
        && named != digest
    {
        return Err(differs(Some(named), &digest));
    }
    // Static servers do not know what they serve.
    let general =
        matches!(stated.as_str(), "" | "application/json" | "text/plain" | "application/octet-stream");
    let document = Document::parse(&bytes, (!general).then_some(stated.as_str()))?;
    let kind = match &document {
        Document::Manifest(manifest) => manifest.media_type.as_deref().unwrap_or(media::MANIFEST),
        Document::Index(index) => index.media_type.as_deref().unwrap_or(media::INDEX),
    };
    let kind = if general { kind } else { &stated };
    Ok((Descriptor::new(kind, digest, bytes.len() as u64), bytes))
}
