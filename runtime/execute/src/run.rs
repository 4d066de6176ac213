//! One build: the graph is walked by the scheduler, each node goes to the module of its op.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use imgc_base::DefinitionKey;
use imgc_base::cancel::Cancel;
use imgc_base::event::{Event, EventSink};
use imgc_base::path::ImagePath;
use imgc_graph::{Graph, NodeId, Op};
use imgc_optimise::LayerPlan;
use imgc_optimise::rules::Rules;
use imgc_store::{BuildGuard, Store};

use crate::bases::Bases;
use crate::blobs::Blobs;
use crate::context::StatCache;
use crate::error::ExecuteError;
use crate::look::record::{BuildRecord, Outcome};
use crate::needs::{self, Need};
use crate::op;
use crate::options::BuildOptions;
use crate::schedule;
use crate::value::{BuiltImage, Value};

/// What is left out of an image's own layers.
#[derive(Debug, Clone, Default)]
pub enum Prune {
    /// Nothing: one layer for each instruction, as it came (`-O0`).
    Nothing,
    /// What later steps replaced or deleted (`-O1`).
    #[default]
    Hidden,
    /// In addition what named rules call garbage (`-O2`).
    Garbage(Rules),
}

impl Prune {
    /// True if a rule names the path, so that it may be missing.
    pub fn is_garbage(&self, path: &[u8]) -> bool {
        let Self::Garbage(rules) = self else { return false };
        ImagePath::strict(path).is_ok_and(|path| rules.garbage(&path).is_some())
    }

    /// For keys: what decides the bytes.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Hidden => "hidden".to_owned(),
            Self::Garbage(rules) => format!("garbage {}", rules.names().join(",")),
        }
    }
}

/// What every op needs to know.
pub struct Build<'a> {
    /// What is built.
    pub graph: &'a Graph,
    /// Which steps form which layer, per image.
    pub plans: &'a BTreeMap<NodeId, LayerPlan>,
    /// Where results are kept.
    pub store: &'a Store,
    /// Where base images come from.
    pub bases: &'a Bases<'a>,
    /// What was asked for.
    pub options: &'a BuildOptions,
    /// Who hears what happens.
    pub sink: &'a dyn EventSink,
    /// The user's wish to stop.
    pub interrupt: &'a Cancel,
    /// The lease that holds what this build uses.
    pub lease: &'a BuildGuard,
    /// What is left out of the image's own layers.
    pub prune: Prune,
    /// Digests of context files.
    pub stat_cache: StatCache,
    pub(crate) needs: BTreeMap<NodeId, Need>,
    pub(crate) blobs: Blobs,
    pub(crate) stop: Cancel,
    definitions: BTreeMap<NodeId, DefinitionKey>,
    outcomes: Mutex<BTreeMap<NodeId, Outcome>>,
}

impl std::fmt::Debug for Build<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Build").field("options", self.options).finish_non_exhaustive()
    }
}

impl<'a> Build<'a> {
    /// Prepares a build.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing; named at the one call")]
    pub fn new(
        graph: &'a Graph,
        plans: &'a BTreeMap<NodeId, LayerPlan>,
        store: &'a Store,
        bases: &'a Bases<'a>,
        options: &'a BuildOptions,
        sink: &'a dyn EventSink,
        interrupt: &'a Cancel,
        lease: &'a BuildGuard,
    ) -> Self {
        Self {
            graph,
            plans,
            store,
            bases,
            options,
            sink,
            interrupt,
            lease,
            prune: Prune::default(),
            stat_cache: StatCache::open(options.stat_cache.as_deref()),
            needs: needs::needs(graph, plans),
            blobs: Blobs::new(store.clone(), options.compression),
            stop: interrupt.part(),
            definitions: imgc_graph::key::definition_keys(graph),
            outcomes: Mutex::default(),
        }
    }

    /// The same build with other rules for what is left out.
    #[must_use]
    pub fn with_prune(mut self, prune: Prune) -> Self {
        self.prune = prune;
        self
    }

    /// Runs it; the results of the targets, in their order.
    pub fn run(&self) -> Result<Vec<Value>, ExecuteError> {
        let done = schedule::run(self.graph, self.options.jobs, &|| self.stop.cancel(), &|id, inputs| {
            self.interrupt.check()?;
            self.stop.check()?;
            self.node(id, &inputs).map_err(|error| error.in_step(&self.graph.node(id).origin))
        });
        self.stat_cache.save();
        let values = done.map_err(|error| {
            // A step that another's failure stopped says nothing of interest; the user's own wish does.
            if self.interrupt.is_cancelled() {
                ExecuteError::Cancelled(imgc_base::cancel::Cancelled)
            } else {
                error
            }
        })?;
        Ok(self.graph.targets().iter().map(|target| values[target].clone()).collect())
    }

    /// The steps that have a result so far, with what their keys were made of.
    pub fn record(&self) -> BuildRecord {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        BuildRecord::new(self.graph, self.lease.id(), &outcomes)
    }

    /// Remembers what became of a step.
    pub(crate) fn outcome(&self, id: NodeId, outcome: Outcome) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(id, outcome);
    }

    fn node(&self, id: NodeId, inputs: &[Value]) -> Result<Value, ExecuteError> {
        let node = self.graph.node(id);
        match &node.op {
            Op::Source(source) => op::source::run(self, source, &node.platform),
            Op::Exec(exec) => op::exec::run(self, id, exec, inputs),
            Op::File(file) => op::file::run(self, id, file, inputs),
            Op::Merge => op::stack::merge(inputs),
            Op::Diff => op::stack::diff(inputs),
            Op::Image(image) => op::image::image(self, id, image, inputs),
            Op::Index => op::image::index(self, inputs),
        }
    }

    /// The definition key of a node.
    pub(crate) fn definition(&self, id: NodeId) -> DefinitionKey {
        self.definitions[&id]
    }

    /// The forms in which a step's layer is wanted.
    pub(crate) fn need(&self, id: NodeId) -> Need {
        self.needs.get(&id).copied().unwrap_or_default()
    }

    pub(crate) fn emit(&self, event: Event) {
        self.sink.emit(event);
    }
}

/// The images that a build's targets are.
pub fn images(values: &[Value]) -> Vec<Arc<BuiltImage>> {
    values
        .iter()
        .filter_map(|value| match value {
            Value::Image(image) => Some(Arc::clone(image)),
            _ => None,
        })
        .collect()
}
