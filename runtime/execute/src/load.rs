//! `imgc load`: images out of docker and OCI archives into the store.

use std::fs::File;
use std::io::{self, Read};

use imgc_base::config::ImageConfig;
use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::archive::Archive;
use imgc_image::docker_archive::{DockerArchive, DockerImage};
use imgc_image::layout::Layout;
use imgc_image::manifest::{Document, PlatformDoc, media};
use imgc_image::{Descriptor, ImageError, Manifest, limits};
use imgc_store::{Import, Store};

use crate::error::ExecuteError;

/// An image that was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its names in the archive.
    pub names: Vec<Reference>,
    /// Its manifest or index.
    pub descriptor: Descriptor,
}

/// Loads every image of an archive. Nothing is named here: that is the caller's, when all of it is in.
pub fn archive(store: &Store, file: File) -> Result<Vec<Loaded>, ExecuteError> {
    let work = store.work_dir("load")?;
    let scratch = || {
        let path = work.path().join("archive.tar");
        std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)
    };
    let archive = Archive::open(file, scratch)?;
    if archive.has("manifest.json") {
        return docker(store, &DockerArchive::open(archive)?);
    }
    if Layout::is_in(&archive) {
        return layout(store, &Layout::open_archive(archive)?);
    }
    Err(ImageError::Tar("neither `manifest.json` (docker) nor `oci-layout` (OCI) is in the archive".to_owned()).into())
}

/// Loads every image of a layout on disk.
pub fn layout(store: &Store, layout: &Layout) -> Result<Vec<Loaded>, ExecuteError> {
    let mut loaded: Vec<Loaded> = Vec::new();
    for (name, root) in layout.roots() {
        copy(store, layout, &root, 0)?;
        let names = name.iter().filter_map(|name| full_name(name)).collect::<Vec<_>>();
        match loaded.iter_mut().find(|known| known.descriptor.digest == root.digest) {
            Some(known) => known.names.extend(names),
            None => {
                let descriptor = Descriptor { annotations: std::collections::BTreeMap::new(), ..root };
                loaded.push(Loaded { names, descriptor });
            }
        }
    }
    Ok(loaded)
}

/// A tag alone (`latest`) is no name of an image.
fn full_name(name: &str) -> Option<Reference> {
    if !name.contains(['/', ':']) {
        return None;
    }
    name.parse().ok()
}

/// Copies a manifest or index and all that it names.
fn copy(store: &Store, layout: &Layout, descriptor: &Descriptor, depth: usize) -> Result<(), ExecuteError> {
    if depth > 3 {
        return Err(ImageError::Manifest("indexes are nested too deeply".to_owned()).into());
    }
    let (document, bytes) = layout.manifest(descriptor)?;
    match document {
        Document::Index(index) => {
            for child in &index.manifests {
                // `save` of one platform leaves the others' manifests out; so does an index of attestations.
                if layout.blob_size(&child.digest).is_ok() {
                    copy(store, layout, child, depth + 1)?;
                }
            }
        }
        Document::Manifest(manifest) => {
            let config = layout.document(&manifest.config.digest, limits::CONFIG_BYTES)?;
            let diff_ids = if is_image(&manifest) {
                let parsed: ImageConfig = serde_json::from_slice(&config)
                    .map_err(|source| ImageError::Json { what: "an image's config".into(), source })?;
                if parsed.rootfs.diff_ids.len() != manifest.layers.len() {
                    return Err(ImageError::Manifest(
                        "the manifest and the config name different numbers of layers".to_owned(),
                    )
                    .into());
                }
                Some(parsed.rootfs.diff_ids)
            } else {
                None
            };
            for layer in &manifest.layers {
                if !store.has_blob(&layer.digest) {
                    let mut from = layout.blob(&layer.digest)?;
                    put_blob(store, &mut from, layer.digest, layer.size)?;
                }
            }
            for (layer, diff_id) in manifest.layers.iter().zip(diff_ids.iter().flatten()) {
                store.note_foreign_blob(diff_id, &layer.media_type, &layer.digest, layer.size)?;
                store.ensure_layer(diff_id)?;
            }
            store.put_document(&config)?;
        }
    }
    store.put_document(&bytes)?;
    Ok(())
}

fn is_image(manifest: &Manifest) -> bool {
    matches!(manifest.config.media_type.as_str(), media::CONFIG | media::DOCKER_CONFIG)
}

fn put_blob(store: &Store, from: &mut dyn Read, digest: BlobDigest, size: u64) -> Result<(), ExecuteError> {
    let mut writer = store.blob_writer()?;
    io::copy(&mut from.take(size + 1), &mut writer).map_err(ExecuteError::io("copy a blob"))?;
    writer.commit(Some((digest, size)))?;
    Ok(())
}

/// Docker archives have layers without compression and no manifest of their own: they get one.
fn docker(store: &Store, archive: &DockerArchive) -> Result<Vec<Loaded>, ExecuteError> {
    let mut loaded = Vec::new();
    for image in archive.images() {
        let descriptor = docker_image(store, archive, image)?;
        let names = image.tags.iter().filter_map(|tag| tag.parse().ok()).collect();
        loaded.push(Loaded { names, descriptor });
    }
    Ok(loaded)
}

fn docker_image(
    store: &Store,
    archive: &DockerArchive,
    image: &DockerImage,
) -> Result<Descriptor, ExecuteError> {
    let config: ImageConfig = serde_json::from_slice(&image.config)
        .map_err(|source| ImageError::Json { what: "an image's config".into(), source })?;
    if config.rootfs.diff_ids.len() != image.layers.len() {
        return Err(ImageError::Manifest("the archive holds other layers than its config names".to_owned()).into());
    }
    let mut layers = Vec::with_capacity(image.layers.len());
    for (member, wanted) in image.layers.iter().zip(&config.rootfs.diff_ids) {
        let known = match store.any_layer_blob(wanted)? {
            Some(blob) if store.layer(wanted)?.is_some() => blob,
            _ => {
                let imported = store.import_layer(archive.layer(member)?, &Import { diff_id: Some(*wanted), ..Import::default() })?;
                if imported.diff_id != *wanted {
                    return Err(ImageError::Manifest(format!(
                        "layer `{member}` is {}, but the config says {wanted}",
                        imported.diff_id
                    ))
                    .into());
                }
                imported
            }
        };
        layers.push(Descriptor::new(&known.media_type, known.digest, known.size));
    }
    let config_digest = store.put_document(&image.config)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::new(media::CONFIG, config_digest, image.config.len() as u64),
        layers,
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|source| ImageError::Json { what: "a manifest".into(), source })?;
    store.put_document(&bytes)?;
    let mut descriptor = Descriptor::of(media::MANIFEST, &bytes);
    descriptor.platform = Some(PlatformDoc {
        architecture: config.architecture,
        os: config.os,
        variant: config.variant,
        os_version: None,
    });
    Ok(descriptor)
}
