//! How much space a store takes, by class, and how much of it could be given back.

use crate::error::StoreError;
use crate::inventory::{Inventory, Item};
use crate::session::Held;
use crate::{Store, locked};

/// What something in a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Blobs that images need.
    Images,
    /// Blobs that no image needs: compressed layers of steps, images without a name.
    Blobs,
    /// Indexes of layers; removed, with all else of the layer.
    Layers,
    /// Unpacked layers.
    Trees,
    /// Step results.
    Steps,
    /// Remembered answers.
    Memos,
    /// Records of builds.
    Builds,
    /// Cache mounts.
    Caches,
    /// Downloads to be continued.
    Partial,
    /// Broken objects that were moved away.
    Quarantine,
}

impl Class {
    /// The name for people and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Blobs => "blobs",
            Self::Layers => "layers",
            Self::Trees => "trees",
            Self::Steps => "steps",
            Self::Memos => "memos",
            Self::Builds => "builds",
            Self::Caches => "cache mounts",
            Self::Partial => "partial downloads",
            Self::Quarantine => "quarantine",
        }
    }
}

/// The space of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassUsage {
    /// Which class.
    pub class: Class,
    /// How many objects.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of the bytes no image and no living process needs.
    pub reclaimable: u64,
}

/// The space of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// By class.
    pub classes: Vec<ClassUsage>,
}

impl Usage {
    /// All bytes.
    pub fn total(&self) -> u64 {
        self.classes.iter().map(|class| class.bytes).sum()
    }

    /// All bytes that no image and no living process needs.
    pub fn reclaimable(&self) -> u64 {
        self.classes.iter().map(|class| class.reclaimable).sum()
    }
}

impl Inventory {
    /// The bytes of everything.
    pub(crate) fn total(&self) -> u64 {
        let sum = |items: &mut dyn Iterator<Item = &Item>| items.map(|item| item.bytes).sum::<u64>();
        sum(&mut self.blobs.values())
            + sum(&mut self.steps.values().map(|(item, _)| item))
            + sum(&mut self.memos.values())
            + sum(&mut self.builds.values())
            + sum(&mut self.caches.values())
            + sum(&mut self.partial.values())
            + sum(&mut self.quarantine.values())
            + self.layers.values().map(|layer| layer.index.bytes + layer.tree.unwrap_or(0)).sum::<u64>()
    }
}

impl Store {
    /// How much space the store takes.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let needed = self.needed(&locked(&self.inner.without_lease).held)?;
        let inventory = self.inventory()?;
        let mut tally = Tally::default();
        for (digest, item) in &inventory.blobs {
            let class = if needed.image_blobs.contains(digest) { Class::Images } else { Class::Blobs };
            tally.add(class, item.bytes, !needed.blobs.contains(digest));
        }
        for (id, layer) in &inventory.layers {
            let held = needed.held.contains(&Held::Layer(*id));
            if layer.index.bytes > 0 {
                tally.add(Class::Layers, layer.index.bytes, !held && !needed.image_layers.contains(id));
            }
            if let Some(bytes) = layer.tree {
                tally.add(Class::Trees, bytes, !held);
            }
        }
        for (key, (item, _)) in &inventory.steps {
            tally.add(Class::Steps, item.bytes, !needed.held.contains(&Held::Step(*key)));
        }
        for (name, item) in &inventory.builds {
            tally.add(Class::Builds, item.bytes, !needed.held.contains(&Held::Build(name.clone())));
        }
        for (class, items) in [
            (Class::Memos, &inventory.memos),
            (Class::Caches, &inventory.caches),
            (Class::Partial, &inventory.partial),
            (Class::Quarantine, &inventory.quarantine),
        ] {
            for item in items.values() {
                tally.add(class, item.bytes, true);
            }
        }
        Ok(Usage { classes: tally.classes })
    }
}

struct Tally {
    classes: Vec<ClassUsage>,
}

impl Default for Tally {
    fn default() -> Self {
        let all = [
            Class::Images,
            Class::Blobs,
            Class::Layers,
            Class::Trees,
            Class::Steps,
            Class::Memos,
            Class::Builds,
            Class::Caches,
            Class::Partial,
            Class::Quarantine,
        ];
        let empty = |class| ClassUsage { class, count: 0, bytes: 0, reclaimable: 0 };
        Self { classes: all.map(empty).to_vec() }
    }
}

impl Tally {
    fn add(&mut self, class: Class, bytes: u64, reclaimable: bool) {
        if let Some(entry) = self.classes.iter_mut().find(|entry| entry.class == class) {
            entry.count += 1;
            entry.bytes += bytes;
            entry.reclaimable += if reclaimable { bytes } else { 0 };
        }
    }
}
