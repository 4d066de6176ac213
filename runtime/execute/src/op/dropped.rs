//! What the rules of `-O2` left out: each path with its rule and its bytes, also when the layers are known already.

use std::collections::BTreeMap;
use std::fmt::Write;

use imgc_base::diagnostic::count;
use imgc_base::event::Event;
use imgc_image::merge::MergedEntry;
use imgc_optimise::rules::Rules;

use crate::error::ExecuteError;
use crate::run::Build;

/// Says what was removed from the layers of this name, and remembers it for [`recall`].
pub(super) fn report(
    build: &Build<'_>,
    rules: &Rules,
    removed: &[MergedEntry],
    layers: &str,
) -> Result<(), ExecuteError> {
    let mut text = String::new();
    for merged in removed {
        if let Some(rule) = rules.garbage(&merged.entry.path) {
            let bytes = merged.content.as_ref().map_or(0, |content| content.size);
            // Writing to a string cannot fail.
            writeln!(text, "{} {bytes} /{}", rule.name, merged.entry.path.as_bytes().escape_ascii()).ok();
        }
    }
    build.store.put_memo(&name(layers), &text)?;
    say(build, &text);
    Ok(())
}

/// Says again what was removed when the layers of this name were made.
pub(super) fn recall(build: &Build<'_>, layers: &str) -> Result<(), ExecuteError> {
    if let Some(text) = build.store.memo(&name(layers))? {
        say(build, &text);
    }
    Ok(())
}

fn name(layers: &str) -> String {
    format!("dropped-1 {layers}")
}

fn say(build: &Build<'_>, text: &str) {
    let mut totals: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(rule), Some(bytes), Some(path)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let bytes: u64 = bytes.parse().unwrap_or(0);
        let total = totals.entry(rule).or_default();
        total.0 += 1;
        total.1 += bytes;
        build.emit(Event::Dropped { rule: rule.to_owned(), path: path.to_owned(), bytes });
    }
    for (rule, (paths, bytes)) in totals {
        build.emit(Event::Note(format!(
            "-O2 {rule}: {}, {} dropped",
            count(paths, "path"),
            count(bytes, "byte")
        )));
    }
}
