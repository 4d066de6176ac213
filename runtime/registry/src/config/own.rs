//! The `[registry."HOST"]` tables of imgc's own configuration.
//!
//! Read from the machine's and the user's file only. A file in a project's directory comes with the project, and a
//! project must not decide which registry may go without encryption or who gets its password.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files;
use crate::error::{Error, Kind};

/// What imgc's own configuration says of one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// A file with certificates of authorities to trust for it.
    pub ca: Option<PathBuf>,
    /// Plain HTTP and unverified certificates are accepted.
    #[serde(default)]
    pub insecure: bool,
    /// Addresses that are asked first when pulling.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// Hosts of token servers elsewhere that may get this registry's password.
    #[serde(default)]
    pub realms: Vec<String>,
    /// Uploads may be sent to another host, without credentials.
    #[serde(default)]
    pub upload_elsewhere: bool,
    /// Blobs are sent in parts of so many bytes, for registries behind a server that takes no large requests.
    pub part: Option<u64>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    registry: BTreeMap<String, Settings>,
}

/// Reads the files that exist; a registry's table in a later one replaces that of an earlier one.
pub(super) fn load(paths: &[PathBuf]) -> Result<BTreeMap<String, Settings>, Error> {
    let mut all = BTreeMap::new();
    for path in paths {
        let Some(text) = files::read_text(path)? else { continue };
        let file: File = toml::from_str(&text).map_err(|error| {
            Error::new(Kind::Config, format!("`{}` does not read: {}", path.display(), error.message()))
        })?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        for (name, mut settings) in file.registry {
            // A relative path is relative to the file that has it.
            settings.ca = settings.ca.map(|ca| dir.join(ca));
            all.insert(name, settings);
        }
    }
    Ok(all)
}
