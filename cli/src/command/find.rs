//! From what a user calls an image to the image: a name, a digest, or the start of one.

use imgc_base::config::ImageConfig;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::digest::BlobDigest;
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_execute::kept::HOLDER;
use imgc_image::layout::REF_NAME;
use imgc_image::manifest::{Document, media};
use imgc_image::{Descriptor, Layer, Manifest, limits};
use imgc_store::Store;

use crate::failure::{Failure, code};

/// An image of the store.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its names.
    pub names: Vec<Reference>,
    /// Its manifest or index.
    pub descriptor: Descriptor,
}

/// Every image of the store, each once, with all of its names; in order of names.
pub fn all(store: &Store) -> Result<Vec<Image>, Failure> {
    let mut images: Vec<Image> = Vec::new();
    for descriptor in store.images()? {
        let name: Option<Reference> = descriptor.annotations.get(REF_NAME).and_then(|name| name.parse().ok());
        // Names that only hold the images of kept containers are nobody's.
        let name = name.filter(|name| name.registry() != HOLDER);
        match images.iter_mut().find(|image| image.descriptor.digest == descriptor.digest) {
            Some(image) => image.names.extend(name),
            None => images.push(Image { names: name.into_iter().collect(), descriptor }),
        }
    }
    images.sort_by(|a, b| a.names.cmp(&b.names));
    Ok(images)
}

/// Finds one image.
pub fn find(store: &Store, wanted: &str) -> Result<Image, Failure> {
    let images = all(store)?;
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    if hex.len() >= 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let by_id: Vec<&Image> = images
            .iter()
            .filter(|image| {
                image.descriptor.digest.hex().starts_with(hex)
                    || config_id(store, &image.descriptor).is_some_and(|id| id.starts_with(hex))
            })
            .collect();
        match by_id.as_slice() {
            [one] => return Ok((*one).clone()),
            [] => {}
            several => {
                let ids: Vec<String> = several.iter().map(|image| image.descriptor.digest.short()).collect();
                return Err(
                    Failure::usage(format!("`{wanted}` is the start of several images")).note(ids.join(", "))
                );
            }
        }
    }
    let reference: Reference = wanted.parse()?;
    let found = images.iter().find(|image| {
        image.names.iter().any(|name| match reference.digest() {
            Some(digest) => {
                image.descriptor.digest == digest
                    && name.registry() == reference.registry()
                    && name.repository() == reference.repository()
            }
            None => name.to_string() == reference.to_string(),
        })
    });
    found.cloned().ok_or_else(|| missing(wanted, &images))
}

fn missing(wanted: &str, images: &[Image]) -> Failure {
    let mut names: Vec<String> =
        images.iter().flat_map(|image| image.names.iter().map(Reference::familiar)).collect();
    if !wanted.contains(':') {
        names = names.iter().map(|name| name.strip_suffix(":latest").unwrap_or(name).to_owned()).collect();
    }
    let mut failure = Failure::new(code::FAILED, format!("there is no image `{wanted}` in the store"));
    if let Some(near) = did_you_mean(wanted, names.iter().map(String::as_str)) {
        failure = failure.help(format!("did you mean `{near}`?"));
    }
    failure.help("`imgc images` lists what there is; `imgc pull` and `imgc load` bring more")
}

fn config_id(store: &Store, descriptor: &Descriptor) -> Option<String> {
    if !media::is_manifest(&descriptor.media_type) {
        return None;
    }
    let bytes = store.read_document(&descriptor.digest, limits::MANIFEST_BYTES).ok()?;
    match Document::parse(&bytes, None).ok()? {
        Document::Manifest(manifest) => Some(manifest.config.digest.hex()),
        Document::Index(_) => None,
    }
}

/// One image's documents.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The manifest.
    pub descriptor: Descriptor,
    /// Parsed.
    pub manifest: Manifest,
    /// Parsed.
    pub config: ImageConfig,
}

