//! From a name to a manifest and config.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use imgc_base::config::ImageConfig;
use imgc_base::event::Event;
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_graph::world::FactKind;
use imgc_graph::{FactError, ImageFacts, World};
use imgc_image::layout::Layout;
use imgc_image::{Descriptor, Document, Manifest, limits};

use super::platform::for_platform;
use super::{Bases, Known, NamedContext, Place};

/// An image's documents, as found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The name, if it has one.
    pub reference: Option<Reference>,
    /// The manifest.
    pub descriptor: Descriptor,
    /// The manifest, parsed.
    pub manifest: Manifest,
    /// The config, parsed.
    pub config: ImageConfig,
}

fn fail(kind: FactKind, message: impl Into<String>) -> FactError {
    FactError { kind, message: message.into(), notes: Vec::new(), help: None }
}

/// Reads a document by its descriptor.
type Read<'r> = dyn Fn(&Descriptor, u64) -> Result<Vec<u8>, FactError> + 'r;

impl Bases<'_> {
    /// Finds an image.
    pub fn find(&self, name: &str, platform: &Platform) -> Result<Found, FactError> {
        if let Some(NamedContext::Image(target)) = self.contexts.get(name) {
            return self.by_address(&target.clone(), platform);
        }
        self.by_address(name, platform)
    }

    fn by_address(&self, name: &str, platform: &Platform) -> Result<Found, FactError> {
        let layout = name.strip_prefix("oci-layout://").or_else(|| name.strip_prefix("oci:"));
        if let Some(address) = layout {
            return self.in_layout(name, address, platform);
        }
        let name = name.strip_prefix("docker-image://").unwrap_or(name);
        let name = self.client.map_or_else(|| name.to_owned(), |client| client.config().expand(name));
        let reference: Reference =
            name.parse().map_err(|error| fail(FactKind::NotFound, format!("{error}")))?;
        if self.refresh && self.client.is_some() {
            return self.in_registry(&reference, platform);
        }
        if let Some(found) = self.in_store(&reference, platform)? {
            return Ok(found);
        }
        self.in_registry(&reference, platform)
    }

    fn in_store(&self, reference: &Reference, platform: &Platform) -> Result<Option<Found>, FactError> {
        let environment = |error: imgc_store::StoreError| fail(FactKind::Environment, format!("{error}"));
        let Some(descriptor) = self.store.find(reference).map_err(environment)? else { return Ok(None) };
        let read = |wanted: &Descriptor, limit: u64| {
            self.store.read_document(&wanted.digest, limit).map_err(environment)
        };
        let found = choose(reference.to_string().as_str(), &descriptor, platform, &read);
        // An index in the store may lack the wanted platform because nobody asked for it yet.
        match found {
            Err(error) if self.client.is_some() && error.kind == FactKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok((descriptor, manifest, config)) => {
                self.remember(&descriptor, &manifest, &config, Place::Store, None);
                Ok(Some(Found { reference: Some(reference.clone()), descriptor, manifest, config }))
            }
        }
    }

    fn in_layout(&self, name: &str, address: &str, platform: &Platform) -> Result<Found, FactError> {
        let (dir, wanted) = split_layout(address);
        let layout = Layout::open(&dir).map_err(|error| {
            fail(FactKind::NotFound, format!("`{}` is no OCI image layout: {error}", dir.display()))
        })?;
        let broken = |error: &dyn std::fmt::Display| fail(FactKind::NotFound, format!("`{name}`: {error}"));
        let Some(root) = layout.find(wanted) else {
            let roots = layout.roots();
            let tags: Vec<&str> = roots.iter().filter_map(|(tag, _)| tag.as_deref()).collect();
            let mut error = fail(
                FactKind::NotFound,
                format!("`{}` has no image `{}`", dir.display(), wanted.unwrap_or("latest")),
            );
            if !tags.is_empty() {
                error.notes.push(format!("it has: {}", tags.join(", ")));
            }
            return Err(error);
        };
        let read = |wanted: &Descriptor, limit: u64| {
            layout.document(&wanted.digest, limit).map_err(|error| broken(&error))
        };
        let (descriptor, manifest, config) = choose(name, root, platform, &read)?;
        self.remember(&descriptor, &manifest, &config, Place::Layout(dir), None);
        self.keep(&[(&descriptor, &read), (&manifest.config, &read)])?;
        Ok(Found { reference: None, descriptor, manifest, config })
    }

    fn in_registry(&self, reference: &Reference, platform: &Platform) -> Result<Found, FactError> {
        let Some(client) = self.client else {
            let mut error =
                fail(FactKind::NotFound, format!("image `{}` is not in the store", reference.familiar()));
            error.help = Some("`--offline` keeps registries out; pull or load the image first".to_owned());
            return Err(error);
        };
        let failed = |error: imgc_registry::Error| registry_fact(reference, &error);
        self.say(&format!("pulling {reference}"));
        let (descriptor, bytes) = client.manifest(reference).map_err(failed)?;
        let repository = reference.clone();
        let read = |wanted: &Descriptor, limit: u64| {
            if wanted.digest == descriptor.digest {
                return Ok(bytes.clone());
            }
            let bytes = client.document(&repository, wanted, limit).map_err(failed)?;
            Ok(bytes)
        };
        let (chosen, manifest, config) = choose(&reference.to_string(), &descriptor, platform, &read)?;
        self.keep(&[(&descriptor, &read), (&chosen, &read), (&manifest.config, &read)])?;
        let tag = Some((reference.clone(), descriptor.clone()));
        self.remember(&chosen, &manifest, &config, Place::Registry(reference.clone()), tag);
        Ok(Found { reference: Some(reference.clone()), descriptor: chosen, manifest, config })
    }

    /// Puts documents into the store.
    fn keep(&self, documents: &[(&Descriptor, &Read<'_>)]) -> Result<(), FactError> {
        for (descriptor, read) in documents {
            if !self.store.has_blob(&descriptor.digest) {
                let bytes = read(descriptor, limits::CONFIG_BYTES)?;
                self.store
                    .put_document(&bytes)
                    .map_err(|error| fail(FactKind::Environment, format!("{error}")))?;
            }
        }
        Ok(())
    }

    fn remember(
        &self,
        descriptor: &Descriptor,
        manifest: &Manifest,
        config: &ImageConfig,
        place: Place,
        tag: Option<(Reference, Descriptor)>,
    ) {
        let known =
            Known { place, manifest: manifest.clone(), diff_ids: config.rootfs.diff_ids.clone(), tag };
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(descriptor.digest, known);
    }

    /// Says a thing once per build.
    fn say(&self, text: &str) {
        if self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned()) {
            self.sink.emit(Event::Note(text.to_owned()));
        }
    }
}

