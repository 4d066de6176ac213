//! `imgc copy`: an image from one place to another, without unpacking it.

mod place;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use imgc_base::diagnostic::count;
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_execute::load;
use imgc_execute::transfer::{self, Platforms};
use imgc_image::archive::Archive;
use imgc_image::docker_archive::DockerArchive;
use imgc_image::layout::Layout;
use imgc_image::manifest::{Document, media};
use imgc_image::output::{self, DockerImage};
use imgc_image::{Blobs, Descriptor, limits, source};
use imgc_store::Store;

use super::build::outputs::{self, Dest};
use super::push::{self, Telling};
use super::{find, names, pull};
use crate::failure::{Failure, code};
use crate::progress::{self, Show};
use crate::render;
use crate::session::Session;
use place::Place;

/// Copy an image between registries, the store, layouts and archives
///
/// Manifests and layers keep their bytes, so that digests stay. Of an image for several platforms one is copied,
/// or with `--all` everything.
#[derive(Debug, clap::Args)]
#[command(after_help = "Places:
  NAME[:TAG]                 an image of the store
  docker://NAME[:TAG]        an image at a registry
  oci:DIR[:TAG]              an OCI layout
  archive:FILE[:TAG]         the same in a tar (also: oci-archive:)
  docker-archive:FILE[:NAME] an archive of docker save")]
pub struct Args {
    /// From where
    #[arg(value_name = "SRC")]
    source: String,
    /// To where
    #[arg(value_name = "DST")]
    target: String,
    /// Everything that the index names
    #[arg(short, long, conflicts_with = "platform")]
    all: bool,
    /// The image for this platform, of several (default: this machine's)
    #[arg(long)]
    platform: Option<Platform>,
}

/// Copies.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let (from, to) = (Place::parse(&args.source)?, Place::parse(&args.target)?);
    let platforms = match (&args.platform, args.all) {
        (_, true) => Platforms::All,
        (Some(platform), false) => Platforms::These(vec![platform.clone()]),
        (None, false) => Platforms::default(),
    };
    let store = session.store()?;
    let lease = store.begin_build()?;
    let show = progress::start(&session.global);
    let done = copy(session, &store, &from, &to, &platforms, &show);
    show.close();
    let descriptor = done?;
    lease.finish()?;
    if let Place::Store(name) = &to {
        store.tag(&names::given(session, name)?, &descriptor)?;
    }
    writeln!(std::io::stdout(), "{}", descriptor.digest)?;
    Ok(0)
}

/// Brings an image from any place into the store, without a name, and gives its manifest, or the index of `All`. What
/// is in the store stays where it is.
pub fn bring(
    session: &Session,
    store: &Store,
    from: &str,
    platforms: &Platforms,
) -> Result<Descriptor, Failure> {
    let show = progress::start(&session.global);
    let done = copy(session, store, &Place::parse(from)?, &Place::Store(String::new()), platforms, &show);
    show.close();
    done
}

