//! From a registry into the store.
//!
//! Blobs come side by side, each checked before it has a name; a blob that was cut off continues, also after the
//! process was killed. Documents follow their blobs, the name is the caller's and comes last. Layers are not read
//! here: whoever uses one first reads it, and checks the diff-id that the config claims.

use std::io;

use imgc_base::cancel::Cancel;
use imgc_base::config::ImageConfig;
use imgc_base::digest::DiffId;
use imgc_base::event::{Event, EventSink};
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_image::manifest::media;
use imgc_image::{Descriptor, Document, ImageError, Manifest, limits};
use imgc_registry::Client;
use imgc_store::{BlobWriter, Store, StoreError};

use super::{Parts, Platforms, gather, in_parallel};
use crate::error::ExecuteError;

/// An image that is in the store now.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// Its manifest or index.
    pub descriptor: Descriptor,
    /// The platforms that its configs state.
    pub platforms: Vec<Platform>,
    /// Blobs that came over the network.
    pub fetched: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Pulls an image. It is held by the lease of this process; nothing is named.
pub fn pull(
    store: &Store,
    client: &Client,
    reference: &Reference,
    platforms: &Platforms,
    cancel: &Cancel,
    sink: &dyn EventSink,
) -> Result<Pulled, ExecuteError> {
    let (root, bytes) = client.manifest(reference)?;
    let read = |wanted: &Descriptor| {
        if wanted.digest == root.digest {
            return Ok(Some(bytes.clone()));
        }
        if store.find_blob(&wanted.digest)?.is_some() {
            return Ok(Some(store.read_document(&wanted.digest, limits::MANIFEST_BYTES)?));
        }
        Ok(Some(client.document(reference, wanted, limits::MANIFEST_BYTES)?))
    };
    let parts = gather(&root, &reference.familiar(), platforms, &read)?;
    let mut missing = Vec::new();
    for blob in parts.blobs.values() {
        if store.find_blob(&blob.digest)? != Some(blob.size) {
            missing.push(blob.clone());
        }
    }
    // The largest first: it decides when all are there.
    missing.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    in_parallel(&missing, |blob| {
        cancel.check()?;
        fetch(store, client, reference, blob, sink)
    })?;
    let platforms = platforms_of(store, &parts)?;
    finish(store, &parts)?;
    let bytes = missing.iter().map(|blob| blob.size).sum();
    Ok(Pulled { descriptor: root, platforms, fetched: missing.len(), bytes })
}

/// Pulls one blob, or what is missing of it.
pub(crate) fn fetch(
    store: &Store,
    client: &Client,
    reference: &Reference,
    blob: &Descriptor,
    sink: &dyn EventSink,
) -> Result<(), ExecuteError> {
    loop {
        let writer = store.resume_blob(&blob.digest, blob.size)?;
        let resumed = writer.offset() > 0;
        let mut download = Download { writer, sink, what: blob.digest.short(), total: blob.size, told: 0 };
        client.blob(reference, blob, &mut download)?;
        match download.writer.commit(Some((blob.digest, blob.size))) {
            // What was there already may be what is wrong; it is gone now.
            Err(StoreError::Digest { .. }) if resumed => {}
            done => return Ok(done.map(drop)?),
        }
    }
}

/// Stores the documents, and notes which blob is which layer. Returns the layers.
pub(crate) fn finish(store: &Store, parts: &Parts) -> Result<Vec<DiffId>, ExecuteError> {
    let mut layers = Vec::new();
    for (_, bytes, document) in &parts.documents {
        if let Document::Manifest(manifest) = document
            && let Some(config) = config(store, manifest)?
        {
            for (layer, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
                // The claim of a config that nobody checked yet takes no place of what is known.
                if store.any_layer_blob(diff_id)?.is_none() {
                    store.note_foreign_blob(diff_id, &layer.media_type, &layer.digest, layer.size)?;
                }
                layers.push(*diff_id);
            }
        }
        store.put_document(bytes)?;
    }
    Ok(layers)
}

