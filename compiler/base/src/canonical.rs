//! Canonical hashing: how every key is made.
//!
//! A key is the SHA-256 of length-prefixed components under a version tag; never of serialised JSON. Each
//! component has a name, and the digest of each component can be kept, so that a later build can say which
//! one changed (`imgc why`). The encoding is normative: `spec/keys.md`.

use crate::digest::{ContentKey, Hasher};

/// The digest of one component of a key.
pub type ComponentDigest = ContentKey;

/// Builds a key from named components.
///
/// Each component is `u64 LE length of name, name, u64 LE length of value, value`.
#[derive(Debug)]
pub struct KeyBuilder {
    hasher: Hasher,
    components: Vec<Component>,
}

/// One named part of a key, kept beside the result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Component {
    /// What it is: `args`, `env PATH`, `input 0`.
    pub name: String,
    /// The digest of its canonical value.
    pub digest: ComponentDigest,
    /// A short text for people; never hashed. Empty when the value is secret or large.
    pub shown: String,
}

impl KeyBuilder {
    /// Starts a key. `tag` names its purpose and version: `imgc-step-1`.
    pub fn new(tag: &str) -> Self {
        let mut hasher = Hasher::new();
        put(&mut hasher, tag.as_bytes());
        Self { hasher, components: Vec::new() }
    }

    /// Adds a component and a text that shows it to people.
    pub fn add(&mut self, name: &str, value: &[u8], shown: impl Into<String>) {
        put(&mut self.hasher, name.as_bytes());
        put(&mut self.hasher, value);
        let mut shown = shown.into();
        if shown.len() > 200 {
            let cut = (0..=200).rev().find(|&at| shown.is_char_boundary(at)).unwrap_or(0);
            shown.truncate(cut);
        }
        self.components.push(Component { name: name.to_owned(), digest: ComponentDigest::of(value), shown });
    }

    /// Adds a component whose value is text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.add(name, value.as_bytes(), value);
    }

    /// Adds a list; the encoding keeps `["a", "b"]` apart from `["ab"]`.
    pub fn list<I: AsRef<[u8]>>(&mut self, name: &str, values: impl IntoIterator<Item = I>) {
        let mut bytes = Vec::new();
        let mut shown = Vec::new();
        for value in values {
            let value = value.as_ref();
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(value);
            shown.push(String::from_utf8_lossy(value).into_owned());
        }
        self.add(name, &bytes, shown.join(" "));
    }

    /// Finishes: the hash, and the components it was made of.
    pub fn finish(self) -> ([u8; 32], Vec<Component>) {
        (*ContentKey::finish(self.hasher).as_bytes(), self.components)
    }
}

/// Hashes one length-prefixed field.
fn put(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(build: impl FnOnce(&mut KeyBuilder)) -> [u8; 32] {
        let mut builder = KeyBuilder::new("test-1");
        build(&mut builder);
        builder.finish().0
    }

    #[test]
    fn boundaries_are_part_of_the_key() {
        assert_ne!(key(|k| k.list("a", ["b", "c"])), key(|k| k.list("a", ["bc"])));
        assert_ne!(key(|k| k.text("ab", "c")), key(|k| k.text("a", "bc")));
        assert_ne!(
            key(|k| k.text("a", "1")),
            key(|k| {
                k.text("a", "1");
                k.text("b", "");
            })
        );
    }

    #[test]
    fn what_is_shown_is_not_hashed() {
        assert_eq!(key(|k| k.add("a", b"x", "one")), key(|k| k.add("a", b"x", "two")));
    }
}
