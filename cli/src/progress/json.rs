//! One JSON object per event on stderr, versioned (`spec/cli.md`, "Events").

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use imgc_base::clock;
use imgc_base::event::{Event, EventSink};
use imgc_base::span::SourceMap;
use serde_json::json;

use super::Show;
use crate::render::diagnostic;

/// Prints one object per line.
#[derive(Debug)]
pub struct Json {
    sources: Mutex<SourceMap>,
}

impl Json {
    /// Nothing to point into yet.
    pub fn new() -> Self {
        Self { sources: Mutex::default() }
    }
}

impl EventSink for Json {
    fn emit(&self, event: Event) {
        let mut object = match event {
            Event::StepStart { step, title } => json!({"ev": "node.start", "node": step, "title": title}),
            Event::StepCached { step, title } => json!({"ev": "node.cached", "node": step, "title": title}),
            Event::StepLog { step, stream, line } => {
                json!({"ev": "node.log", "node": step, "stream": stream, "line": line})
            }
            Event::StepDone { step, millis } => json!({"ev": "node.done", "node": step, "millis": millis}),
            Event::Normalised { step, rule, what, paths } => {
                json!({"ev": "node.normalised", "node": step, "rule": rule, "what": what, "paths": paths})
            }
            Event::StepFailed { step, millis } => {
                json!({"ev": "node.failed", "node": step, "millis": millis})
            }
            Event::Fetch { what, done, total } => {
                json!({"ev": "fetch.progress", "what": what, "done": done, "total": total})
            }
            Event::Layer { digest, size } => json!({"ev": "layer.done", "digest": digest, "size": size}),
            Event::Dropped { rule, path, bytes } => {
                json!({"ev": "drop", "rule": rule, "path": path, "bytes": bytes})
            }
            Event::Certified { root, known, micros } => {
                json!({"ev": "certificate", "root": root, "known": known, "micros": micros})
            }
            Event::Diagnostic(found) => {
                json!({"ev": "warn", "diagnostic": diagnostic::to_json(&found, &self.sources.lock().unwrap_or_else(PoisonError::into_inner))})
            }
            Event::Note(text) => json!({"ev": "note", "text": text}),
        };
        object["v"] = json!(1);
        object["ts"] = json!(clock::wall().as_secs_f64());
        writeln!(std::io::stderr().lock(), "{object}").ok();
    }
}

impl Show for Json {
    fn sources(&self, sources: &SourceMap) {
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources.clone();
    }

    fn close(&self) {}
}
