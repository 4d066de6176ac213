//! Everything that is in a store, and what of it images and living processes need.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgc_base::config::ImageConfig;
use imgc_base::digest::{BlobDigest, ContentKey, DiffId};
use imgc_image::{Document, LayerIndex, limits};

use crate::error::StoreError;
use crate::layer::{LayerBlob, decode_map};
use crate::session::{Held, held_by_processes};
use crate::step::StepRecord;
use crate::{Store, read_optional, record};

/// How large something is, and when it was last used (wall clock).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Item {
    pub(crate) bytes: u64,
    pub(crate) used: Duration,
}

/// A layer with all that is here of it.
#[derive(Debug, Default)]
pub(crate) struct LayerItem {
    /// The index.
    pub(crate) index: Item,
    /// What the unpacked layer takes; `None` if it is not unpacked.
    pub(crate) tree: Option<u64>,
    /// Its maps, and the blobs that they name.
    pub(crate) maps: Vec<(PathBuf, Option<LayerBlob>)>,
    /// Its last use, also by a step.
    pub(crate) used: Duration,
}

/// Everything that is in a store.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) blobs: BTreeMap<BlobDigest, Item>,
    pub(crate) layers: BTreeMap<DiffId, LayerItem>,
    /// Blobs of layers that came while everything was looked at.
    pub(crate) of_new_layers: BTreeSet<BlobDigest>,
    pub(crate) steps: BTreeMap<ContentKey, (Item, Option<StepRecord>)>,
    pub(crate) memos: BTreeMap<String, Item>,
    pub(crate) builds: BTreeMap<String, Item>,
    pub(crate) caches: BTreeMap<String, Item>,
    pub(crate) partial: BTreeMap<String, Item>,
    pub(crate) quarantine: BTreeMap<String, Item>,
}

/// What must stay.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    /// Blobs that images and processes need.
    pub(crate) blobs: BTreeSet<BlobDigest>,
    /// Those of them that images need.
    pub(crate) image_blobs: BTreeSet<BlobDigest>,
    /// Layers of images; their trees can be made again.
    pub(crate) image_layers: BTreeSet<DiffId>,
    /// What living processes use.
    pub(crate) held: BTreeSet<Held>,
}

impl Store {
    /// Looks at everything.
    pub(crate) fn inventory(&self) -> Result<Inventory, StoreError> {
        let mut all = Inventory::default();
        for (name, item) in self.list("blobs/sha256")? {
            if let Some(digest) = BlobDigest::from_hex(&name) {
                all.blobs.insert(digest, item);
            }
        }
        for (name, item) in self.list("layers")? {
            if let Some(diff_id) = DiffId::from_hex(&name) {
                let layer = all.layers.entry(diff_id).or_default();
                (layer.index, layer.used) = (item, item.used);
            }
        }
        for (name, item) in self.list("maps")? {
            self.cancel.check()?;
            let Some(diff_id) = name.split('.').next().and_then(DiffId::from_hex) else { continue };
            let path = self.layout().at("maps").join(&name);
            let blob = read_optional(&path, record::LIMIT)?.and_then(|bytes| decode_map(&bytes));
            let layer = all.layers.entry(diff_id).or_default();
            layer.used = layer.used.max(item.used);
            layer.maps.push((path, blob));
        }
        for (name, item) in self.list("trees")? {
            self.cancel.check()?;
            let Some(diff_id) = DiffId::from_hex(&name) else { continue };
            let bytes = self.tree_bytes(&diff_id)?;
            let layer = all.layers.entry(diff_id).or_default();
            layer.tree = Some(bytes);
            // A tree's own time is what its layer says; only one without an index has nothing better.
            if layer.used.is_zero() {
                layer.used = item.used;
            }
        }
        for (name, item) in self.list("steps")? {
            self.cancel.check()?;
            let Some(key) = ContentKey::from_hex(&name) else { continue };
            let bytes = read_optional(&self.layout().step(&key), record::LIMIT)?;
            let record = bytes.and_then(|bytes| self.decode_step(&bytes));
            if let Some(layer) =
                record.as_ref().and_then(|record| record.layer).and_then(|id| all.layers.get_mut(&id))
            {
                layer.used = layer.used.max(item.used);
            }
            all.steps.insert(key, (item, record));
        }
        all.memos = self.list("memo")?;
        all.partial = self.list("partial")?;
        for (class, into) in [
            ("builds", &mut all.builds),
            ("quarantine", &mut all.quarantine),
            ("cachemounts", &mut all.caches),
        ] {
            for (name, mut item) in self.list(class)? {
                self.cancel.check()?;
                let path = self.layout().at(class).join(&name);
                item.bytes = size_below(&path);
                // The lock file of a cache mount is touched when it is used.
                if let Ok(lock) = fs_err::metadata(path.join("lock")) {
                    item.used = used(&lock);
                }
                into.insert(name, item);
            }
        }
        Ok(all)
    }

