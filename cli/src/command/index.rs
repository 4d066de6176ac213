//! `imgc index`: images for several platforms under one name.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Subcommand;
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_execute::transfer::Platforms;
use imgc_image::manifest::{Document, PlatformDoc, media};
use imgc_image::{Descriptor, Index, limits};
use imgc_store::Store;

use super::{find, names, pull};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Put images for several platforms under one name
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an index of images of the store
    Create {
        /// The index's name
        name: String,
        /// The images; of an index all of its images. `docker://NAME[:TAG|@DIGEST]` pulls one first
        #[arg(required = true)]
        images: Vec<String>,
        /// A remark on the index
        #[arg(long, value_name = "KEY=VALUE")]
        annotation: Vec<String>,
        /// Replace an image of that name
        #[arg(short, long)]
        force: bool,
    },
    /// Change what an index says of one of its images, or of itself
    Annotate {
        /// The index
        name: String,
        /// The image in it: a digest, the start of one, a platform, or a name; without it the index itself
        image: Option<String>,
        /// A remark
        #[arg(long, value_name = "KEY=VALUE")]
        annotation: Vec<String>,
        /// Operating system
        #[arg(long, requires = "image")]
        os: Option<String>,
        /// Architecture
        #[arg(long, requires = "image")]
        arch: Option<String>,
        /// Variant of the architecture
        #[arg(long, requires = "image")]
        variant: Option<String>,
        /// Version of the operating system
        #[arg(long, requires = "image")]
        os_version: Option<String>,
    },
}

/// Makes or changes one.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let (name, index) = match &args.command {
        Command::Create { name, images, annotation, force } => {
            let reference = names::given(session, name)?;
            if !force && store.find(&reference)?.is_some() {
                return Err(Failure::new(
                    code::FAILED,
                    format!("there is an image `{}` already", reference.familiar()),
                )
                .help("replace it with `--force`"));
            }
            let images = here(session, &store, images)?;
            (reference, create(&store, &images, annotation)?)
        }
        Command::Annotate { name, image, annotation, os, arch, variant, os_version } => {
            let found = find::find(&store, name)?;
            let mut index = read(&store, &found.descriptor)?.ok_or_else(|| {
                Failure::usage(format!("`{name}` is a single image, no index"))
                    .help("make one: `imgc index create NAME IMAGE...`")
            })?;
            let remarks = pairs(annotation)?;
            match image {
                None => index.annotations.extend(remarks),
                Some(wanted) => {
                    let entry = entry(&store, &mut index, wanted)?;
                    entry.annotations.extend(remarks);
                    let host = Platform::host();
                    let own = entry.platform.get_or_insert_with(|| PlatformDoc::from(&host));
                    own.os = os.clone().unwrap_or_else(|| own.os.clone());
                    own.architecture = arch.clone().unwrap_or_else(|| own.architecture.clone());
                    own.variant = variant.clone().or_else(|| own.variant.clone());
                    own.os_version = os_version.clone().or_else(|| own.os_version.clone());
                }
            }
            let reference: Option<Reference> = name.parse().ok();
            let named = reference.filter(|reference| found.names.contains(reference));
            let named = named.ok_or_else(|| {
                // What is changed is another index, and gets the name.
                Failure::usage(format!("`{name}` is an id, no name"))
                    .help("name the index that is to change; `imgc tag` gives it a name")
            })?;
            (named, index)
        }
    };
    let lease = store.begin_build()?;
    let bytes = serde_json::to_vec(&index).map_err(|error| Failure::chain(code::FAILED, &error))?;
    store.put_document(&bytes)?;
    lease.finish()?;
    let kind = index.media_type.as_deref().unwrap_or(media::INDEX);
    let descriptor = Descriptor::of(kind, &bytes);
    store.tag(&name, &descriptor)?;
    writeln!(std::io::stdout(), "{}", descriptor.digest)?;
    Ok(0)
}

