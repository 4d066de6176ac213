//! One line per event: for logs and CI.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use imgc_base::event::{Event, EventSink};
use imgc_base::span::SourceMap;

use super::Show;
use crate::render::{diagnostic, units};

/// Prints lines as things happen.
#[derive(Debug)]
pub struct Plain {
    sources: Mutex<SourceMap>,
    verbose: u8,
    started: Mutex<BTreeMap<String, Instant>>,
}

impl Plain {
    /// Nothing started yet.
    pub fn new(verbose: u8) -> Self {
        Self { sources: Mutex::default(), verbose, started: Mutex::new(BTreeMap::new()) }
    }

    fn since(&self, step: &str) -> u64 {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.get(step).map_or(0, |at| at.elapsed().as_millis() as u64)
    }
}

impl EventSink for Plain {
    fn emit(&self, event: Event) {
        let line = match event {
            Event::StepStart { step, title } => {
                let line = format!("{step} {title}");
                self.started.lock().unwrap_or_else(PoisonError::into_inner).insert(step, Instant::now());
                line
            }
            Event::StepCached { step, title } => format!("{step} CACHED {title}"),
            Event::StepLog { step, line, .. } => {
                format!("{step} {} | {}", units::duration(self.since(&step)), units::printable(&line))
            }
            Event::StepDone { step, millis } => format!("{step} DONE {}", units::duration(millis)),
            Event::Normalised { step, rule, what, paths } => {
                let first = units::printable(paths.first().map_or("", String::as_str));
                match paths.len() {
                    0 | 1 => format!("{step} {rule}: {first}: {what}"),
                    count => format!("{step} {rule}: {first} and {} more: {what}", count - 1),
                }
            }
            Event::StepFailed { step, millis } => format!("{step} FAILED {}", units::duration(millis)),
            Event::Fetch { what, done, total: Some(total) } if done == total => {
                format!("fetched {what} {}", units::bytes(total))
            }
            Event::Layer { digest, size } if self.verbose > 0 => {
                format!("layer {digest} {}", units::bytes(size))
            }
            Event::Dropped { rule, path, bytes } if self.verbose > 0 => {
                format!("-O2 {rule}: {} {}", units::printable(&path), units::bytes(bytes))
            }
            Event::Certified { root, known, micros } if self.verbose > 0 => {
                let how = if known { "known" } else { "computed twice" };
                format!("certified: root {root} ({how}, {}.{:03} ms)", micros / 1000, micros % 1000)
            }
            Event::Diagnostic(found) => {
                diagnostic::to_text(&found, &self.sources.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Event::Note(text) => text,
            Event::Fetch { .. } | Event::Layer { .. } | Event::Dropped { .. } | Event::Certified { .. } => {
                return;
            }
        };
        // A reader that went away does not stop a build.
        writeln!(anstream::stderr().lock(), "{line}").ok();
    }
}

impl Show for Plain {
    fn sources(&self, sources: &SourceMap) {
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources.clone();
    }

    fn close(&self) {}
}
