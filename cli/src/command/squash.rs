//! `imgc squash`: an image with fewer layers.

use std::io::Write;

use imgc_base::diagnostic::count;
use imgc_base::platform::Platform;
use imgc_execute::look::squash;

use super::{find, names};
use crate::failure::Failure;
use crate::render::units;
use crate::session::Session;

/// Make one layer of an image's layers
///
/// The files stay what they are; what one layer had and a later one replaced or deleted is gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgc squash app -t app:flat
  imgc squash app --from 2 -t app:flat      # keep the lowest two layers, as those of a shared base")]
pub struct Args {
    /// A name or id
    image: String,
    /// The new image's name
    #[arg(short = 't', long = "tag", value_name = "NAME[:TAG]")]
    tag: String,
    /// Keep the lowest N layers
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: usize,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// Squashes.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let name = names::given(session, &args.tag)?;
    let lease = store.begin_build()?;
    let opened = find::open(&store, &args.image, args.platform.as_ref())?;
    let layers = find::layers(&store, &opened)?;
    if args.from > layers.len() {
        let text = format!("`--from {}`: the image has {}", args.from, count(layers.len(), "layer"));
        return Err(Failure::usage(text));
    }
    let descriptor = squash::squash(&store, &opened.manifest, &opened.config, &layers, args.from)?;
    lease.finish()?;
    store.tag(&name, &descriptor)?;
    let after = find::open(&store, &descriptor.digest.to_string(), None)?;
    let size = |opened: &find::Opened| opened.manifest.layers.iter().map(|layer| layer.size).sum::<u64>();
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let object = serde_json::json!({
            "v": 1, "digest": descriptor.digest.to_string(), "name": name.to_string(),
            "before": {"layers": opened.manifest.layers.len(), "size": size(&opened)},
            "after": {"layers": after.manifest.layers.len(), "size": size(&after)},
        });
        writeln!(out, "{object}")?;
        return Ok(0);
    }
    writeln!(out, "{}", descriptor.digest)?;
    let text = format!(
        "{}, {} -> {}, {}",
        count(opened.manifest.layers.len(), "layer"),
        units::bytes(size(&opened)),
        count(after.manifest.layers.len(), "layer"),
        units::bytes(size(&after))
    );
    crate::render::talk(session, &text);
    Ok(0)
}
