//! Collecting: removes what nobody needs, the least recently used first.
//!
//! 1. Look at everything; take `locks/gc` exclusively: now no process can begin to use anything (see `session`).
//! 2. Mark what images and the leases of living processes lead to.
//! 3. Choose among the rest by the policy; remove steps first, then maps, indexes and trees, then blobs, so that a crash
//!    in between leaves nothing that refers to what is gone without being seen as absent.
//!
//! Trees are only moved to `tmp/` under the lock and removed after it. Nothing here needs free space, and starting again
//! after a crash is safe.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgc_base::digest::{BlobDigest, ContentKey, DiffId};

use crate::error::StoreError;
use crate::inventory::{Inventory, LayerItem, Needed};
use crate::lock::{self, Mode};
use crate::session::{Held, remove_dead, remove_path};
use crate::usage::Class;
use crate::{Store, locked};

/// What may be removed. Without any limit only what is certainly of no use goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Removes what was used least recently until the store is no larger than this.
    pub max_bytes: Option<u64>,
    /// Removes what was not used for this long.
    pub keep: Option<Duration>,
    /// Removes everything that no image and no living process needs.
    pub all: bool,
    /// Only says what would go.
    pub dry_run: bool,
}

/// Something that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// What it was.
    pub class: Class,
    /// Its name in the store.
    pub name: String,
    /// The space that it took.
    pub bytes: u64,
}

/// What a collection did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// What was removed, in the order of removal.
    pub removed: Vec<Removed>,
    /// The space that the rest takes.
    pub left: u64,
}

impl Collected {
    /// The space given back.
    pub fn freed(&self) -> u64 {
        self.removed.iter().map(|removed| removed.bytes).sum()
    }
}

/// Something that can be removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Step(ContentKey),
    Memo(String),
    /// A layer that no image has: tree, index, maps, and the blobs that only it has.
    Layer(DiffId),
    /// The tree of an image's layer.
    Tree(DiffId),
    /// A blob that nothing leads to.
    Blob(BlobDigest),
    Build(String),
    Cache(String),
    Partial(String),
    Quarantine(String),
}

#[derive(Debug)]
struct Candidate {
    used: Duration,
    unit: Unit,
    bytes: u64,
    /// Of no use to anybody: a step whose layer is gone, a torn record.
    dead: bool,
}

impl Store {
    /// Removes what the policy allows.
    pub fn gc(&self, policy: &Policy) -> Result<Collected, StoreError> {
        self.check_writable()?;
        let gate_path = self.layout().lock("gc");
        let gate = lock::open(&gate_path)?;
        remove_dead(&self.layout().at("tmp"))?;
        // Looking takes long and needs no lock: what comes later is not touched, what begins to be used is in a lease.
        let mut inventory = self.inventory()?;
        // Other threads of this process wait here before they use anything that their lease has no room for.
        let mut without_lease = locked(&self.inner.without_lease);
        without_lease.let_in();
        lock::wait(&gate, &gate_path, Mode::Exclusive, &self.cancel)?;
        let seen = self.see_new_maps(&mut inventory);
        let collected = seen.and_then(|()| self.collect(policy, &inventory, &without_lease.held));
        lock::release(&gate, &gate_path)?;
        if !without_lease.held.is_empty() {
            without_lease.keep_out(self.layout())?;
        }
        drop(without_lease);
        let (collected, trash) = collected?;
        for path in trash {
            // Another process may be removing it too; what is left is seen by the next one that looks.
            remove_path(&path).ok();
        }
        Ok(collected)
    }

    /// The part that nobody may disturb. Also gives what was moved away and is to be removed.
    fn collect(
        &self,
        policy: &Policy,
        inventory: &Inventory,
        own: &BTreeSet<Held>,
    ) -> Result<(Collected, Vec<PathBuf>), StoreError> {
        let needed = self.needed(own)?;
        let mut candidates = candidates(inventory, &needed);
        candidates.sort_by(|a, b| (!a.dead, a.used, &a.unit).cmp(&(!b.dead, b.used, &b.unit)));
        let mut collected = Collected { removed: Vec::new(), left: inventory.total() };
        let mut chosen = BTreeSet::new();
        let now = imgc_base::clock::wall();
        for candidate in &candidates {
            let age = now.saturating_sub(candidate.used);
            let too_old = policy.keep.is_some_and(|keep| age > keep);
            let too_much = policy.max_bytes.is_some_and(|limit| collected.left > limit);
            if candidate.dead || policy.all || too_old || too_much {
                collected.left = collected.left.saturating_sub(candidate.bytes);
                chosen.insert(candidate.unit.clone());
            }
        }
        choose_steps_of_chosen_layers(inventory, &mut chosen);
        let mut sweep = Sweep { store: self, inventory, needed: &needed, policy, trash: Vec::new() };
        for unit in &chosen {
            if let Some(removed) = sweep.remove(unit)? {
                collected.removed.push(removed);
            }
        }
        let trash = sweep.trash;
        locked(&self.inner.indexes).clear();
        locked(&self.inner.roots).clear();
        collected.left = inventory.total().saturating_sub(collected.freed());
        Ok((collected, trash))
    }
}

