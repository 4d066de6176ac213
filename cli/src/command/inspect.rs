//! `imgc inspect`: everything known of an image.

use std::io::Write;

use imgc_base::platform::Platform;
use imgc_store::Store;
use serde_json::{Value, json};

use super::{find, rm};
use crate::failure::{Failure, code};
use crate::render::units;
use crate::session::Session;
use crate::template::Template;

/// Show what images hold, as JSON
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgc inspect -f '{{.Config.Env}}' app
  imgc inspect -f '{{range .RootFS.Layers}}{{println .}}{{end}}' app
  imgc inspect -f '{{json .Config.Labels}}' app")]
pub struct Args {
    /// Names or ids
    #[arg(required = true)]
    images: Vec<String>,
    /// A template for each: fields in any case, `json`, `range`, `if`, `index`, `len`, `join`
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
    /// What to look for
    #[arg(long = "type", default_value = "any", value_parser = ["any", "image", "container"])]
    kind: String,
    /// The raw manifest or index, byte for byte
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    /// The raw config, byte for byte
    #[arg(long, conflicts_with_all = ["raw", "format"])]
    config: bool,
    /// Accepted for docker's sake: sizes are always shown
    #[arg(short, long, hide = true)]
    size: bool,
}

/// Shows. What is not there does not hide the rest.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let template = match args.format.as_deref() {
        None | Some("json") => None,
        Some(text) => Some(Template::parse(text)?),
    };
    let store = session.store()?;
    let mut out = std::io::stdout().lock();
    let mut objects = Vec::new();
    let mut first = None;
    for wanted in &args.images {
        let result = one(&store, args, wanted, &mut out).and_then(|object| match (&template, object) {
            (Some(template), Some(object)) => {
                writeln!(out, "{}", printable_lines(&template.render(&object)?))?;
                Ok(None)
            }
            (_, object) => Ok(object),
        });
        match result {
            Ok(object) => objects.extend(object),
            Err(failure) => {
                first.get_or_insert(failure);
            }
        }
    }
    if template.is_none() && !args.raw && !args.config {
        let text = if args.format.is_some() {
            serde_json::to_string(&objects)
        } else {
            serde_json::to_string_pretty(&objects)
        };
        writeln!(out, "{}", text.map_err(|error| Failure::chain(code::FAILED, &error))?)?;
    }
    first.map_or(Ok(0), Err)
}

/// The object of one image or container; nothing where raw bytes were written.
fn one(store: &Store, args: &Args, wanted: &str, out: &mut impl Write) -> Result<Option<Value>, Failure> {
    let image = match find::find(store, wanted) {
        Ok(image) if args.kind != "container" => image,
        other => {
            if args.kind != "image"
                && let Some(container) = rm::container(store, wanted)?
            {
                let record = &container.record;
                return Ok(Some(json!({
                    "Id": record.id, "Name": record.id, "Image": record.manifest.to_string(), "ImageName": record.image,
                    "Args": record.args, "State": {"Running": container.running, "ExitCode": record.exit},
                })));
            }
            return match other {
                Err(failure) => Err(failure),
                Ok(_) => Err(Failure::new(code::FAILED, format!("there is no container `{wanted}`"))),
            };
        }
    };
    if args.raw {
        out.write_all(&store.read_document(&image.descriptor.digest, imgc_image::limits::MANIFEST_BYTES)?)?;
        return Ok(None);
    }
    let opened = find::open_one(store, wanted, &image.descriptor, args.platform.as_ref())?;
    if args.config {
        out.write_all(
            &store.read_document(&opened.manifest.config.digest, imgc_image::limits::CONFIG_BYTES)?,
        )?;
        return Ok(None);
    }
    Ok(Some(describe(&image, &opened)))
}

/// The fields that docker shows, with docker's names. Fields of the config that are empty are there too, so that
/// templates find them.
pub fn describe(image: &find::Image, opened: &find::Opened) -> Value {
    let config = &opened.config;
    let tags: Vec<String> = image.names.iter().map(imgc_base::Reference::familiar).collect();
    let digests: Vec<String> = image
        .names
        .iter()
        .map(|name| format!("{}/{}@{}", name.registry(), name.repository(), image.descriptor.digest))
        .collect();
    let mut container = json!({
        "User": "", "ExposedPorts": null, "Env": [], "Entrypoint": null, "Cmd": null, "Healthcheck": null,
        "ArgsEscaped": false, "Volumes": null, "WorkingDir": "", "OnBuild": null, "Labels": null,
        "StopSignal": "", "Shell": null,
    });
    if let (Value::Object(all), Ok(Value::Object(own))) =
        (&mut container, serde_json::to_value(&config.config))
    {
        all.extend(own);
    }
    json!({
        "Id": opened.manifest.config.digest.to_string(),
        "Digest": opened.descriptor.digest.to_string(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": config.created,
        "Author": config.author.clone().unwrap_or_default(),
        "Comment": config.history.last().and_then(|last| last.comment.clone()).unwrap_or_default(),
        // Of the time when images were chains of images, and of docker's own builder.
        "Parent": "",
        "DockerVersion": "",
        "Architecture": config.architecture,
        "Variant": config.variant.clone().unwrap_or_default(),
        "Os": config.os,
        "Size": opened.manifest.layers.iter().map(|layer| layer.size).sum::<u64>(),
        "Config": container,
        "RootFS": {"Type": "layers", "Layers": config.rootfs.diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>()},
        "Layers": opened.manifest.layers,
        "Annotations": opened.manifest.annotations,
        "Descriptor": image.descriptor,
    })
}

/// Line breaks of a template stay.
fn printable_lines(text: &str) -> String {
    text.split('\n').map(units::printable).collect::<Vec<_>>().join("\n")
}
