//! The places that `imgc copy` knows, as they are written.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An image of the store, by name or id.
    Store(String),
    /// An image at a registry.
    Registry(String),
    /// An OCI layout.
    Layout { dir: PathBuf, tag: Option<String> },
    /// A layout in a tar.
    Archive { file: PathBuf, tag: Option<String> },
    /// An archive of `docker save`.
    DockerArchive { file: PathBuf, name: Option<String> },
}

/// What `skopeo` has and this program has not, so that the message can say so.
const FOREIGN: [&str; 5] = ["docker-daemon:", "containers-storage:", "dir:", "ostree:", "sif:"];

impl Place {
    /// Reads a place.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(foreign) = FOREIGN.iter().find(|foreign| text.starts_with(**foreign)) {
            return Err(Failure::usage(format!("`{foreign}` is not known here"))
                .help("use NAME, docker://NAME, oci:DIR, archive:FILE or docker-archive:FILE"));
        }
        let split = |rest: &str| {
            let (path, tag) = split_tag(rest);
            if path.as_os_str().is_empty() {
                Err(Failure::usage(format!("`{text}` names no path")))
            } else {
                Ok((path, tag))
            }
        };
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:").or_else(|| text.strip_prefix("archive:")) {
            let (file, tag) = split(rest)?;
            return Ok(Self::Archive { file, tag });
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            let (file, name) = split(rest)?;
            return Ok(Self::DockerArchive { file, name });
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            let (dir, tag) = split(rest)?;
            return Ok(Self::Layout { dir, tag });
        }
        Ok(Self::Store(text.strip_prefix("store:").unwrap_or(text).to_owned()))
    }
}

/// The path ends at the first colon, unless the whole is a path that exists.
fn split_tag(rest: &str) -> (PathBuf, Option<String>) {
    if Path::new(rest).exists() {
        return (PathBuf::from(rest), None);
    }
    match rest.split_once(':') {
        Some((path, tag)) if !tag.is_empty() => (PathBuf::from(path), Some(tag.to_owned())),
        Some((path, _)) => (PathBuf::from(path), None),
        None => (PathBuf::from(rest), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let some = |text: &str| Some(text.to_owned());
        for (text, expected) in [
            ("app:1", Place::Store("app:1".into())),
            ("store:app", Place::Store("app".into())),
            ("docker://localhost:5000/a:1", Place::Registry("localhost:5000/a:1".into())),
            ("oci:dir", Place::Layout { dir: "dir".into(), tag: None }),
            ("oci:dir:1.0", Place::Layout { dir: "dir".into(), tag: some("1.0") }),
            ("archive:a/b.tar", Place::Archive { file: "a/b.tar".into(), tag: None }),
            ("oci-archive:b.tar:x", Place::Archive { file: "b.tar".into(), tag: some("x") }),
            (
                "docker-archive:b.tar:h:5000/x:1",
                Place::DockerArchive { file: "b.tar".into(), name: some("h:5000/x:1") },
            ),
        ] {
            assert_eq!(Place::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["oci:", "archive:", "dir:x", "docker-daemon:x:1"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
