//! What goes wrong with registries, and what people can do about it.

use std::fmt;
use std::io;

use imgc_base::cancel::Cancelled;
use imgc_image::ImageError;

/// What sort of failure it was. Decides the exit code and whether another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The registry does not have it.
    NotFound,
    /// No account, or a wrong one.
    Unauthorized,
    /// The account may not do this.
    Denied,
    /// Too many requests.
    RateLimited,
    /// No connection, a broken one, or a registry that answers 5xx.
    Network,
    /// The encrypted connection could not be made or trusted.
    Tls,
    /// The registry answered what the specification does not allow.
    Protocol,
    /// Bytes are not those that were named.
    DigestMismatch,
    /// A number from the registry is over its limit.
    Limit,
    /// A request that would be unsafe was not made.
    Refused,
    /// The registry cannot do this.
    Unsupported,
    /// A configuration file or a credential helper.
    Config,
    /// Reading or writing on this machine.
    Local,
    /// Stopped by the user.
    Cancelled,
}

/// A failure of a registry operation.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    what: String,
    detail: String,
    notes: Vec<String>,
    help: Option<String>,
    status: Option<u16>,
    source: Option<io::Error>,
    passes: bool,
}

/// Bytes of a message from a registry that are shown.
const SHOWN: usize = 300;

impl Error {
    /// A failure with its reason.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            what: String::new(),
            detail: detail.into(),
            notes: Vec::new(),
            help: None,
            status: None,
            source: None,
            passes: false,
        }))
    }

    /// What was tried: `failed to pull ...`. The innermost text stays.
    #[must_use]
    pub(crate) fn doing(mut self, what: impl Into<String>) -> Self {
        if self.0.what.is_empty() {
            self.0.what = what.into();
        }
        self
    }

    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help.get_or_insert(help.into());
        self
    }

    #[must_use]
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Marks a failure that may pass by itself.
    #[must_use]
    pub(crate) fn passing(mut self) -> Self {
        self.0.passes = true;
        self
    }

    /// True if another try may succeed.
    pub(crate) fn passes(&self) -> bool {
        self.0.passes
    }

    /// Says which server a failed connection was to.
    #[must_use]
    pub(crate) fn at(mut self, server: &dyn fmt::Display) -> Self {
        if matches!(self.0.kind, Kind::Network | Kind::Tls | Kind::Protocol) {
            self.0.detail = format!("{server}: {}", self.0.detail);
        }
        self
    }

    /// For `map_err` on a file or stream of this machine.
    pub(crate) fn local(what: &str) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| {
            let mut error = Self::new(Kind::Local, source.to_string()).doing(format!("failed to {what}"));
            error.0.source = Some(source);
            error
        }
    }

    /// What sort of failure it was.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// True if the registry does not have it.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// The status of the answer, if it was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Further facts, one a line.
    pub fn notes(&self) -> Vec<String> {
        self.0.notes.clone()
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        self.0.help.clone().or_else(|| {
            let help = match self.0.kind {
                Kind::Unauthorized => "log in with `imgc login`",
                Kind::RateLimited => "wait, or log in: accounts have higher limits",
                Kind::Network => "check the network, the proxy settings and the registry's name",
                _ => return None,
            };
            Some(help.to_owned())
        })
    }

    /// The system's error behind a [`Kind::Local`] one.
    pub fn io_source(&self) -> Option<&io::Error> {
        self.0.source.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.what.is_empty() {
            f.write_str(&self.0.detail)
        } else {
            write!(f, "{}: {}", self.0.what, self.0.detail)
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

impl From<Cancelled> for Error {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(Kind::Cancelled, cancelled.to_string())
    }
}

impl From<ImageError> for Error {
    fn from(error: ImageError) -> Self {
        let kind = match error {
            ImageError::Limit { .. } => Kind::Limit,
            _ => Kind::Protocol,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ureq::Error> for Error {
    fn from(error: ureq::Error) -> Self {
        use ureq::Error as E;
        match error {
            E::Io(source) => io_error(&source),
            E::HostNotFound => Self::new(Kind::Network, "its name is not known to DNS"),
            E::Timeout(which) => Self::new(Kind::Network, format!("no answer in time ({which})")).passing(),
            E::Rustls(source) => tls(&source.to_string()),
            E::Tls(text) => tls(text),
            E::Pem(source) => Self::new(Kind::Config, format!("a certificate does not read: {source}")),
            E::ConnectProxyFailed(text) => Self::new(Kind::Network, format!("proxy: {}", clean(&text))),
            E::LargeResponseHeader(_, limit) => {
                Self::new(Kind::Limit, format!("an answer's header is over the limit of {limit} bytes"))
            }
            E::Protocol(source) => Self::new(Kind::Protocol, format!("a broken answer: {source}")),
            other => Self::new(Kind::Protocol, clean(&other.to_string())),
        }
    }
}

fn tls(text: &str) -> Error {
    let error = Error::new(Kind::Tls, format!("the connection is not trusted: {}", clean(text)));
    if text.contains("UnknownIssuer") || text.contains("CaUsedAsEndEntity") {
        error.with_help(
            "its certificate comes from itself or from an authority that this machine does not know: put that certificate \
             into `~/.config/containers/certs.d/HOST[:PORT]/ca.crt`",
        )
    } else {
        error
    }
}

/// What an input or output error of a connection means.
pub(crate) fn io_error(source: &io::Error) -> Error {
    // TLS errors travel inside of I/O errors.
    if let Some(inner) = source.get_ref() {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return Error::new(Kind::Refused, refusal.0.clone());
        }
        if inner.downcast_ref::<Cancelled>().is_some() {
            return Error::from(Cancelled);
        }
        let text = inner.to_string();
        if text.contains("certificate") || text.contains("TLS") || text.contains("corrupt message") {
            return tls(&text);
        }
    }
    let error = Error::new(Kind::Network, clean(&source.to_string()));
    // Nobody listens, or no such name: waiting a few seconds does not help.
    let final_word =
        source.kind() == io::ErrorKind::ConnectionRefused || source.to_string().contains("lookup address");
    if final_word { error } else { error.passing() }
}

/// A connection that was not made on purpose; travels inside of an I/O error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

/// Makes text from outside harmless to show: no control characters, not too long.
pub(crate) fn clean(text: &str) -> String {
    let mut out: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if out.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
        out.truncate(end);
        out.push_str("...");
    }
    out.trim().to_owned()
}
