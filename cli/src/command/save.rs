//! `imgc save`: images into an archive.

use std::path::PathBuf;

use imgc_base::reference::Reference;

use super::build::outputs::{self, Dest};
use super::find;
use crate::failure::Failure;
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
        images.push((image.descriptor, names));
    }
    outputs::save(&dest, &args.format, &images, &store)?;
    Ok(0)
}
