//! Paths inside an image: bytes, never host paths.
//!
//! An [`ImagePath`] is relative to the image's root and clean: no leading slash, no empty, `.` or `..` part, no
//! NUL, at most [`MAX_PATH`] bytes. The root itself is the empty path. What a path *resolves* to (through
//! symbolic links) is decided elsewhere, below a root descriptor; this type is only the name.

use std::fmt;

/// The longest path, in bytes (Linux `PATH_MAX`).
pub const MAX_PATH: usize = 4096;
/// The longest single name, in bytes (Linux `NAME_MAX`).
pub const MAX_NAME: usize = 255;

/// Why bytes are no path inside an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `..` part in a place where the name must already be clean.
    #[error("path `{0}` has a `..` part")]
    Parent(String),
    /// A NUL byte.
    #[error("path `{0}` has a NUL byte")]
    Nul(String),
    /// Longer than [`MAX_PATH`], or with a part longer than [`MAX_NAME`].
    #[error("path `{0}...` is too long")]
    Long(String),
}

/// A clean path relative to the root of an image.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ImagePath(Box<[u8]>);

impl ImagePath {
    /// The image's root directory.
    pub fn root() -> Self {
        Self::default()
    }

    /// Cleans a path as Go's `path.Clean("/" + p)` does: `..` at the root stays at the root.
    pub fn clean(bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        Self::build(bytes.as_ref(), true)
    }

    /// Accepts a path from an archive: `.` and empty parts are dropped, `..` is refused.
    pub fn strict(bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        Self::build(bytes.as_ref(), false)
    }

    fn build(bytes: &[u8], clamp: bool) -> Result<Self, PathError> {
        let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        if bytes.len() > 4 * MAX_PATH {
            return Err(PathError::Long(shown()));
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul(shown()));
        }
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in bytes.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." if clamp => {
                    parts.pop();
                }
                b".." => return Err(PathError::Parent(shown())),
                _ if part.len() > MAX_NAME => return Err(PathError::Long(shown())),
                _ => parts.push(part),
            }
        }
        let joined = parts.join(&b'/');
        if joined.len() > MAX_PATH {
            return Err(PathError::Long(shown()));
        }
        Ok(Self(joined.into_boxed_slice()))
    }

    /// Resolves `bytes` against this directory: absolute paths replace it.
    pub fn resolve(&self, bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let bytes = bytes.as_ref();
        if bytes.first() == Some(&b'/') {
            return Self::clean(bytes);
        }
        let mut all = self.0.to_vec();
        all.push(b'/');
        all.extend_from_slice(bytes);
        Self::clean(all)
    }

    /// Appends one name. The name must be a single clean part.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        debug_assert!(!name.is_empty() && !name.contains(&b'/'));
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        if !self.is_root() {
            bytes.extend_from_slice(&self.0);
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self(bytes.into_boxed_slice())
    }

    /// Appends a clean relative path.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self([&self.0, &b"/"[..], &below.0].concat().into_boxed_slice()),
        }
    }

    /// The bytes, without a leading slash; empty for the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for the image's root directory.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts, outermost first.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|part| !part.is_empty())
    }

    /// The last part; `None` for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.parts().next_back()
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.dir_bytes().into()))
    }

    /// The bytes of the directory that holds this path, without a copy; nothing for the root and what is in it.
    pub fn dir_bytes(&self) -> &[u8] {
        &self.0[..self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0)]
    }

    /// Every directory above this path, outermost first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| Self(self.0[..at].into()))
    }

    /// True if this path is `dir` or lies below it.
    pub fn is_within(&self, dir: &Self) -> bool {
        self.strip_prefix(dir).is_some()
    }

    /// This path relative to `dir`, when it is `dir` or lies below it.
    pub fn strip_prefix(&self, dir: &Self) -> Option<Self> {
        if dir.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(&*dir.0)? {
            [] => Some(Self::root()),
            [b'/', rest @ ..] => Some(Self(rest.into())),
            _ => None,
        }
    }

    /// The path as an absolute text, with a leading slash; bytes that are not UTF-8 are replaced.
    pub fn to_absolute(&self) -> String {
        format!("/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl serde::Serialize for ImagePath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Escaped(&self.0))
    }
}

impl<'de> serde::Deserialize<'de> for ImagePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = unescape(&text).ok_or_else(|| serde::de::Error::custom("bad escape in path"))?;
        Self::strict(bytes).map_err(serde::de::Error::custom)
    }
}

/// Writes bytes as text that [`unescape`] reads back: `%` and what is not printable UTF-8 become `%XX`.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '%' || c.is_control() {
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        write!(f, "%{byte:02X}")?;
                    }
                } else {
                    write!(f, "{c}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// Writes bytes as text that [`unescape`] reads back.
pub fn escape(bytes: &[u8]) -> String {
    Escaped(bytes).to_string()
}

/// Reads what [`escape`] wrote; `None` if a `%` is not followed by two hexadecimal digits.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> String {
        ImagePath::clean(text).unwrap().to_absolute()
    }

    #[test]
    fn cleans_like_go() {
        for (given, want) in [
            ("", "/"),
            ("/", "/"),
            ("a//b/./c/", "/a/b/c"),
            ("../../a", "/a"),
            ("/a/../../b", "/b"),
            ("a/b/..", "/a"),
        ] {
            assert_eq!(clean(given), want, "{given}");
        }
    }

    #[test]
    fn refuses_hostile_names() {
        assert!(matches!(ImagePath::strict("a/../b"), Err(PathError::Parent(_))));
        assert!(matches!(ImagePath::strict("a\0b"), Err(PathError::Nul(_))));
        assert!(matches!(ImagePath::clean("x".repeat(300)), Err(PathError::Long(_))));
        assert!(matches!(ImagePath::clean("ab/".repeat(2000)), Err(PathError::Long(_))));
    }

    #[test]
    fn ancestors_are_outermost_first() {
        let path = ImagePath::clean("a/b/c").unwrap();
        let all: Vec<_> = path.ancestors().map(|p| p.to_absolute()).collect();
        assert_eq!(all, ["/a", "/a/b"]);
        assert_eq!(path.parent().unwrap().to_absolute(), "/a/b");
        assert_eq!(ImagePath::clean("a").unwrap().parent(), Some(ImagePath::root()));
    }

    #[test]
    fn prefix_is_by_part() {
        let dir = ImagePath::clean("a/b").unwrap();
        assert!(ImagePath::clean("a/b/c").unwrap().is_within(&dir));
        assert!(ImagePath::clean("a/b").unwrap().is_within(&dir));
        assert!(!ImagePath::clean("a/bc").unwrap().is_within(&dir));
    }

    proptest! {
        #[test]
        fn escaping_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(unescape(&escape(&bytes)), Some(bytes));
        }

        #[test]
        fn cleaning_is_idempotent(text in "[a./]{0,30}") {
            let once = ImagePath::clean(&text).unwrap();
            prop_assert_eq!(ImagePath::clean(once.as_bytes()).unwrap(), once.clone());
            prop_assert_eq!(ImagePath::strict(once.as_bytes()).unwrap(), once);
        }
    }
}