    /// Adds the maps that were written while everything was looked at. The blob of one may have been seen without it, and
    /// its writer may be gone by now: it would look like a blob that nothing leads to.
    pub(crate) fn see_new_maps(&self, all: &mut Inventory) -> Result<(), StoreError> {
        for name in self.list("maps")?.into_keys() {
            let Some(diff_id) = name.split('.').next().and_then(DiffId::from_hex) else { continue };
            let path = self.layout().at("maps").join(&name);
            let layer = all.layers.get_mut(&diff_id);
            if layer.as_ref().is_some_and(|layer| layer.maps.iter().any(|(known, _)| *known == path)) {
                continue;
            }
            let blob = read_optional(&path, record::LIMIT)?.and_then(|bytes| decode_map(&bytes));
            match layer {
                Some(layer) => layer.maps.push((path, blob)),
                None => all.of_new_layers.extend(blob.map(|blob| blob.digest)),
            }
        }
        Ok(())
    }

    /// The names in one of the store's directories.
    pub(crate) fn list(&self, class: &str) -> Result<BTreeMap<String, Item>, StoreError> {
        let dir = self.layout().at(class);
        let mut found = BTreeMap::new();
        for item in fs_err::read_dir(&dir).map_err(StoreError::io("list", &dir))? {
            let item = item.map_err(StoreError::io("list", &dir))?;
            let Ok(name) = item.file_name().into_string() else { continue };
            // What goes while we look is not there.
            if let Ok(meta) = item.metadata() {
                found.insert(name, Item { bytes: meta.len(), used: used(&meta) });
            }
        }
        Ok(found)
    }

    /// The bytes of the files of an unpacked layer.
    fn tree_bytes(&self, diff_id: &DiffId) -> Result<u64, StoreError> {
        let bytes = read_optional(&self.layout().layer(diff_id), u64::MAX)?;
        match bytes.and_then(|bytes| LayerIndex::decode(&bytes).ok()) {
            Some(index) => Ok(index.content_bytes()),
            None => Ok(size_below(&self.layout().tree(diff_id))),
        }
    }

    /// What images and living processes need. Take this while nobody can begin to use anything: see `session`.
    pub(crate) fn needed(&self, own: &BTreeSet<Held>) -> Result<Needed, StoreError> {
        let mut needed = Needed { held: held_by_processes(&self.layout().at("tmp"))?, ..Needed::default() };
        needed.held.extend(own.iter().cloned());
        for image in self.read_index()?.manifests {
            self.need_closure(image.digest, &mut needed)?;
        }
        needed.image_blobs = needed.blobs.clone();
        let held: Vec<Held> = needed.held.iter().cloned().collect();
        for what in held {
            match what {
                Held::Blob(digest) => self.need_closure(digest, &mut needed)?,
                Held::Step(key) => {
                    let bytes = read_optional(&self.layout().step(&key), record::LIMIT)?;
                    let record = bytes.and_then(|bytes| self.decode_step(&bytes));
                    needed.held.extend(record.and_then(|record| record.layer).map(Held::Layer));
                }
                Held::Layer(_) | Held::Build(_) => {}
            }
        }
        Ok(needed)
    }

    /// Adds a blob and, if it is a manifest or an index, all that it leads to.
    fn need_closure(&self, start: BlobDigest, needed: &mut Needed) -> Result<(), StoreError> {
        let mut waiting = vec![start];
        while let Some(digest) = waiting.pop() {
            self.cancel.check()?;
            if !needed.blobs.insert(digest) {
                continue;
            }
            let Some(bytes) = self.small_document(&digest)? else { continue };
            match Document::parse(&bytes, None) {
                Ok(Document::Index(index)) => {
                    waiting.extend(index.manifests.iter().map(|child| child.digest));
                }
                Ok(Document::Manifest(manifest)) => {
                    needed.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
                    waiting.push(manifest.config.digest);
                }
                // A config, or anything else.
                Err(_) => {
                    if let Ok(config) = serde_json::from_slice::<ImageConfig>(&bytes) {
                        needed.image_layers.extend(diff_ids(&config));
                    }
                }
            }
        }
        Ok(())
    }

    /// A blob that may be a document: small, and beginning as JSON does.
    fn small_document(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let limit = limits::CONFIG_BYTES.max(limits::MANIFEST_BYTES);
        let path = self.layout().blob(digest);
        if fs_err::symlink_metadata(&path).map_or(true, |meta| meta.len() > limit) {
            return Ok(None);
        }
        Ok(read_optional(&path, limit)?.filter(|bytes| bytes.first() == Some(&b'{')))
    }
}

/// The layers that a config names.
fn diff_ids(config: &ImageConfig) -> impl Iterator<Item = DiffId> + '_ {
    config.rootfs.diff_ids.iter().copied()
}

/// The time of last use, as a file's own time says.
fn used(meta: &std::fs::Metadata) -> Duration {
    Duration::new(meta.mtime().max(0).unsigned_abs(), u32::try_from(meta.mtime_nsec()).unwrap_or(0))
}

/// The bytes of the files in a directory, at any depth. No link is followed.
pub(crate) fn size_below(path: &Path) -> u64 {
    let Ok(meta) = fs_err::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    let mut sum = 0;
    let mut waiting = vec![path.to_owned()];
    while let Some(dir) = waiting.pop() {
        // What cannot be read, or goes while we look, is not counted.
        let Ok(items) = fs_err::read_dir(&dir) else { continue };
        for item in items.flatten() {
            match item.metadata() {
                Ok(meta) if meta.is_dir() => waiting.push(item.path()),
                Ok(meta) if meta.is_file() => sum += meta.len() / meta.nlink().max(1),
                _ => {}
            }
        }
    }
    sum
}
