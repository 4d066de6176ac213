//! Pushing manifests, and whole images: blobs first, side by side, then manifests, the tag last.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::manifest::media;
use imgc_image::{Blobs, Descriptor, Document, Index, limits as image_limits};
use ureq::http::{HeaderName, Method, StatusCode};

use super::Client;
use super::pull::{ACCEPT, DIGEST, name};
use super::referrers::fallback_tag;
use super::site::{below, scope};
use super::upload::{OneOf, Pushed};
use crate::error::{Error, Kind};
use crate::exchange::{Ask, Content};
use crate::limits;
use crate::wire::Site;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// What the tag points to now.
    pub descriptor: Descriptor,
    /// Blobs that were sent.
    pub sent: usize,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Blobs that were there.
    pub present: usize,
    /// Blobs that were mounted from another repository.
    pub mounted: usize,
}

/// What has to be at the registry before the tag.
#[derive(Default)]
struct Parts {
    blobs: BTreeMap<BlobDigest, Descriptor>,
    /// Manifests with their bytes, those that others name first.
    manifests: Vec<(Descriptor, Vec<u8>)>,
}

/// Indexes in indexes.
const DEPTH: usize = 4;
/// Manifests of one image.
const MANIFESTS: usize = 1000;

impl Client {
    /// Pushes a manifest or index under the reference's tag or digest.
    pub fn push_manifest(
        &self,
        reference: &Reference,
        kind: &str,
        bytes: &[u8],
    ) -> Result<Descriptor, Error> {
        let doing = |error: Error| error.doing(format!("failed to push `{reference}`"));
        let site = self.main_site(reference).map_err(doing)?;
        self.put_manifest(&site, &name(reference), kind, bytes).map_err(doing)
    }

    fn put_manifest(&self, site: &Site, name: &str, kind: &str, bytes: &[u8]) -> Result<Descriptor, Error> {
        let descriptor = Descriptor::of(kind, bytes);
        let document = Document::parse(bytes, Some(kind))?;
        let ask = Ask::new(Method::PUT, below(site, &format!("/manifests/{name}"))?)
            .scope(scope(&site.repository, "pull,push"));
        let wire = self.wire();
        let reply = wire.send(site, &ask, Content::Bytes { bytes, kind })?;
        if !reply.status().is_success() {
            return Err(wire.failure(site, reply));
        }
        if let Some(got) = reply.header(&DIGEST).and_then(|text| text.parse::<BlobDigest>().ok())
            && got != descriptor.digest
        {
            return Err(Error::new(
                Kind::DigestMismatch,
                format!("`{}` stored the manifest as {got} instead of {}", site.registry, descriptor.digest),
            ));
        }
        let noted = reply.header(&SUBJECT).is_some();
        let (subject, artifact_type, annotations) = match document {
            Document::Manifest(manifest) => {
                let own = manifest.artifact_type.unwrap_or(manifest.config.media_type);
                (manifest.subject, Some(own), manifest.annotations)
            }
            Document::Index(index) => (index.subject, None, index.annotations),
        };
        if let Some(subject) = subject.filter(|_| !noted) {
            let entry = Descriptor { artifact_type, annotations, ..descriptor.clone() };
            self.note_referrer(site, &subject.digest, entry)?;
        }
        Ok(descriptor)
    }

    /// Adds an entry to the tag that stands in for the referrers list (distribution-spec, "Referrers Tag Schema").
    fn note_referrer(&self, site: &Site, subject: &BlobDigest, entry: Descriptor) -> Result<(), Error> {
        let tag = fallback_tag(subject);
        let mut index = self.fallback_index(site, &tag)?.unwrap_or_else(|| Index {
            schema_version: 2,
            media_type: Some(media::INDEX.to_owned()),
            manifests: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
        });
        if index.manifests.iter().any(|old| old.digest == entry.digest) {
            return Ok(());
        }
        index.manifests.push(entry);
        let bytes = serde_json::to_vec(&index)
            .map_err(|error| Error::new(Kind::Protocol, format!("an index cannot be written: {error}")))?;
        self.put_manifest(site, &tag, media::INDEX, &bytes).map(drop)
    }

    /// Pushes an image or index with all that it needs. `from` names repositories of the same registry that may have
    /// some of its blobs. Parts that the registry has are not sent again.
    pub fn push(
        &self,
        reference: &Reference,
        root: &Descriptor,
        blobs: &dyn Blobs,
        from: &[String],
    ) -> Result<PushReport, Error> {
        self.push_all(reference, root, blobs, from)
            .map_err(|error| error.doing(format!("failed to push `{reference}`")))
    }

