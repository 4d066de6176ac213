//! `COPY`, `ADD`, `WORKDIR`: the layer that file actions make.
//!
//! The final entries decide the layer, so the key is their hash: a copy whose files are the same is known, whatever
//! happened below it. With the stat cache it is known without reading a file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use imgc_base::canonical::{Component, KeyBuilder};
use imgc_base::event::Event;
use imgc_base::{ContentKey, DefinitionKey, ImagePath};
use imgc_graph::{Copy, CopyFrom, FileAction, FileOp, NodeId, Unpack};
use imgc_image::unpack::TreeWriter;
use imgc_image::{Layer, LayerIndex, Tree};
use imgc_store::StepRecord;

use crate::context::Context;
use crate::error::ExecuteError;
use crate::file::{self, FileCx, Planned, Source};
use crate::layers::LayerSink;
use crate::look::record::Outcome;
use crate::needs::Need;
use crate::run::Build;
use crate::value::{Root, Value};

/// Runs file actions on a root.
pub fn run(build: &Build<'_>, id: NodeId, op: &FileOp, inputs: &[Value]) -> Result<Value, ExecuteError> {
    let started = Instant::now();
    let origin = &build.graph.node(id).origin;
    let root = inputs.first().ok_or(ExecuteError::Graph("file actions without a root"))?.root()?;
    let sources: Vec<Source<'_>> = inputs[1..].iter().map(source).collect();
    let time = build.options.epoch.step_time(u32::try_from(root.next_depth()).unwrap_or(u32::MAX));
    let work = build.store.work_dir("add")?;
    let cx = FileCx { contents: build.store, time, scratch: work.path(), cancel: &build.stop };
    let planned = file::resolve(op, &root.tree, &sources, &cx)?;

    let known = planned.known();
    if let Some(index) = &known {
        if index.entries().is_empty() {
            build.emit(Event::StepCached { step: origin.step.clone(), title: origin.title.clone() });
            return Ok(Value::Root(Arc::new(root.after(id, None))));
        }
        let key = key(index);
        if !build.options.no_cache.covers(&origin.step)
            && let Some((layer, components)) = stored(build, &key)?
        {
            build.emit(Event::StepCached { step: origin.step.clone(), title: origin.title.clone() });
            let known = Some(layer.diff_id);
            build.outcome(id, Outcome { key, components, layer: known, cached: true, millis: 0 });
            prepare(build, id, &layer);
            return Ok(Value::Root(Arc::new(root.after(id, Some(layer)))));
        }
    }
    build.emit(Event::StepStart { step: origin.step.clone(), title: origin.title.clone() });
    let layer = write(build, &planned, build.need(id))?;
    let millis = started.elapsed().as_millis() as u64;
    let key = key(&layer.index);
    // A file too fresh for the stat cache was read again, and may be what it was: nothing changed then.
    let cached = !build.options.no_cache.covers(&origin.step) && stored(build, &key)?.is_some();
    let record = record(build, id, &layer, millis, planned.components(&layer.index));
    build.store.put_step(&key, &record)?;
    build.outcome(id, Outcome { key, components: record.components, layer: record.layer, cached, millis });
    build.emit(Event::StepDone { step: origin.step.clone(), millis });
    prepare(build, id, &layer);
    Ok(Value::Root(Arc::new(root.after(id, Some(layer)))))
}

/// A context as a tree of the store, for mounts: its files owned by root, at the start of the step clock.
pub fn context_root(build: &Build<'_>, context: &Context) -> Result<Root, ExecuteError> {
    let copy = Copy {
        from: CopyFrom { input: 1, foreign: true },
        sources: vec!["/".to_owned()],
        dest: ImagePath::root(),
        into_dir: true,
        owner: None,
        chmod: None,
        unpack: Unpack::Never,
        link: false,
        parents: false,
        exclude: Vec::new(),
    };
    let op = FileOp { actions: vec![FileAction::Copy(Box::new(copy))] };
    let work = build.store.work_dir("context")?;
    let time = build.options.epoch.step_time(0);
    let cx = FileCx { contents: build.store, time, scratch: work.path(), cancel: &build.stop };
    let (empty, sources) = (Tree::default(), [Source::Context(context)]);
    let planned = file::resolve(&op, &empty, &sources, &cx)?;
    if let Some(index) = planned.known() {
        if index.entries().is_empty() {
            return Ok(Root::default());
        }
        if let Some((layer, _)) = stored(build, &key(&index))? {
            return Ok(Root { tree: Tree::new(vec![layer]), ..Root::default() });
        }
    }
    let layer = write(build, &planned, Need { tree: true, blob: false })?;
    let record = StepRecord {
        layer: Some(layer.diff_id),
        components: Vec::new(),
        build: build.lease.id().to_owned(),
        millis: 0,
        step: "context".to_owned(),
        definition: DefinitionKey::of(b"context"),
        extra: BTreeMap::new(),
    };
    build.store.put_step(&key(&layer.index), &record)?;
    Ok(Root { tree: Tree::new(vec![layer]), ..Root::default() })
}

/// The layer of a known step, if all of it is still there, and what its key was made of.
fn stored(build: &Build<'_>, key: &ContentKey) -> Result<Option<(Layer, Vec<Component>)>, ExecuteError> {
    let Some(record) = build.store.step(key)? else { return Ok(None) };
    let Some(diff_id) = record.layer else { return Ok(None) };
    let Some(index) = build.store.layer(&diff_id)? else { return Ok(None) };
    Ok(Some((Layer { diff_id, index }, record.components)))
}

/// One pass over the content, into the forms that are needed.
fn write(build: &Build<'_>, planned: &Planned<'_>, need: Need) -> Result<Layer, ExecuteError> {
    let mut sink = LayerSink::new(build.store, need.blob.then_some(build.options.compression))?;
    // A layer in no form at all would be lost: it stays on disk.
    if need.tree || !need.blob {
        let work = build.store.work_dir("copy")?;
        let dir = work.subdir("tree")?;
        let root = imgc_image::Root::open(&dir).map_err(ExecuteError::io("open a work directory"))?;
        let mut tree = TreeWriter::new(root);
        let index = planned.write(&mut sink, Some(&mut tree))?;
        tree.finish(&index)?;
        let layer = sink.finish(index)?;
        build.store.commit_tree(&layer.diff_id, &dir)?;
        Ok(layer)
    } else {
        let index = planned.write(&mut sink, None)?;
        sink.finish(index)
    }
}

/// Starts what the step's users will wait for.
fn prepare(build: &Build<'_>, id: NodeId, layer: &Layer) {
    if build.need(id).blob {
        build.blobs.start(layer.diff_id);
    }
}

/// The content key of a file step: its layer's entries.
fn key(index: &LayerIndex) -> ContentKey {
    let mut key = KeyBuilder::new("imgc-file-1");
    key.add("entries", &index.encode(), "");
    ContentKey::from_bytes(key.finish().0)
}

fn record(
    build: &Build<'_>,
    id: NodeId,
    layer: &Layer,
    millis: u64,
    components: Vec<Component>,
) -> StepRecord {
    StepRecord {
        layer: Some(layer.diff_id),
        components,
        build: build.lease.id().to_owned(),
        millis,
        step: build.graph.node(id).origin.step.clone(),
        definition: build.definition(id),
        extra: BTreeMap::new(),
    }
}

fn source(value: &Value) -> Source<'_> {
    match value {
        Value::Root(root) => Source::Tree(&root.tree),
        Value::Context(context) => Source::Context(context),
        Value::File(file) => file.source(),
        Value::Image(_) => Source::None,
    }
}
