//! Text that must not be seen: passwords and tokens.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A password or token. Its `Debug` form never shows it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends or stores it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True if there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a registry account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user name and a password.
    Basic {
        /// The user name.
        user: String,
        /// The password or access token.
        password: Secret,
    },
    /// A refresh token, exchanged at the token server only.
    Identity(Secret),
    /// A token that is sent to the registry as it is.
    Bearer(Secret),
}

impl Credential {
    /// A user name and a password.
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic { user: user.into(), password: Secret::new(password) }
    }

    /// The user's name, if the account has one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Basic { user, .. } => Some(user),
            Self::Identity(_) | Self::Bearer(_) => None,
        }
    }

    /// `user:password` in base64, for `Authorization: Basic` and for configuration files.
    pub(crate) fn encoded(&self) -> Option<Secret> {
        match self {
            Self::Basic { user, password } => {
                Some(Secret::new(BASE64_STANDARD.encode(format!("{user}:{}", password.expose()))))
            }
            Self::Identity(_) | Self::Bearer(_) => None,
        }
    }

    /// Every text that gives the account away.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Basic { password, .. } => self.encoded().into_iter().chain([password.clone()]).collect(),
            Self::Identity(token) | Self::Bearer(token) => vec![token.clone()],
        }
    }
}
