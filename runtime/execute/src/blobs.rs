//! Compressing layers beside the steps that follow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use imgc_base::digest::DiffId;
use imgc_image::Compression;
use imgc_store::{LayerBlob, Store, StoreError};

use crate::error::ExecuteError;

type Slot = Arc<OnceLock<Result<LayerBlob, Arc<StoreError>>>>;

/// The blobs of this build's layers, each made once.
#[derive(Debug)]
pub struct Blobs {
    store: Store,
    compression: Compression,
    slots: Mutex<BTreeMap<DiffId, Slot>>,
}

impl Blobs {
    /// No blob yet.
    pub fn new(store: Store, compression: Compression) -> Self {
        Self { store, compression, slots: Mutex::new(BTreeMap::new()) }
    }

    /// Starts to compress a layer in the background.
    pub fn start(&self, diff_id: DiffId) {
        let slot = self.slot(diff_id);
        if slot.get().is_some() {
            return;
        }
        let (store, compression) = (self.store.clone(), self.compression);
        rayon::spawn(move || {
            slot.get_or_init(|| store.ensure_blob(&diff_id, compression).map_err(Arc::new));
        });
    }

    /// The blob of a layer: waits if it is being made, makes it if nobody has.
    pub fn get(&self, diff_id: DiffId) -> Result<LayerBlob, ExecuteError> {
        let slot = self.slot(diff_id);
        let made = slot.get_or_init(|| self.store.ensure_blob(&diff_id, self.compression).map_err(Arc::new));
        made.clone().map_err(ExecuteError::Blob)
    }

    fn slot(&self, diff_id: DiffId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(diff_id).or_default())
    }
}
