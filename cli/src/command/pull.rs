//! `imgc pull`: images from their registry into the store.

use std::io::Write;
use std::sync::Arc;

use imgc_base::diagnostic::count;
use imgc_base::event::EventSink;
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_execute::ExecuteError;
use imgc_execute::transfer::{self, Platforms};
use imgc_registry::Client;
use imgc_store::Store;

use super::names;
use super::push::Telling;
use crate::failure::{Failure, code};
use crate::progress::{self, Show};
use crate::render::{self, units};
use crate::session::Session;

/// Pull images from their registry
///
/// The index of an image for several platforms is kept whole; only the images for the platforms asked for come with it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names
    #[arg(required = true, value_name = "NAME[:TAG|@DIGEST]")]
    images: Vec<String>,
    /// For these platforms, or `all` (default: this machine's)
    #[arg(long, value_name = "PLATFORM,...", value_delimiter = ',')]
    platform: Vec<String>,
    /// Every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
}

/// Reads `--platform`.
pub fn platforms(given: &[String]) -> Result<Platforms, Failure> {
    if given.is_empty() {
        return Ok(Platforms::default());
    }
    if given.iter().any(|text| text == "all") {
        return Ok(Platforms::All);
    }
    let these: Result<Vec<Platform>, _> = given.iter().map(|text| text.parse::<Platform>()).collect();
    these.map(Platforms::These).map_err(|error| Failure::usage(format!("`--platform`: {error}")))
}

/// Pulls.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let platforms = platforms(&args.platform)?;
    let store = session.store()?;
    let client = session.online()?;
    let mut wanted = Vec::new();
    for text in &args.images {
        // Short names that `registries.conf` knows stand for another name.
        let text = &client.config().expand(text);
        if !args.all_tags {
            wanted.push(names::aloud(session, text)?);
            continue;
        }
        let reference: Reference = text.parse()?;
        if !reference.implied_tag() {
            return Err(Failure::usage(format!("`{text}` names a tag, but `--all-tags` asks for all")));
        }
        for tag in client.tags(&reference)? {
            wanted.push(reference.with_tag(&tag)?);
        }
    }
    fetch(session, &store, client, &wanted, &platforms, !args.platform.is_empty())?;
    let mut out = std::io::stdout().lock();
    for reference in &wanted {
        writeln!(out, "{reference}")?;
    }
    Ok(0)
}

/// Pulls names into the store; `asked` if these platforms were named by the user.
pub fn fetch(
    session: &Session,
    store: &Store,
    client: Client,
    wanted: &[Reference],
    platforms: &Platforms,
    asked: bool,
) -> Result<(), Failure> {
    let show = progress::start(&session.global);
    let client = client.with_observer(Arc::new(Telling(Arc::clone(&show))));
    let pulled = wanted
        .iter()
        .try_for_each(|reference| one(session, store, &client, reference, platforms, asked, &show));
    show.close();
    pulled
}

/// What is not there is no mistake in a Dockerfile here.
pub fn failure(error: ExecuteError) -> Failure {
    let mut failure = Failure::from(error);
    if failure.code == code::SPEC {
        failure.code = code::FAILED;
    }
    failure
}

fn one(
    session: &Session,
    store: &Store,
    client: &Client,
    reference: &Reference,
    platforms: &Platforms,
    asked: bool,
    show: &Arc<dyn Show>,
) -> Result<(), Failure> {
    let lease = store.begin_build()?;
    let sink: &dyn EventSink = show.as_ref();
    let pulled =
        transfer::pull(store, client, reference, platforms, &session.cancel, sink).map_err(failure)?;
    if let (Platforms::These(wanted), [single]) = (platforms, pulled.platforms.as_slice())
        && let Some(other) = wanted.iter().find(|platform| !single.satisfies(platform))
    {
        if asked {
            let text = format!("`{}` is made for {single}, not for {other}", reference.familiar());
            return Err(Failure::new(code::FAILED, text));
        }
        render::talk(session, &format!("warning: {reference} is made for {single}, this machine is {other}"));
    }
    lease.finish()?;
    let before = store.images()?;
    // By a digest alone an image has no name: it is kept as it is.
    match reference.tag() {
        Some(_) if reference.digest().is_none() => store.tag(reference, &pulled.descriptor)?,
        _ => {
            let name: Reference =
                format!("{}/{}@{}", reference.registry(), reference.repository(), pulled.descriptor.digest)
                    .parse()?;
            store.tag(&name, &pulled.descriptor)?;
        }
    }
    let news = if store.images()? == before { "is up to date" } else { "is here" };
    render::talk(
        session,
        &format!(
            "{} {news}: {}, {} in {} came",
            reference.familiar(),
            pulled.descriptor.digest,
            units::bytes(pulled.bytes),
            count(pulled.fetched, "blob")
        ),
    );
    Ok(())
}
