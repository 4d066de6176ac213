//! Step results: found by content key, run once at a time over all processes.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use imgc_base::Cancel;
use imgc_base::canonical::Component;
use imgc_base::digest::{ContentKey, DefinitionKey, DiffId};
use serde::{Deserialize, Serialize};

use crate::durable::Stamp;
use crate::error::StoreError;
use crate::lock::NamedLock;
use crate::session::Held;
use crate::{Store, read_optional, record};

const TAG: &str = "imgc-step-1";

/// What a step gave, and what its key was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The layer that it made; `None` if it changed nothing.
    pub layer: Option<DiffId>,
    /// The components of its content key.
    pub components: Vec<Component>,
    /// The build that ran it.
    pub build: String,
    /// How long it ran, in milliseconds.
    pub millis: u64,
    /// Its definition key.
    pub definition: DefinitionKey,
    /// Its name: `build#12`.
    pub step: String,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored<R> {
    stamp: Stamp,
    record: R,
}

/// The lock of a step.
pub type StepLock = NamedLock;

impl Store {
    /// The result of a step, if it is known and its layer is here, unpacked or as a blob.
    pub fn step(&self, key: &ContentKey) -> Result<Option<StepRecord>, StoreError> {
        self.hold(Held::Step(*key))?;
        let path = self.layout().step(key);
        let Some(bytes) = read_optional(&path, record::LIMIT)? else { return Ok(None) };
        let Some(record) = self.decode_step(&bytes) else { return Ok(None) };
        if let Some(diff_id) = &record.layer
            && !self.has_layer(diff_id)?
        {
            return Ok(None);
        }
        Self::touch(&path);
        Ok(Some(record))
    }

    /// True if a layer's index is here, and its content, unpacked or as a blob.
    pub fn has_layer(&self, diff_id: &DiffId) -> Result<bool, StoreError> {
        self.hold(Held::Layer(*diff_id))?;
        Ok(Self::touch(&self.layout().layer(diff_id))
            && (self.tree_is_whole(diff_id)? || self.any_layer_blob(diff_id)?.is_some()))
    }

    /// Reads a stored record; `None` if it is torn, or doubtful since a power loss.
    pub(crate) fn decode_step(&self, bytes: &[u8]) -> Option<StepRecord> {
        let stored: Stored<StepRecord> = record::decode(TAG, bytes)?;
        self.inner.ledger.holds(&stored.stamp).then_some(stored.record)
    }

    /// Remembers a step's result. Its layer must be stored before.
    pub fn put_step(&self, key: &ContentKey, record: &StepRecord) -> Result<(), StoreError> {
        self.hold(Held::Step(*key))?;
        let path = self.layout().step(key);
        let stored = Stored { stamp: self.inner.ledger.now(), record };
        let bytes = record::encode(TAG, &stored).map_err(|e| StoreError::io("write", &path)(e))?;
        self.write_small(&path, &bytes)?;
        self.inner.dirty.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Waits until no thread or process runs this step, and keeps others from running it. Look for the result again
    /// after this: whoever held the lock may have left it.
    pub fn lock_step(&self, key: &ContentKey, cancel: &Cancel) -> Result<StepLock, StoreError> {
        self.lock(&format!("step-{}", key.hex()), cancel)
    }
}
