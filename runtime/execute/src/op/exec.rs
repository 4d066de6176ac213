//! `RUN`: a command on a root, and the layer of what it changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use imgc_base::canonical::{Component, KeyBuilder};
use imgc_base::diagnostic::Diagnostic;
use imgc_base::event::Event;
use imgc_base::{ContentKey, ImagePath};
use imgc_graph::{Exec, Network, NodeId, Security};
use imgc_image::scan::{self, StepClock};
use imgc_image::{Layer, Root as Dir};
use imgc_sandbox::{Command, Status};
use imgc_store::StepRecord;

use super::mounts;
use super::secrets::Secrets;
use super::trust;
use crate::error::{ExecuteError, StepFailure};
use crate::foreign;
use crate::hint;
use crate::layers::LayerSink;
use crate::look::record::Outcome;
use crate::output_lines::Lines;
use crate::run::Build;
use crate::users;
use crate::value::{Root, Value};

/// Runs a command on a root.
pub fn run(build: &Build<'_>, id: NodeId, exec: &Exec, inputs: &[Value]) -> Result<Value, ExecuteError> {
    let origin = &build.graph.node(id).origin;
    let root = inputs.first().ok_or(ExecuteError::Graph("a command without a root"))?.root()?;
    if exec.args.is_empty() {
        return Ok(Value::Root(Arc::new(root.after(id, None))));
    }
    if exec.security == Security::Insecure && !build.options.allow_insecure {
        return Err(ExecuteError::Missing {
            message: "`--security=insecure` is not allowed".to_owned(),
            help: "allow it: `imgc build --allow security.insecure`".to_owned(),
        });
    }
    let inputs = mounts::inputs_as_trees(build, &inputs[1..])?;
    let time = build.options.epoch.step_time(u32::try_from(root.next_depth()).unwrap_or(u32::MAX));
    let (key, components) = key(build, exec, root, &inputs, time);

    let cached = !build.options.no_cache.covers(&origin.step);
    // Equal steps run once, in this process and in others: the second waits here and finds the first's result.
    let _lock = build.store.lock_step(&key, &build.stop)?;
    if cached && let Some(known) = stored(build, &key)? {
        build.emit(Event::StepCached { step: origin.step.clone(), title: origin.title.clone() });
        let layer = known.as_ref().map(|layer| layer.diff_id);
        build.outcome(id, Outcome { key, components, layer, cached: true, millis: 0 });
        return Ok(finish(build, id, root, known));
    }
    build.emit(Event::StepStart { step: origin.step.clone(), title: origin.title.clone() });
    let started = Instant::now();
    let result = execute(build, id, exec, root, &inputs, time);
    let millis = started.elapsed().as_millis() as u64;
    let layer = match result {
        Ok(layer) => layer,
        Err(error) => {
            build.emit(Event::StepFailed { step: origin.step.clone(), millis });
            return Err(error);
        }
    };
    let record = StepRecord {
        layer: layer.as_ref().map(|layer| layer.diff_id),
        components,
        build: build.lease.id().to_owned(),
        millis,
        step: origin.step.clone(),
        definition: build.definition(id),
        extra: BTreeMap::new(),
    };
    build.store.put_step(&key, &record)?;
    build.outcome(
        id,
        Outcome { key, components: record.components, layer: record.layer, cached: false, millis },
    );
    build.emit(Event::StepDone { step: origin.step.clone(), millis });
    Ok(finish(build, id, root, layer))
}

fn finish(build: &Build<'_>, id: NodeId, root: &Root, layer: Option<Layer>) -> Value {
    if let Some(layer) = &layer
        && build.need(id).blob
    {
        build.blobs.start(layer.diff_id);
    }
    Value::Root(Arc::new(root.after(id, layer)))
}

/// The content key (`spec/keys.md`): the command, what it runs on, what it sees, and the time that its files get.
fn key(
    build: &Build<'_>,
    exec: &Exec,
    root: &Root,
    inputs: &[mounts::Input],
    time: i64,
) -> (ContentKey, Vec<Component>) {
    let mut key = KeyBuilder::new("imgc-exec-1");
    imgc_graph::key::exec_components(exec, &mut key);
    let chain = root.tree.chain_id();
    key.add("root", chain.as_bytes(), chain.short());
    for (number, input) in inputs.iter().enumerate() {
        key.add(&format!("input {}", number + 1), &input.digest(exec, number + 1), String::new());
    }
    key.text("time", &time.to_string());
    key.text("epoch", &build.options.epoch.seconds().to_string());
    if exec.network == Network::Default {
        key.text("network", if build.options.network { "on" } else { "none" });
    }
    key.text("cpus", &build.options.cpus.to_string());
    key.list("hosts", build.options.hosts.iter().map(|(name, address)| format!("{name}={address}")));
    let (digest, components) = key.finish();
    (ContentKey::from_bytes(digest), components)
}

/// The result of a known step, if all of it is still there.
#[expect(clippy::option_option, reason = "not known, known to change nothing, known to make a layer")]
fn stored(build: &Build<'_>, key: &ContentKey) -> Result<Option<Option<Layer>>, ExecuteError> {
    let Some(record) = build.store.step(key)? else { return Ok(None) };
    let Some(diff_id) = record.layer else { return Ok(Some(None)) };
    let Some(index) = build.store.layer(&diff_id)? else { return Ok(None) };
    Ok(Some(Some(Layer { diff_id, index })))
}

