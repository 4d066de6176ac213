//! The first and last lines of a build, and the files that tell scripts about it.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use imgc_base::diagnostic::count;
use imgc_base::event::{Event, EventSink};
use imgc_base::reference::Reference;
use imgc_execute::BuiltImage;
use imgc_store::Store;

use super::Args;
use crate::failure::Failure;
use crate::progress::Show;
use crate::render::units;
use crate::session::Session;

/// Passes events on and counts them.
pub struct Counting {
    show: Arc<dyn Show>,
    ran: AtomicUsize,
    cached: AtomicUsize,
    size: Mutex<u64>,
    slowest: Mutex<Vec<(u64, String)>>,
}

impl Counting {
    /// Nothing counted yet.
    pub fn new(show: Arc<dyn Show>) -> Self {
        Self {
            show,
            ran: AtomicUsize::new(0),
            cached: AtomicUsize::new(0),
            size: Mutex::new(0),
            slowest: Mutex::new(Vec::new()),
        }
    }
}

impl EventSink for Counting {
    fn emit(&self, event: Event) {
        match &event {
            Event::StepCached { .. } => drop(self.cached.fetch_add(1, Ordering::Relaxed)),
            Event::StepDone { step, millis } => {
                self.ran.fetch_add(1, Ordering::Relaxed);
                let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
                slowest.push((*millis, step.clone()));
                slowest.sort_by(|a, b| b.cmp(a));
                slowest.truncate(3);
            }
            Event::Layer { size, .. } => *self.size.lock().unwrap_or_else(PoisonError::into_inner) += size,
            _ => {}
        }
        self.show.emit(event);
    }
}

/// Says how steps are isolated, for which platform, and where results are kept.
pub fn first_line(session: &Session, sink: &dyn EventSink, store: &Store) {
    sink.emit(Event::Note(format!(
        "imgc {} | {} | {} | {}",
        env!("CARGO_PKG_VERSION"),
        session.isolation,
        imgc_base::Platform::host(),
        store.dir().display()
    )));
}

/// Writes `--iidfile` and `--metadata-file`.
pub fn files(args: &Args, image: &BuiltImage, names: &[String]) -> Result<(), Failure> {
    if let Some(path) = &args.iidfile {
        fs_err::write(path, image.config.to_string())?;
    }
    if let Some(path) = &args.metadata_file {
        let metadata = serde_json::json!({
            "containerimage.digest": image.descriptor.digest.to_string(),
            "containerimage.config.digest": image.config.to_string(),
            "containerimage.descriptor": image.descriptor,
            "image.name": names.join(","),
            "imgc.root.digest": image.root.map(|root| root.to_string()),
        });
        let mut text = serde_json::to_string_pretty(&metadata).map_err(|error| Failure::chain(1, &error))?;
        text.push('\n');
        fs_err::write(path, text)?;
    }
    Ok(())
}

/// Says what came out, and what to do with it. With `--json` the same on stdout as an object; with `-q` the digest.
pub fn last_lines(
    session: &Session,
    image: &BuiltImage,
    tags: &[Reference],
    counted: &Counting,
    millis: u64,
) {
    let digest = image.descriptor.digest;
    let size = *counted.size.lock().unwrap_or_else(PoisonError::into_inner);
    let (ran, cached) = (counted.ran.load(Ordering::Relaxed), counted.cached.load(Ordering::Relaxed));
    let slowest = counted.slowest.lock().unwrap_or_else(PoisonError::into_inner);
    if session.global.json {
        let object = serde_json::json!({
            "v": 1, "digest": digest.to_string(), "config": image.config.to_string(), "size": size,
            "root": image.root.map(|root| root.to_string()),
            "tags": tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "steps": {"ran": ran, "cached": cached}, "millis": millis,
            "slowest": slowest.iter().map(|(millis, step)| serde_json::json!({"step": step, "millis": millis})).collect::<Vec<_>>(),
        });
        writeln!(std::io::stdout(), "{object}").ok();
        return;
    }
    if session.global.quiet {
        writeln!(std::io::stdout(), "{digest}").ok();
        return;
    }
    let mut err = anstream::stderr().lock();
    let (size, time) = (units::bytes(size), units::duration(millis));
    writeln!(err, "built {digest} {size} in {time}: {} ran, {cached} cached", count(ran, "step")).ok();
    let slow: Vec<String> = slowest
        .iter()
        .filter(|(step_millis, _)| *step_millis >= 100)
        .map(|(step_millis, step)| format!("{step} {}", units::duration(*step_millis)))
        .collect();
    if !slow.is_empty() {
        writeln!(err, "slowest: {}", slow.join(", ")).ok();
    }
    match tags {
        [] => drop(writeln!(err, "the image has no name; give one with `-t NAME`")),
        [first, ..] => {
            for tag in tags {
                writeln!(err, "named {}", tag.familiar()).ok();
            }
            writeln!(err, "try it: imgc run {}", first.familiar()).ok();
        }
    }
}
