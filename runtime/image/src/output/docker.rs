//! An archive for `docker load`, which is an OCI layout as well.
//!
//! Like `docker save` since version 25: blobs below `blobs/sha256/`, docker's `manifest.json` and OCI's `index.json`
//! beside each other. Older docker and other tools read the first, docker with containerd's store and OCI tools the
//! second, and nothing is in it twice. Layers stay as they are compressed; every docker since 1.10 reads gzip.

use std::io::Write;

use imgc_base::reference::Reference;

use super::closure::{closure, manifest};
use super::layout::{add, json, write_archive};
use crate::docker_archive::{MANIFEST, ManifestItem};
use crate::error::ImageError;
use crate::layout;
use crate::manifest::Descriptor;
use crate::source::Blobs;

/// An image to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerImage {
    /// Its manifest; not an index.
    pub manifest: Descriptor,
    /// Its names.
    pub tags: Vec<String>,
}

/// Writes images of one platform each, with all their blobs.
pub fn write_docker_archive(
    out: impl Write,
    images: &[DockerImage],
    blobs: &dyn Blobs,
) -> Result<(), ImageError> {
    let mut index = layout::empty_index();
    let mut items = Vec::with_capacity(images.len());
    for image in images {
        let parsed = manifest(&image.manifest, blobs)?;
        let mut names = Vec::new();
        for tag in &image.tags {
            let reference: Reference = tag.parse().map_err(|error| ImageError::Layout(format!("{error}")))?;
            add(&mut index, Some(&reference.to_string()), &image.manifest);
            names.push(reference.familiar());
        }
        if image.tags.is_empty() {
            add(&mut index, None, &image.manifest);
        }
        items.push(ManifestItem {
            config: layout::blob_path(&parsed.config.digest),
            repo_tags: Some(names),
            layers: Some(parsed.layers.iter().map(|layer| layout::blob_path(&layer.digest)).collect()),
        });
    }
    let all = closure(images.iter().map(|image| &image.manifest), blobs)?;
    let documents = [
        (layout::INDEX, json(&index, layout::INDEX)?),
        (MANIFEST, json(&items, MANIFEST)?),
        (layout::MARKER, layout::marker()),
    ];
    write_archive(out, &all, &documents, blobs)
}
