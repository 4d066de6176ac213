//! Writing accounts: login and logout keep everything else that is in the file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::accounts::key_of;
use super::{Config, files};
use crate::error::{Error, Kind};
use crate::secret::Credential;

/// Where an account was written to or taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// In a file, readable by whoever reads the file.
    File(PathBuf),
    /// With a credential helper.
    Helper(String),
}

impl Config {
    /// Keeps an account in docker's `config.json` or with the helper that it names.
    pub fn save_login(&self, registry: &str, credential: &Credential) -> Result<Saved, Error> {
        let path = self.docker_dir.join("config.json");
        let mut document = load(&path)?;
        let key = key_of(registry);
        if let Some(helper) = helper(&document, key) {
            self.helpers.store(&helper, key, credential)?;
            // Docker notes that there is an account, without saying which.
            object(&mut document, "auths")?.insert(key.to_owned(), Value::Object(Map::new()));
            save(&path, &document)?;
            return Ok(Saved::Helper(helper));
        }
        let mut entry = Map::new();
        match credential {
            Credential::Basic { .. } => {
                let encoded = credential.encoded().map(|secret| secret.expose().to_owned());
                entry.insert("auth".to_owned(), Value::String(encoded.unwrap_or_default()));
            }
            Credential::Identity(token) => {
                entry.insert("identitytoken".to_owned(), Value::String(token.expose().to_owned()));
            }
            Credential::Bearer(token) => {
                entry.insert("registrytoken".to_owned(), Value::String(token.expose().to_owned()));
            }
        }
        object(&mut document, "auths")?.insert(key.to_owned(), Value::Object(entry));
        save(&path, &document)?;
        Ok(Saved::File(path))
    }

    /// Forgets an account. Returns where it was; empty if there was none.
    pub fn forget_login(&self, registry: &str) -> Result<Vec<Saved>, Error> {
        let path = self.docker_dir.join("config.json");
        let mut document = load(&path)?;
        let key = key_of(registry);
        let mut gone = Vec::new();
        if let Some(helper) = helper(&document, key)
            && self.helpers.erase(&helper, key)?
        {
            gone.push(Saved::Helper(helper));
        }
        if let Some(Value::Object(auths)) = document.get_mut("auths")
            && let Some(entry) = auths.remove(key)
        {
            save(&path, &document)?;
            if entry.as_object().is_some_and(|entry| !entry.is_empty()) {
                gone.push(Saved::File(path));
            }
        }
        Ok(gone)
    }
}

fn load(path: &Path) -> Result<Map<String, Value>, Error> {
    let text = files::read_text(path)?.unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::new(Kind::Config, format!("`{}` does not read: {place}", path.display()))
    })
}

/// The helper that keeps a registry's account.
fn helper(document: &Map<String, Value>, key: &str) -> Option<String> {
    let own = document.get("credHelpers").and_then(|helpers| helpers.get(key)).and_then(Value::as_str);
    let all = document.get("credsStore").and_then(Value::as_str);
    own.or(all).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn object<'a>(document: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>, Error> {
    match document.entry(name).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(object) => Ok(object),
        _ => Err(Error::new(Kind::Config, format!("`{name}` of config.json is no object"))),
    }
}

/// Writes a new file beside the old one and puts it in its place; readable by its owner only.
fn save(path: &Path, document: &Map<String, Value>) -> Result<(), Error> {
    let failed = |what: &'static str| Error::local(what);
    // A link stays a link: people keep this file in a repository of dotfiles.
    let target = match fs_err::read_link(path) {
        Ok(link) => path.parent().unwrap_or(Path::new("/")).join(link),
        Err(_) => path.to_owned(),
    };
    let dir = target.parent().unwrap_or(Path::new("/"));
    if !dir.is_dir() {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed("make docker's configuration directory"))?;
    }
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(
        &mut text,
        serde_json::ser::PrettyFormatter::with_indent(b"\t"),
    );
    serde::Serialize::serialize(document, &mut writer)
        .map_err(|error| Error::new(Kind::Config, format!("config.json cannot be written: {error}")))?;
    text.push(b'\n');
    // Temporary files are made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed("write docker's configuration"))?;
    file.write_all(&text).map_err(failed("write docker's configuration"))?;
    file.as_file().sync_data().map_err(failed("write docker's configuration"))?;
    file.persist(&target).map_err(|error| failed("write docker's configuration")(error.error))?;
    Ok(())
}
