//! What refers to an image: signatures, SBOMs. By the referrers list, or by the tag that stands in for it.

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::manifest::media;
use imgc_image::{Descriptor, Document, Index, limits as image_limits};
use ureq::http::{HeaderName, Method, StatusCode, header};

use super::Client;
use super::list::next_page;
use super::pull::read_manifest;
use super::site::{below, scope};
use crate::error::{Error, Kind};
use crate::exchange::Ask;
use crate::limits;
use crate::url::encode;
use crate::wire::Site;

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The tag that lists what refers to a manifest where the registry keeps no list.
pub(super) fn fallback_tag(subject: &BlobDigest) -> String {
    format!("sha256-{}", subject.hex())
}

impl Client {
    /// Manifests that refer to a manifest, of one artifact type or of all.
    pub fn referrers(
        &self,
        reference: &Reference,
        subject: &BlobDigest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let doing = |error: Error| error.doing(format!("failed to list what refers to {subject}"));
        let site = self.main_site(reference).map_err(doing)?;
        let mut found = self.listed(&site, subject, artifact_type).map_err(doing)?;
        if let Some(wanted) = artifact_type {
            found.retain(|entry| entry.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }

    fn listed(
        &self,
        site: &Site,
        subject: &BlobDigest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let wire = self.wire();
        let filter = artifact_type.map(|kind| format!("?artifactType={}", encode(kind))).unwrap_or_default();
        let mut next = Some(below(site, &format!("/referrers/{subject}{filter}"))?);
        let mut all = Vec::new();
        let mut count = 0;
        while let Some(url) = next {
            count += 1;
            let ask = Ask::new(Method::GET, url)
                .header(header::ACCEPT, media::INDEX)
                .scope(scope(&site.repository, "pull"));
            let (reply, bytes) = wire.get(site, &ask, limits::PAGE_BYTES, "a list of referrers")?;
            match reply.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND if count == 1 => {
                    let index = self.fallback_index(site, &fallback_tag(subject))?;
                    return Ok(index.map(|index| index.manifests).unwrap_or_default());
                }
                _ => return Err(wire.failure(site, reply)),
            }
            // A registry that filters says so; the caller filters in any case.
            let _ = reply.header(&FILTERS);
            next = next_page(&reply)?;
            if count > limits::PAGES || all.len() > limits::LISTED {
                return Err(Error::new(Kind::Limit, "too many manifests refer to it"));
            }
            match Document::parse(&bytes, Some(media::INDEX))? {
                Document::Index(index) => all.extend(index.manifests),
                Document::Manifest(_) => {
                    return Err(Error::new(Kind::Protocol, "the list of referrers is no index"));
                }
            }
        }
        Ok(all)
    }

    /// The index under a stand-in tag.
    pub(super) fn fallback_index(&self, site: &Site, tag: &str) -> Result<Option<Index>, Error> {
        let wire = self.wire();
        let ask = Ask::new(Method::GET, below(site, &format!("/manifests/{tag}"))?)
            .header(header::ACCEPT, media::INDEX)
            .scope(scope(&site.repository, "pull"));
        let (reply, bytes) = wire.get(site, &ask, image_limits::MANIFEST_BYTES, "an index")?;
        match reply.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::OK => {}
            _ => return Err(wire.failure(site, reply)),
        }
        let (descriptor, bytes) = read_manifest(&reply, bytes, None)?;
        match Document::parse(&bytes, Some(&descriptor.media_type))? {
            Document::Index(index) => Ok(Some(index)),
            Document::Manifest(_) => Err(Error::new(Kind::Protocol, format!("tag `{tag}` is no index"))),
        }
    }
}
