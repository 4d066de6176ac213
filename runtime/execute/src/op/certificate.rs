//! The certificate (`spec/reproducibility.md` 7): nothing is published whose layers give another root than was built.

use std::time::Instant;

use imgc_base::RootDigest;
use imgc_base::event::Event;
use imgc_image::{Layer, Tree, flatten};

use crate::error::ExecuteError;
use crate::run::{Build, Prune};

/// Compares the root that was built with what the emitted layers give by a second, independent reading, and returns its
/// digest. Paths that rules of `-O2` name are not looked at: that they went was wanted.
pub(super) fn certify(
    build: &Build<'_>,
    live: &Tree,
    emitted: &[&Layer],
) -> Result<RootDigest, ExecuteError> {
    let started = Instant::now();
    let chain = imgc_base::ChainId::of_layers(emitted.iter().map(|layer| layer.diff_id));
    let mut name = format!("certificate-1 {} {chain}", live.chain_id());
    let garbage = |path: &[u8]| build.prune.is_garbage(path);
    if matches!(build.prune, Prune::Garbage(_)) {
        name = format!("{name} {}", build.prune.name());
    }
    let known = build.store.memo(&name)?.and_then(|text| text.parse().ok());
    let root = if let Some(root) = known {
        root
    } else {
        let (wanted, got) = rayon::join(
            || flatten::live_without(live, &garbage),
            || flatten::certificate_without(emitted.iter().map(|layer| layer.index.as_ref()), &garbage),
        );
        if wanted != got {
            return Err(ExecuteError::Certificate(format!("{wanted} is not {got}")));
        }
        build.store.put_memo(&name, &got.to_string())?;
        got
    };
    let micros = started.elapsed().as_micros() as u64;
    build.emit(Event::Certified { root: root.to_string(), known: known.is_some(), micros });
    Ok(root)
}