    fn push_all(
        &self,
        reference: &Reference,
        root: &Descriptor,
        blobs: &dyn Blobs,
        from: &[String],
    ) -> Result<PushReport, Error> {
        let site = self.main_site(reference)?;
        let mut parts = Parts::default();
        self.gather(&site, root, blobs, 0, &mut parts)?;
        let mut report =
            PushReport { descriptor: root.clone(), sent: 0, sent_bytes: 0, present: 0, mounted: 0 };
        for (descriptor, pushed) in self.push_blobs(&site, &parts.blobs, blobs, from)? {
            match pushed {
                Pushed::Present => report.present += 1,
                Pushed::Mounted => report.mounted += 1,
                Pushed::Sent => {
                    report.sent += 1;
                    report.sent_bytes += descriptor.size;
                }
            }
        }
        for (descriptor, bytes) in &parts.manifests {
            self.cancel.check()?;
            let last = descriptor.digest == root.digest;
            let name = if last { name(reference) } else { descriptor.digest.to_string() };
            self.put_manifest(&site, &name, &descriptor.media_type, bytes)?;
        }
        Ok(report)
    }

    /// Reads manifests and lists what they need.
    fn gather(
        &self,
        site: &Site,
        descriptor: &Descriptor,
        blobs: &dyn Blobs,
        depth: usize,
        parts: &mut Parts,
    ) -> Result<(), Error> {
        if depth > DEPTH || parts.manifests.len() > MANIFESTS {
            return Err(Error::new(Kind::Limit, "the image's indexes name too many manifests"));
        }
        if parts.manifests.iter().any(|(known, _)| known.digest == descriptor.digest) {
            return Ok(());
        }
        let bytes = match read_document(blobs, descriptor) {
            Ok(bytes) => bytes,
            // An image for one platform was pulled: the rest of its index can only stay where it is.
            Err(error) if depth > 0 && error.io_source().is_some_and(is_missing) => {
                if self.has_manifest(site, &descriptor.digest)? {
                    return Ok(());
                }
                return Err(error.with_help(
                    "the index names images that are not in the store: pull them (`--platform all`), or push one \
                     platform",
                ));
            }
            Err(error) => return Err(error),
        };
        match Document::parse(&bytes, Some(&descriptor.media_type))? {
            Document::Index(index) => {
                for entry in &index.manifests {
                    if media::is_manifest(&entry.media_type) || media::is_index(&entry.media_type) {
                        self.gather(site, entry, blobs, depth + 1, parts)?;
                    } else {
                        parts.blobs.insert(entry.digest, entry.clone());
                    }
                }
            }
            Document::Manifest(manifest) => {
                for blob in manifest.layers.iter().chain([&manifest.config]) {
                    // Layers that may not be distributed stay where their `urls` say.
                    let foreign =
                        blob.media_type.contains("foreign") || blob.media_type.contains("nondistributable");
                    if !foreign {
                        parts.blobs.insert(blob.digest, blob.clone());
                    }
                }
            }
        }
        parts.manifests.push((descriptor.clone(), bytes));
        Ok(())
    }

    fn has_manifest(&self, site: &Site, digest: &BlobDigest) -> Result<bool, Error> {
        let ask = Ask::new(Method::HEAD, below(site, &format!("/manifests/{digest}"))?)
            // Debian's docker-registry answers 404 to whoever does not name the type, even to `*/*`.
            .header(ureq::http::header::ACCEPT, ACCEPT.join(", "))
            .scope(scope(&site.repository, "pull,push"));
        Ok(self.wire().send(site, &ask, Content::Empty)?.status() == StatusCode::OK)
    }

    /// Pushes blobs side by side. The first failure stops the rest.
    fn push_blobs(
        &self,
        site: &Site,
        wanted: &BTreeMap<BlobDigest, Descriptor>,
        blobs: &dyn Blobs,
        from: &[String],
    ) -> Result<Vec<(Descriptor, Pushed)>, Error> {
        let mut queue: Vec<&Descriptor> = wanted.values().collect();
        // The largest first: it decides when all are there.
        queue.sort_by_key(|descriptor| std::cmp::Reverse(descriptor.size));
        let queue = Mutex::new(VecDeque::from(queue));
        let done = Mutex::new((Vec::new(), None));
        let work = || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(descriptor) = next else { return };
                let source = OneOf(blobs, descriptor.digest);
                let result = self.push_to(site, descriptor, &source, from);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    Ok(pushed) => done.0.push((descriptor.clone(), pushed)),
                    Err(error) => {
                        queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                        let what = format!("blob {}", descriptor.digest);
                        done.1.get_or_insert(error.note(format!("while pushing {what}")));
                        return;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            let extra = limits::PARALLEL.min(wanted.len()).saturating_sub(1);
            for _ in 0..extra {
                scope.spawn(work);
            }
            work();
        });
        let (pushed, error) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        error.map_or(Ok(pushed), Err)
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

/// A manifest from a set of blobs, checked.
fn read_document(blobs: &dyn Blobs, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let from = blobs.open(&descriptor.digest).map_err(Error::local("read a manifest"))?;
    from.take(image_limits::MANIFEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::local("read a manifest"))?;
    if BlobDigest::of(&bytes) != descriptor.digest {
        return Err(Error::new(
            Kind::DigestMismatch,
            format!("manifest {} is broken here", descriptor.digest),
        ));
    }
    Ok(bytes)
}
