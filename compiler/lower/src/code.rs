//! The codes of lowering's errors and warnings, and how they are collected.

use imgc_base::Diagnostic;
use imgc_base::span::Span;
use imgc_graph::world::{FactError, FactKind};

/// A variable or quote that cannot be expanded.
pub const EXPANSION: &str = "E0201";
/// No stage has the name of the target.
pub const TARGET: &str = "E0202";
/// A name, path or value that is blank after expansion.
pub const BLANK: &str = "E0203";
/// Not a platform.
pub const PLATFORM: &str = "E0204";
/// An image that does not exist or has a wrong name.
pub const IMAGE: &str = "E0205";
/// A number that no stage has.
pub const STAGE_INDEX: &str = "E0206";
/// A stage used before it is defined.
pub const STAGE_ORDER: &str = "E0207";
/// A stage that needs itself.
pub const CIRCULAR: &str = "E0208";
/// A wrong `--chmod`.
pub const CHMOD: &str = "E0209";
/// A wrong `--chown` or owner.
pub const CHOWN: &str = "E0210";
/// A wrong or misplaced `--checksum`.
pub const CHECKSUM: &str = "E0211";
/// A source that the instruction cannot take.
pub const SOURCE: &str = "E0212";
/// Not a port.
pub const PORT: &str = "E0213";
/// Not a signal.
pub const SIGNAL: &str = "E0214";
/// A path that no image can hold.
pub const PATH: &str = "E0215";
/// A wrong mount.
pub const MOUNT: &str = "E0216";
/// Something this program does not do.
pub const UNSUPPORTED: &str = "E0217";
/// A named context that cannot be used here.
pub const CONTEXT: &str = "E0218";
/// A broken trigger of a base image.
pub const TRIGGER: &str = "E0219";
/// More of something than a build may have.
pub const BOUND: &str = "E0220";
/// A registry, network or login failed.
pub const NETWORK: &str = "E0221";
/// The store or this machine failed.
pub const ENVIRONMENT: &str = "E0222";
/// A wrong option of the build checks.
pub const CHECK_OPTION: &str = "E0223";
/// A build argument that no `ARG` takes.
pub const UNUSED_ARGUMENT: &str = "W0201";
/// A `syntax` directive of another language.
pub const SYNTAX: &str = "W0202";

/// The most diagnostics of one run.
const MOST: usize = 1000;

/// Collects diagnostics, each once: stages are lowered once per platform.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if !self.is_full() && !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// True if no more are taken: nobody reads that many.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order of the text.
    pub(crate) fn into_vec(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|one| {
            one.labels.first().map_or((u32::MAX, u32::MAX), |label| (label.span.source.0, label.span.start))
        });
        self.list
    }
}

/// Says that a fact of the world is missing.
pub(crate) fn fact(error: FactError, what: &str, span: Span) -> Diagnostic {
    let code = match error.kind {
        FactKind::NotFound => IMAGE,
        FactKind::Network => NETWORK,
        FactKind::Environment => ENVIRONMENT,
    };
    let mut diagnostic = Diagnostic::error(code, error.message).at(span, what);
    diagnostic.notes = error.notes;
    diagnostic.helps.extend(error.help);
    diagnostic
}
