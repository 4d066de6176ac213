//! Image names: one grammar for the whole tool.
//!
//! The grammar is that of `distribution/reference`; docker's defaults (registry `docker.io`, repository `library/`, tag
//! `latest`) are added, and which of them were implied is known. Read by hand, not by oci-spec, whose regular
//! expressions take longer to compile than an unchanged build may last (`spec/decisions/0006`); the tests compare the two.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::digest::BlobDigest;

/// A full image name: registry, repository, and a tag or digest or both. Two are equal if they are one name in full,
/// however they were written.
#[derive(Debug, Clone)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<BlobDigest>,
    implied_tag: bool,
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Reference {}

impl PartialOrd for Reference {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reference {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
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
    /// What the name is in full.
    fn parts(&self) -> (&str, &str, Option<&str>, Option<&BlobDigest>) {
        (&self.registry, &self.repository, self.tag.as_deref(), self.digest.as_ref())
    }

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

    /// The same repository with a digest and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: BlobDigest) -> Self {
        Self { tag: None, digest: Some(digest), implied_tag: false, ..self.clone() }
    }

    /// The short form that people write: docker's defaults left out, as long as it means the same
    /// (`docker.io/localhost/x` without its host would be another place).
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let same = |short: &str| short.parse::<Self>().is_ok_and(|other| other.to_string() == full);
        let Some(rest) = full.strip_prefix("docker.io/") else { return full };
        let short =
            [rest.strip_prefix("library/").unwrap_or(rest), rest].into_iter().find(|short| same(short));
        short.unwrap_or(&full).to_owned()
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
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|e| error(format!("{e}")))?)),
            None => (text, None),
        };
        // A colon behind the last slash starts a tag; one before it belongs to the host.
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((end, tag)) => (&rest[..last + end.len()], Some(tag)),
            None => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(error(format!("`{tag}` is not a tag")));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if names_host(host) => (host, path.to_owned()),
            _ => (DOCKER, name.to_owned()),
        };
        let registry = if registry == "index.docker.io" { DOCKER } else { registry };
        if !is_host(registry) {
            return Err(error(format!("`{registry}` is not a registry's host")));
        }
        if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(error("the repository's name must be lowercase".to_owned()));
        }
        if repository.is_empty() || !repository.split('/').all(is_path_component) {
            return Err(error(
                "the repository's name has a character or form that names cannot have".to_owned(),
            ));
        }
        if repository.len() == 64 && repository.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error("64 hexadecimal digits are an id, not a name".to_owned()));
        }
        let repository = match (registry, repository.contains('/')) {
            (DOCKER, false) => format!("library/{repository}"),
            _ => repository,
        };
        if registry.len() + 1 + repository.len() > NAME_LENGTH {
            return Err(error(format!("the name is longer than {NAME_LENGTH} bytes")));
        }
        let implied_tag = tag.is_none() && digest.is_none();
        let tag = if implied_tag { Some("latest") } else { tag };
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest,
            implied_tag,
        })
    }
}

/// Where names without a host live.
const DOCKER: &str = "docker.io";
/// Longest registry and repository together (distribution's `NameTotalLengthMax`).
const NAME_LENGTH: usize = 255;

/// True if the first part of a name is a host and not the start of a repository (docker's `splitDockerDomain`).
fn names_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// `host[:port]`: dot-separated labels, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => return is_ipv6(address),
            Some((address, port)) if is_ipv6(address) => ("v6", port.strip_prefix(':')),
            _ => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("0")),
        },
    };
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    host.split('.').all(label)
        && port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_ipv6(address: &str) -> bool {
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

/// A word character, then up to 127 of words, dots and dashes.
fn is_tag(text: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.len() <= 128
        && text.as_bytes().first().is_some_and(word)
        && text.bytes().all(|byte| word(&byte) || matches!(byte, b'.' | b'-'))
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_path_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.bytes().next().is_some_and(plain)
        && text.bytes().next_back().is_some_and(plain)
        && separators.into_iter().all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        })
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
    fn one_name_written_twice() {
        let of = |text: &str| text.parse::<Reference>().unwrap();
        assert_eq!(of("debian"), of("docker.io/library/debian:latest"));
        assert!(of("debian").implied_tag() && !of("debian:latest").implied_tag());
        assert_ne!(of("debian"), of("debian:12"));
        let all = std::collections::BTreeSet::from([of("a"), of("a:latest"), of("b")]);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn docker_defaults() {
        const HEX: &str = "library/00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        for (given, full, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:bookworm", "docker.io/library/debian:bookworm", "debian:bookworm"),
            ("me/app", "docker.io/me/app:latest", "me/app:latest"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            // Found by fuzzing: without the host these would be other names, or none.
            ("docker.io/l0.x/a", "docker.io/l0.x/a:latest", "docker.io/l0.x/a:latest"),
            ("docker.io/localhost/a:1", "docker.io/localhost/a:1", "docker.io/localhost/a:1"),
            ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
            (HEX, "docker.io/library/HEX:latest", "library/HEX:latest"),
        ] {
            let (full, familiar) = (full.replace("HEX", &HEX[8..]), familiar.replace("HEX", &HEX[8..]));
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

    #[test]
    fn hosts() {
        for (given, host) in [
            ("a.b/c", "a.b"),
            ("[::1]:5000/a", "[::1]:5000"),
            ("index.docker.io/me/a", "docker.io"),
            ("A/b", "A"),
            ("localhost/a", "localhost"),
            ("a/b", "docker.io"),
        ] {
            assert_eq!(given.parse::<Reference>().unwrap().registry(), host, "{given}");
        }
        for given in ["a..b/c", "a.b:/c", "a.b:x/c", "[x]/c", "-a.b/c", "a.b/", "a.b//c", "x/y_-z", "x/.y"] {
            assert!(given.parse::<Reference>().is_err(), "{given}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]
        /// oci-spec reads the same names, by the regular expressions of `distribution/reference`.
        #[test]
        fn reads_what_oci_spec_reads(text in "([a-z0-9.:-]{1,6}/)?[a-z0-9][a-zA-Z0-9._/-]{0,11}(:[a-zA-Z0-9._-]{0,5})?") {
            // It takes an upper-case first part for a repository, docker for a host; and it lets a host have `_`.
            let first = text.split('/').next().unwrap_or_default();
            if first.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                return Ok(());
            }
            let ours = text.parse::<Reference>();
            match text.parse::<oci_spec::distribution::Reference>() {
                Err(error) => proptest::prop_assert!(ours.is_err(), "{text}: {error}"),
                Ok(theirs) => {
                    let ours = ours.map_err(|error| proptest::prelude::TestCaseError::fail(error.to_string()))?;
                    proptest::prop_assert_eq!(ours.registry(), theirs.registry());
                    proptest::prop_assert_eq!(ours.repository(), theirs.repository());
                    proptest::prop_assert_eq!(ours.tag(), theirs.tag());
                }
            }
        }
    }
}