/// The names of images, after those of registries were pulled.
fn here(session: &Session, store: &Store, images: &[String]) -> Result<Vec<String>, Failure> {
    let remote = |text: &String| text.strip_prefix("docker://").map(str::to_owned);
    let wanted: Result<Vec<Reference>, Failure> =
        images.iter().filter_map(remote).map(|text| names::aloud(session, &text)).collect();
    let wanted = wanted?;
    if !wanted.is_empty() {
        pull::fetch(session, store, session.online()?, &wanted, &Platforms::All, false)?;
    }
    Ok(images.iter().map(|text| remote(text).unwrap_or_else(|| text.clone())).collect())
}

fn create(store: &Store, images: &[String], annotation: &[String]) -> Result<Index, Failure> {
    let mut index = Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        manifests: Vec::new(),
        subject: None,
        annotations: pairs(annotation)?,
    };
    for wanted in images {
        let found = find::find(store, wanted)?;
        let members = if let Some(other) = read(store, &found.descriptor)? {
            other.manifests
        } else {
            let opened = find::open_one(store, wanted, &found.descriptor, None)?;
            let mut member = Descriptor { annotations: BTreeMap::new(), ..found.descriptor };
            member.platform = Some(PlatformDoc::from(&opened.platform()));
            vec![member]
        };
        for member in members {
            if index.manifests.iter().any(|known| known.digest == member.digest) {
                continue;
            }
            let same = index.manifests.iter().find(|known| {
                known.platform.is_some()
                    && known.platform == member.platform
                    && media::is_manifest(&member.media_type)
            });
            if let (Some(_), Some(platform)) = (same, &member.platform)
                && platform.os != "unknown"
            {
                return Err(Failure::usage(format!(
                    "two of the images are made for {}",
                    platform.platform()
                ))
                .note(format!("the second is `{wanted}`")));
            }
            index.manifests.push(member);
        }
    }
    Ok(index)
}

/// The index behind a descriptor; `None` for a single image.
fn read(store: &Store, descriptor: &Descriptor) -> Result<Option<Index>, Failure> {
    let bytes = store.read_document(&descriptor.digest, limits::MANIFEST_BYTES)?;
    match Document::parse(&bytes, Some(&descriptor.media_type))? {
        Document::Index(index) => Ok(Some(index)),
        Document::Manifest(_) => Ok(None),
    }
}

/// An entry by digest, platform or name.
fn entry<'a>(store: &Store, index: &'a mut Index, wanted: &str) -> Result<&'a mut Descriptor, Failure> {
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted).to_owned();
    let platform: Option<Platform> = wanted.contains('/').then(|| wanted.parse().ok()).flatten();
    let named = find::find(store, wanted).ok().map(|image| image.descriptor.digest);
    let fits = |entry: &Descriptor| {
        (hex.len() >= 6 && entry.digest.hex().starts_with(&hex))
            || (platform.is_some() && entry.platform.as_ref().map(PlatformDoc::platform) == platform)
            || named == Some(entry.digest)
    };
    let positions: Vec<usize> =
        index.manifests.iter().enumerate().filter(|(_, entry)| fits(entry)).map(|(at, _)| at).collect();
    let text: Vec<String> = index
        .manifests
        .iter()
        .map(|entry| {
            let platform = entry.platform.as_ref().map(|own| own.platform().to_string()).unwrap_or_default();
            format!("{} {platform}", entry.digest.short())
        })
        .collect();
    match positions.as_slice() {
        [at] => Ok(&mut index.manifests[*at]),
        [] => Err(Failure::new(code::FAILED, format!("the index has no image `{wanted}`"))
            .note(format!("it has {}", text.join(", ")))),
        _ => Err(Failure::usage(format!("`{wanted}` is more than one image of the index"))),
    }
}

fn pairs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    given
        .iter()
        .map(|text| match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Failure::usage(format!("`--annotation {text}` is not KEY=VALUE"))),
        })
        .collect()
}
