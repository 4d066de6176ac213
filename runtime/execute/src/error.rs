//! Why a build did not end well.

use std::io;

use imgc_base::cancel::Cancelled;
use imgc_graph::{FactError, Origin};
use imgc_image::ImageError;
use imgc_sandbox::SandboxError;
use imgc_store::StoreError;

use crate::fetch::FetchError;
use crate::file::FileError;
use crate::users::UserError;

/// Why a build did not end well. The cli draws it and picks the exit code.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A command ended with an exit code or a signal.
    #[error("{}", .0.headline())]
    Step(Box<StepFailure>),
    /// A step could not be done: a missing file, an unknown user.
    #[error("step `{}` failed", .origin.step)]
    Failed {
        /// Which step.
        origin: Box<Origin>,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// A file action could not be done.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or repository from elsewhere could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A user or group that the image does not have.
    #[error(transparent)]
    User(#[from] UserError),
    /// The sandbox could not be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer could not be compressed.
    #[error("failed to write a layer's blob")]
    Blob(#[source] std::sync::Arc<StoreError>),
    /// A layer could not be read or written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A registry did not give what was asked for.
    #[error(transparent)]
    Registry(#[from] imgc_registry::Error),
    /// An image is not there.
    #[error("{}", .0.message)]
    Fact(FactError),
    /// Something that the build was not given: a secret, an ssh agent, a context, an entitlement.
    #[error("{message}")]
    Missing {
        /// What.
        message: String,
        /// What to do.
        help: String,
    },
    /// A program for a processor that this machine neither is nor emulates.
    #[error("`{program}` is made for {arch}; this machine is {host} and has no emulator for it")]
    Foreign {
        /// Which program.
        program: String,
        /// What it is made for.
        arch: String,
        /// What this machine is.
        host: String,
    },
    /// A call to the system failed.
    #[error("failed to {action}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The graph asks for what makes no sense; the verifier lets none of it through.
    #[error("the graph is wrong: {0}")]
    Graph(&'static str),
    /// Asked to stop.
    #[error("interrupted")]
    Cancelled(#[from] Cancelled),
    /// The emitted layers are not the root that was built: a fault of this program; nothing was published.
    #[error(
        "internal error: the image's layers do not give the root that was built ({0}); nothing was published"
    )]
    Certificate(String),
}

/// A command that failed, and what is useful to know about it.
#[derive(Debug)]
pub struct StepFailure {
    /// Which step.
    pub origin: Origin,
    /// How it ended.
    pub exit: imgc_sandbox::Status,
    /// The last lines that it wrote.
    pub tail: Vec<String>,
    /// Facts that explain.
    pub notes: Vec<String>,
    /// What to do.
    pub helps: Vec<String>,
}

impl StepFailure {
    /// How it ended, as one line.
    pub fn headline(&self) -> String {
        match self.exit {
            imgc_sandbox::Status::Code(code) => format!("step failed with exit code {code}"),
            imgc_sandbox::Status::Signal(signal) => format!("step was killed by signal {signal}"),
        }
    }
}

impl ExecuteError {
    /// Wraps a failure of the system.
    pub fn io<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |error| Self::Io { action, source: error.into() }
    }

    /// The same failure, with the step that it happened in.
    #[must_use]
    pub fn in_step(self, origin: &Origin) -> Self {
        match self {
            Self::Step(_) | Self::Failed { .. } | Self::Cancelled(_) => self,
            other => Self::Failed { origin: Box::new(origin.clone()), source: Box::new(other) },
        }
    }

    /// The failure itself, without the step around it.
    pub fn root(&self) -> &Self {
        match self {
            Self::Failed { source, .. } => source.root(),
            other => other,
        }
    }

    /// The step that it happened in.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Step(failure) => Some(&failure.origin),
            Self::Failed { origin, .. } => Some(origin),
            _ => None,
        }
    }
}
