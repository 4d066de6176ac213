//! Why a command could not be run. A command that ran and failed is no error here.

use std::io;

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// This machine, or this user on it, cannot isolate commands.
    #[error("{message}")]
    Machine {
        /// What is missing.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// The image or the command asks for what cannot be: a mount on the wrong kind of file, an unknown limit.
    #[error("{0}")]
    Command(String),
    /// A call to the system failed while the sandbox was built.
    #[error("failed to {action}")]
    System {
        /// What was tried.
        action: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The helper ended without a word.
    #[error("the sandbox helper ended early: {0}")]
    Helper(String),
}

impl SandboxError {
    /// What to do about it, if anything is known.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Machine { help, .. } => Some(help),
            _ => None,
        }
    }

    /// True if another machine or user could do it (exit code 9).
    pub fn is_machine(&self) -> bool {
        matches!(self, Self::Machine { .. })
    }

    pub(crate) fn machine(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Machine { message: message.into(), help: help.into() }
    }

    /// Wraps a failure of the system.
    pub(crate) fn system<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |error| Self::System { action, source: error.into() }
    }
}

/// Says what was being done when a call failed.
pub(crate) trait Doing<T> {
    fn doing(self, action: impl AsRef<str>) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: impl AsRef<str>) -> Result<T, SandboxError> {
        self.map_err(|error| SandboxError::System {
            action: action.as_ref().to_owned(),
            source: error.into(),
        })
    }
}
