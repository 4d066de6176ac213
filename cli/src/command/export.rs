//! `imgc export`: a root file system as one tar.

use std::path::PathBuf;

use imgc_base::platform::Platform;
use imgc_image::{Tree, output};

use super::build::outputs::{self, Dest};
use super::{find, rm};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Write the root file system of an image, or of a kept container, as a tar
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name or id of an image or a kept container
    image: String,
    /// The file (default: stdout)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// Exports.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let lease = store.begin_build()?;
    let dest = match &args.output {
        Some(path) if path.as_os_str() != "-" => Dest::Path(path.clone()),
        _ => Dest::Stdout,
    };
    let tree = if let Some(container) = rm::container(&store, &args.image)? {
        let base = find::by_digest(&store, &container.record.manifest)?;
        let mut layers = find::layers(&store, &base)?;
        let epoch = super::build::options::epoch(None)?;
        if let Some(layer) = container.layer(&store, &Tree::new(layers.clone()), epoch)? {
            layers.push(layer);
        }
        Tree::new(layers)
    } else {
        let opened = find::open(&store, &args.image, args.platform.as_ref())?;
        Tree::new(find::layers(&store, &opened)?)
    };
    for layer in tree.layers() {
        store.ensure_tree(&layer.diff_id)?;
    }
    outputs::to_file(&dest, |out| {
        output::write_root_tar(&tree, &store, out).map_err(|error| Failure::chain(code::FAILED, &error))
    })?;
    lease.finish()?;
    Ok(0)
}
