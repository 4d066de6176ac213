//! `imgc inspect`: everything known of an image.

use std::io::Write;

use imgc_base::platform::Platform;
use serde_json::json;

use super::find;
use crate::failure::Failure;
use crate::session::Session;

/// Show what an image holds, as JSON
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or ids
    #[arg(required = true)]
    images: Vec<String>,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
    /// The raw manifest or index, byte for byte
    #[arg(long)]
    raw: bool,
    /// The raw config, byte for byte
    #[arg(long, conflicts_with = "raw")]
    config: bool,
}

/// Shows.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let mut out = std::io::stdout().lock();
    let mut objects = Vec::new();
    for wanted in &args.images {
        let image = find::find(&store, wanted)?;
        if args.raw {
            let bytes = store.read_document(&image.descriptor.digest, imgc_image::limits::MANIFEST_BYTES)?;
            out.write_all(&bytes)?;
            continue;
        }
        let opened = find::open(&store, wanted, args.platform.as_ref())?;
        if args.config {
            let bytes =
                store.read_document(&opened.manifest.config.digest, imgc_image::limits::CONFIG_BYTES)?;
            out.write_all(&bytes)?;
            continue;
        }
        objects.push(describe(&image, &opened));
    }
    if !objects.is_empty() {
        let text = serde_json::to_string_pretty(&objects).map_err(|error| Failure::chain(1, &error))?;
        writeln!(out, "{text}")?;
    }
    Ok(0)
}

/// The fields that docker shows, with docker's names.
pub fn describe(image: &find::Image, opened: &find::Opened) -> serde_json::Value {
    let config = &opened.config;
    let tags: Vec<String> = image.names.iter().map(imgc_base::Reference::familiar).collect();
    let digests: Vec<String> = image
        .names
        .iter()
        .map(|name| format!("{}/{}@{}", name.registry(), name.repository(), image.descriptor.digest))
        .collect();
    json!({
        "Id": opened.manifest.config.digest.to_string(),
        "Digest": opened.descriptor.digest.to_string(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": config.created,
        "Author": config.author,
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "Size": opened.manifest.layers.iter().map(|layer| layer.size).sum::<u64>(),
        "Config": config.config,
        "RootFS": {"Type": "layers", "Layers": config.rootfs.diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>()},
        "Layers": opened.manifest.layers,
        "Annotations": opened.manifest.annotations,
    })
}
