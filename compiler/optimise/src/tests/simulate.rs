//! A pretended executor: random graphs of file changes, flattened with and without the optimiser.

use std::collections::BTreeMap;

use imgc_base::digest::DefinitionKey;
use proptest::prelude::*;

use super::{Build, at};
use crate::{Level, Optimised, Options, optimise};
use imgc_graph::key::definition_keys;
use imgc_graph::{Graph, NodeId, Op, chain};

/// A layer or a root: what is at a path; `None` is a whiteout.
type Files = BTreeMap<u8, Option<u64>>;

/// What a step changes follows from its definition, and from what it finds: it writes some paths and deletes some
/// that exist.
fn changes(key: &DefinitionKey, found: &Files) -> Files {
    let mut layer = Files::new();
    for pair in key.as_bytes().chunks_exact(4) {
        let path = pair[0] % 12;
        let exists = layer.get(&path).or_else(|| found.get(&path)).copied().flatten();
        match (pair[1] % 3, exists) {
            (0, Some(_)) => layer.insert(path, None),
            (1, Some(old)) => layer.insert(path, Some(old.wrapping_mul(31).wrapping_add(u64::from(pair[2])))),
            _ => layer.insert(path, Some(u64::from(pair[3]))),
        };
    }
    layer
}

fn put(root: &mut Files, layer: &Files) {
    for (path, what) in layer {
        match what {
            Some(_) => root.insert(*path, *what),
            None => root.remove(path),
        };
    }
}

/// Runs every step of a graph; the layer of each.
fn execute(graph: &Graph) -> BTreeMap<NodeId, Files> {
    let keys = definition_keys(graph);
    let (mut layers, mut roots) = (BTreeMap::new(), BTreeMap::<NodeId, Files>::new());
    for id in graph.nodes() {
        let mut root = graph.inputs(id).first().map(|input| roots[input].clone()).unwrap_or_default();
        if !matches!(graph.node(id).op, Op::Image(_)) {
            let layer = changes(&keys[&id], &root);
            put(&mut root, &layer);
            layers.insert(id, layer);
        }
        roots.insert(id, root);
    }
    layers
}

/// Makes the layers of an image by its plan, each pruned, and flattens them.
fn flatten(done: &Optimised, image: NodeId, layers: &BTreeMap<NodeId, Files>) -> Files {
    let chain = chain::of(&done.graph, image);
    let base = chain.base.map(|base| layers[&base].clone()).unwrap_or_default();
    let mut root = Files::new();
    put(&mut root, &base);
    let mut below = base;
    for group in &done.plans[&image].groups {
        let mut merged = Files::new();
        for step in &group.steps {
            merged.extend(layers[step].iter().map(|(path, what)| (*path, *what)));
        }
        // What was made and deleted within the group leaves no whiteout.
        merged.retain(|path, what| what.is_some() || below.get(path).is_some_and(Option::is_some));
        put(&mut root, &merged);
        below.extend(merged);
    }
    root
}

/// A random graph of up to three stages, with copies between them and repeated steps.
fn graph(plan: &[(u8, u8, u8)]) -> Build {
    let mut b = Build::new();
    let mut tips = vec![b.base("one", 1), b.base("two", 2)];
    for &(kind, which, text) in plan {
        let at = usize::from(which) % tips.len();
        let (tip, stage) = (tips[at], format!("s{at}"));
        let other = tips[usize::from(text) % tips.len()];
        let name = (text % 4).to_string();
        let next = match kind % 8 {
            0 | 1 => b.run(&stage, tip, &name),
            2 => b.run(&stage, tip, "apt-get update"),
            3 => b.copy(&stage, tip, &[&name]),
            4 => b.copy(&stage, tip, &["package.json"]),
            5 if other != tip => b.copy_with(&stage, tip, other, &[&name], |copy| copy.link = text % 2 == 0),
            6 if tips.len() < 5 => {
                tips.push(tip);
                continue;
            }
            _ => b.workdir(&stage, tip, &name),
        };
        tips[at] = next;
    }
    for tip in tips {
        b.image(tip);
    }
    b
}

/// How many graphs: `$IMGC_CASES`, else few in builds that are not optimised.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no configuration of the product")]
fn cases() -> u32 {
    let asked = std::env::var("IMGC_CASES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 500 } else { 10_000 })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_level_gives_the_same_root(
        plan in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..14),
        max_layers in 1_usize..9,
        squash in any::<bool>(),
    ) {
        let b = graph(&plan);
        let done: Vec<Optimised> = [
            Options { max_layers: 100, ..at(Level::O0) },
            Options { squash, max_layers, ..at(Level::O1) },
        ]
        .iter()
        .map(|options| optimise(&b.graph, options))
        .collect();
        let before = execute(&b.graph);
        let layers: Vec<_> = done.iter().map(|done| execute(&done.graph)).collect();
        for &image in b.graph.targets() {
            let steps = chain::of(&b.graph, image).steps;
            for (done, layers) in done.iter().zip(&layers) {
                // Every step is in one group, in order.
                let planned: Vec<NodeId> = done.plans[&image].groups.iter().flat_map(|g| g.steps.clone()).collect();
                prop_assert_eq!(&planned, &chain::of(&done.graph, image).steps);
                // Sharing changed no layer.
                let of = |layers: &BTreeMap<NodeId, Files>, ids: &[NodeId]| {
                    ids.iter().map(|id| layers[id].clone()).collect::<Vec<_>>()
                };
                prop_assert_eq!(of(layers, &planned), of(&before, &steps));
            }
            let roots: Vec<Files> = done.iter().zip(&layers).map(|(d, l)| flatten(d, image, l)).collect();
            prop_assert_eq!(&roots[0], &roots[1]);
        }
    }
}

/// Prints the time of a graph of a thousand steps: `cargo test --release -p imgc-optimise -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn time_of_a_thousand_steps() {
    let plan: Vec<_> =
        (0..1000_u32).map(|n| ((n * 7 % 251) as u8, (n % 5) as u8, (n * 13 % 256) as u8)).collect();
    let b = graph(&plan);
    let run = || {
        let start = std::time::Instant::now();
        let done = optimise(&b.graph, &Options::default());
        (start.elapsed(), done.graph.len())
    };
    // The best of some: other programs run too.
    let (time, after) = (0..20).map(|_| run()).min().unwrap();
    println!("{} nodes, {after} after: {time:?}", b.graph.len());
}
