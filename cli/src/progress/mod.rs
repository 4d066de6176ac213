//! What is shown while a build runs.

mod json;
mod plain;
mod tty;

use std::sync::Arc;

use imgc_base::event::{Event, EventSink};
use imgc_base::span::SourceMap;

use crate::app::{Global, Progress};
use crate::environment;
use crate::render;

/// Something that shows events.
pub trait Show: EventSink {
    /// Says which texts diagnostics point into.
    fn sources(&self, _sources: &SourceMap) {}

    /// Ends the display; nothing moves after this.
    fn close(&self);
}

/// Shows nothing.
#[derive(Debug)]
struct Quiet;

impl EventSink for Quiet {
    fn emit(&self, _event: Event) {}
}

impl Show for Quiet {
    fn close(&self) {}
}

/// The display that the options and the terminal ask for.
pub fn start(global: &Global) -> Arc<dyn Show> {
    let kind = match global.progress {
        Progress::Auto if global.quiet => Progress::Quiet,
        Progress::Auto if render::is_terminal() && !environment::is_ci() => Progress::Tty,
        Progress::Auto => Progress::Plain,
        other => other,
    };
    match kind {
        Progress::Quiet => Arc::new(Quiet),
        Progress::Tty => Arc::new(tty::Tty::new()),
        Progress::Json | Progress::Rawjson => Arc::new(json::Json::new()),
        Progress::Plain | Progress::Auto => Arc::new(plain::Plain::new(global.verbose)),
    }
}
