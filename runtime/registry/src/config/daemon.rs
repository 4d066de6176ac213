//! Docker's `daemon.json`: insecure registries and mirrors of Docker Hub.

use std::path::PathBuf;

use serde::Deserialize;

use super::files;
use crate::error::{Error, Kind};

/// The two settings that concern registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Daemon {
    /// `host[:port]` or an address range.
    pub(crate) insecure_registries: Vec<String>,
    /// Addresses asked before Docker Hub.
    pub(crate) registry_mirrors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    insecure_registries: Option<Vec<String>>,
    #[serde(default)]
    registry_mirrors: Option<Vec<String>>,
}

impl Daemon {
    /// Joins the files that exist.
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut all = Self::default();
        for path in paths {
            let Some(text) = files::read_text(path)? else { continue };
            let one: File = serde_json::from_str(&text).map_err(|error| {
                Error::new(Kind::Config, format!("`{}` does not read: {error}", path.display()))
            })?;
            all.insecure_registries.extend(one.insecure_registries.unwrap_or_default());
            all.registry_mirrors.extend(one.registry_mirrors.unwrap_or_default());
        }
        Ok(all)
    }

    /// True if a registry is listed, by name or by an address range.
    pub(super) fn is_insecure(&self, registry: &str) -> bool {
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        self.insecure_registries.iter().any(|entry| {
            let entry =
                entry.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
            entry.eq_ignore_ascii_case(registry) || in_range(host, entry).unwrap_or(false)
        })
    }
}

fn in_range(host: &str, range: &str) -> Option<bool> {
    let (net, bits) = range.split_once('/')?;
    let (host, net): (std::net::Ipv4Addr, std::net::Ipv4Addr) = (host.parse().ok()?, net.parse().ok()?);
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits.parse().ok()?)?).unwrap_or(0);
    Some(host.to_bits() & mask == net.to_bits() & mask)
}
