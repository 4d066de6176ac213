//! Errors of commands: what is said, and the exit code (`spec/cli.md`).

use std::fmt::Write as _;

use imgc_base::diagnostic::Diagnostic;
use imgc_base::span::SourceMap;
use imgc_execute::{ExecuteError, StepFailure};
use imgc_graph::world::{FactError, FactKind};

/// Exit codes.
pub mod code {
    /// A step or a run failed.
    pub const FAILED: u8 = 1;
    /// Wrong usage.
    pub const USAGE: u8 = 2;
    /// An error in a Dockerfile.
    pub const SPEC: u8 = 3;
    /// Findings at or above the wanted level.
    pub const FINDINGS: u8 = 5;
    /// Not reproducible, or a difference found.
    pub const DIFFERENT: u8 = 6;
    /// Against a policy.
    pub const POLICY: u8 = 7;
    /// Network, registry, login.
    pub const NETWORK: u8 = 8;
    /// This machine cannot: no isolation, no space.
    pub const MACHINE: u8 = 9;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;
    /// Whoever read our output went away, as `head` does: what a shell says of a program that SIGPIPE ended.
    pub const UNREAD: u8 = 141;
}

/// Why a command did not end well.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// One line; empty if the diagnostics say it all.
    pub message: String,
    /// Explanations.
    pub notes: Vec<String>,
    /// What to do.
    pub helps: Vec<String>,
    /// Messages about the user's text.
    pub diagnostics: Vec<Diagnostic>,
    /// What the diagnostics point into.
    pub sources: SourceMap,
    /// The output of a failed step.
    pub log: Vec<String>,
}

impl Failure {
    /// A failure with a message.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            notes: Vec::new(),
            helps: Vec::new(),
            diagnostics: Vec::new(),
            sources: SourceMap::default(),
            log: Vec::new(),
        }
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(code::USAGE, message)
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Adds an explanation.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Errors in the user's text.
    pub fn diagnostics(diagnostics: Vec<Diagnostic>, sources: SourceMap) -> Self {
        let code = diagnostics.iter().find_map(|diagnostic| fact_code(diagnostic.code)).unwrap_or(code::SPEC);
        Self { diagnostics, sources, ..Self::new(code, "") }
    }

    /// A failed build, drawn at the line of its step.
    pub fn build(error: &ExecuteError, sources: SourceMap) -> Self {
        let mut failure = match error {
            ExecuteError::Step(step) => return Self::step(step, sources),
            other => Self::from_execute(other.root()),
        };
        if let Some(span) = error.origin().and_then(|origin| origin.span) {
            let mut diagnostic =
                Diagnostic::error("E0301", std::mem::take(&mut failure.message)).at(span, "");
            diagnostic.notes = std::mem::take(&mut failure.notes);
            diagnostic.helps = std::mem::take(&mut failure.helps);
            failure.diagnostics.push(diagnostic);
            failure.sources = sources;
        }
        failure
    }

    fn step(step: &StepFailure, sources: SourceMap) -> Self {
        let mut failure = Self::new(code::FAILED, "");
        let mut diagnostic = Diagnostic::error("E0300", step.headline());
        if let Some(span) = step.origin.span {
            diagnostic = diagnostic.at(span, "");
        }
        diagnostic.notes.clone_from(&step.notes);
        diagnostic.helps.clone_from(&step.helps);
        failure.diagnostics.push(diagnostic);
        failure.sources = sources;
        failure.log.clone_from(&step.tail);
        failure
    }

    fn from_execute(error: &ExecuteError) -> Self {
        if is_full(error) {
            return Self::chain(code::MACHINE, error).help(FULL);
        }
        match error {
            ExecuteError::Fact(fact) => Self::from(fact.clone()),
            ExecuteError::Missing { message, help } => Self::new(code::POLICY, message).help(help),
            ExecuteError::Foreign { arch, .. } => {
                Self::chain(code::MACHINE, error).help(imgc_execute::foreign::help(arch))
            }
            ExecuteError::Cancelled(_) => Self::new(code::INTERRUPTED, "interrupted"),
            ExecuteError::Sandbox(sandbox) => {
                let code = if sandbox.is_machine() { code::MACHINE } else { code::FAILED };
                let mut failure = Self::chain(code, error);
                failure.helps.extend(sandbox.help().map(str::to_owned));
                failure
            }
            ExecuteError::File(error) => {
                let mut failure =
                    Self::chain(if is_full(error) { code::MACHINE } else { code::FAILED }, error);
                failure.helps.extend(error.help());
                failure
            }
            ExecuteError::Fetch(error) => {
                let mut failure = Self::chain(code::NETWORK, error);
                failure.helps.extend(error.help());
                failure
            }
            ExecuteError::User(error) => {
                let mut failure = Self::chain(code::FAILED, error);
                failure.helps.extend(error.help());
                failure
            }
            ExecuteError::Registry(error) => Self::registry(error),
            other => {
                let mut failure = Self::chain(code::FAILED, other);
                failure.helps.extend(is_damaged(other).then(|| REPAIR.to_owned()));
                failure
            }
        }
    }

    fn registry(error: &imgc_registry::Error) -> Self {
        if error.kind() == imgc_registry::Kind::Cancelled {
            return Self::new(code::INTERRUPTED, "interrupted");
        }
        let mut failure = Self::chain(code::NETWORK, error);
        failure.notes.extend(error.notes());
        failure.helps.extend(error.help());
        if is_full(error) {
            failure.helps.push(FULL.to_owned());
        }
        failure
    }

    /// An error with its causes, on one line.
    pub fn chain(code: u8, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                let _ = write!(message, ": {text}");
            }
            source = cause.source();
        }
        let code = if is_full(error) { code::MACHINE } else { code };
        Self::new(code, message)
    }
}

