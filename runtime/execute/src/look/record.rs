//! The steps of a build: what each key was made of, and what came of it.

use std::collections::BTreeMap;

use imgc_base::ContentKey;
use imgc_base::canonical::Component;
use imgc_base::digest::DiffId;
use imgc_graph::{Graph, NodeId};
use serde::{Deserialize, Serialize};

/// What became of one step.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub key: ContentKey,
    pub components: Vec<Component>,
    pub layer: Option<DiffId>,
    pub cached: bool,
    pub millis: u64,
}

/// A build's steps, each after those it stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// The number of this form.
    pub v: u32,
    /// The build's name in the store.
    pub build: String,
    /// When it was remembered, in seconds since 1970; 0 if that is not known.
    #[serde(default)]
    pub when: u64,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `build#12`.
    pub step: String,
    /// `[build 2/5] RUN make`.
    pub title: String,
    /// `linux/amd64`.
    pub platform: String,
    /// Its content key.
    pub key: ContentKey,
    /// What the key was made of.
    pub components: Vec<Component>,
    /// The layer that it made.
    pub layer: Option<DiffId>,
    /// Its result was known.
    pub cached: bool,
    /// How long it ran, in milliseconds.
    pub millis: u64,
    /// The step that made the root it stands on, as a number in the list.
    pub root: Option<usize>,
    /// All steps whose results it uses, that of its root too.
    pub inputs: Vec<usize>,
}

impl BuildRecord {
    /// The number of the form that is written.
    pub const FORM: u32 = 1;

    pub(crate) fn new(graph: &Graph, build: &str, outcomes: &BTreeMap<NodeId, Outcome>) -> Self {
        let numbers: BTreeMap<NodeId, usize> =
            outcomes.keys().enumerate().map(|(number, id)| (*id, number)).collect();
        // For every node the steps that its result comes from; nodes come after their inputs.
        let mut from: BTreeMap<NodeId, (Option<usize>, Vec<usize>)> = BTreeMap::new();
        let mut steps = Vec::new();
        for id in graph.nodes() {
            let mut inputs: Vec<usize> = Vec::new();
            let mut root = None;
            for (at, input) in graph.inputs(id).into_iter().enumerate() {
                let (first, all) = from.get(&input).cloned().unwrap_or_default();
                if at == 0 {
                    root = first;
                }
                inputs.extend(all);
            }
            inputs.sort_unstable();
            inputs.dedup();
            let Some(outcome) = outcomes.get(&id) else {
                from.insert(id, (root, inputs));
                continue;
            };
            let number = numbers[&id];
            from.insert(id, (Some(number), vec![number]));
            let node = graph.node(id);
            steps.push(Step {
                step: node.origin.step.clone(),
                title: node.origin.title.clone(),
                platform: node.platform.to_string(),
                key: outcome.key,
                components: outcome.components.clone(),
                layer: outcome.layer,
                cached: outcome.cached,
                millis: outcome.millis,
                root,
                inputs,
            });
        }
        Self { v: Self::FORM, build: build.to_owned(), when: 0, steps }
    }

    /// For each step the one of an earlier build that is the same line of the user's text: that with the same
    /// instruction, else the next one of the same kind in the same stage that has no other. Lines may have moved.
    pub fn matched(&self, before: &Self) -> Vec<Option<usize>> {
        let alike = |old: &Step, new: &Step| old.platform == new.platform && stage(old) == stage(new);
        let mut free = vec![true; before.steps.len()];
        let mut found: Vec<Option<usize>> = vec![None; self.steps.len()];
        for (at, step) in self.steps.iter().enumerate() {
            let same = |&old: &usize| {
                let old_step = &before.steps[old];
                free[old] && alike(old_step, step) && instruction(&old_step.title) == instruction(&step.title)
            };
            let mut all = (0..before.steps.len()).filter(same);
            let first = all.clone().find(|&old| before.steps[old].step == step.step).or_else(|| all.next());
            if let Some(old) = first {
                free[old] = false;
                found[at] = first;
            }
        }
        for (at, step) in
            self.steps.iter().enumerate().filter(|(at, _)| found[*at].is_none()).collect::<Vec<_>>()
        {
            let above =
                (0..at).rev().filter(|&other| alike(&self.steps[other], step)).find_map(|other| found[other]);
            let first = (above.map_or(0, |old| old + 1)..before.steps.len()).find(|&old| {
                free[old]
                    && alike(&before.steps[old], step)
                    && kind(&before.steps[old].title) == kind(&step.title)
            });
            if let Some(old) = first {
                free[old] = false;
                found[at] = first;
            }
        }
        found
    }

    /// The steps that made a root, the last one first: from a step down to the one that stands on the base image.
    pub fn chain(&self, number: usize) -> Vec<usize> {
        let mut found = vec![number];
        let mut at = number;
        // Numbers go down, so this ends.
        while let Some(below) = self.steps.get(at).and_then(|step| step.root).filter(|&below| below < at) {
            found.push(below);
            at = below;
        }
        found
    }

    /// The last step of each image: nothing uses its result.
    pub fn tips(&self) -> Vec<usize> {
        (0..self.steps.len()).filter(|&at| self.steps.iter().all(|step| !step.inputs.contains(&at))).collect()
    }

    /// Numbers of the steps that use the result of one, directly or not.
    pub fn followers(&self, number: usize) -> Vec<usize> {
        let mut found = vec![number];
        for (at, step) in self.steps.iter().enumerate() {
            if step.inputs.iter().any(|input| found.contains(input)) {
                found.push(at);
            }
        }
        found.remove(0);
        found
    }
}

/// A title without its place in the stage: `RUN make` of `[build 2/5] RUN make`.
fn instruction(title: &str) -> &str {
    title.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(title, |(_, rest)| rest)
}

/// `RUN` of `[build 2/5] RUN make`.
fn kind(title: &str) -> Option<&str> {
    instruction(title).split_whitespace().next()
}

/// `build` of `build#12`.
fn stage(step: &Step) -> Option<&str> {
    step.step.rsplit_once('#').map(|(stage, _)| stage)
}
