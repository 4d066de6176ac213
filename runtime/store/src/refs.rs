//! Names of images: the store's `index.json`.
//!
//! A name is written last, after all that it leads to; `index.json` is replaced as a whole, under a lock.

use imgc_base::Reference;
use imgc_base::digest::BlobDigest;
use imgc_image::manifest::media;
use imgc_image::{Descriptor, Document, Index, limits};

use crate::error::StoreError;
use crate::session::Held;
use crate::{Store, durable, read_optional};

/// Holds the full name (OCI image-spec `annotations.md`).
pub const NAME: &str = "org.opencontainers.image.ref.name";
/// Longest `index.json` that is read.
const INDEX_BYTES: u64 = 64 << 20;

impl Store {
    /// All images, as `index.json` has them. The name of each, if it has one, is its annotation [`NAME`].
    pub fn images(&self) -> Result<Vec<Descriptor>, StoreError> {
        Ok(self.read_index()?.manifests)
    }

    /// Gives an image a name; an older image of the name loses it. Everything that the image needs must be here.
    pub fn tag(&self, name: &Reference, image: &Descriptor) -> Result<(), StoreError> {
        let name = name.to_string();
        self.check_complete(image)?;
        let mut named = image.clone();
        named.annotations.insert(NAME.to_owned(), name.clone());
        self.change_index(|index| {
            index.manifests.retain(|other| name_of(other) != Some(&name));
            // An image that is named need not stand there without a name too.
            index.manifests.retain(|other| name_of(other).is_some() || other.digest != named.digest);
            index.manifests.push(named);
            index.manifests.sort_by(|a, b| (name_of(a), a.digest).cmp(&(name_of(b), b.digest)));
        })
    }

    /// Keeps an image that has no name.
    pub fn keep(&self, image: &Descriptor) -> Result<(), StoreError> {
        self.check_complete(image)?;
        let mut unnamed = image.clone();
        unnamed.annotations.remove(NAME);
        self.change_index(|index| {
            if !index.manifests.iter().any(|other| other.digest == unnamed.digest) {
                index.manifests.push(unnamed);
                index.manifests.sort_by(|a, b| (name_of(a), a.digest).cmp(&(name_of(b), b.digest)));
            }
        })
    }

    /// Takes a name away; false if no image has it.
    pub fn untag(&self, name: &Reference) -> Result<bool, StoreError> {
        let name = name.to_string();
        self.remove_images(|image| name_of(image) == Some(&name))
    }

    /// Takes all names of an image away, and its entry without a name; false if there was none.
    pub fn forget(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        self.remove_images(|image| image.digest == *digest)
    }

    fn remove_images(&self, remove: impl Fn(&Descriptor) -> bool) -> Result<bool, StoreError> {
        let mut removed = false;
        self.change_index(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|image| !remove(image));
            removed = index.manifests.len() != before;
        })?;
        Ok(removed)
    }

    /// Finds an image: by its digest if the reference has one, else by its name.
    pub fn find(&self, reference: &Reference) -> Result<Option<Descriptor>, StoreError> {
        let images = self.images()?;
        let found = if let Some(digest) = reference.digest() {
            match images.into_iter().find(|image| image.digest == digest) {
                Some(image) => Some(image),
                None => self.describe(&digest)?,
            }
        } else {
            let name = reference.to_string();
            images.into_iter().find(|image| name_of(image) == Some(&name))
        };
        let Some(image) = found else { return Ok(None) };
        self.hold(Held::Blob(image.digest))?;
        // Between reading the index and holding the image it may have lost its name and been collected.
        Ok(self.find_blob(&image.digest)?.map(|_| image))
    }

    /// The descriptor of a manifest or index that is here, whether or not it has a name.
    fn describe(&self, digest: &BlobDigest) -> Result<Option<Descriptor>, StoreError> {
        let Some(size) = self.find_blob(digest)?.filter(|&size| size <= limits::MANIFEST_BYTES) else {
            return Ok(None);
        };
        let bytes = self.read_document(digest, size)?;
        let media_type = match Document::parse(&bytes, None) {
            Ok(Document::Manifest(manifest)) => {
                manifest.media_type.unwrap_or_else(|| media::MANIFEST.to_owned())
            }
            Ok(Document::Index(index)) => index.media_type.unwrap_or_else(|| media::INDEX.to_owned()),
            Err(_) => return Ok(None),
        };
        Ok(Some(Descriptor::new(&media_type, *digest, size)))
    }

    /// An error unless an image and all it needs is here. The images of an index may be absent, as after a pull for one
    /// platform; those that are here must be complete.
    pub fn check_complete(&self, image: &Descriptor) -> Result<(), StoreError> {
        // Held as a whole: a manifest in a lease holds what it leads to.
        self.hold(Held::Blob(image.digest))?;
        self.closure_is_here(image)
    }

    pub(crate) fn closure_is_here(&self, image: &Descriptor) -> Result<(), StoreError> {
        self.size_fits(image)?;
        if !media::is_manifest(&image.media_type) && !media::is_index(&image.media_type) {
            return Ok(());
        }
        let path = self.layout().blob(&image.digest);
        let bytes = read_optional(&path, limits::MANIFEST_BYTES)?.unwrap_or_default();
        match Document::parse(&bytes, Some(&image.media_type))? {
            Document::Manifest(manifest) => {
                self.size_fits(&manifest.config)?;
                manifest.layers.iter().try_for_each(|layer| self.size_fits(layer))
            }
            Document::Index(index) => index
                .manifests
                .iter()
                .filter(|child| {
                    media::is_manifest(&child.media_type) && self.layout().blob(&child.digest).exists()
                })
                .try_for_each(|child| self.closure_is_here(child)),
        }
    }

    fn size_fits(&self, descriptor: &Descriptor) -> Result<(), StoreError> {
        let (digest, expected) = (descriptor.digest, descriptor.size);
        let got = match fs_err::symlink_metadata(self.layout().blob(&digest)) {
            Ok(meta) => meta.len(),
            Err(_) => return Err(StoreError::missing(digest)),
        };
        if got == expected { Ok(()) } else { Err(StoreError::Size { digest, expected, got }) }
    }

    /// Removes one entry.
    pub(crate) fn drop_image(&self, image: &Descriptor) -> Result<(), StoreError> {
        self.remove_images(|other| other == image).map(drop)
    }

    pub(crate) fn read_index(&self) -> Result<Index, StoreError> {
        let path = self.layout().index();
        let bytes = read_optional(&path, INDEX_BYTES)?.ok_or_else(|| StoreError::missing("`index.json`"))?;
        serde_json::from_slice(&bytes).map_err(|error| StoreError::NotAStore {
            dir: self.dir().to_owned(),
            reason: format!("its `index.json` cannot be read: {error}"),
        })
    }

    fn change_index(&self, change: impl FnOnce(&mut Index)) -> Result<(), StoreError> {
        let _lock = self.lock("index", &self.cancel)?;
        let before = self.read_index()?;
        let mut index = before.clone();
        change(&mut index);
        if index == before {
            return Ok(());
        }
        let path = self.layout().index();
        let bytes = serde_json::to_vec(&index).map_err(|e| StoreError::io("write", &path)(e))?;
        // Another process may have written the blobs: their names are made durable here, whoever wrote them.
        durable::sync_dir(&self.layout().blobs())?;
        let new = self.session()?.new_path("index");
        durable::write_synced(&new, &bytes)?;
        durable::rename_synced(&new, &path)
    }
}

/// The full name of an image in `index.json`.
pub fn name_of(image: &Descriptor) -> Option<&String> {
    image.annotations.get(NAME)
}
