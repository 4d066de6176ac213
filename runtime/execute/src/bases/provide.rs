//! Brings the layers of a found image into the store.

use std::io::{self, Read};
use std::sync::PoisonError;

use imgc_base::digest::{BlobDigest, DiffId};
use imgc_image::layout::Layout;
use imgc_image::{Descriptor, Layer, Tree};
use rayon::prelude::*;

use super::{Bases, Known, Place};
use crate::error::ExecuteError;

impl Bases<'_> {
    /// The root of an image that was found before, with all of its layers in the store, and their blobs.
    pub fn tree(&self, digest: &BlobDigest) -> Result<(Tree, Vec<Descriptor>), ExecuteError> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        let known = known.ok_or(ExecuteError::Graph("an image that nobody looked for"))?;
        let pairs: Vec<(&Descriptor, &DiffId)> = known.manifest.layers.iter().zip(&known.diff_ids).collect();
        let layers: Vec<Layer> = pairs
            .par_iter()
            .map(|(descriptor, diff_id)| self.layer(&known, descriptor, diff_id))
            .collect::<Result<_, _>>()?;
        if let Some((reference, descriptor)) = &known.tag {
            self.store.tag(reference, descriptor)?;
        }
        Ok((Tree::new(layers), known.manifest.layers))
    }

    fn layer(&self, known: &Known, descriptor: &Descriptor, diff_id: &DiffId) -> Result<Layer, ExecuteError> {
        let there = self.store.has_blob(&descriptor.digest);
        if there && let Some(index) = self.store.layer(diff_id)? {
            return Ok(Layer { diff_id: *diff_id, index });
        }
        self.cancel.check()?;
        if !there {
            self.bring(&known.place, descriptor)?;
        }
        // The diff-id of a config is only a claim until the layer was read.
        self.store.note_foreign_blob(diff_id, &descriptor.media_type, &descriptor.digest, descriptor.size)?;
        let index = self.store.ensure_layer(diff_id)?;
        Ok(Layer { diff_id: *diff_id, index })
    }

    fn bring(&self, place: &Place, descriptor: &Descriptor) -> Result<(), ExecuteError> {
        let expected = Some((descriptor.digest, descriptor.size));
        match place {
            Place::Store => {
                Err(imgc_store::StoreError::Missing { what: descriptor.digest.to_string() }.into())
            }
            Place::Layout(dir) => {
                let layout = Layout::open(dir)?;
                let mut from = layout.blob(&descriptor.digest)?.take(descriptor.size + 1);
                let mut writer = self.store.blob_writer()?;
                io::copy(&mut from, &mut writer).map_err(ExecuteError::io("copy a layer"))?;
                writer.commit(expected)?;
                Ok(())
            }
            Place::Registry(reference) => {
                let client = self.client.ok_or(ExecuteError::Graph("a registry image while offline"))?;
                crate::transfer::pull::fetch(self.store, client, reference, descriptor, self.sink)
            }
        }
    }
}
