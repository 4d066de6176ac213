//! `imgc rm`: take names away; what no name holds is freed by `imgc cache gc`.

use std::io::Write;

use imgc_base::reference::Reference;

use super::find;
use crate::failure::{Failure, code};
use crate::session::Session;

/// Remove images by name, or by id with all names
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or ids
    #[arg(required = true)]
    images: Vec<String>,
    /// Remove an image by its id even if it has several names; do not mind what is not there
    #[arg(short, long)]
    force: bool,
}

/// Removes names.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let mut out = std::io::stdout().lock();
    let mut missing = Vec::new();
    for wanted in &args.images {
        let image = match find::find(&store, wanted) {
            Ok(image) => image,
            Err(failure) if failure.code == code::FAILED => {
                missing.push(failure);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let by_name: Option<&Reference> = wanted
            .parse::<Reference>()
            .ok()
            .and_then(|wanted| image.names.iter().find(|name| name.to_string() == wanted.to_string()));
        let names: Vec<&Reference> = match by_name {
            Some(name) => vec![name],
            None => image.names.iter().collect(),
        };
        if by_name.is_none() && names.len() > 1 && !args.force {
            let all: Vec<String> = names.iter().map(|name| name.familiar()).collect();
            return Err(Failure::usage(format!("`{wanted}` has several names: {}", all.join(", ")))
                .help("remove one name, or all with `--force`"));
        }
        for name in &names {
            store.untag(name)?;
            writeln!(out, "untagged {}", name.familiar())?;
        }
        if names.len() == image.names.len() {
            writeln!(out, "removed {}", image.descriptor.digest)?;
        }
    }
    match missing.into_iter().next() {
        Some(failure) if !args.force => Err(failure),
        _ => Ok(0),
    }
}