impl World for Bases<'_> {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageFacts, FactError> {
        let found = self.find(name, platform)?;
        let config = found.config;
        let variant = config.variant.as_deref().unwrap_or_default();
        let own = Platform::new(&config.os, &config.architecture, variant);
        Ok(ImageFacts {
            reference: found.reference,
            digest: found.descriptor.digest,
            platform: own,
            config: config.config,
            history: config.history,
            author: config.author,
            layers: config.rootfs.diff_ids,
        })
    }

    fn has_context(&self, name: &str) -> bool {
        matches!(self.contexts.get(name), Some(NamedContext::Directory(_)))
    }

    fn ignore(&self, context: &str) -> Result<Vec<String>, FactError> {
        Ok(self.ignore.get(context).cloned().unwrap_or_default())
    }
}

/// `DIR[:TAG][@DIGEST]`; a tag beside a digest is for people. A colon in the last part of the path starts a tag.
fn split_layout(address: &str) -> (PathBuf, Option<&str>) {
    if let Some((dir, digest)) = address.split_once('@') {
        return (split_layout(dir).0, Some(digest));
    }
    match address.rsplit_once(':') {
        Some((dir, tag)) if !tag.contains('/') && !Path::new(address).exists() => {
            (PathBuf::from(dir), Some(tag))
        }
        _ => (PathBuf::from(address), None),
    }
}

/// From a manifest or index to the image for a platform, checked: as many layers as its config says.
fn choose(
    name: &str,
    root: &Descriptor,
    platform: &Platform,
    read: &Read<'_>,
) -> Result<(Descriptor, Manifest, ImageConfig), FactError> {
    let broken = |error: &dyn std::fmt::Display| fail(FactKind::NotFound, format!("image `{name}`: {error}"));
    let mut descriptor = root.clone();
    for _ in 0..3 {
        let bytes = read(&descriptor, limits::MANIFEST_BYTES)?;
        let stated = Some(descriptor.media_type.as_str()).filter(|kind| !kind.is_empty());
        match Document::parse(&bytes, stated).map_err(|error| broken(&error))? {
            Document::Index(index) => {
                descriptor = for_platform(name, &index, platform)?;
            }
            Document::Manifest(manifest) => {
                let bytes = read(&manifest.config, limits::CONFIG_BYTES)?;
                let config: ImageConfig = serde_json::from_slice(&bytes).map_err(|error| broken(&error))?;
                if config.rootfs.diff_ids.len() != manifest.layers.len() {
                    return Err(broken(&"its manifest and config name different numbers of layers"));
                }
                return Ok((descriptor, manifest, config));
            }
        }
    }
    Err(broken(&"its indexes are nested too deeply"))
}

/// What a registry's failure means for the user.
fn registry_fact(reference: &Reference, error: &imgc_registry::Error) -> FactError {
    let kind = if error.is_not_found() { FactKind::NotFound } else { FactKind::Network };
    let mut fact = fail(kind, format!("image `{}`: {error}", reference.familiar()));
    fact.notes = error.notes();
    fact.help = error.help();
    fact
}
