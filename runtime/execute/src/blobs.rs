//! Compressing layers beside the steps that follow.
//!
//! On threads of their own, not on those of the pool that compresses the blocks. A thread of the pool that waits for blocks
//! takes other work meanwhile; were that for the blob that it is making itself, it would wait for itself for ever.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use imgc_base::digest::DiffId;
use imgc_image::Compression;
use imgc_store::{LayerBlob, Store, StoreError};

use crate::error::ExecuteError;

type Made = Result<LayerBlob, Arc<StoreError>>;

#[derive(Debug)]
enum Slot {
    /// Nobody makes it yet.
    Waiting,
    /// A thread is making it.
    Making,
    Made(Made),
}

/// The blobs of this build's layers, each made once.
#[derive(Debug)]
pub struct Blobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    compression: Compression,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slots: BTreeMap<DiffId, Slot>,
    /// What the threads do next.
    queue: VecDeque<DiffId>,
    threads: usize,
}

impl Blobs {
    /// No blob yet.
    pub fn new(store: Store, compression: Compression) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { store, compression, state, changed }))
    }

    /// Starts to compress a layer in the background.
    pub fn start(&self, diff_id: DiffId) {
        let mut state = self.0.state();
        if state.slots.contains_key(&diff_id) {
            return;
        }
        state.slots.insert(diff_id, Slot::Waiting);
        state.queue.push_back(diff_id);
        if state.threads < std::thread::available_parallelism().map_or(1, usize::from) {
            let shared = Arc::clone(&self.0);
            // Without a thread it is made by whoever wants it.
            let started = std::thread::Builder::new().name("blobs".to_owned()).spawn(move || shared.work());
            state.threads += usize::from(started.is_ok());
        }
    }

    /// The blob of a layer: waits if it is being made, makes it if nobody has.
    pub fn get(&self, diff_id: DiffId) -> Result<LayerBlob, ExecuteError> {
        let mut state = self.0.state();
        loop {
            match state.slots.get(&diff_id) {
                Some(Slot::Made(made)) => return made.clone().map_err(ExecuteError::Blob),
                Some(Slot::Making) => {
                    state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(Slot::Waiting) | None => {
                    drop(state);
                    self.0.make(diff_id);
                    state = self.0.state();
                }
            }
        }
    }
}

/// Nobody wants what was not begun.
impl Drop for Blobs {
    fn drop(&mut self) {
        self.0.state().queue.clear();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes blobs until none is asked for.
    fn work(&self) {
        loop {
            let mut state = self.state();
            let Some(diff_id) = state.queue.pop_front() else {
                state.threads -= 1;
                return;
            };
            drop(state);
            self.make(diff_id);
        }
    }

    /// Makes a blob, unless somebody else does or did.
    fn make(&self, diff_id: DiffId) {
        {
            let mut state = self.state();
            let slot = state.slots.entry(diff_id).or_insert(Slot::Waiting);
            if !matches!(slot, Slot::Waiting) {
                return;
            }
            *slot = Slot::Making;
        }
        let mut done = Done { shared: self, diff_id, made: None };
        done.made = Some(self.store.ensure_blob(&diff_id, self.compression).map_err(Arc::new));
    }
}

/// Puts down what was made, and wakes who waits for it; after a panic the next one tries.
struct Done<'a> {
    shared: &'a Shared,
    diff_id: DiffId,
    made: Option<Made>,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let slot = self.made.take().map_or(Slot::Waiting, Slot::Made);
        self.shared.state().slots.insert(self.diff_id, slot);
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of several blocks that do not compress to nothing, without a gzip blob.
    fn layer(store: &Store, seed: u64) -> DiffId {
        let mut state = seed;
        let content: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 60) as u8
        })
        .take(5 << 20)
        .collect();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "file", content.as_slice()).unwrap();
        let import = imgc_store::Import { compression: Compression::None, ..Default::default() };
        store.import_layer(tar.into_inner().unwrap().as_slice(), &import).unwrap().diff_id
    }

    #[test]
    fn nobody_waits_for_himself() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let layers: Vec<DiffId> = (1..4).map(|seed| layer(&store, seed)).collect();
        let blobs = Blobs::new(store, Compression::Gzip);
        // A pool of one thread has nobody else who could do what it waits for.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            for layer in layers.iter().chain(&layers) {
                blobs.start(*layer);
            }
        });
        let sizes =
            |blobs: &Blobs| layers.iter().map(|layer| blobs.get(*layer).unwrap().size).collect::<Vec<_>>();
        let (one, two) = std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(|| sizes(&blobs)), scope.spawn(|| sizes(&blobs)));
            (one.join().unwrap(), two.join().unwrap())
        });
        assert_eq!(one, two);
        assert!(one.iter().all(|size| *size > 1 << 20), "{one:?}");
        assert!(blobs.get(DiffId::of(b"unknown")).is_err());
        assert!(blobs.get(DiffId::of(b"unknown")).is_err(), "an error is kept too");
    }
}