/// All that may go: neither images nor living processes need it.
fn candidates(inventory: &Inventory, needed: &Needed) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut add = |unit, used, bytes, dead| found.push(Candidate { used, unit, bytes, dead });
    for (key, (item, record)) in &inventory.steps {
        if !needed.held.contains(&Held::Step(*key)) {
            let dead = record.as_ref().is_none_or(|record| {
                record.layer.is_some_and(|id| {
                    inventory.layers.get(&id).is_none_or(|layer| !is_usable(layer, inventory))
                })
            });
            add(Unit::Step(*key), item.used, item.bytes, dead);
        }
    }
    let mut mapped = inventory.of_new_layers.clone();
    for (id, layer) in &inventory.layers {
        let of_image = needed.image_layers.contains(id);
        if needed.held.contains(&Held::Layer(*id)) {
            mapped.extend(blobs_of(layer));
        } else if !of_image {
            mapped.extend(blobs_of(layer));
            let blobs = blobs_of(layer).filter(|digest| !needed.blobs.contains(digest));
            let blob_bytes: u64 =
                blobs.filter_map(|digest| inventory.blobs.get(&digest)).map(|item| item.bytes).sum();
            let bytes = layer.index.bytes + layer.tree.unwrap_or(0) + blob_bytes;
            add(Unit::Layer(*id), layer.used, bytes, !is_usable(layer, inventory));
        } else if let Some(bytes) = layer.tree {
            // The image's own blob stays; blobs of the layer in other compressions are found below.
            add(Unit::Tree(*id), layer.used, bytes, false);
        }
    }
    for (digest, item) in &inventory.blobs {
        if !needed.blobs.contains(digest) && !mapped.contains(digest) {
            add(Unit::Blob(*digest), item.used, item.bytes, false);
        }
    }
    for (name, item) in &inventory.memos {
        add(Unit::Memo(name.clone()), item.used, item.bytes, false);
    }
    for (name, item) in &inventory.builds {
        if !needed.held.contains(&Held::Build(name.clone())) {
            add(Unit::Build(name.clone()), item.used, item.bytes, false);
        }
    }
    for (name, item) in &inventory.caches {
        add(Unit::Cache(name.clone()), item.used, item.bytes, false);
    }
    for (name, item) in &inventory.partial {
        add(Unit::Partial(name.clone()), item.used, item.bytes, false);
    }
    for (name, item) in &inventory.quarantine {
        add(Unit::Quarantine(name.clone()), item.used, item.bytes, false);
    }
    found
}

/// True if a layer's index is here, and its content in some form.
fn is_usable(layer: &LayerItem, inventory: &Inventory) -> bool {
    let content = layer.tree.is_some() || blobs_of(layer).any(|digest| inventory.blobs.contains_key(&digest));
    content && layer.index.bytes > 0
}

fn blobs_of(layer: &LayerItem) -> impl Iterator<Item = BlobDigest> + '_ {
    layer.maps.iter().filter_map(|(_, blob)| blob.as_ref()).map(|blob| blob.digest)
}

/// A step is of no use without its layer.
fn choose_steps_of_chosen_layers(inventory: &Inventory, chosen: &mut BTreeSet<Unit>) {
    for (key, (_, record)) in &inventory.steps {
        if let Some(id) = record.as_ref().and_then(|record| record.layer)
            && chosen.contains(&Unit::Layer(id))
        {
            chosen.insert(Unit::Step(*key));
        }
    }
}

struct Sweep<'a> {
    store: &'a Store,
    inventory: &'a Inventory,
    needed: &'a Needed,
    policy: &'a Policy,
    trash: Vec<PathBuf>,
}

