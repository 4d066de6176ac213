//! SHA-256 digests, one type per use, so that a diff-id can never stand where a blob digest belongs.
//!
//! A digest is parsed from text once, at the border; paths and URLs are built from the parsed value only
//! (security rule R5). Text form: OCI image-spec `descriptor.md`, "Digests": `sha256:` and 64 lower-case hex digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The algorithm before the colon is not `sha256`.
    #[error("unsupported digest algorithm in `{0}` (sha256 is supported)")]
    Algorithm(String),
    /// The part after the colon is not 64 lower-case hexadecimal digits.
    #[error("`{0}` is not a sha256 digest")]
    Format(String),
}

/// The lower-case hexadecimal digits. A store looks up a dozen file names for each step: this is not left to `write!`.
fn hex_digits(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Parses exactly 64 lower-case hexadecimal digits.
fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *slot = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// Declares one digest type.
macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the 32 bytes of a finished SHA-256.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Hashes `data` at once.
            pub fn of(data: &[u8]) -> Self {
                Self(Sha256::digest(data).into())
            }

            /// Finishes a running hash.
            pub fn finish(hasher: Hasher) -> Self {
                Self(hasher.0.finalize().into())
            }

            /// The raw 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 64 hexadecimal digits, without the algorithm.
            pub fn hex(&self) -> String {
                hex_digits(&self.0)
            }

            /// The first 12 hexadecimal digits, for people.
            pub fn short(&self) -> String {
                let mut hex = self.hex();
                hex.truncate(12);
                hex
            }

            /// Parses the 64 hexadecimal digits of a file name.
            pub fn from_hex(text: &str) -> Option<Self> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("sha256:")?;
                f.write_str(&hex_digits(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                match text.split_once(':') {
                    Some(("sha256", hex)) => {
                        parse_hex(hex).map(Self).ok_or_else(|| DigestError::Format(text.to_owned()))
                    }
                    Some((algorithm, _)) => Err(DigestError::Algorithm(algorithm.to_owned())),
                    None => Err(DigestError::Format(text.to_owned())),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest_type! {
    /// The digest of stored bytes: a manifest, a config, a compressed layer.
    BlobDigest
}
digest_type! {
    /// The digest of a layer's uncompressed tar (OCI image-spec `config.md`, "Layer `DiffID`").
    DiffId
}
digest_type! {
    /// The digest of a stack of layers (OCI image-spec `config.md`, "Layer `ChainID`").
    ChainId
}
digest_type! {
    /// The digest of one regular file's content.
    FileDigest
}
digest_type! {
    /// The digest of a whole file system as layers flatten to it (`spec/reproducibility.md`, "The certificate").
    RootDigest
}
digest_type! {
    /// A step's key from its definition alone; known before anything runs.
    DefinitionKey
}
digest_type! {
    /// A step's key from its definition and the content of its inputs.
    ContentKey
}

impl ChainId {
    /// The chain of no layer at all.
    pub const EMPTY: Self = Self([0; 32]);

    /// Stacks one more layer: `ChainID(L0|...|Ln) = SHA256(ChainID(L0|...|Ln-1) + " " + DiffID(Ln))`.
    #[must_use]
    pub fn push(self, layer: DiffId) -> Self {
        if self == Self::EMPTY {
            Self(*layer.as_bytes())
        } else {
            Self::of(format!("{self} {layer}").as_bytes())
        }
    }

    /// The chain of `layers`, lowest first.
    pub fn of_layers(layers: impl IntoIterator<Item = DiffId>) -> Self {
        layers.into_iter().fold(Self::EMPTY, Self::push)
    }
}

/// A running SHA-256, finished into one of the digest types.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts an empty hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_round_trip() {
        let digest = BlobDigest::of(b"");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<BlobDigest>().unwrap(), digest);
        assert_eq!(BlobDigest::from_hex(&digest.hex()), Some(digest));
    }

    #[test]
    fn refuses_what_is_no_digest() {
        for text in ["", "sha256:", "sha256:../../etc/passwd", &EMPTY.to_uppercase(), &EMPTY[..70]] {
            assert!(text.parse::<BlobDigest>().is_err(), "{text}");
        }
        assert_eq!("sha512:00".parse::<BlobDigest>(), Err(DigestError::Algorithm("sha512".into())));
    }

    #[test]
    fn chain_id_follows_the_specification() {
        let (a, b) = (DiffId::of(b"a"), DiffId::of(b"b"));
        assert_eq!(ChainId::of_layers([a]).as_bytes(), a.as_bytes());
        assert_eq!(ChainId::of_layers([a, b]), ChainId::of(format!("{a} {b}").as_bytes()));
    }
}
