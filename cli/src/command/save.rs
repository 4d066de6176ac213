//! `imgc save`: images into an archive.

use std::path::PathBuf;

use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_image::manifest::{Document, media};
use imgc_image::{Descriptor, limits};
use imgc_store::Store;

use super::build::outputs::{self, Dest};
use super::find;
use crate::failure::{Failure, code};
use crate::session::Session;

/// Save images to an archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or ids
    #[arg(required = true)]
    images: Vec<String>,
    /// The archive (default: stdout)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which kind of archive: docker or oci
    #[arg(long, default_value = "docker", value_parser = ["docker", "oci"])]
    format: String,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// What is saved of an image: all of it if all of it is here and the archive can hold it, else its image for one
/// platform.
fn whole(store: &Store, wanted: &str, descriptor: Descriptor, args: &Args) -> Result<Descriptor, Failure> {
    if args.platform.is_none() && args.format == "oci" && is_whole(store, &descriptor)? {
        return Ok(descriptor);
    }
    if !media::is_index(&descriptor.media_type) {
        return Ok(descriptor);
    }
    let all = find::open_all(store, &descriptor)?;
    if args.platform.is_none() && all.len() > 1 && args.format == "oci" {
        let has: Vec<String> = all.iter().map(|one| one.platform().to_string()).collect();
        return Err(Failure::new(
            code::FAILED,
            format!("`{wanted}` is only partly in the store: {}", has.join(", ")),
        )
        .help("bring the rest: `imgc pull --platform all NAME`, or save one with `--platform`"));
    }
    Ok(find::open_one(store, wanted, &descriptor, args.platform.as_ref())?.descriptor)
}

/// True if the index and all that it names is here.
fn is_whole(store: &Store, descriptor: &Descriptor) -> Result<bool, Failure> {
    if !store.has_blob(&descriptor.digest) {
        return Ok(false);
    }
    if !media::is_index(&descriptor.media_type) {
        return Ok(true);
    }
    let bytes = store.read_document(&descriptor.digest, limits::MANIFEST_BYTES)?;
    match Document::parse(&bytes, Some(&descriptor.media_type))? {
        Document::Manifest(_) => Ok(true),
        Document::Index(index) => {
            for child in &index.manifests {
                if !is_whole(store, child)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

/// Saves.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let dest = match &args.output {
        Some(path) if path.as_os_str() != "-" => Dest::Path(path.clone()),
        _ => Dest::Stdout,
    };
    let mut images = Vec::new();
    for wanted in &args.images {
        let image = find::find(&store, wanted)?;
        // A name saves under that name; an id under all of them.
        let names: Vec<Reference> = match wanted.parse::<Reference>() {
            Ok(wanted) if image.names.iter().any(|name| name.to_string() == wanted.to_string()) => {
                vec![wanted]
            }
            _ => image.names.clone(),
        };
        images.push((wanted.clone(), image.descriptor, names));
    }
    let images = images
        .into_iter()
        .map(|(wanted, descriptor, names)| Ok((whole(&store, &wanted, descriptor, args)?, names)))
        .collect::<Result<Vec<_>, Failure>>()?;
    outputs::save(&dest, &args.format, &images, &store)?;
    Ok(0)
}
