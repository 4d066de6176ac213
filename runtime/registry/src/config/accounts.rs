//! Which account belongs to a registry.
//!
//! In each file a helper named for the registry comes first, then the file's store, then what it holds itself. A
//! helper that fails is an error: another account is not a substitute. Hosts are compared as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde::Deserialize;

use super::places::HUB;
use super::{Config, files};
use crate::error::{Error, Kind};
use crate::secret::{Credential, Secret};

/// What docker calls Docker Hub in its configuration.
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The parts of `config.json` and `auth.json` that hold accounts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default, alias = "identityToken")]
    identitytoken: String,
    #[serde(default, alias = "registryToken")]
    registrytoken: String,
}

/// The name of a registry in configuration files.
pub(super) fn key_of(registry: &str) -> &str {
    if matches!(registry, HUB | "index.docker.io" | "registry-1.docker.io") { HUB_KEY } else { registry }
}

/// The host part of a key: `https://host/v1/` and `host` are the same.
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let rest = match rest.split_once('/') {
        Some((host, path)) if key.contains("://") || matches!(path, "v1/" | "v2/" | "v1" | "v2" | "") => host,
        _ => rest,
    };
    if matches!(rest, "index.docker.io" | "registry-1.docker.io") { HUB } else { rest }
}

impl Config {
    /// The account for a registry and repository.
    pub(crate) fn account(&self, registry: &str, repository: &str) -> Result<Option<Credential>, Error> {
        if let Some(given) = self.given.get(registry) {
            return Ok(Some(given.clone()));
        }
        for path in &self.auth_files {
            if let Some(found) = self.account_in(path, registry, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn account_in(&self, path: &Path, registry: &str, repository: &str) -> Result<Option<Credential>, Error> {
        let Some(text) = files::read_text(path)? else { return Ok(None) };
        let broken =
            |why: &str| Error::new(Kind::Config, format!("`{}` does not read: {why}", path.display()));
        if text.trim().is_empty() {
            return Ok(None);
        }
        // The error of the parser could show a piece of the file.
        let file: File = serde_json::from_str(&text)
            .map_err(|error| broken(&format!("line {}, column {}", error.line(), error.column())))?;
        let host = host_of(registry);
        if let Some((_, helper)) = file.cred_helpers.iter().find(|(key, _)| host_of(key) == host) {
            return self.helpers.get(helper, key_of(registry));
        }
        if let Some(store) = file.creds_store.as_deref().filter(|store| !store.is_empty())
            && let Some(found) = self.helpers.get(store, key_of(registry))?
        {
            return Ok(Some(found));
        }
        // auth.json may name a repository or the spaces above it; the longest wins.
        let mut name = format!("{host}/{repository}");
        loop {
            if let Some((_, entry)) = file.auths.iter().find(|(key, _)| host_of(key) == name) {
                return entry.credential().map_err(broken);
            }
            match name.rfind('/') {
                Some(at) => name.truncate(at),
                None => return Ok(None),
            }
        }
    }
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::Identity(Secret::new(&self.identitytoken))));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credential::Bearer(Secret::new(&self.registrytoken))));
        }
        if self.auth.is_empty() {
            if self.username.is_empty() {
                return Ok(None);
            }
            return Ok(Some(Credential::basic(&self.username, &self.password)));
        }
        let bytes = BASE64_STANDARD
            .decode(self.auth.trim())
            .or_else(|_| BASE64_STANDARD_NO_PAD.decode(self.auth.trim()))
            .map_err(|_| "an `auth` is not base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "an `auth` is no text")?;
        let (user, password) = text.split_once(':').ok_or("an `auth` has no colon")?;
        Ok(Some(Credential::basic(user, password.trim_end_matches('\0'))))
    }
}
