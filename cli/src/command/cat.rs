//! `imgc cat`: a file of an image.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use imgc_base::ImagePath;
use imgc_base::platform::Platform;
use imgc_image::{Contents, Kind, Tree};

use super::find;
use crate::failure::{Failure, code};
use crate::session::Session;

/// Print a file of an image
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  imgc cat app /etc/os-release")]
pub struct Args {
    /// A name or id
    image: String,
    /// The file; links are followed as in the image
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// Prints, one after the other.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let opened = find::open(&store, &args.image, args.platform.as_ref())?;
    let tree = Tree::new(find::layers(&store, &opened)?);
    let mut out = std::io::stdout().lock();
    for text in &args.paths {
        let path = ImagePath::clean(text.as_bytes()).map_err(|error| Failure::usage(error.to_string()))?;
        let path = tree.resolve(&path, true)?;
        let Some(found) = tree.get(&path) else {
            let failure =
                Failure::new(code::FAILED, format!("there is no `{}` in `{}`", text.display(), args.image));
            return Err(failure.help(format!("see what there is: `imgc files {} /`", args.image)));
        };
        let content = found.content();
        if !matches!(content.kind, Kind::File { .. }) {
            let text = format!("`{path}` is a {}, not a file", content.kind.noun());
            return Err(Failure::new(code::FAILED, text));
        }
        let mut from = Contents::open(&store, &found.layer.diff_id, &content.path)?;
        std::io::copy(&mut from, &mut out)?;
    }
    out.flush()?;
    Ok(0)
}