/// The platforms that the configs state.
fn platforms_of(store: &Store, parts: &Parts) -> Result<Vec<Platform>, ExecuteError> {
    let mut platforms = Vec::new();
    for (_, _, document) in &parts.documents {
        if let Document::Manifest(manifest) = document
            && let Some(config) = config(store, manifest)?
        {
            let variant = config.variant.as_deref().unwrap_or_default();
            platforms.push(Platform::new(&config.os, &config.architecture, variant));
        }
    }
    Ok(platforms)
}

/// The config of an image; `None` for other artifacts.
fn config(store: &Store, manifest: &Manifest) -> Result<Option<ImageConfig>, ExecuteError> {
    if !matches!(manifest.config.media_type.as_str(), media::CONFIG | media::DOCKER_CONFIG) {
        return Ok(None);
    }
    let bytes = store.read_document(&manifest.config.digest, limits::CONFIG_BYTES)?;
    let config: ImageConfig = serde_json::from_slice(&bytes)
        .map_err(|source| ImageError::Json { what: "an image's config".to_owned(), source })?;
    if config.rootfs.diff_ids.len() != manifest.layers.len() {
        let text = "its manifest and config name different numbers of layers".to_owned();
        return Err(ImageError::Manifest(text).into());
    }
    Ok(Some(config))
}

/// A download into the store that tells how far it is.
struct Download<'a> {
    writer: BlobWriter,
    sink: &'a dyn EventSink,
    what: String,
    total: u64,
    told: u64,
}

/// Bytes between two reports of progress.
const STEP: u64 = 1 << 20;

impl io::Write for Download<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.writer.write(buf)?;
        let done = self.writer.size();
        if done >= self.told + STEP || done == self.total {
            self.told = done;
            self.sink.emit(Event::Fetch { what: self.what.clone(), done, total: Some(self.total) });
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl imgc_registry::BlobSink for Download<'_> {
    fn offset(&self) -> u64 {
        self.writer.offset()
    }

    fn restart(&mut self) -> io::Result<bool> {
        self.writer.restart().map_err(io::Error::other)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use imgc_base::digest::BlobDigest;
    use imgc_base::event::Silent;
    use imgc_registry::testing::{Answer, World};

    use super::*;

    /// What a killed process left may be broken: the disk was full, or the server sent something else at that time.
    #[test]
    fn a_broken_part_is_fetched_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let bytes = b"the right bytes".repeat(100);
        let blob = Descriptor::of("application/vnd.oci.image.layer.v1.tar", &bytes);
        let mut part = store.resume_blob(&blob.digest, blob.size).unwrap();
        part.write_all(&[b'x'; 700]).unwrap();
        drop(part);

        let world = World::new();
        let url = format!("GET https://reg.test/v2/app/blobs/{}", blob.digest);
        world.on(&url, [Answer::new(206).body(&bytes[700..]), Answer::new(200).body(&bytes)]);
        let client = Client::new(world.config(dir.path()));
        fetch(&store, &client, &"reg.test/app:1".parse().unwrap(), &blob, &Silent).unwrap();
        assert_eq!(store.find_blob(&blob.digest).unwrap(), Some(blob.size));
        let ranges: Vec<bool> = world.seen().iter().map(|seen| seen.header("range").is_some()).collect();
        assert_eq!(ranges, [true, false]);

        // Bytes that are wrong from the start are wrong.
        let other = Descriptor::new(&blob.media_type, BlobDigest::of(b"other"), blob.size);
        world.on(
            &url.replace(&blob.digest.to_string(), &other.digest.to_string()),
            [Answer::new(200).body(&bytes)],
        );
        assert!(fetch(&store, &client, &"reg.test/app:1".parse().unwrap(), &other, &Silent).is_err());
        assert_eq!(store.find_blob(&other.digest).unwrap(), None);
    }
}
