//! Everything that an image consists of.

use std::collections::BTreeMap;

use imgc_base::digest::BlobDigest;

use crate::error::ImageError;
use crate::limits;
use crate::manifest::{Descriptor, Document, Manifest, media};
use crate::source::{self, Blobs};

/// Indexes in indexes that are followed.
const DEPTH: usize = 4;
/// Blobs of one output.
const MANY: usize = 100_000;

/// The blobs of some images, with their sizes.
pub(crate) fn closure<'a>(
    roots: impl Iterator<Item = &'a Descriptor>,
    blobs: &dyn Blobs,
) -> Result<BTreeMap<BlobDigest, u64>, ImageError> {
    let mut all = BTreeMap::new();
    for root in roots {
        visit(root, blobs, DEPTH, &mut all)?;
    }
    Ok(all)
}

fn visit(
    descriptor: &Descriptor,
    blobs: &dyn Blobs,
    depth: usize,
    all: &mut BTreeMap<BlobDigest, u64>,
) -> Result<(), ImageError> {
    if all.contains_key(&descriptor.digest) {
        return Ok(());
    }
    let size = blobs.size(&descriptor.digest).map_err(|error| source::opening(&descriptor.digest, error))?;
    if size != descriptor.size {
        let reason = format!("it has {size} bytes, but {} were announced", descriptor.size);
        return Err(ImageError::Blob { digest: descriptor.digest, reason });
    }
    if all.len() >= MANY {
        return Err(ImageError::Limit { what: "number of blobs".to_owned(), limit: MANY as u64 });
    }
    all.insert(descriptor.digest, size);
    if !media::is_manifest(&descriptor.media_type) && !media::is_index(&descriptor.media_type) {
        return Ok(());
    }
    let bytes = source::document(blobs, descriptor, limits::MANIFEST_BYTES)?;
    let children = match Document::parse(&bytes, Some(&descriptor.media_type))? {
        Document::Manifest(manifest) => [vec![manifest.config], manifest.layers].concat(),
        Document::Index(_) if depth == 0 => {
            return Err(ImageError::Manifest("indexes are nested too deeply".to_owned()));
        }
        Document::Index(index) => index.manifests,
    };
    children.iter().try_for_each(|child| visit(child, blobs, depth.saturating_sub(1), all))
}

/// The manifest of a single image.
pub(crate) fn manifest(descriptor: &Descriptor, blobs: &dyn Blobs) -> Result<Manifest, ImageError> {
    let bytes = source::document(blobs, descriptor, limits::MANIFEST_BYTES)?;
    match Document::parse(&bytes, Some(&descriptor.media_type))? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => Err(ImageError::Manifest(
            "it is an index of several platforms, and this output holds images of one".to_owned(),
        )),
    }
}
