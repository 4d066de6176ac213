//! The entries of an image.

use imgc_base::config::{ContainerConfig, Empty, Healthcheck, History};
use imgc_base::platform::Platform;

use super::Fault;
use super::fields::Fields;
use super::read::Entries;
use crate::op::{ImageOp, PlannedHistory};

const KEYS: &[&str] = &[
    "image-platform",
    "user",
    "port",
    "env",
    "entrypoint",
    "cmd",
    "shell",
    "healthcheck",
    "args-escaped",
    "volume",
    "workdir",
    "onbuild",
    "label",
    "stop-signal",
    "author",
    "base",
    "base-history",
    "history",
    "annotation",
];

pub(super) fn image(entries: &mut Entries<'_>) -> ImageOp {
    let mut image = ImageOp {
        platform: Platform::new("linux", "amd64", ""),
        config: ContainerConfig::default(),
        author: None,
        base_history: Vec::new(),
        history: Vec::new(),
        annotations: std::collections::BTreeMap::new(),
        base: None,
    };
    // Nodes are looked up afterwards, so that a missing one is reported like any other.
    let mut steps = Vec::new();
    entries.each(KEYS, |key, fields| {
        match key {
            "image-platform" => image.platform = fields.parsed()?,
            "author" => image.author = Some(fields.text()?),
            "base" => image.base = Some(fields.parsed()?),
            "base-history" => image.base_history.push(base_history(fields)?),
            "history" => {
                image.history.push(PlannedHistory { created_by: fields.text()?, node: None });
                steps.extend(fields.node().map(|(number, at)| (image.history.len() - 1, number, at)));
            }
            "annotation" => {
                image.annotations.insert(fields.text()?, fields.text()?);
            }
            _ => return config(key, fields, &mut image.config),
        }
        Ok(true)
    });
    for (entry, number, at) in steps {
        image.history[entry].node = entries.node(number, at);
    }
    image
}

fn config(key: &str, fields: &mut Fields<'_>, config: &mut ContainerConfig) -> Result<bool, Fault> {
    match key {
        "user" => config.user = fields.text()?,
        "port" => drop(config.exposed_ports.insert(fields.text()?, Empty {})),
        "env" => config.env.push(fields.text()?),
        "entrypoint" => config.entrypoint = Some(fields.list()?),
        "cmd" => config.cmd = Some(fields.list()?),
        "shell" => config.shell = Some(fields.list()?),
        "healthcheck" => config.healthcheck = Some(healthcheck(fields)?),
        "args-escaped" => config.args_escaped = true,
        "volume" => drop(config.volumes.insert(fields.text()?, Empty {})),
        "workdir" => config.working_dir = fields.text()?,
        "onbuild" => config.on_build.push(fields.text()?),
        "label" => drop(config.labels.insert(fields.text()?, fields.text()?)),
        "stop-signal" => config.stop_signal = Some(fields.text()?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn healthcheck(fields: &mut Fields<'_>) -> Result<Healthcheck, Fault> {
    Ok(Healthcheck {
        test: fields.list()?,
        interval: fields.named_number("interval")?.unwrap_or(0),
        timeout: fields.named_number("timeout")?.unwrap_or(0),
        start_period: fields.named_number("start-period")?.unwrap_or(0),
        start_interval: fields.named_number("start-interval")?.unwrap_or(0),
        retries: fields.named_number("retries")?.unwrap_or(0),
    })
}

fn base_history(fields: &mut Fields<'_>) -> Result<History, Fault> {
    Ok(History {
        created: fields.named_text("created")?,
        created_by: fields.named_text("by")?,
        author: fields.named_text("author")?,
        comment: fields.named_text("comment")?,
        empty_layer: fields.flag("empty"),
    })
}
