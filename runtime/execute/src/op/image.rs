//! `Image` and `Index`: layers put together, config and manifest written.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_base::config::{History, ImageConfig, RootFs};
use imgc_base::digest::DiffId;
use imgc_base::event::Event;
use imgc_graph::{ImageOp, NodeId};
use imgc_image::manifest::{PlatformDoc, media};
use imgc_image::{Descriptor, Index, Layer, Manifest, Tree, flatten, merge};
use rayon::prelude::*;

use crate::error::ExecuteError;
use crate::layers::LayerSink;
use crate::rfc3339::rfc3339;
use crate::run::Build;
use crate::value::{BuiltImage, Root, Value};

/// Assembles an image from a root.
pub fn image(build: &Build<'_>, id: NodeId, op: &ImageOp, inputs: &[Value]) -> Result<Value, ExecuteError> {
    let root = inputs.first().ok_or(ExecuteError::Graph("an image without a root"))?.root()?;
    let own = own_layers(build, id, root)?;
    let base = &root.tree.layers()[..root.base];
    let layers: Vec<&Layer> = base.iter().chain(own.iter().map(|group| &group.layer)).collect();
    certify(build, &root.tree, &layers)?;

    let created = rfc3339(build.options.epoch.seconds());
    let config = ImageConfig {
        created: Some(created.clone()),
        author: op.author.clone(),
        architecture: op.platform.arch.clone(),
        os: op.platform.os.clone(),
        variant: (!op.platform.variant.is_empty()).then(|| op.platform.variant.clone()),
        config: op.config.clone(),
        rootfs: RootFs {
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
            ..RootFs::default()
        },
        history: history(op, &own, &created),
    };
    let descriptors = layers
        .par_iter()
        .enumerate()
        .map(|(number, layer)| match root.base_blobs.get(number).filter(|_| number < root.base) {
            Some(known) => Ok(base_blob(build, known)),
            None => blob(build, layer),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let config_bytes = serde_json::to_vec(&config).map_err(|error| json("config", error))?;
    let config_digest = build.store.put_document(&config_bytes)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::new(media::CONFIG, config_digest, config_bytes.len() as u64),
        layers: descriptors,
        subject: None,
        annotations: op.annotations.clone(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|error| json("manifest", error))?;
    build.store.put_document(&bytes)?;
    let mut descriptor = Descriptor::of(media::MANIFEST, &bytes);
    descriptor.platform = Some(PlatformDoc::from(&op.platform));
    Ok(Value::Image(Arc::new(BuiltImage {
        descriptor,
        tree: root.tree.clone(),
        members: Vec::new(),
        config: config_digest,
    })))
}

/// A multi-platform index over images.
pub fn index(build: &Build<'_>, inputs: &[Value]) -> Result<Value, ExecuteError> {
    let mut members = Vec::with_capacity(inputs.len());
    for input in inputs {
        let Value::Image(image) = input else { return Err(ExecuteError::Graph("an index over no image")) };
        members.push(image.descriptor.clone());
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        manifests: members.clone(),
        subject: None,
        annotations: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&index).map_err(|error| json("index", error))?;
    let digest = build.store.put_document(&bytes)?;
    let descriptor = Descriptor::of(media::INDEX, &bytes);
    Ok(Value::Image(Arc::new(BuiltImage { descriptor, tree: Tree::default(), members, config: digest })))
}

fn json(what: &str, source: serde_json::Error) -> ExecuteError {
    ExecuteError::Image(imgc_image::ImageError::Json { what: what.to_owned(), source })
}

/// A layer of the image and the steps whose changes it holds.
struct Group {
    layer: Layer,
    steps: Vec<NodeId>,
}

/// The layers above the base, as the plan groups them.
fn own_layers(build: &Build<'_>, id: NodeId, root: &Root) -> Result<Vec<Group>, ExecuteError> {
    let plan = build.plans.get(&id);
    let by_step: BTreeMap<NodeId, Option<DiffId>> =
        root.steps.iter().map(|step| (step.node, step.layer)).collect();
    let layer_of = |diff_id: DiffId| root.tree.layers().iter().rev().find(|layer| layer.diff_id == diff_id).cloned();
    let groups: Vec<Vec<NodeId>> = match plan {
        Some(plan) => plan.groups.iter().map(|group| group.steps.clone()).collect(),
        None => root.steps.iter().map(|step| vec![step.node]).collect(),
    };
    let mut below = Tree::new(root.tree.layers()[..root.base].to_vec());
    let mut own = Vec::with_capacity(groups.len());
    for steps in groups {
        let layers: Vec<Layer> =
            steps.iter().filter_map(|step| by_step.get(step).copied().flatten()).filter_map(layer_of).collect();
        let layer = match layers.as_slice() {
            [] => continue,
            [single] => single.clone(),
            several => {
                let Some(layer) = merged(build, &below, several)? else { continue };
                layer
            }
        };
        below = below.push(layer.clone());
        own.push(Group { layer, steps });
    }
    Ok(own)
}

/// One layer that does what several do; `None` if together they do nothing.
fn merged(build: &Build<'_>, below: &Tree, layers: &[Layer]) -> Result<Option<Layer>, ExecuteError> {
    let names: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let name = format!("merge-1 {} {}", below.chain_id(), names.join(" "));
    if let Some(known) = build.store.memo(&name)? {
        if known == "nothing" {
            return Ok(None);
        }
        if let Ok(diff_id) = known.parse::<DiffId>()
            && let Some(index) = build.store.layer(&diff_id)?
            && build.store.any_layer_blob(&diff_id)?.is_some()
        {
            return Ok(Some(Layer { diff_id, index }));
        }
    }
    let merged = merge::merge(below, layers)?;
    if merged.is_empty() {
        build.store.put_memo(&name, "nothing")?;
        return Ok(None);
    }
    let mut sink = LayerSink::new(build.store, Some(build.options.compression))?;
    let index = merge::write(&merged, build.store, &mut sink)?;
    let layer = sink.finish(index)?;
    build.store.put_memo(&name, &layer.diff_id.to_string())?;
    Ok(Some(layer))
}

/// The certificate: the root that was built, and what the emitted layers give by a second, independent reading.
fn certify(build: &Build<'_>, live: &Tree, emitted: &[&Layer]) -> Result<(), ExecuteError> {
    let chain = imgc_base::ChainId::of_layers(emitted.iter().map(|layer| layer.diff_id));
    let name = format!("certificate-1 {} {chain}", live.chain_id());
    if build.store.memo(&name)?.is_some() {
        return Ok(());
    }
    let (wanted, got) = rayon::join(
        || flatten::live(live),
        || flatten::certificate(emitted.iter().map(|layer| layer.index.as_ref())),
    );
    if wanted != got {
        return Err(ExecuteError::Certificate(format!("{wanted} is not {got}")));
    }
    build.store.put_memo(&name, &got.to_string())?;
    Ok(())
}

/// A base's blob, kept byte for byte.
fn base_blob(build: &Build<'_>, known: &Descriptor) -> Descriptor {
    build.emit(Event::Layer { digest: known.digest.to_string(), size: known.size });
    Descriptor::new(oci_layer(&known.media_type), known.digest, known.size)
}

/// The descriptor of one of our layers, in the compression asked for.
fn blob(build: &Build<'_>, layer: &Layer) -> Result<Descriptor, ExecuteError> {
    let blob = build.blobs.get(layer.diff_id)?;
    build.emit(Event::Layer { digest: blob.digest.to_string(), size: blob.size });
    Ok(Descriptor::new(oci_layer(&blob.media_type), blob.digest, blob.size))
}

/// The OCI name of a layer's media type; docker's gzip layers are the same bytes.
fn oci_layer(media_type: &str) -> &str {
    if media_type == media::DOCKER_LAYER { imgc_image::Compression::Gzip.media_type() } else { media_type }
}

/// The history: the base's, raw, then one entry for each instruction. The last step of a group stands for its layer.
fn history(op: &ImageOp, own: &[Group], created: &str) -> Vec<History> {
    let mut history = op.base_history.clone();
    let planned: Vec<NodeId> = op.history.iter().filter_map(|entry| entry.node).collect();
    let carriers: Vec<NodeId> = own
        .iter()
        .filter_map(|group| group.steps.iter().rev().find(|step| planned.contains(step)).copied())
        .collect();
    for entry in &op.history {
        let carries = entry.node.is_some_and(|node| carriers.contains(&node));
        history.push(History {
            created: Some(created.to_owned()),
            created_by: Some(entry.created_by.clone()),
            author: None,
            comment: Some("buildkit.dockerfile.v0".to_owned()),
            empty_layer: !carries,
        });
    }
    history
}
