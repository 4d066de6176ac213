//! `imgc push`, and the way of a build's result into a registry.

use std::io::Write;
use std::sync::Arc;

use imgc_base::diagnostic::count;
use imgc_base::event::{Event, EventSink};
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_image::Descriptor;
use imgc_registry::{Client, Kind, Observer};
use imgc_store::Store;

use super::{find, names};
use crate::failure::{Failure, code};
use crate::progress::{self, Show};
use crate::render::{self, units};
use crate::session::Session;

/// Push images to the registry that their names say
///
/// What the registry has is not sent again, and what another repository of it has is mounted from there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names
    #[arg(required = true, value_name = "NAME[:TAG]")]
    images: Vec<String>,
    /// Every tag that the store has of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Only the image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// Pushes.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let mut wanted: Vec<(Reference, Descriptor)> = Vec::new();
    for text in &args.images {
        if args.all_tags {
            wanted.extend(all_tags(&store, text)?);
            continue;
        }
        let reference = names::aloud(session, text)?;
        if reference.digest().is_some() {
            return Err(Failure::usage(format!("`{text}`: a push needs a tag, not a digest"))
                .help("name the image: `imgc tag IMAGE NAME:TAG`"));
        }
        let image = find::find(&store, text)?;
        if !image.names.contains(&reference)
            && !image.names.iter().any(|name| name.to_string() == reference.to_string())
        {
            return Err(Failure::usage(format!("`{text}` is an id; a push needs the name to push to"))
                .help(format!("name the image: `imgc tag {text} HOST/NAME:TAG`")));
        }
        wanted.push((reference, image.descriptor));
    }
    if let Some(platform) = &args.platform {
        for (reference, descriptor) in &mut wanted {
            *descriptor =
                find::open_one(&store, &reference.familiar(), descriptor, Some(platform))?.descriptor;
        }
    }
    let show = progress::start(&session.global);
    let client = session.online()?.with_observer(Arc::new(Telling(Arc::clone(&show))));
    let mut reports = Vec::new();
    for (reference, descriptor) in &wanted {
        let pushed = push(&client, &store, reference, descriptor, show.as_ref());
        if pushed.is_err() {
            show.close();
        }
        reports.push(pushed?);
    }
    show.close();
    let mut out = std::io::stdout().lock();
    if session.global.json {
        writeln!(out, "{}", serde_json::json!({"v": 1, "pushed": reports}))?;
        return Ok(0);
    }
    for (reference, descriptor) in &wanted {
        writeln!(out, "{reference}@{}", descriptor.digest)?;
    }
    Ok(0)
}

/// Every tag of a repository that the store has.
fn all_tags(store: &Store, text: &str) -> Result<Vec<(Reference, Descriptor)>, Failure> {
    let repository: Reference = text.parse()?;
    if !repository.implied_tag() {
        return Err(Failure::usage(format!("`{text}` names a tag, but `--all-tags` asks for all")));
    }
    let mut found = Vec::new();
    for image in find::all(store)? {
        for name in &image.names {
            let same =
                name.registry() == repository.registry() && name.repository() == repository.repository();
            if same && name.tag().is_some() && name.digest().is_none() {
                found.push((name.clone(), image.descriptor.clone()));
            }
        }
    }
    if found.is_empty() {
        return Err(Failure::new(code::FAILED, format!("the store has no tag of `{text}`"))
            .help("`imgc images` lists what there is"));
    }
    Ok(found)
}

/// Pushes an image of the store under a name; returns what was done.
pub fn push(
    client: &Client,
    store: &Store,
    reference: &Reference,
    descriptor: &Descriptor,
    sink: &dyn EventSink,
) -> Result<serde_json::Value, Failure> {
    let report = client.push(reference, descriptor, store, &sisters(store, reference)?).map_err(|error| {
        let denied = matches!(error.kind(), Kind::Denied | Kind::Unauthorized);
        let failure = Failure::from(error);
        if denied && reference.registry() == "docker.io" && reference.repository().starts_with("library/") {
            return failure.help(format!(
                "`{}` belongs to Docker; put your registry or your account before the name: `imgc tag {} HOST/{}`",
                reference.familiar(),
                reference.familiar(),
                reference.familiar()
            ));
        }
        failure
    })?;
    sink.emit(Event::Note(format!(
        "pushed {reference} {} ({} sent in {}, {} there, {} mounted)",
        report.descriptor.digest,
        units::bytes(report.sent_bytes),
        count(report.sent, "blob"),
        report.present,
        report.mounted
    )));
    Ok(serde_json::json!({
        "name": reference.to_string(), "digest": report.descriptor.digest.to_string(),
        "sent": report.sent, "sentBytes": report.sent_bytes, "present": report.present, "mounted": report.mounted,
    }))
}

/// Repositories of the same registry: blobs that one of them has are mounted, not sent.
pub fn sisters(store: &Store, reference: &Reference) -> Result<Vec<String>, Failure> {
    let mut from: Vec<String> = find::all(store)?
        .iter()
        .flat_map(|image| &image.names)
        .filter(|name| name.registry() == reference.registry() && name.repository() != reference.repository())
        .map(|name| name.repository().to_owned())
        .collect();
    from.sort();
    from.dedup();
    // Each one that lacks a blob costs a request.
    from.truncate(SISTERS);
    Ok(from)
}

/// Repositories that are asked for a blob at most.
const SISTERS: usize = 4;

/// Passes on how far transfers are, and what the client says of further tries and mirrors.
pub struct Telling(pub Arc<dyn Show>);

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telling")
    }
}

impl Observer for Telling {
    fn transferred(&self, what: &str, done: u64, total: u64) {
        // The end of each is told by whoever moves it.
        if done == total {
            return;
        }
        self.0.emit(Event::Fetch { what: what.to_owned(), done, total: Some(total) });
    }

    fn note(&self, text: &str) {
        self.0.emit(Event::Note(render::units::printable(text)));
    }
}