fn execute(
    build: &Build<'_>,
    id: NodeId,
    exec: &Exec,
    root: &Root,
    inputs: &[mounts::Input],
    time: i64,
) -> Result<Option<Layer>, ExecuteError> {
    let origin = &build.graph.node(id).origin;
    foreign::check(exec, &root.tree, build.store)?;
    let mut lower = Vec::with_capacity(root.tree.layers().len());
    for layer in root.tree.layers() {
        lower.push(build.store.ensure_tree(&layer.diff_id)?);
    }
    let work = build.store.work_dir("run")?;
    let (upper, overlay_work) = (work.subdir("upper")?, work.subdir("work")?);
    let user = users::resolve(&root.tree, build.store, &exec.user)?;
    let secrets = Secrets::read(build, exec)?;
    let mounts = mounts::prepare(build, exec, inputs, &secrets, &work)?;
    let network = match exec.network {
        Network::Host => true,
        Network::None => false,
        Network::Default => build.options.network,
    };
    let command = Command {
        args: exec.args.clone(),
        env: environment(build, exec, &user, &mounts),
        cwd: exec.cwd.clone(),
        uid: user.uid,
        gid: user.gid,
        groups: user.groups.clone(),
        hostname: exec.hostname.clone(),
        network: if network { imgc_sandbox::Network::Host } else { imgc_sandbox::Network::None },
        security: match exec.security {
            Security::Sandbox => imgc_sandbox::Security::Sandbox,
            Security::Insecure => imgc_sandbox::Security::Insecure,
        },
        mounts: mounts.specs.clone(),
        lower,
        upper: upper.clone(),
        work: overlay_work,
        hosts: build.options.hosts.clone(),
        shm_size: build.options.shm_size,
        cpus: Some(build.options.cpus),
        ulimits: build.options.ulimits.clone(),
        ..Command::default()
    };
    let upper_root = Dir::open(&upper).map_err(ExecuteError::io("open a work directory"))?;
    imgc_image::implied::prepare(&root.tree, &upper_root)?;
    // The file system's own clock says when the step began.
    let begin = upper_root
        .stat(&imgc_base::ImagePath::root())?
        .map_or((0, 0), |stat| (stat.st_mtime, stat.st_mtime_nsec.cast_signed()));
    let mut lines = Lines::new(build, &origin.step, secrets.hidden());
    let exit = imgc_sandbox::run(&command, &mut |stream, bytes| lines.take(stream, bytes), &build.stop);
    lines.finish();
    let exit = exit?;
    for note in &exit.notes {
        build.emit(Event::Note(format!("{}: {note}", origin.step)));
    }
    drop(mounts);
    build.interrupt.check()?;
    build.stop.check()?;
    if exit.status != Status::Code(0) {
        let tail = lines.into_tail();
        let (notes, helps) = hint::explain(exit.status, exec, &root.tree, &tail);
        return Err(ExecuteError::Step(Box::new(StepFailure {
            origin: origin.clone(),
            exit: exit.status,
            tail,
            notes,
            helps,
        })));
    }
    let scan::Changes { entries, normalised } =
        scan::changes(&upper_root, &root.tree, StepClock { start: begin, time })?;
    for (rule, paths) in &normalised {
        build.emit(Event::Normalised {
            step: origin.step.clone(),
            rule: rule.name(),
            what: rule.what(),
            paths: paths.iter().map(ImagePath::to_absolute).collect(),
        });
    }
    if entries.is_empty() {
        return Ok(None);
    }
    for (id, path) in secrets.left(&upper_root, &entries)? {
        let message = format!("secret `{id}` is in the layer of this step: `{}`", path.to_absolute());
        let mut warning = Diagnostic::warning("W0302", message).help(
            "everyone who has the image can read it; keep it out of files, or delete them in the same step",
        );
        if let Some(span) = origin.span {
            warning = warning.at(span, "");
        }
        build.emit(Event::Diagnostic(Box::new(warning)));
    }
    let mut sink = LayerSink::new(build.store, None)?;
    let index = scan::write_layer(&upper_root, entries, &mut sink)?;
    let layer = sink.finish(index)?;
    build.store.commit_tree(&layer.diff_id, &upper)?;
    Ok(Some(layer))
}

/// The command's environment: the step's own, then what is lent to it and in no key.
fn environment(
    build: &Build<'_>,
    exec: &Exec,
    user: &users::User,
    mounts: &mounts::Prepared,
) -> Vec<(String, String)> {
    let mut env = exec.env.clone();
    let mut lend = |name: &str, value: &str| {
        if !env.iter().any(|(known, _)| known == name) {
            env.push((name.to_owned(), value.to_owned()));
        }
    };
    for (name, value) in &mounts.env {
        lend(name, value);
    }
    lend("HOME", &user.home);
    lend("SOURCE_DATE_EPOCH", &build.options.epoch.seconds().to_string());
    for (name, value) in &build.options.lent_env {
        lend(name, value);
    }
    if build.options.ca_bundle.is_some() {
        for (name, value) in trust::variables() {
            lend(name, value);
        }
    }
    env
}
