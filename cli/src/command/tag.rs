//! `imgc tag`: one more name for an image.

use super::{find, names};
use crate::failure::Failure;
use crate::session::Session;

/// Give an image one more name
///
/// A name that another image has moves to this one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image: a name or an id
    #[arg(value_name = "IMAGE")]
    source: String,
    /// The new names
    #[arg(value_name = "NAME[:TAG]", required = true)]
    targets: Vec<String>,
}

/// Names an image.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let found = find::find(&store, &args.source)?;
    for text in &args.targets {
        store.tag(&names::given(session, text)?, &found.descriptor)?;
    }
    Ok(0)
}
