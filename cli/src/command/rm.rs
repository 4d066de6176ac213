//! `imgc rm`: take names away; what no name holds is freed by `imgc cache prune`. Kept containers go at once.

use std::io::Write;

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_execute::kept::{self, Container};
use imgc_store::Store;

use super::find::{self, Image};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Remove images by name or id, and kept containers
///
/// A name removes that name; an id removes the image with all of its names. The space is given back by
/// `imgc cache prune`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or ids of images, or of containers
    #[arg(required = true)]
    images: Vec<String>,
    /// Remove what has several names or is used by a container; do not mind what is not there
    #[arg(short, long)]
    force: bool,
    /// Accepted for docker's sake: nothing else is removed here
    #[arg(long, hide = true)]
    no_prune: bool,
}

/// Removes. One failure does not stop the others; the first is told.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let mut first = None;
    for wanted in &args.images {
        if let Err(failure) = one(&store, wanted, args.force) {
            match first {
                None => first = Some(failure),
                Some(_) => crate::render::failure(&failure, &session.global),
            }
        }
    }
    first.map_or(Ok(0), Err)
}

fn one(store: &Store, wanted: &str, force: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let image = match find::find(store, wanted) {
        Ok(image) => image,
        Err(failure) => {
            if let Some(container) = container(store, wanted)? {
                remove_container(store, container)?;
                writeln!(out, "{wanted}")?;
                return Ok(());
            }
            return if force && failure.code == code::FAILED { Ok(()) } else { Err(failure) };
        }
    };
    let by_name: Option<&Reference> = wanted
        .parse::<Reference>()
        .ok()
        .and_then(|wanted| image.names.iter().find(|name| name.to_string() == wanted.to_string()));
    let names: Vec<&Reference> = match by_name {
        Some(name) => vec![name],
        None => image.names.iter().collect(),
    };
    if by_name.is_none() && names.len() > 1 && !force {
        let all: Vec<String> = names.iter().map(|name| name.familiar()).collect();
        return Err(Failure::new(code::FAILED, format!("`{wanted}` has several names: {}", all.join(", ")))
            .help("remove one name, or all with `--force`"));
    }
    let last = names.len() == image.names.len();
    let used = last && in_use(store, wanted, &image, force)?;
    for name in &names {
        store.untag(name)?;
        writeln!(out, "Untagged: {}", name.familiar())?;
    }
    // What a kept container stands on stays, without a name.
    if last && !used {
        store.forget(&image.descriptor.digest)?;
        writeln!(out, "Deleted: {}", image.descriptor.digest)?;
    }
    Ok(())
}

/// True if a kept container needs the image and that was accepted; an error if one needs it and it was not.
fn in_use(store: &Store, wanted: &str, image: &Image, force: bool) -> Result<bool, Failure> {
    let mut used = false;
    let manifests: Vec<BlobDigest> = find::open_all(store, &image.descriptor)
        .map(|all| all.iter().map(|one| one.descriptor.digest).collect())
        .unwrap_or_default();
    for container in kept::list(store)? {
        let id = &container.record.id;
        if !manifests.contains(&container.record.manifest) {
            continue;
        }
        if container.running {
            return Err(Failure::new(code::FAILED, format!("`{wanted}` is in use: container {id} runs"))
                .help("stop it first"));
        }
        if !force {
            return Err(Failure::new(
                code::FAILED,
                format!("`{wanted}` is in use by the kept container {id}"),
            )
            .help(format!("remove that: `imgc rm {id}`, or use `--force`")));
        }
        used = true;
    }
    Ok(used)
}

/// A container by its name or the start of it.
pub fn container(store: &Store, wanted: &str) -> Result<Option<Container>, Failure> {
    let mut found: Vec<Container> =
        kept::list(store)?.into_iter().filter(|container| container.record.id.starts_with(wanted)).collect();
    if let Some(exact) = found.iter().position(|container| container.record.id == wanted) {
        return Ok(Some(found.swap_remove(exact)));
    }
    if found.len() > 1 {
        let ids: Vec<String> = found.into_iter().map(|container| container.record.id).collect();
        return Err(
            Failure::usage(format!("`{wanted}` is the start of several containers")).note(ids.join(", "))
        );
    }
    Ok(found.pop())
}

fn remove_container(store: &Store, container: Container) -> Result<(), Failure> {
    if container.running {
        let id = &container.record.id;
        return Err(Failure::new(code::FAILED, format!("container {id} runs")).help("stop it first"));
    }
    Ok(container.remove(store)?)
}
