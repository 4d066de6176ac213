//! `imgc tag`: one more name for an image.

use imgc_base::reference::Reference;

use super::find;
use crate::failure::Failure;
use crate::session::Session;

/// Give an image one more name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image: a name or a digest
    source: String,
    /// The new name
    target: Reference,
}

/// Names an image.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let found = find::find(&store, &args.source)?;
    if args.target.digest().is_some() {
        return Err(Failure::usage(format!("`{}`: a name cannot hold a digest", args.target)));
    }
    store.tag(&args.target, &found.descriptor)?;
    Ok(0)
}
