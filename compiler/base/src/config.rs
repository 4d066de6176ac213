//! The image configuration document (OCI image-spec `config.md`, with docker's `Healthcheck`, `OnBuild` and `Shell`).
//!
//! Written in one canonical form: fields in this order, maps sorted, empty fields left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::DiffId;

/// An object used as a set: `{"80/tcp": {}}`.
pub type JsonSet = BTreeMap<String, Empty>;

/// `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// From `MAINTAINER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `amd64`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `linux`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How containers of this image run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// The layers.
    #[serde(default, deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
    /// One entry per instruction.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// The layers of an image by their uncompressed digests, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers")]
    pub kind: String,
    /// Lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<DiffId>,
}

fn layers() -> String {
    "layers".to_owned()
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: layers(), diff_ids: Vec::new() }
    }
}

/// One instruction's entry in the history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// From `MAINTAINER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `buildkit.dockerfile.v0` for instructions of a Dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// True if the instruction made no layer.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// How containers of an image run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// `user[:group]`; empty means root.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `80/tcp`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: JsonSet,
    /// `NAME=value`, in the order of first definition.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// `Some([])` is kept apart from `None`: it resets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The default command, or arguments of the entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Docker's health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// True if `cmd` or `entrypoint` came from a shell form (docker).
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// Paths that hold data.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: JsonSet,
    /// Absolute; empty means `/`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Triggers for images built on this one, as written.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// Sorted by key.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Signal name or number that stops the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// The shell of shell forms, if `SHELL` changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

/// Docker's health check. Times are in nanoseconds; 0 inherits the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", text]`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between checks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Time that one check may take.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time in which failures do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between checks in the start period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that mean unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Go writes `null` for empty slices and maps.
pub fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl ContainerConfig {
    /// The value of an environment variable.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .filter_map(|entry| entry.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }

    /// Sets an environment variable: in place if it exists, else at the end.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        match self.env.iter_mut().find(|old| old.split('=').next() == Some(name)) {
            Some(old) => *old = entry,
            None => self.env.push(entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_writes() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["sh"],"Labels":null},
            "rootfs":{"type":"layers","diff_ids":null},"history":null,"unknown":1}"#;
        let config: ImageConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.config.cmd, Some(vec!["sh".to_owned()]));
        assert!(config.rootfs.diff_ids.is_empty());
        let text = r#"{"architecture":null,"os":null,"config":{"User":null,"WorkingDir":null,"ArgsEscaped":null},
            "rootfs":{"diff_ids":[]},"history":[{"empty_layer":null}]}"#;
        let config: ImageConfig = serde_json::from_str(text).unwrap();
        assert_eq!((config.rootfs, config.history.len()), (RootFs::default(), 1));
        assert_eq!(
            serde_json::from_str::<ImageConfig>(r#"{"rootfs":null}"#).unwrap(),
            ImageConfig::default()
        );
    }

    #[test]
    fn writes_no_empty_field() {
        let text = serde_json::to_string(&ContainerConfig::default()).unwrap();
        assert_eq!(text, "{}");
        let reset = ContainerConfig { entrypoint: Some(vec![]), ..Default::default() };
        assert_eq!(serde_json::to_string(&reset).unwrap(), r#"{"Entrypoint":[]}"#);
    }

    #[test]
    fn env_keeps_its_place() {
        let mut config = ContainerConfig::default();
        config.set_env("A", "1");
        config.set_env("B", "2");
        config.set_env("A", "3=4");
        assert_eq!(config.env, ["A=3=4", "B=2"]);
        assert_eq!(config.env("A"), Some("3=4"));
    }
}
