//! `imgc build`: text to graph to image.

mod annotations;
pub mod args;
pub mod call;
pub mod context;
mod finish;
pub mod options;
pub mod outputs;
pub mod pairs;
pub mod prepare;
mod prove;
mod remote;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use imgc_base::event::EventSink;
use imgc_base::reference::Reference;
use imgc_execute::{Build, ExecuteError, NoCache};

pub use args::Args;
use outputs::Output;
use prepare::{Prepared, Request};

use crate::failure::Failure;
use crate::progress;
use crate::session::Session;

/// Builds.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let started = Instant::now();
    if let Some((method, json)) = call::parse(args)? {
        return call::run(session, args, method, json);
    }
    let outputs = args.outputs.iter().map(|text| outputs::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let names = args.tags.iter().chain(outputs.iter().flat_map(Output::names));
    let mut tags = names.map(|tag| tag_reference(tag)).collect::<Result<Vec<Reference>, _>>()?;
    let mut seen = BTreeSet::new();
    tags.retain(|tag| seen.insert(tag.to_string()));
    let push = args.push || outputs.iter().any(|output| matches!(output, Output::Registry { .. }));
    if push && tags.is_empty() {
        return Err(Failure::usage("there is no name to push to").help("give one: `-t HOST/NAME:TAG`"));
    }
    let store = session.store()?;
    let client = session.client()?;
    let request = Request::read(session, &store, args)?;
    outputs.iter().try_for_each(|output| outputs::check(output, request.asked.lower.makes_index()))?;
    let show = progress::start(&session.global);
    let counted = Arc::new(finish::Counting::new(Arc::clone(&show)));
    if !session.global.quiet {
        finish::first_line(session, counted.as_ref(), &store);
    }
    let lower = &request.asked.lower;
    let single = lower.platforms.len() < 2 && lower.build_arg("BUILDKIT_MULTI_PLATFORM").is_none();
    if request.asked.annotations.need_index() && single && args.graph.is_none() {
        return Err(Failure::usage("one platform gives no index for `--annotation index:`").help(
            "leave the prefix out, or build for several platforms: `--platform linux/amd64,linux/arm64`",
        ));
    }
    let lease = store.begin_build()?;
    let bases = request.bases(session, &store, client.as_ref(), counted.as_ref(), args.pull);
    let prepared = Prepared::new(args, &request, &bases).inspect_err(|_| show.close())?;
    show.sources(&prepared.sources);
    for warning in &prepared.warnings {
        counted.emit(imgc_base::event::Event::Diagnostic(Box::new(warning.clone())));
    }

    if let NoCache::Only(names) = &request.asked.build.no_cache {
        for name in prepared.unknown_steps(names) {
            let option = if args.no_cache_filter.contains(&name.to_owned()) {
                "--no-cache-filter"
            } else {
                "--no-cache"
            };
            let text = format!("`{name}` of `{option}` is no stage and no step of this build");
            counted.emit(imgc_base::event::Event::Note(text));
        }
    }
    let build = Build::new(
        &prepared.optimised.graph,
        &prepared.optimised.plans,
        &store,
        &bases,
        &request.asked.build,
        counted.as_ref(),
        &session.cancel,
        &lease,
    )
    .with_prune(request.asked.prune.clone());
    let values = build.run();
    show.close();
    let values = values.map_err(|error: ExecuteError| Failure::build(&error, prepared.sources.clone()))?;
    super::why::record::keep(args, build.record());
    let images = imgc_execute::images(&values);
    let Some(image) = images.first() else { return Err(Failure::new(1, "the build made no image")) };
    let image = &request.asked.annotations.on_index(&store, image)?;

    if args.prove {
        prove::run(session, &request, &prepared, &store, &bases, &lease, &images)?;
    }
    lease.finish()?;
    for tag in &tags {
        store.tag(tag, &image.descriptor)?;
    }
    let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
    for output in &outputs {
        outputs::write(output, image, &names, &store)?;
    }
    if push {
        for tag in &tags {
            crate::command::push::push(&session.online()?, &store, tag, &image.descriptor, counted.as_ref())?;
        }
    }
    for output in &outputs {
        let Output::Digest { repositories } = output else { continue };
        for repository in repositories {
            let name = repository.with_digest(image.descriptor.digest);
            crate::command::push::push(
                &session.online()?,
                &store,
                &name,
                &image.descriptor,
                counted.as_ref(),
            )?;
        }
    }
    finish::files(args, image, &names)?;
    finish::last_lines(session, image, &tags, &counted, started.elapsed().as_millis() as u64);
    Ok(0)
}

/// A name for `-t`: no digest, and the implied `latest` is fine.
fn tag_reference(text: &str) -> Result<Reference, Failure> {
    let reference: Reference = text.parse()?;
    if reference.digest().is_some() {
        return Err(Failure::usage(format!("`-t {text}`: a result cannot be named by a digest")));
    }
    Ok(reference)
}
