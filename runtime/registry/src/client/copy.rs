//! From registry to registry: documents through memory, layers as a stream, nothing on disk.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Duration;

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::manifest::media;
use imgc_image::source::Checked;
use imgc_image::{Blobs, Descriptor, Document, limits as image_limits};
use ureq::http::{Method, StatusCode, header};

use super::Client;
use super::push::PushReport;
use super::site::{below, scope};
use crate::error::{Error, Kind};
use crate::exchange::{Ask, Content};
use crate::limits;
use crate::retry::{Outcome, retry};
use crate::wire::Site;

/// Manifests of one image, with those that its indexes name.
const DOCUMENTS: usize = 1000;

impl Client {
    /// Copies an image or index with all platforms from one name to another. Bytes stay as they are. Within one
    /// registry blobs are mounted.
    pub fn copy(&self, from: &Reference, to: &Reference) -> Result<PushReport, Error> {
        let remote = self.remote(from)?;
        let mount =
            if from.registry() == to.registry() { vec![from.repository().to_owned()] } else { Vec::new() };
        self.push(to, &remote.root.clone(), &remote, &mount)
    }

    /// An image at a registry as a set of blobs, to be read like one on disk. Its manifests are fetched now, other
    /// blobs when they are opened.
    pub fn remote(&self, reference: &Reference) -> Result<Remote, Error> {
        let (root, bytes) = self.manifest(reference)?;
        let mut remote = Remote {
            client: self.clone(),
            reference: reference.clone(),
            root: root.clone(),
            documents: BTreeMap::from([(root.digest, bytes)]),
            blobs: BTreeMap::new(),
        };
        let mut open = vec![root];
        while let Some(descriptor) = open.pop() {
            let bytes = remote.documents.get(&descriptor.digest).cloned().unwrap_or_default();
            match Document::parse(&bytes, Some(&descriptor.media_type))? {
                Document::Manifest(manifest) => {
                    for blob in manifest.layers.into_iter().chain([manifest.config]) {
                        remote.blobs.insert(blob.digest, blob);
                    }
                }
                Document::Index(index) => {
                    for entry in index.manifests {
                        let image =
                            media::is_manifest(&entry.media_type) || media::is_index(&entry.media_type);
                        if !image {
                            remote.blobs.insert(entry.digest, entry);
                        } else if !remote.documents.contains_key(&entry.digest) {
                            if remote.documents.len() >= DOCUMENTS {
                                return Err(Error::new(Kind::Limit, "the image has too many manifests"));
                            }
                            let bytes = self.document(reference, &entry, image_limits::MANIFEST_BYTES)?;
                            remote.documents.insert(entry.digest, bytes);
                            open.push(entry);
                        }
                    }
                }
            }
        }
        Ok(remote)
    }
}

/// An image at a registry.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    reference: Reference,
    root: Descriptor,
    documents: BTreeMap<BlobDigest, Vec<u8>>,
    blobs: BTreeMap<BlobDigest, Descriptor>,
}

impl Remote {
    /// What the name stands for.
    pub fn root(&self) -> &Descriptor {
        &self.root
    }
}

impl Blobs for Remote {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        if let Some(bytes) = self.documents.get(digest) {
            return Ok(Box::new(io::Cursor::new(bytes.clone())));
        }
        let wanted = self.blobs.get(digest).ok_or(io::ErrorKind::NotFound)?;
        let places = self.client.sites(&self.reference).map_err(io::Error::other)?;
        // The registry itself: a mirror's word is checked too, but half of its bytes may be on their way by then.
        let place = places.last().ok_or(io::ErrorKind::NotFound)?;
        let site = self.client.settle(place).map_err(io::Error::other)?;
        let reader = Reader {
            client: self.client.clone(),
            site,
            wanted: wanted.clone(),
            done: 0,
            breaks: 0,
            body: None,
        };
        Ok(Box::new(Checked::new(reader, wanted.digest, wanted.size)))
    }

    fn size(&self, digest: &BlobDigest) -> io::Result<u64> {
        let document = self.documents.get(digest).map(|bytes| bytes.len() as u64);
        let blob = || self.blobs.get(digest).map(|blob| blob.size);
        document.or_else(blob).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A blob as a stream that goes on after a break.
struct Reader {
    client: Client,
    site: Site,
    wanted: Descriptor,
    done: u64,
    breaks: u32,
    body: Option<ureq::BodyReader<'static>>,
}

impl Reader {
    fn request(&self) -> Result<ureq::BodyReader<'static>, Error> {
        let wire = self.client.wire();
        let tell = |text: &str| wire.tell(text);
        let mut whole = false;
        retry(&*wire.config.clock, wire.cancel, &tell, || {
            let url = below(&self.site, &format!("/blobs/{}", self.wanted.digest))?;
            let mut ask = Ask::new(Method::GET, url).scope(scope(&self.site.repository, "pull"));
            if self.done > 0 && !whole {
                ask = ask.header(header::RANGE, format!("bytes={}-", self.done));
            }
            let reply = match wire.once(&self.site, &ask, Content::Empty)? {
                Outcome::Done(reply) => reply,
                Outcome::Again(error, wait) => return Ok(Outcome::Again(error, wait)),
            };
            let skip = match reply.status() {
                StatusCode::PARTIAL_CONTENT => 0,
                StatusCode::OK => self.done,
                StatusCode::RANGE_NOT_SATISFIABLE if self.done > 0 && !whole => {
                    whole = true;
                    let error = wire.failure(&self.site, reply).passing();
                    return Ok(Outcome::Again(error, Some(Duration::ZERO)));
                }
                _ => return Err(wire.failure(&self.site, reply)),
            };
            let mut body = reply.response.into_body().into_reader();
            match io::copy(&mut (&mut body).take(skip), &mut io::sink()) {
                Ok(_) => Ok(Outcome::Done(body)),
                Err(error) => Ok(Outcome::Again(crate::error::io_error(&error), None)),
            }
        })
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.body.is_none() {
                self.body = Some(self.request().map_err(io::Error::other)?);
            }
            let result = self.body.as_mut().map_or(Ok(0), |body| body.read(buffer));
            let broke = match &result {
                Ok(0) => self.done < self.wanted.size && !buffer.is_empty(),
                Ok(_) => false,
                Err(error) => crate::error::io_error(error).passes(),
            };
            if broke && self.breaks < limits::STRETCHES {
                self.breaks += 1;
                self.body = None;
                continue;
            }
            if let Ok(count) = result {
                self.done += count as u64;
            }
            return result;
        }
    }
}
