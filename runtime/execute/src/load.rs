//! `imgc load`: images out of docker and OCI archives into the store.

use std::fs::File;
use std::io::{self, Read};

use imgc_base::config::ImageConfig;
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::reference::Reference;
use imgc_image::archive::Archive;
use imgc_image::docker_archive::{DockerArchive, DockerImage};
use imgc_image::layout::Layout;
use imgc_image::{Blobs, Descriptor, ImageError, limits, source};
use imgc_store::{Import, Store};

use crate::error::ExecuteError;
use crate::transfer::pull::finish;
use crate::transfer::{Platforms, gather};

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
    if Layout::is_in(&archive) {
        let other = DockerArchive::is_in(&archive).then(|| archive.clone());
        let opened = Layout::open_archive(archive)?;
        // Docker writes both forms into one archive. The layout keeps the bytes of manifests, so that digests stay;
        // only some older archives name their images in the other form alone.
        let named = opened.roots().iter().all(|(name, _)| name.as_deref().and_then(full_name).is_some());
        if let Some(other) = other.filter(|_| !named) {
            let other = DockerArchive::open(other)?;
            if other.images().iter().any(|image| !image.tags.is_empty()) {
                return docker(store, &other);
            }
        }
        return layout(store, &opened);
    }
    if DockerArchive::is_in(&archive) {
        return docker(store, &DockerArchive::open(archive)?);
    }
    Err(ImageError::Tar(
        "neither `manifest.json` (docker) nor `oci-layout` (OCI) is in the archive".to_owned(),
    )
    .into())
}

/// Loads every image of a layout on disk.
pub fn layout(store: &Store, layout: &Layout) -> Result<Vec<Loaded>, ExecuteError> {
    let mut loaded: Vec<Loaded> = Vec::new();
    for (name, root) in layout.roots() {
        for diff_id in copy(store, layout, &root)? {
            store.ensure_layer(&diff_id)?;
        }
        let names = name.iter().filter_map(|name| full_name(name)).collect::<Vec<_>>();
        if let Some(known) = loaded.iter_mut().find(|known| known.descriptor.digest == root.digest) {
            known.names.extend(names);
        } else {
            let descriptor = Descriptor { annotations: std::collections::BTreeMap::new(), ..root };
            loaded.push(Loaded { names, descriptor });
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

/// Copies a manifest or index and all that it names into the store. What an index names may be absent.
fn copy(store: &Store, from: &dyn Blobs, root: &Descriptor) -> Result<Vec<DiffId>, ExecuteError> {
    let read = |wanted: &Descriptor| match from.size(&wanted.digest) {
        Ok(_) => Ok(Some(source::document(from, wanted, limits::MANIFEST_BYTES)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ExecuteError::io("read a manifest")(error)),
    };
    let parts = gather(root, "the image", &Platforms::All, &read)?;
    for blob in parts.blobs.values() {
        if store.find_blob(&blob.digest)? != Some(blob.size) {
            let mut from = from.open(&blob.digest).map_err(ExecuteError::io("open a blob"))?;
            put_blob(store, &mut from, blob.digest, blob.size)?;
        }
    }
    finish(store, &parts)
}

/// Copies an image from anywhere into the store, without reading its layers.
pub fn blobs(store: &Store, from: &dyn Blobs, root: &Descriptor) -> Result<Descriptor, ExecuteError> {
    copy(store, from, root)?;
    Ok(Descriptor { annotations: std::collections::BTreeMap::new(), ..root.clone() })
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
        return Err(
            ImageError::Manifest("the archive holds other layers than its config names".to_owned()).into()
        );
    }
    let mut layers = Vec::with_capacity(image.layers.len());
    for (member, wanted) in image.layers.iter().zip(&config.rootfs.diff_ids) {
        let known = match store.any_layer_blob(wanted)? {
            Some(blob) if store.layer(wanted)?.is_some() => blob,
            _ => {
                let imported = store.import_layer(
                    archive.layer(member)?,
                    &Import { diff_id: Some(*wanted), ..Import::default() },
                )?;
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
    crate::kept::write_raw(store, &config, &image.config, layers)
}
