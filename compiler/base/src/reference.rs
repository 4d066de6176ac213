//! Image names: one grammar for the whole tool.
//!
//! The grammar is oci-spec's (that of `distribution/reference`); this type adds docker's defaults (registry
//! `docker.io`, repository `library/`, tag `latest`) and says which of them were implied.

use std::fmt;
use std::str::FromStr;

use oci_spec::distribution::Reference as OciReference;

use crate::digest::BlobDigest;

/// A full image name: registry, repository, and a tag or digest or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<BlobDigest>,
    implied_tag: bool,
}

/// Why a text is no image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an image name: {reason}")]
pub struct ReferenceError {
    /// What was given.
    pub given: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Reference {
    /// The host, with its port if one was given: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository: `library/debian`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, given or implied; `None` if only a digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest digest, if one was given. It decides; a tag beside it is only a name.
    pub fn digest(&self) -> Option<BlobDigest> {
        self.digest
    }

    /// True if the tag `latest` was implied.
    pub fn implied_tag(&self) -> bool {
        self.implied_tag
    }

    /// The same repository with a tag and no digest. The tag is checked by the grammar.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        format!("{}/{}:{tag}", self.registry, self.repository).parse()
    }

    /// The short form that people write: docker's defaults left out.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let rest = full.strip_prefix("docker.io/").unwrap_or(&full);
        rest.strip_prefix("library/").filter(|rest| !rest.contains('/')).unwrap_or(rest).to_owned()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let error = |reason: String| ReferenceError { given: text.to_owned(), reason };
        if text.len() > 512 {
            return Err(error("it is longer than 512 bytes".to_owned()));
        }
        let parsed = OciReference::from_str(text).map_err(|e| error(e.to_string()))?;
        let digest = match parsed.digest() {
            Some(digest) => Some(digest.parse().map_err(|e| error(format!("{e}")))?),
            None => None,
        };
        // The parser fills in `latest` itself; whether it was written is seen in the text.
        let name = text.split('@').next().unwrap_or(text);
        let written = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        let tag = if written {
            parsed.tag().map(str::to_owned)
        } else if digest.is_some() {
            None
        } else {
            Some("latest".to_owned())
        };
        Ok(Self {
            registry: parsed.registry().to_owned(),
            repository: parsed.repository().to_owned(),
            implied_tag: !written && digest.is_none(),
            tag,
            digest,
        })
    }
}

impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_defaults() {
        for (given, full, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:bookworm", "docker.io/library/debian:bookworm", "debian:bookworm"),
            ("me/app", "docker.io/me/app:latest", "me/app:latest"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ] {
            let parsed: Reference = given.parse().unwrap();
            assert_eq!(parsed.to_string(), full, "{given}");
            assert_eq!(parsed.familiar(), familiar, "{given}");
            assert_eq!(full.parse::<Reference>().unwrap().to_string(), full);
        }
    }

    #[test]
    fn digest_decides() {
        let digest = BlobDigest::of(b"x");
        let both: Reference = format!("a:1@{digest}").parse().unwrap();
        assert_eq!((both.tag(), both.digest()), (Some("1"), Some(digest)));
        let only: Reference = format!("a@{digest}").parse().unwrap();
        assert_eq!((only.tag(), only.digest(), only.implied_tag()), (None, Some(digest), false));
    }

    #[test]
    fn refuses() {
        for given in ["", "a/UPPER", "a b", "a:", "a@sha256:12", ":tag", "-x/y"] {
            assert!(given.parse::<Reference>().is_err(), "{given}");
        }
    }
}
