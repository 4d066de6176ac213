//! `Image` and `Index`: layers put together, config and manifest written.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_base::config::{History, ImageConfig, RootFs};
use imgc_base::digest::DiffId;
use imgc_base::event::Event;
use imgc_graph::{ImageOp, NodeId};
use imgc_image::manifest::{PlatformDoc, media};
use imgc_image::merge;
use imgc_image::{Descriptor, Index, Layer, Manifest, Tree, split};
use rayon::prelude::*;

use crate::error::ExecuteError;
use crate::layers::LayerSink;
use crate::op::certificate::certify;
use crate::op::dropped;
use crate::rfc3339::rfc3339;
use crate::run::{Build, Prune};
use crate::value::{BuiltImage, Root, Value};

/// Assembles an image from a root.
pub fn image(build: &Build<'_>, id: NodeId, op: &ImageOp, inputs: &[Value]) -> Result<Value, ExecuteError> {
    let root = inputs.first().ok_or(ExecuteError::Graph("an image without a root"))?.root()?;
    let own = own_layers(build, id, root)?;
    let base = &root.tree.layers()[..root.base];
    let layers: Vec<&Layer> = base.iter().chain(own.iter().map(|group| &group.layer)).collect();
    let certified = certify(build, &root.tree, &layers)?;

    let created = rfc3339(build.options.epoch.seconds());
    let config = ImageConfig {
        created: Some(created.clone()),
        author: op.author.clone(),
        architecture: op.platform.arch.clone(),
        os: op.platform.os.clone(),
        variant: (!op.platform.variant.is_empty()).then(|| op.platform.variant.clone()),
        config: op.config.clone(),
        rootfs: RootFs { diff_ids: layers.iter().map(|layer| layer.diff_id).collect(), ..RootFs::default() },
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
        root: Some(certified),
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
    Ok(Value::Image(Arc::new(BuiltImage {
        descriptor,
        tree: Tree::default(),
        members,
        config: digest,
        root: None,
    })))
}

fn json(what: &str, source: serde_json::Error) -> ExecuteError {
    ExecuteError::Image(imgc_image::ImageError::Json { what: what.to_owned(), source })
}

/// A layer of the image and the steps whose changes it holds.
struct Group {
    layer: Layer,
    steps: Vec<NodeId>,
}

/// What goes into one layer before anything is pruned.
struct Part {
    layers: Vec<Layer>,
    steps: Vec<NodeId>,
}

/// The layers above the base, as the plan groups them.
fn own_layers(build: &Build<'_>, id: NodeId, root: &Root) -> Result<Vec<Group>, ExecuteError> {
    let parts = parts(build, id, root)?;
    let below = Tree::new(root.tree.layers()[..root.base].to_vec());
    // One layer for each instruction, as docker does: nothing to prune, nothing to write.
    if matches!(build.prune, Prune::Nothing) {
        let single = |part: Part| Some(Group { layer: part.layers.into_iter().next()?, steps: part.steps });
        return Ok(parts.into_iter().filter_map(single).collect());
    }
    let groups: Vec<Vec<Layer>> = parts.iter().map(|part| part.layers.clone()).collect();
    let name = memo_name(build, &below, &groups);
    let known = build.store.memo(&name)?.map(|text| recall(build, &text)).transpose()?.flatten();
    let layers = match known {
        Some(layers) if layers.len() == parts.len() => {
            if matches!(build.prune, Prune::Garbage(_)) {
                dropped::recall(build, &name)?;
            }
            layers
        }
        _ => {
            let layers = pruned(build, &below, &groups, &name)?;
            build.store.put_memo(&name, &remember(&layers))?;
            layers
        }
    };
    let kept = parts.into_iter().zip(layers);
    Ok(kept.filter_map(|(part, layer)| Some(Group { layer: layer?, steps: part.steps })).collect())
}

/// The step layers of each group, in the order in which they lie in the root.
fn parts(build: &Build<'_>, id: NodeId, root: &Root) -> Result<Vec<Part>, ExecuteError> {
    let mut above = root.tree.layers()[root.base..].iter().cloned();
    let made: BTreeMap<NodeId, usize> =
        root.steps.iter().map(|step| (step.node, usize::from(step.layer.is_some()))).collect();
    let Some(plan) = build.plans.get(&id) else {
        let one = |step: &crate::value::StepLayer| Part {
            layers: if step.layer.is_some() { above.next().into_iter().collect() } else { Vec::new() },
            steps: vec![step.node],
        };
        return Ok(root.steps.iter().map(one).filter(|part| !part.layers.is_empty()).collect());
    };
    if plan.excess > 0 {
        return Err(ExecuteError::Missing {
            message: format!(
                "the image would have {} layers more than overlayfs and docker can stack",
                plan.excess
            ),
            help: "its base has too many layers: flatten that first (`imgc squash BASE`)".to_owned(),
        });
    }
    let mut parts = Vec::new();
    for group in &plan.groups {
        if let Some(count) = group.tree {
            // A whole image that a merge put here keeps its layers.
            for layer in above.by_ref().take(count) {
                parts.push(Part { layers: vec![layer], steps: group.steps.clone() });
            }
        } else {
            let count = group.steps.iter().map(|step| made.get(step).copied().unwrap_or(0)).sum();
            let layers: Vec<Layer> = above.by_ref().take(count).collect();
            if !layers.is_empty() {
                parts.push(Part { layers, steps: group.steps.clone() });
            }
        }
    }
    Ok(parts)
}

/// Merges everything, cuts it along the groups, and writes what is not a step's own layer already.
fn pruned(
    build: &Build<'_>,
    below: &Tree,
    groups: &[Vec<Layer>],
    name: &str,
) -> Result<Vec<Option<Layer>>, ExecuteError> {
    let all: Vec<Layer> = groups.iter().flatten().cloned().collect();
    let mut merged = merge::merge(below, &all)?;
    if let Prune::Garbage(rules) = &build.prune {
        let removed = merged.remove(&|entry| rules.garbage(&entry.path).is_some());
        dropped::report(build, rules, &removed, name)?;
    }
    let mut layers = Vec::with_capacity(groups.len());
    for (part, group) in split::split(&merged, below, groups).iter().zip(groups) {
        if part.is_empty() {
            layers.push(None);
            continue;
        }
        let index = part.index();
        if let Some(own) = group.iter().find(|layer| *layer.index == index) {
            layers.push(Some(own.clone()));
            continue;
        }
        let mut sink = LayerSink::new(build.store, Some(build.options.compression))?;
        let index = merge::write(part, build.store, &mut sink)?;
        layers.push(Some(sink.finish(index)?));
    }
    Ok(layers)
}

/// Names what [`pruned`] would compute. The forms that layers are written in are not part of it: diff-ids are.
fn memo_name(build: &Build<'_>, below: &Tree, groups: &[Vec<Layer>]) -> String {
    let mut name = format!("layers-2 {} {}", build.prune.name(), below.chain_id());
    for group in groups {
        name.push_str(" |");
        for layer in group {
            name.push(' ');
            name.push_str(&layer.diff_id.to_string());
        }
    }
    name
}

fn remember(layers: &[Option<Layer>]) -> String {
    let words: Vec<String> = layers
        .iter()
        .map(|layer| layer.as_ref().map_or_else(|| "-".to_owned(), |layer| layer.diff_id.to_string()))
        .collect();
    words.join(" ")
}

/// The layers that were made before, if all of them are still there.
fn recall(build: &Build<'_>, text: &str) -> Result<Option<Vec<Option<Layer>>>, ExecuteError> {
    let mut layers = Vec::new();
    for word in text.split_whitespace() {
        if word == "-" {
            layers.push(None);
            continue;
        }
        let Ok(diff_id) = word.parse::<DiffId>() else { return Ok(None) };
        if !build.store.has_layer(&diff_id)? {
            return Ok(None);
        }
        let Some(index) = build.store.layer(&diff_id)? else { return Ok(None) };
        layers.push(Some(Layer { diff_id, index }));
    }
    Ok(Some(layers))
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
