//! `registries.conf`, version 2 (containers-registries.conf(5)), and what version 1 says of single registries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files;
use crate::error::{Error, Kind};

/// All files of the format, joined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registries {
    entries: Vec<Entry>,
    aliases: BTreeMap<String, String>,
}

/// One `[[registry]]`.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Entry {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    pub(crate) location: String,
    #[serde(default)]
    pub(crate) insecure: bool,
    #[serde(default)]
    pub(crate) blocked: bool,
    #[serde(default)]
    pub(crate) mirror_by_digest_only: bool,
    #[serde(default, rename = "mirror")]
    pub(crate) mirrors: Vec<Mirror>,
}

/// One `[[registry.mirror]]`.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Mirror {
    pub(crate) location: String,
    #[serde(default)]
    pub(crate) insecure: bool,
    #[serde(default, rename = "pull-from-mirror")]
    pub(crate) only: Option<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default, rename = "registry")]
    entries: Vec<Entry>,
    #[serde(default)]
    registries: Old,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

/// The tables of version 1.
#[derive(Default, Deserialize)]
struct Old {
    #[serde(default)]
    insecure: OldList,
    #[serde(default)]
    block: OldList,
}

#[derive(Default, Deserialize)]
struct OldList {
    #[serde(default)]
    registries: Vec<String>,
}

impl Old {
    fn entries(self) -> impl Iterator<Item = Entry> {
        let insecure = self.insecure.registries.into_iter().map(|prefix| Entry {
            prefix,
            insecure: true,
            ..Entry::default()
        });
        let block = self.block.registries.into_iter().map(|prefix| Entry {
            prefix,
            blocked: true,
            ..Entry::default()
        });
        insecure.chain(block)
    }
}

impl Registries {
    /// Reads `registries.conf` and its drop-ins below each directory; later ones win. `only` replaces the main file.
    pub(super) fn load(only: Option<&Path>, dirs: &[PathBuf]) -> Result<Self, Error> {
        let mut all = Self::default();
        if let Some(only) = only {
            all.add(only)?;
        }
        for dir in dirs {
            if only.is_none() {
                all.add(&dir.join("registries.conf"))?;
            }
            for file in files::list(&dir.join("registries.conf.d"))? {
                if file.extension().is_some_and(|ending| ending == "conf") {
                    all.add(&file)?;
                }
            }
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result<(), Error> {
        let Some(text) = files::read_text(path)? else { return Ok(()) };
        self.add_text(&text)
            .map_err(|why| Error::new(Kind::Config, format!("`{}` does not read: {why}", path.display())))
    }

    fn add_text(&mut self, text: &str) -> Result<(), String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        for mut entry in file.entries.into_iter().chain(file.registries.entries()) {
            if entry.prefix.is_empty() {
                entry.prefix.clone_from(&entry.location);
            }
            if entry.prefix.is_empty() {
                return Err("a [[registry]] has neither prefix nor location".to_owned());
            }
            if entry.location.is_empty() && !entry.prefix.starts_with("*.") {
                entry.location.clone_from(&entry.prefix);
            }
            self.entries.retain(|old| old.prefix != entry.prefix);
            self.entries.push(entry);
        }
        self.aliases.extend(file.aliases);
        self.aliases.retain(|_, full| !full.is_empty());
        Ok(())
    }

    pub(super) fn alias(&self, name: &str) -> Option<&str> {
        self.aliases.get(name).map(String::as_str)
    }

    /// The entry with the longest prefix of `registry/repository`.
    pub(super) fn find(&self, registry: &str, repository: &str) -> Option<&Entry> {
        let full = format!("{registry}/{repository}");
        let matches = |entry: &&Entry| {
            if let Some(domain) = entry.prefix.strip_prefix("*.") {
                let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
                return host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            }
            full.strip_prefix(&entry.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.entries.iter().filter(matches).max_by_key(|entry| entry.prefix.len())
    }
}

impl Entry {
    /// `registry/repository` with this entry's prefix replaced by a location.
    pub(super) fn moved(&self, registry: &str, repository: &str, location: &str) -> String {
        let full = format!("{registry}/{repository}");
        if location.is_empty() {
            return full;
        }
        let rest = if self.prefix.starts_with("*.") {
            format!("/{repository}")
        } else {
            full.strip_prefix(&self.prefix).unwrap_or_default().to_owned()
        };
        format!("{}{rest}", location.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
unqualified-search-registries = ["docker.io"]
short-name-mode = "enforcing"
[[registry]]
prefix = "example.com/team"
location = "inner.example.net/x"
[[registry.mirror]]
location = "mirror.example.net/y"
insecure = true
pull-from-mirror = "digest-only"
[[registry]]
prefix = "example.com"
location = "example.com"
blocked = true
[[registry]]
prefix = "*.wild.org"
[aliases]
fedora = "registry.fedoraproject.org/fedora"
gone = ""
"#;

    #[test]
    fn longest_prefix_wins() {
        let mut all = Registries::default();
        all.add_text(TEXT).unwrap();
        let team = all.find("example.com", "team/app").unwrap();
        assert_eq!(team.moved("example.com", "team/app", &team.location), "inner.example.net/x/app");
        assert_eq!(
            team.moved("example.com", "team/app", &team.mirrors[0].location),
            "mirror.example.net/y/app"
        );
        assert!(all.find("example.com", "teams/app").unwrap().blocked);
        assert!(all.find("example.com.evil.org", "a").is_none());
        assert!(all.find("a.wild.org:5000", "a").is_some());
        assert!(all.find("wild.org", "a").is_none());
        assert_eq!(all.alias("fedora"), Some("registry.fedoraproject.org/fedora"));
        assert_eq!(all.alias("gone"), None);
        assert!(all.add_text("[[registry]]\ninsecure = true").is_err());
        assert!(all.add_text("[registries.search]\nregistries = []").is_ok());
    }
}
