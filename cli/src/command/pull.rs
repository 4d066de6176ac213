//! `imgc pull`, and the way of a result into a registry.

use imgc_base::event::{Event, EventSink};
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_execute::Bases;
use imgc_image::Descriptor;
use imgc_registry::Client;
use imgc_store::Store;

use super::find;
use crate::failure::Failure;
use crate::progress;
use crate::render::units;
use crate::session::Session;

/// Pull images from their registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names
    #[arg(required = true)]
    images: Vec<Reference>,
    /// For this platform (default: this machine's)
    #[arg(long)]
    platform: Option<Platform>,
}

/// Pulls.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let client = session.online()?;
    let show = progress::start(&session.global);
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    for reference in &args.images {
        if reference.implied_tag() {
            show.emit(Event::Note(format!("using the tag `latest`: {reference}")));
        }
        let lease = store.begin_build()?;
        let bases = Bases::new(&store, &session.cancel, show.as_ref()).with_registry(&client, true);
        let found = bases.find(&reference.to_string(), &platform)?;
        bases.tree(&found.descriptor.digest)?;
        lease.finish()?;
        show.emit(Event::Note(format!("pulled {} {}", reference.familiar(), found.descriptor.digest)));
    }
    show.close();
    Ok(0)
}

/// Pushes an image of the store under a name.
pub fn push(
    client: &Client,
    store: &Store,
    reference: &Reference,
    descriptor: &Descriptor,
    sink: &dyn EventSink,
) -> Result<(), Failure> {
    // Blobs that another repository of the same registry has are mounted, not sent.
    let from: Vec<String> = find::all(store)?
        .iter()
        .flat_map(|image| &image.names)
        .filter(|name| name.registry() == reference.registry() && name.repository() != reference.repository())
        .map(|name| name.repository().to_owned())
        .collect();
    let report = client.push(reference, descriptor, store, &from)?;
    sink.emit(Event::Note(format!(
        "pushed {reference} {} ({} sent in {} blobs, {} there, {} mounted)",
        report.descriptor.digest,
        units::bytes(report.sent_bytes),
        report.sent,
        report.present,
        report.mounted
    )));
    Ok(())
}