/// What to do about a full disk.
const FULL: &str = "free some space (`imgc cache prune`), or use another disk: `--store DIR`";

/// True if an error or one of its causes is a full disk.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// What to do where something in the store is not what was put there.
const REPAIR: &str =
    "something in the store is damaged: `imgc store verify --full --repair`, then build again";

/// True if the store has lost or changed what it should hold.
fn is_damaged(error: &ExecuteError) -> bool {
    use imgc_image::ImageError::Changed;
    use imgc_store::StoreError as Store;
    match error {
        ExecuteError::Store(Store::Missing { .. } | Store::Size { .. } | Store::DiffId { .. }) => true,
        ExecuteError::Store(Store::Image(error)) | ExecuteError::Image(error) => matches!(error, Changed(_)),
        _ => false,
    }
}

/// Codes of diagnostics that are no fault of the text: a registry that does not answer.
fn fact_code(diagnostic: &str) -> Option<u8> {
    match diagnostic {
        imgc_lower::code::NETWORK => Some(code::NETWORK),
        imgc_lower::code::ENVIRONMENT => Some(code::MACHINE),
        _ => None,
    }
}

impl From<FactError> for Failure {
    fn from(fact: FactError) -> Self {
        let code = match fact.kind {
            FactKind::NotFound => code::SPEC,
            FactKind::Network => code::NETWORK,
            FactKind::Environment => code::MACHINE,
        };
        let mut failure = Self::new(code, fact.message);
        failure.notes = fact.notes;
        failure.helps.extend(fact.help);
        failure
    }
}

impl From<ExecuteError> for Failure {
    fn from(error: ExecuteError) -> Self {
        Self::build(&error, SourceMap::default())
    }
}

impl From<imgc_store::StoreError> for Failure {
    fn from(error: imgc_store::StoreError) -> Self {
        let is_missing = matches!(error, imgc_store::StoreError::Missing { .. });
        Self::chain(if is_missing { code::FAILED } else { code::MACHINE }, &error)
    }
}

impl From<imgc_image::ImageError> for Failure {
    fn from(error: imgc_image::ImageError) -> Self {
        Self::chain(code::FAILED, &error)
    }
}

impl From<imgc_registry::Error> for Failure {
    fn from(error: imgc_registry::Error) -> Self {
        Self::registry(&error)
    }
}

impl From<imgc_base::reference::ReferenceError> for Failure {
    fn from(error: imgc_base::reference::ReferenceError) -> Self {
        let failure = Self::usage(error.to_string());
        // What people copy from other tools and from browsers.
        match error.to_string().split_once("://") {
            Some(_) => failure.help("write the name without `docker://` or `https://`"),
            None => failure,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Errors of files have their path with them and another form; what is left is stdout.
        if error.kind() == std::io::ErrorKind::BrokenPipe && error.get_ref().is_none() {
            return Self::new(code::UNREAD, "");
        }
        Self::chain(code::FAILED, &error)
    }
}
