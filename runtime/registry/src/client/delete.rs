//! Deleting manifests, tags and blobs.

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use ureq::http::{Method, StatusCode, Uri};

use super::Client;
use super::pull::name;
use super::site::{below, scope};
use crate::error::{Error, Kind};
use crate::exchange::{Ask, Content};
use crate::wire::Site;

impl Client {
    /// Deletes a manifest by digest, or a tag where the registry can do that.
    pub fn delete(&self, reference: &Reference) -> Result<(), Error> {
        let doing = |error: Error| error.doing(format!("failed to delete `{reference}`"));
        let site = self.main_site(reference).map_err(doing)?;
        let url = below(&site, &format!("/manifests/{}", name(reference))).map_err(doing)?;
        self.remove(&site, url).map_err(|error| {
            let error = doing(error);
            let by_tag = reference.digest().is_none();
            if by_tag && matches!(error.kind(), Kind::Unsupported | Kind::Protocol | Kind::DigestMismatch) {
                error.with_help(
                    "this registry may only delete by digest (`NAME@sha256:...`); that removes every tag of the image",
                )
            } else {
                error
            }
        })
    }

    /// Deletes a blob from a repository.
    pub fn delete_blob(&self, reference: &Reference, digest: &BlobDigest) -> Result<(), Error> {
        let doing = |error: Error| error.doing(format!("failed to delete blob {digest}"));
        let site = self.main_site(reference).map_err(doing)?;
        let url = below(&site, &format!("/blobs/{digest}")).map_err(doing)?;
        self.remove(&site, url).map_err(doing)
    }

    fn remove(&self, site: &Site, url: Uri) -> Result<(), Error> {
        let ask = Ask::new(Method::DELETE, url).scope(scope(&site.repository, "delete,pull,push"));
        let wire = self.wire();
        let reply = wire.send(site, &ask, Content::Empty)?;
        match reply.status() {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            _ => {
                let error = wire.failure(site, reply);
                if error.kind() == Kind::Unsupported {
                    return Err(error.note("the registry does not allow deleting"));
                }
                Err(error)
            }
        }
    }
}
