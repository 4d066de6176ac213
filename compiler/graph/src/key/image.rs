//! The canonical form of an image's documents.

use imgc_base::canonical::KeyBuilder;
use imgc_base::config::{ContainerConfig, Healthcheck, History};
use imgc_base::digest::DefinitionKey;

use super::encode::{self, Encoder};
use crate::graph::NodeId;
use crate::op::ImageOp;

/// Adds what an image's config and manifest say. `of` gives the keys of the steps that the history names.
pub(super) fn components(image: &ImageOp, of: &dyn Fn(&NodeId) -> DefinitionKey, key: &mut KeyBuilder) {
    key.text("platform", &image.platform.to_string());
    config_components(&image.config, key);
    encode::optional(key, "author", image.author.as_deref());
    let mut base = Encoder::new();
    for History { created, created_by, author, comment, empty_layer } in &image.base_history {
        base.optional(created.as_deref()).optional(created_by.as_deref());
        base.optional(author.as_deref()).optional(comment.as_deref()).flag(*empty_layer);
    }
    key.add("base history", &base.finish(), format!("{} entries", image.base_history.len()));
    let mut history = Encoder::new();
    for entry in &image.history {
        history.text(&entry.created_by).flag(entry.node.is_some());
        if let Some(node) = &entry.node {
            history.bytes(of(node).as_bytes());
        }
    }
    key.add("history", &history.finish(), format!("{} entries", image.history.len()));
    for (name, value) in &image.annotations {
        key.text(&format!("annotation {name}"), value);
    }
    encode::optional(key, "base", image.base.as_ref().map(ToString::to_string).as_deref());
}

fn config_components(config: &ContainerConfig, key: &mut KeyBuilder) {
    // Every field is named, so that a new one cannot be forgotten here.
    let ContainerConfig {
        user,
        exposed_ports,
        env,
        entrypoint,
        cmd,
        healthcheck,
        args_escaped,
        volumes,
        working_dir,
        on_build,
        labels,
        stop_signal,
        shell,
    } = config;
    key.text("user", user);
    key.list("ports", exposed_ports.keys());
    key.list("env", env);
    list(key, "entrypoint", entrypoint.as_deref());
    list(key, "cmd", cmd.as_deref());
    key.text("args escaped", encode::yes(*args_escaped));
    key.list("volumes", volumes.keys());
    key.text("working directory", working_dir);
    key.list("onbuild", on_build);
    for (name, value) in labels {
        key.text(&format!("label {name}"), value);
    }
    encode::optional(key, "stop signal", stop_signal.as_deref());
    list(key, "shell", shell.as_deref());
    let mut health = Encoder::new();
    health.flag(healthcheck.is_some());
    if let Some(Healthcheck { test, interval, timeout, start_period, start_interval, retries }) = healthcheck
    {
        health.number(test.len() as u64);
        for word in test {
            health.text(word);
        }
        for number in [interval, timeout, start_period, start_interval, retries] {
            health.number(number.cast_unsigned());
        }
    }
    key.add("healthcheck", &health.finish(), "");
}

/// A list that may be absent; an empty one is not the same.
fn list(key: &mut KeyBuilder, name: &str, words: Option<&[String]>) {
    let mut value = Encoder::new();
    value.flag(words.is_some());
    for word in words.unwrap_or_default() {
        value.text(word);
    }
    key.add(name, &value.finish(), words.unwrap_or_default().join(" "));
}
