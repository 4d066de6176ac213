//! The canonical form of an op, and definition keys.
//!
//! A definition key is the hash of an op and of the definition keys of its inputs; it is known before anything runs.
//! Two nodes with equal keys do the same work. What is in which component, and what is in none, is normative:
//! `spec/keys.md`. Each component has a name, so that two keys can be compared part by part (`imgc why`).

mod encode;
mod exec;
mod file;
mod image;

use std::collections::BTreeMap;

use imgc_base::canonical::{Component, KeyBuilder};
use imgc_base::digest::DefinitionKey;

use self::encode::Encoder;
pub use self::exec::exec_components;
pub use self::file::file_components;
use crate::graph::{Graph, NodeId};
use crate::op::{Op, Source};

/// The tag of definition keys; its number is the version of the encoding.
pub const TAG: &str = "imgc-definition-1";

/// The definition key of every node.
pub fn definition_keys(graph: &Graph) -> BTreeMap<NodeId, DefinitionKey> {
    let mut keys = BTreeMap::new();
    for id in graph.nodes() {
        let (key, _) = definition_key(graph, id, &keys);
        keys.insert(id, key);
    }
    keys
}

/// The definition key of one node and its components. `known` holds the keys of all nodes before it; one that is
/// missing (a graph that was not verified) counts as a key of zeros.
pub fn definition_key(
    graph: &Graph,
    id: NodeId,
    known: &BTreeMap<NodeId, DefinitionKey>,
) -> (DefinitionKey, Vec<Component>) {
    let zero = DefinitionKey::from_bytes([0; 32]);
    let of = |id: &NodeId| known.get(id).copied().unwrap_or(zero);
    let node = graph.node(id);
    let mut key = KeyBuilder::new(TAG);
    key.text("op", node.op.name());
    match &node.op {
        Op::Source(source) => source_components(source, &mut key),
        Op::Exec(exec) => {
            key.text("platform", &node.platform.to_string());
            exec_components(exec, &mut key);
        }
        Op::File(file) => file_components(file, &mut key),
        Op::Merge | Op::Diff | Op::Index => {}
        Op::Image(image) => image::components(image, &of, &mut key),
    }
    for (number, input) in graph.inputs(id).iter().enumerate() {
        let digest = of(input);
        key.add(&format!("input {number}"), digest.as_bytes(), digest.short());
    }
    let (hash, components) = key.finish();
    (DefinitionKey::from_bytes(hash), components)
}

/// What a source is. The name by which the user called an image is not in it: its layers are.
fn source_components(source: &Source, key: &mut KeyBuilder) {
    match source {
        Source::Scratch => {}
        Source::Image { reference, digest, platform: _, layers } => {
            let mut value = Encoder::new();
            if layers.is_empty() {
                value.text("manifest").bytes(digest.as_bytes());
            } else {
                value.text("layers").number(layers.len() as u64);
                for layer in layers {
                    value.bytes(layer.as_bytes());
                }
            }
            key.add("image", &value.finish(), format!("{reference}@{}", digest.short()));
        }
        Source::Context { name, ignore } => {
            key.text("context", name);
            key.list("ignore", ignore);
        }
        Source::Http { url, checksum, filename } => {
            key.text("url", url);
            encode::optional(key, "checksum", checksum.map(|digest| digest.to_string()).as_deref());
            encode::optional(key, "file name", filename.as_deref());
        }
        Source::Git { remote, reference, subdir, keep_git_dir, submodules, checksum } => {
            key.text("remote", remote);
            key.text("reference", reference);
            key.text("subdirectory", subdir);
            key.text("keep .git", encode::yes(*keep_git_dir));
            key.text("submodules", encode::yes(*submodules));
            encode::optional(key, "checksum", checksum.as_deref());
        }
    }
}

#[cfg(test)]
mod tests;
