//! Moving lines on a terminal: one per running step with its last line of output, folded when it is done.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use imgc_base::event::{Event, EventSink};
use imgc_base::span::SourceMap;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Show;
use crate::render::{diagnostic, units};

/// Draws running steps.
#[derive(Debug)]
pub struct Tty {
    sources: Mutex<SourceMap>,
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Tty {
    /// Nothing drawn yet.
    pub fn new() -> Self {
        Self { sources: Mutex::default(), all: MultiProgress::new(), bars: Mutex::new(BTreeMap::new()) }
    }

    fn bar(&self, name: &str, title: String) -> ProgressBar {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(name.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner:.cyan} {elapsed:>4} {prefix} {wide_msg:.dim}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.set_prefix(title);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.clone()
    }

    fn fold(&self, name: &str, line: &str) {
        let bar = self.bars.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        self.print(line);
    }

    fn print(&self, line: &str) {
        self.all.println(line).ok();
    }
}

impl EventSink for Tty {
    fn emit(&self, event: Event) {
        match event {
            Event::StepStart { step, title } => drop(self.bar(&step, title)),
            Event::StepCached { title, .. } => self.print(&format!("\x1b[36mcached\x1b[0m  {title}")),
            Event::StepLog { step, line, .. } => {
                self.bar(&step, step.clone()).set_message(units::printable(line.trim()));
            }
            Event::StepDone { step, millis } => {
                let title = self.bar(&step, step.clone()).prefix();
                self.fold(&step, &format!("\x1b[32m{:>6}\x1b[0m  {title}", units::duration(millis)));
            }
            Event::StepFailed { step, millis } => {
                let title = self.bar(&step, step.clone()).prefix();
                self.fold(&step, &format!("\x1b[31m{:>6}\x1b[0m  {title}", units::duration(millis)));
            }
            Event::Fetch { what, done, total } => {
                let shown = match total {
                    Some(total) => format!("{} / {}", units::bytes(done), units::bytes(total)),
                    None => units::bytes(done),
                };
                if total == Some(done) {
                    self.fold(&what, &format!("fetched {what} {}", units::bytes(done)));
                } else {
                    self.bar(&what, format!("fetching {what}")).set_message(shown);
                }
            }
            Event::Layer { .. }
            | Event::Normalised { .. }
            | Event::Dropped { .. }
            | Event::Certified { .. } => {}
            Event::Diagnostic(found) => self.print(&diagnostic::to_text(
                &found,
                &self.sources.lock().unwrap_or_else(PoisonError::into_inner),
            )),
            Event::Note(text) => self.print(&text),
        }
    }
}

impl Show for Tty {
    fn sources(&self, sources: &SourceMap) {
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources.clone();
    }

    fn close(&self) {
        for bar in
            std::mem::take(&mut *self.bars.lock().unwrap_or_else(PoisonError::into_inner)).into_values()
        {
            bar.finish_and_clear();
        }
        self.all.clear().ok();
    }
}
