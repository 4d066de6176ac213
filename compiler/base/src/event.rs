//! What happens during a build, for progress, `--progress=json` and the build record.

use crate::diagnostic::Diagnostic;

/// Which stream of a step's process a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One thing that happened. Steps are named `STAGE#LINE`.
#[derive(Debug, Clone)]
pub enum Event {
    /// A step starts to run.
    StepStart {
        /// `build#12`.
        step: String,
        /// `[build 2/5] RUN make`.
        title: String,
    },
    /// A step's result was known.
    StepCached {
        /// `build#12`.
        step: String,
        /// `[build 2/5] RUN make`.
        title: String,
    },
    /// One line of a step's output, without its newline; escape sequences are still in it.
    StepLog {
        /// `build#12`.
        step: String,
        /// Where it was written.
        stream: Stream,
        /// The line.
        line: String,
    },
    /// A step ended well.
    StepDone {
        /// `build#12`.
        step: String,
        /// How long it ran, in milliseconds.
        millis: u64,
    },
    /// Bytes of files that only said when the step ran were made the same on every machine.
    Normalised {
        /// `build#12`.
        step: String,
        /// The rule's name: `gzip-time`.
        rule: &'static str,
        /// What it does.
        what: &'static str,
        /// Whose bytes, absolute.
        paths: Vec<String>,
    },
    /// A step failed; the error itself is the build's result.
    StepFailed {
        /// `build#12`.
        step: String,
        /// How long it ran, in milliseconds.
        millis: u64,
    },
    /// Bytes of a download.
    Fetch {
        /// What is fetched: an image name or a short digest.
        what: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// A layer was written.
    Layer {
        /// `sha256:...` of the compressed blob.
        digest: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A rule of `-O2` left a path out of the image.
    Dropped {
        /// The rule's name: `apt-lists`.
        rule: String,
        /// `/var/lib/apt/lists/lock`.
        path: String,
        /// Bytes of its content.
        bytes: u64,
    },
    /// The layers of an image give the root file system that was built.
    Certified {
        /// The root digest.
        root: String,
        /// That was known from an earlier build.
        known: bool,
        /// How long it took to find out, in microseconds.
        micros: u64,
    },
    /// Something to say about the user's text.
    Diagnostic(Box<Diagnostic>),
    /// A remark that belongs to no line of source.
    Note(String),
}

/// Where events go. Implementations must be cheap: they are called from worker threads.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn emit(&self, _event: Event) {}
}
