//! Fewer layers for an image that is there: those above a point become one, what they hid from each other is gone.

use imgc_base::config::ImageConfig;
use imgc_image::{Compression, Descriptor, Layer, Manifest, Tree, flatten, merge};
use imgc_store::Store;

use crate::error::ExecuteError;
use crate::layers::LayerSink;

/// Makes an image of another one; its layers from number `from` on (0 is the lowest) become one.
///
/// The result has the same flattened root, which is checked, and the same config but for the layers.
pub fn squash(
    store: &Store,
    manifest: &Manifest,
    config: &ImageConfig,
    layers: &[Layer],
    from: usize,
) -> Result<Descriptor, ExecuteError> {
    let from = from.min(layers.len());
    let below = Tree::new(layers[..from].to_vec());
    let merged = merge::merge(&below, &layers[from..])?;
    let mut blobs: Vec<Descriptor> = manifest.layers.iter().take(from).map(crate::kept::oci).collect();
    let mut kept = layers[..from].to_vec();
    if !merged.is_empty() {
        let mut sink = LayerSink::new(store, Some(Compression::Gzip))?;
        merge::write(&merged, store, &mut sink)?;
        let layer = sink.finish(merged.index())?;
        let blob = store.ensure_blob(&layer.diff_id, Compression::Gzip)?;
        blobs.push(Descriptor::new(&blob.media_type, blob.digest, blob.size));
        kept.push(layer);
    }
    let wanted = flatten::certificate(layers.iter().map(|layer| layer.index.as_ref()));
    let got = flatten::certificate(kept.iter().map(|layer| layer.index.as_ref()));
    if wanted != got {
        return Err(ExecuteError::Certificate(format!("{wanted} is not {got}")));
    }
    let mut config = config.clone();
    config.rootfs.diff_ids = kept.iter().map(|layer| layer.diff_id).collect();
    // The last instruction of those that are one layer now stands for it.
    let mut seen = 0;
    let mut carriers: Vec<&mut bool> = Vec::new();
    for entry in &mut config.history {
        if !entry.empty_layer {
            seen += 1;
            if seen > from {
                entry.empty_layer = true;
                carriers.push(&mut entry.empty_layer);
            }
        }
    }
    if let Some(last) = carriers.pop().filter(|_| kept.len() > from) {
        *last = false;
    }
    crate::kept::write(store, &config, blobs)
}
