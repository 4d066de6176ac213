//! Which account belongs to a registry.
//!
//! In each file a helper named for the registry comes first, then the file's store, then what it holds itself. A
//! helper that fails is an error: another account is not a substitute. Hosts are compared as a whole.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde::Deserialize;

use super::places::HUB;
use super::{Config, files};
use crate::error::{Error, Kind};
use crate::secret::{Credential, Secret};

/// What docker calls Docker Hub in its configuration.
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The parts of `config.json` and `auth.json` that hold accounts. Other tools write null where they have nothing.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default, alias = "identityToken")]
    identitytoken: Option<String>,
    #[serde(default, alias = "registryToken")]
    registrytoken: Option<String>,
}

/// The name of a registry in configuration files.
pub(super) fn key_of(registry: &str) -> &str {
    if matches!(registry, HUB | "index.docker.io" | "registry-1.docker.io") { HUB_KEY } else { registry }
}

/// The host part of a key: `https://host/v1/` and `host` are the same. Hosts have no case; repositories are in lower case.
fn host_of(key: &str) -> String {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let rest = match rest.split_once('/') {
        Some((host, path)) if key.contains("://") || matches!(path, "v1/" | "v2/" | "v1" | "v2" | "") => host,
        _ => rest,
    };
    let rest = rest.to_ascii_lowercase();
    if matches!(rest.as_str(), "index.docker.io" | "registry-1.docker.io") { HUB.to_owned() } else { rest }
}

impl Config {
    /// The account for a registry and repository.
    pub(crate) fn account(&self, registry: &str, repository: &str) -> Result<Option<Credential>, Error> {
        if let Some(given) = self.given.get(registry) {
            return Ok(Some(given.clone()));
        }
        if let Some(text) = &self.auth_text
            && let Some(found) =
                self.account_in(text.expose(), "$DOCKER_AUTH_CONFIG", registry, repository)?
        {
            return Ok(Some(found));
        }
        for path in &self.auth_files {
            let Some(text) = files::read_text(path)? else { continue };
            if let Some(found) = self.account_in(&text, &path.display().to_string(), registry, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn account_in(
        &self,
        text: &str,
        from: &str,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, Error> {
        let broken = |why: &str| Error::new(Kind::Config, format!("`{from}` does not read: {why}"));
        if text.trim().is_empty() {
            return Ok(None);
        }
        // The error of the parser could show a piece of the file.
        let file: Option<File> = serde_json::from_str(text)
            .map_err(|error| broken(&format!("line {}, column {}", error.line(), error.column())))?;
        let file = file.unwrap_or_default();
        let host = host_of(registry);
        let helpers = file.cred_helpers.unwrap_or_default();
        // An empty name means that this registry's account is in the file.
        let (helper, only) = match helpers.into_iter().find(|(key, _)| host_of(key) == host) {
            Some((_, helper)) => (helper, true),
            None => (file.creds_store, false),
        };
        if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
            let found = self.helpers.get(&helper, key_of(registry))?;
            if only || found.is_some() {
                return Ok(found);
            }
        }
        let auths = file.auths.unwrap_or_default();
        // auth.json may name a repository or the spaces above it; the longest wins.
        let mut name = format!("{host}/{repository}");
        loop {
            if let Some((_, entry)) = auths.iter().find(|(key, _)| host_of(key) == name) {
                return entry.as_ref().map_or(Ok(None), Entry::credential).map_err(broken);
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
        let text = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        if let Some(token) = text(&self.identitytoken) {
            return Ok(Some(Credential::Identity(Secret::new(token))));
        }
        if let Some(token) = text(&self.registrytoken) {
            return Ok(Some(Credential::Bearer(Secret::new(token))));
        }
        let Some(auth) = text(&self.auth) else {
            let password = self.password.clone().unwrap_or_default();
            return Ok(text(&self.username).map(|user| Credential::basic(user, password)));
        };
        let bytes = BASE64_STANDARD
            .decode(auth.trim())
            .or_else(|_| BASE64_STANDARD_NO_PAD.decode(auth.trim()))
            .map_err(|_| "an `auth` is not base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "an `auth` is no text")?;
        let (user, password) = text.split_once(':').ok_or("an `auth` has no colon")?;
        Ok(Some(Credential::basic(user, password.trim_end_matches('\0'))))
    }
}
