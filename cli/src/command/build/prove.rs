//! `--prove`: the same steps put together without the optimiser give the same root and the same config.

use std::sync::Arc;

use imgc_base::RootDigest;
use imgc_base::config::ImageConfig;
use imgc_base::diagnostic::count;
use imgc_base::event::Silent;
use imgc_execute::{Bases, Build, BuiltImage, NoCache, Prune};
use imgc_image::flatten;
use imgc_optimise::Level;
use imgc_store::{BuildGuard, Store};

use super::prepare::{Prepared, Request};
use crate::command::find::{self, Opened};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Assembles once more at `-O0` and compares. The steps' results are there, so none runs again.
pub fn run(
    session: &Session,
    request: &Request,
    prepared: &Prepared,
    store: &Store,
    bases: &Bases<'_>,
    lease: &BuildGuard,
    images: &[Arc<BuiltImage>],
) -> Result<(), Failure> {
    let level = imgc_optimise::Options { level: Level::O0, squash: false, ..request.asked.optimise.clone() };
    let plain = imgc_optimise::optimise(&prepared.plain, &level);
    let mut options = request.asked.build.clone();
    options.no_cache = NoCache::Never;
    let build =
        Build::new(&plain.graph, &plain.plans, store, bases, &options, &Silent, &session.cancel, lease)
            .with_prune(Prune::Nothing);
    let values = build.run().map_err(|error| Failure::build(&error, prepared.sources.clone()))?;
    let others = imgc_execute::images(&values);
    if others.len() != images.len() {
        return Err(differs("-O0 gives another number of images"));
    }
    for (image, other) in images.iter().zip(&others) {
        let (one, two) =
            (find::open_all(store, &image.descriptor)?, find::open_all(store, &other.descriptor)?);
        if one.len() != two.len() {
            return Err(differs("-O0 gives another number of platforms"));
        }
        for (one, two) in one.iter().zip(&two) {
            let prune = &request.asked.prune;
            let (root, plain_root) = (root(store, one, prune)?, root(store, two, prune)?);
            if root != plain_root {
                return Err(differs("-O0 gives another root").note(format!("{root} is not {plain_root}")));
            }
            if without_layers(&one.config) != without_layers(&two.config) {
                return Err(differs("-O0 gives another config"));
            }
            let dropped =
                if matches!(prune, Prune::Garbage(_)) { ", but for the paths of -O2's rules" } else { "" };
            let text = format!(
                "proved for {}: the root {root} is the same in {} as in -O0's {}{dropped}, and the config is the same",
                one.platform(),
                count(one.manifest.layers.len(), "layer"),
                two.manifest.layers.len()
            );
            crate::render::talk(session, &text);
        }
    }
    Ok(())
}

fn differs(text: &str) -> Failure {
    Failure::new(code::DIFFERENT, text).help("this is a fault of imgc; build with `-O0` and report it")
}

/// The root digest, of what no rule of `-O2` names.
fn root(store: &Store, opened: &Opened, prune: &Prune) -> Result<RootDigest, Failure> {
    let layers = find::layers(store, opened)?;
    let indexes = layers.iter().map(|layer| layer.index.as_ref());
    Ok(flatten::certificate_without(indexes, &|path| prune.is_garbage(path)))
}

/// A config but for what layers it has, and which instruction each belongs to.
fn without_layers(config: &ImageConfig) -> ImageConfig {
    let mut config = config.clone();
    config.rootfs.diff_ids.clear();
    for entry in &mut config.history {
        entry.empty_layer = false;
    }
    config
}