impl Sweep<'_> {
    fn remove(&mut self, unit: &Unit) -> Result<Option<Removed>, StoreError> {
        let layout = self.store.layout();
        let (class, name, bytes) = match unit {
            Unit::Step(key) => {
                self.file(&layout.step(key))?;
                (Class::Steps, key.hex(), self.inventory.steps.get(key).map(|(item, _)| item.bytes))
            }
            Unit::Memo(name) => {
                self.file(&layout.at("memo").join(name))?;
                (Class::Memos, name.clone(), self.inventory.memos.get(name).map(|item| item.bytes))
            }
            Unit::Layer(id) => (Class::Layers, id.hex(), Some(self.layer(id)?)),
            Unit::Tree(id) => {
                self.tree(id)?;
                (Class::Trees, id.hex(), self.inventory.layers.get(id).and_then(|layer| layer.tree))
            }
            Unit::Blob(digest) => {
                self.file(&layout.blob(digest))?;
                (Class::Blobs, digest.hex(), self.inventory.blobs.get(digest).map(|item| item.bytes))
            }
            Unit::Build(name) => {
                self.directory(&layout.at("builds").join(name))?;
                (Class::Builds, name.clone(), self.inventory.builds.get(name).map(|item| item.bytes))
            }
            Unit::Quarantine(name) => {
                self.directory(&layout.at("quarantine").join(name))?;
                (Class::Quarantine, name.clone(), self.inventory.quarantine.get(name).map(|item| item.bytes))
            }
            Unit::Cache(name) => {
                let base = layout.at("cachemounts").join(name);
                if !self.if_free(&base.join("lock"), |sweep| sweep.directory(&base))? {
                    return Ok(None);
                }
                (Class::Caches, name.clone(), self.inventory.caches.get(name).map(|item| item.bytes))
            }
            Unit::Partial(name) => {
                let path = layout.at("partial").join(name);
                if !self.if_free(&path, |sweep| sweep.file(&path))? {
                    return Ok(None);
                }
                (Class::Partial, name.clone(), self.inventory.partial.get(name).map(|item| item.bytes))
            }
        };
        Ok(Some(Removed { class, name, bytes: bytes.unwrap_or(0) }))
    }

    /// Removes all of a layer that no image has.
    fn layer(&mut self, id: &DiffId) -> Result<u64, StoreError> {
        let Some(layer) = self.inventory.layers.get(id) else { return Ok(0) };
        let layout = self.store.layout();
        let mut bytes = layer.index.bytes + layer.tree.unwrap_or(0);
        self.tree(id)?;
        for (path, blob) in &layer.maps {
            self.file(path)?;
            let Some(digest) = blob.as_ref().map(|blob| blob.digest) else { continue };
            if !self.needed.blobs.contains(&digest) {
                self.file(&layout.blob(&digest))?;
                bytes += self.inventory.blobs.get(&digest).map_or(0, |item| item.bytes);
            }
        }
        self.file(&layout.layer(id))?;
        Ok(bytes)
    }

    /// The stamp goes first: from then on the tree is absent for everybody.
    fn tree(&mut self, id: &DiffId) -> Result<(), StoreError> {
        self.file(&self.store.layout().stamp(id))?;
        self.directory(&self.store.layout().tree(id))
    }

    fn file(&self, path: &Path) -> Result<(), StoreError> {
        if self.policy.dry_run {
            return Ok(());
        }
        match fs_err::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Moves something away, to be removed when nobody waits.
    fn directory(&mut self, path: &Path) -> Result<(), StoreError> {
        if self.policy.dry_run || fs_err::symlink_metadata(path).is_err() {
            return Ok(());
        }
        let number = self.trash.len();
        let name = format!("trash-{:x}-{number}", imgc_base::clock::wall().as_nanos());
        let target = self.store.layout().at("tmp").join(name);
        fs_err::rename(path, &target).map_err(StoreError::io("move away", path))?;
        self.trash.push(target);
        Ok(())
    }

    /// Does something unless a living process has locked a file; false then.
    fn if_free(
        &mut self,
        lock: &Path,
        remove: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let file = match fs_err::File::open(lock) {
            Ok(file) => file.into_parts().0,
            // Whoever makes the directory is about to lock it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::io("open", lock)(error)),
        };
        if !lock::try_lock(&file, lock, Mode::Exclusive)? {
            return Ok(false);
        }
        remove(self)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A blob that was seen without its map, which its writer put down before it ended, is a layer's blob all the same.
    #[test]
    fn a_map_that_came_late_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let mut writer = store.blob_writer().unwrap();
        writer.write_all(b"a layer").unwrap();
        let (digest, size) = writer.commit(None).unwrap();
        let mut inventory = store.inventory().unwrap();
        store
            .note_blob(&DiffId::of(b"plain"), "application/vnd.oci.image.layer.v1.tar", &digest, size)
            .unwrap();

        let goes = |inventory: &Inventory| {
            candidates(inventory, &Needed::default()).iter().any(|one| one.unit == Unit::Blob(digest))
        };
        assert!(goes(&inventory));
        store.see_new_maps(&mut inventory).unwrap();
        assert!(!goes(&inventory));
    }
}