/// Every single image behind a descriptor that is in the store: one, or those of an index.
pub fn open_all(store: &Store, descriptor: &Descriptor) -> Result<Vec<Opened>, Failure> {
    let bytes = store.read_document(&descriptor.digest, limits::MANIFEST_BYTES)?;
    match Document::parse(&bytes, None)? {
        Document::Manifest(manifest) => {
            let bytes = store.read_document(&manifest.config.digest, limits::CONFIG_BYTES)?;
            let config =
                serde_json::from_slice(&bytes).map_err(|error| Failure::chain(code::FAILED, &error))?;
            Ok(vec![Opened { descriptor: descriptor.clone(), manifest, config }])
        }
        Document::Index(index) => {
            let mut opened = Vec::new();
            for child in &index.manifests {
                let unknown = child.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
                if !unknown && store.has_blob(&child.digest) {
                    opened.extend(open_all(store, child)?);
                }
            }
            Ok(opened)
        }
    }
}

/// A single image by the digest of its manifest, whether or not it has a name or is part of an index.
pub fn by_digest(store: &Store, digest: &BlobDigest) -> Result<Opened, Failure> {
    let bytes = store.read_document(digest, limits::MANIFEST_BYTES)?;
    let Document::Manifest(manifest) = Document::parse(&bytes, None)? else {
        return Err(Failure::new(code::FAILED, format!("{digest} is an index, no image")));
    };
    let kind = manifest.media_type.clone().unwrap_or_else(|| media::MANIFEST.to_owned());
    open_one(store, &digest.short(), &Descriptor::of(&kind, &bytes), None)
}

/// The layers of an image, read and checked.
pub fn layers(store: &Store, opened: &Opened) -> Result<Vec<Layer>, Failure> {
    if opened.manifest.layers.len() != opened.config.rootfs.diff_ids.len() {
        let text = "the image's manifest and config name different numbers of layers";
        return Err(Failure::new(code::FAILED, text));
    }
    let mut layers = Vec::new();
    for (blob, diff_id) in opened.manifest.layers.iter().zip(&opened.config.rootfs.diff_ids) {
        if store.layer(diff_id)?.is_none() {
            // The diff-id of a config is only a claim until the layer was read.
            store.note_foreign_blob(diff_id, &blob.media_type, &blob.digest, blob.size)?;
        }
        layers.push(Layer { diff_id: *diff_id, index: store.ensure_layer(diff_id)? });
    }
    Ok(layers)
}

/// The image for a platform, or for this machine.
pub fn open(store: &Store, wanted: &str, platform: Option<&Platform>) -> Result<Opened, Failure> {
    let image = find(store, wanted)?;
    open_one(store, wanted, &image.descriptor, platform)
}

/// The same for an image that was found.
pub fn open_one(
    store: &Store,
    wanted: &str,
    descriptor: &Descriptor,
    platform: Option<&Platform>,
) -> Result<Opened, Failure> {
    let all = open_all(store, descriptor)?;
    let host = Platform::host();
    let chosen = match platform {
        Some(platform) => all.iter().find(|opened| opened.platform() == *platform),
        None => all.iter().find(|opened| opened.platform() == host).or(all.first()),
    };
    chosen.cloned().ok_or_else(|| {
        let has: Vec<String> = all.iter().map(|opened| opened.platform().to_string()).collect();
        let text = match platform {
            Some(platform) => format!("`{wanted}` is not in the store for {platform}"),
            None => format!("`{wanted}` is no image that can be opened"),
        };
        let failure = Failure::new(code::FAILED, text);
        if has.is_empty() { failure } else { failure.note(format!("it is there for {}", has.join(", "))) }
    })
}

impl Opened {
    /// The platform that the config states.
    pub fn platform(&self) -> Platform {
        let variant = self.config.variant.as_deref().unwrap_or_default();
        Platform::new(&self.config.os, &self.config.architecture, variant)
    }
}

/// How long ago an image's time was; `N/A` if it has none.
pub fn since(created: &str) -> String {
    let Some(then) = imgc_execute::seconds(created) else { return "N/A".to_owned() };
    let now = imgc_base::clock::wall();
    crate::render::units::ago(i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_sub(then))
}
