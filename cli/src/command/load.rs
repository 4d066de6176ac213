//! `imgc load`: images out of an archive into the store.

use std::io::Write;
use std::path::PathBuf;

use imgc_base::reference::Reference;
use imgc_execute::load;
use imgc_image::layout::Layout;

use crate::failure::{Failure, code};
use crate::render;
use crate::session::Session;

/// Load images from a docker or OCI archive, or from an OCI layout
///
/// The archive may be compressed. Images keep the names that the archive gives them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive or layout directory (default: stdin)
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Name the image; the archive must hold one
    #[arg(short = 't', long = "tag", value_name = "NAME[:TAG]")]
    tags: Vec<Reference>,
}

/// Loads.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let lease = store.begin_build()?;
    let loaded = match &args.input {
        Some(path) if path.is_dir() => load::layout(&store, &Layout::open(path)?),
        Some(path) if path.as_os_str() != "-" => load::archive(
            &store,
            fs_err::File::open(path).map_err(|error| Failure::chain(code::USAGE, &error))?.into(),
        ),
        _ => {
            let mut spooled = tempfile::tempfile()?;
            std::io::copy(&mut std::io::stdin().lock(), &mut spooled)?;
            load::archive(&store, spooled)
        }
    };
    let loaded = loaded.map_err(|error| Failure::chain(code::FAILED, &error))?;
    if !args.tags.is_empty() && loaded.len() != 1 {
        return Err(Failure::usage(format!("`-t` names one image, but the archive holds {}", loaded.len())));
    }
    lease.finish()?;
    if loaded.is_empty() {
        return Err(Failure::new(code::FAILED, "the archive holds no image"));
    }
    let quiet = session.global.quiet || session.global.json;
    let mut out = std::io::stdout().lock();
    for image in &loaded {
        let names = image.names.iter().chain(&args.tags);
        let mut named = false;
        for name in names {
            store.tag(name, &image.descriptor)?;
            named = true;
            if !quiet {
                writeln!(out, "Loaded image: {}", name.familiar())?;
            }
        }
        if !named {
            // Docker keeps such an image too, as `<none>`.
            store.keep(&image.descriptor)?;
            if !quiet {
                writeln!(out, "Loaded image ID: {}", image.descriptor.digest)?;
            }
            render::talk(
                session,
                &format!("the image has no name: imgc tag {} NAME", image.descriptor.digest.short()),
            );
        }
    }
    if session.global.json {
        let images: Vec<_> = loaded
            .iter()
            .map(|image| {
                let names: Vec<String> =
                    image.names.iter().chain(&args.tags).map(ToString::to_string).collect();
                serde_json::json!({"digest": image.descriptor.digest.to_string(), "names": names})
            })
            .collect();
        writeln!(out, "{}", serde_json::json!({"v": 1, "loaded": images}))?;
    }
    Ok(0)
}
