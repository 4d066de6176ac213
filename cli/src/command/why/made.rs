//! `imgc why --image PATH`: which steps of the last build made, changed or removed a path.

use std::io::Write;

use imgc_base::ImagePath;
use imgc_execute::look::record::BuildRecord;
use imgc_image::{Kind, LayerIndex};
use imgc_store::Store;
use serde_json::json;

use crate::failure::{Failure, code};
use crate::render::units;
use crate::session::Session;

/// What a step did to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    /// It wrote the path: content, attributes, or both.
    Wrote,
    /// It removed the path, or a directory above it.
    Removed,
}

impl Did {
    fn word(self) -> &'static str {
        match self {
            Self::Wrote => "wrote",
            Self::Removed => "removed",
        }
    }
}

/// Says which steps had to do with a path, the last one first.
pub fn run(session: &Session, now: &BuildRecord, path: &str) -> Result<u8, Failure> {
    let store = session.store()?;
    let wanted = ImagePath::clean(path).map_err(|error| Failure::usage(error.to_string()))?;
    let mut images = Vec::new();
    for tip in now.tips() {
        images.push((tip, history(&store, now, tip, &wanted)?));
    }
    let found = images.iter().any(|(_, steps)| !steps.is_empty());
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let images: Vec<_> = images
            .iter()
            .map(|(tip, steps)| {
                let steps: Vec<_> = steps
                    .iter()
                    .map(|&(at, did)| json!({"step": now.steps[at].step, "title": now.steps[at].title, "did": did.word()}))
                    .collect();
                json!({"platform": now.steps[*tip].platform, "steps": steps})
            })
            .collect();
        writeln!(
            out,
            "{}",
            json!({"v": 1, "build": now.build, "path": wanted.to_absolute(), "images": images})
        )?;
    } else if found {
        for (tip, steps) in &images {
            if images.len() > 1 {
                writeln!(out, "{}", now.steps[*tip].platform)?;
            }
            text(&mut out, now, steps)?;
        }
    }
    if found {
        return Ok(0);
    }
    Err(Failure::new(code::FAILED, format!("no step of the last build wrote `{}`", wanted.to_absolute()))
        .help("it is part of the base image, or not there: `imgc files IMAGE PATH` tells"))
}

fn text(out: &mut impl Write, now: &BuildRecord, steps: &[(usize, Did)]) -> Result<(), Failure> {
    for (number, &(at, did)) in steps.iter().enumerate() {
        let step = &now.steps[at];
        let word = if number == 0 { did.word().to_owned() } else { format!("before that {}", did.word()) };
        writeln!(out, "{word} by {}", units::printable(&format!("{} {}", step.step, step.title)))?;
    }
    if steps.is_empty() {
        writeln!(out, "no step wrote it")?;
    }
    Ok(())
}

/// The steps of an image that had to do with a path, the last one first.
fn history(
    store: &Store,
    now: &BuildRecord,
    tip: usize,
    path: &ImagePath,
) -> Result<Vec<(usize, Did)>, Failure> {
    let mut found = Vec::new();
    for at in now.chain(tip) {
        let Some(diff_id) = now.steps[at].layer else { continue };
        let index = store.layer(&diff_id)?.ok_or_else(|| {
            Failure::new(
                code::FAILED,
                format!("the result of {} is no longer in the store", now.steps[at].step),
            )
            .help("build again")
        })?;
        if let Some(did) = did(&index, path) {
            found.push((at, did));
        }
    }
    Ok(found)
}

/// What a layer does to a path.
fn did(index: &LayerIndex, path: &ImagePath) -> Option<Did> {
    match index.get(path).map(|entry| &entry.kind) {
        Some(Kind::Whiteout) => return Some(Did::Removed),
        Some(_) => return Some(Did::Wrote),
        None => {}
    }
    let hides = |dir: &ImagePath| {
        let kind = index.get(dir).map(|entry| &entry.kind);
        // An opaque directory hides all that was in it; what is no directory hides it too.
        kind.is_some_and(|kind| !matches!(kind, Kind::Dir { opaque: false }))
    };
    path.ancestors().any(|dir| hides(&dir)).then_some(Did::Removed)
}

#[cfg(test)]
mod tests {
    use imgc_base::digest::FileDigest;
    use imgc_image::{Entry, Meta};

    use super::*;

    #[test]
    fn what_a_layer_does_to_a_path() {
        let path = |text: &str| ImagePath::clean(text).unwrap();
        let entry = |name: &str, kind| Entry { path: path(name), kind, meta: Meta::default() };
        let file = Kind::File { size: 0, digest: FileDigest::of(b"") };
        let index = LayerIndex::new(vec![
            entry("a", Kind::Dir { opaque: false }),
            entry("a/f", file.clone()),
            entry("gone", Kind::Whiteout),
            entry("new", Kind::Dir { opaque: true }),
            entry("new/f", file.clone()),
            entry("plain", file),
        ]);
        for (name, want) in [
            ("a", Some(Did::Wrote)),
            ("a/f", Some(Did::Wrote)),
            ("a/g", None),
            ("gone", Some(Did::Removed)),
            ("gone/below", Some(Did::Removed)),
            ("new/f", Some(Did::Wrote)),
            ("new/old", Some(Did::Removed)),
            ("plain/x", Some(Did::Removed)),
            ("other", None),
        ] {
            assert_eq!(did(&index, &path(name)), want, "{name}");
        }
    }
}