fn copy(
    session: &Session,
    store: &Store,
    from: &Place,
    to: &Place,
    platforms: &Platforms,
    show: &Arc<dyn Show>,
) -> Result<Descriptor, Failure> {
    match from {
        Place::Registry(name) => {
            let reference = names::aloud(session, name)?;
            let client = session.online()?.with_observer(Arc::new(Telling(Arc::clone(show))));
            if matches!(to, Place::Store(_)) {
                // Straight into the store a download can go on where it broke off.
                let pulled =
                    transfer::pull(store, &client, &reference, platforms, &session.cancel, show.as_ref())
                        .map_err(pull::failure)?;
                return Ok(pulled.descriptor);
            }
            let remote = transfer::remote(&client, &reference, platforms).map_err(pull::failure)?;
            write(session, store, &remote, remote.root(), Some(&reference), to, show)
        }
        Place::Store(name) => {
            let image = find::find(store, name).map_err(|failure| {
                if failure.code == code::FAILED {
                    failure.help(format!("is it at a registry? `docker://{name}`"))
                } else {
                    failure
                }
            })?;
            let root = choose(store, name, &image.descriptor, platforms)?;
            let own = name.parse::<Reference>().ok().filter(|name| image.names.contains(name));
            write(session, store, store, &root, own.or(image.names.first().cloned()).as_ref(), to, show)
        }
        Place::Layout { dir, tag } => {
            let layout = Layout::open(dir).map_err(|error| {
                let why = Failure::chain(code::USAGE, &error).message;
                Failure::usage(format!("`{}` is no OCI layout: {why}", dir.display()))
            })?;
            from_layout(
                session,
                store,
                &layout,
                tag.as_deref(),
                &dir.display().to_string(),
                platforms,
                to,
                show,
            )
        }
        Place::Archive { file, tag } | Place::DockerArchive { file, name: tag } => {
            let shown = file.display().to_string();
            let work = store.work_dir("copy")?;
            let opened = fs_err::File::open(file).map_err(|error| Failure::chain(code::USAGE, &error))?;
            let archive = Archive::open(opened.into(), || {
                std::fs::OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create_new(true)
                    .open(work.path().join("plain"))
            })?;
            if Layout::is_in(&archive) {
                let layout = Layout::open_archive(archive)?;
                return from_layout(session, store, &layout, tag.as_deref(), &shown, platforms, to, show);
            }
            if !DockerArchive::is_in(&archive) {
                return Err(Failure::usage(format!("`{shown}` is neither an OCI nor a docker archive")));
            }
            from_docker(session, store, file, tag.as_deref(), platforms, to, show)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the two ends of a copy and what stands around it")]
fn from_layout(
    session: &Session,
    store: &Store,
    layout: &Layout,
    tag: Option<&str>,
    shown: &str,
    platforms: &Platforms,
    to: &Place,
    show: &Arc<dyn Show>,
) -> Result<Descriptor, Failure> {
    let found = layout.find(tag).or_else(|| {
        // A name in its short form stands for the full one.
        let full = tag?.parse::<Reference>().ok()?.to_string();
        layout.find(Some(&full))
    });
    let Some(root) = found else {
        let tags: Vec<String> = layout.roots().into_iter().filter_map(|(name, _)| name).collect();
        let what = tag.unwrap_or("latest");
        let mut failure = Failure::new(code::FAILED, format!("`{shown}` has no image `{what}`"));
        if let Some(near) = imgc_base::diagnostic::did_you_mean(what, tags.iter().map(String::as_str)) {
            failure = failure.help(format!("did you mean `{near}`?"));
        }
        return Err(if tags.is_empty() {
            failure
        } else {
            failure.note(format!("it has {}", tags.join(", ")))
        });
    };
    let name = root
        .annotations
        .get(imgc_image::layout::CONTAINERD_NAME)
        .and_then(|name| name.parse::<Reference>().ok());
    let root = choose(layout, shown, root, platforms)?;
    write(session, store, layout, &root, name.as_ref(), to, show)
}

/// An archive without manifests passes through the store: there its layers get the form that manifests name.
fn from_docker(
    session: &Session,
    store: &Store,
    file: &Path,
    name: Option<&str>,
    platforms: &Platforms,
    to: &Place,
    show: &Arc<dyn Show>,
) -> Result<Descriptor, Failure> {
    let opened = fs_err::File::open(file)?;
    let loaded = load::archive(store, opened.into())?;
    let wanted = name.map(str::parse::<Reference>).transpose()?;
    let found = match (&wanted, loaded.as_slice()) {
        (Some(wanted), all) => all.iter().find(|image| image.names.contains(wanted)),
        (None, [single]) => Some(single),
        (None, _) => None,
    };
    let Some(image) = found else {
        let names: Vec<String> =
            loaded.iter().flat_map(|image| &image.names).map(Reference::familiar).collect();
        return Err(Failure::new(code::FAILED, "which image of the archive is not clear")
            .note(format!("it has {}", names.join(", ")))
            .help(format!("name one: `docker-archive:{}:NAME`", file.display())));
    };
    let root = choose(store, "the image", &image.descriptor, platforms)?;
    write(session, store, store, &root, image.names.first(), to, show)
}

/// The image of an index that is wanted, or the index itself.
fn choose(
    blobs: &dyn Blobs,
    name: &str,
    root: &Descriptor,
    platforms: &Platforms,
) -> Result<Descriptor, Failure> {
    if *platforms == Platforms::All {
        return Ok(root.clone());
    }
    let read = |wanted: &Descriptor| Ok(Some(source::document(blobs, wanted, limits::MANIFEST_BYTES)?));
    let parts = transfer::gather(root, name, platforms, &read).map_err(pull::failure)?;
    Ok(parts.documents.first().map_or_else(|| root.clone(), |(first, ..)| first.clone()))
}

fn write(
    session: &Session,
    store: &Store,
    blobs: &dyn Blobs,
    root: &Descriptor,
    name: Option<&Reference>,
    to: &Place,
    show: &Arc<dyn Show>,
) -> Result<Descriptor, Failure> {
    let mut root = Descriptor { annotations: std::collections::BTreeMap::new(), ..root.clone() };
    if root.media_type.is_empty() {
        let bytes = source::document(blobs, &root, limits::MANIFEST_BYTES)?;
        root.media_type = match Document::parse(&bytes, None)? {
            Document::Index(_) => media::INDEX.to_owned(),
            Document::Manifest(_) => media::MANIFEST.to_owned(),
        };
    }
    match to {
        Place::Store(_) => {
            return Ok(load::blobs(store, blobs, &root)?);
        }
        Place::Registry(text) => {
            let reference = names::aloud(session, text)?;
            let client = session.online()?.with_observer(Arc::new(Telling(Arc::clone(show))));
            let mut from = push::sisters(store, &reference)?;
            if let Some(name) = name.filter(|name| name.registry() == reference.registry()) {
                from.insert(0, name.repository().to_owned());
            }
            let report = client.push(&reference, &root, blobs, &from)?;
            render::talk(
                session,
                &format!(
                    "{} sent in {}, {} there, {} mounted",
                    render::units::bytes(report.sent_bytes),
                    count(report.sent, "blob"),
                    report.present,
                    report.mounted
                ),
            );
        }
        Place::Layout { dir, tag } => output::write_layout(dir, &[(tag.clone(), root.clone())], blobs)?,
        Place::Archive { file, tag } => {
            let own = tag.clone().or_else(|| name.map(ToString::to_string));
            outputs::to_file(&dest(file), |out| {
                Ok(output::write_layout_archive(out, &[(own, root.clone())], blobs)?)
            })?;
        }
        Place::DockerArchive { file, name: wanted } => {
            if media::is_index(&root.media_type) {
                return Err(Failure::usage("a docker archive holds images of one platform each")
                    .help("leave `--all` out, or use `archive:FILE`"));
            }
            let tags: Vec<String> =
                wanted.clone().or_else(|| name.map(ToString::to_string)).into_iter().collect();
            let image = DockerImage { manifest: root.clone(), tags };
            outputs::to_file(&dest(file), |out| {
                Ok(output::write_docker_archive(out, std::slice::from_ref(&image), blobs)?)
            })?;
        }
    }
    Ok(root)
}

fn dest(file: &Path) -> Dest {
    if file.as_os_str() == "-" { Dest::Stdout } else { Dest::Path(file.to_owned()) }
}
