//! `COPY --parents`: each source keeps its path below the destination.
//!
//! `a/./b/c` is copied as `b/c`: the first `/./` says where the kept path starts. Patterns may have `**`. Directories
//! on the way are made with the attributes of the source's; those that exist are left as they are.

use std::collections::BTreeMap;

use imgc_base::glob;
use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use imgc_graph::Copy;
use imgc_image::Meta;

use super::copy::{Changes, Work};
use super::error::FileError;
use super::names;
use super::source::{Item, Source};
use super::stage::Standing;

/// Copies what one source text stands for.
pub(super) fn copy(
    work: &mut Work<'_, '_>,
    copy: &Copy,
    source: &Source<'_>,
    text: &str,
    exclude: Option<&Ignore>,
    change: &Changes,
) -> Result<(), FileError> {
    work.archives.label = work.labels.len().saturating_sub(1);
    let (base, kept) = text.split_once("/./").unwrap_or(("", text));
    let dest = work.stage.resolve(&copy.dest)?;
    work.stage.make_dirs(&dest, change.making())?;
    for base in names::expand(source, copy.from.input, base)? {
        let base = names::find(source, copy.from.input, &base)?.path;
        one(work, copy, source, &base, kept, &dest, exclude, change)?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "they are what a copy consists of")]
fn one(
    work: &mut Work<'_, '_>,
    copy: &Copy,
    source: &Source<'_>,
    base: &ImagePath,
    kept: &str,
    dest: &ImagePath,
    exclude: Option<&Ignore>,
    change: &Changes,
) -> Result<(), FileError> {
    let input = copy.from.input;
    let items = matches(source, input, base, kept)?;
    let copy_number = work.archives.next_copy();
    let mut dirs: Vec<(ImagePath, Meta)> = Vec::new();
    for (item, whole) in items {
        work.cancel.check()?;
        let below = item.path.strip_prefix(base).unwrap_or_default();
        if !whole || exclude.is_some_and(|exclude| exclude.excludes(&below)) {
            continue;
        }
        for above in below.ancestors() {
            let target = dest.join(&above);
            if work.stage.standing(&target) == Some(Standing::Dir) {
                continue;
            }
            // The walk went through it, so it is a directory of the source.
            if let Some(item) = source.get(input, &base.join(&above))? {
                dirs.push(work.directory(&item, target, change)?);
            }
        }
        let target = ImagePath::strict(dest.join(&below).as_bytes())?;
        if item.what.is_dir() {
            if !below.is_root() {
                dirs.push(work.directory(&item, target, change)?);
            }
        } else {
            work.leaf(copy_number, item, target, change)?;
        }
    }
    let label = Some(work.label());
    let last: BTreeMap<ImagePath, Meta> = dirs.into_iter().collect();
    for (path, meta) in last {
        work.stage.set_dir(&path, meta, label);
    }
    Ok(())
}

/// The items that a pattern stands for, in path order; false for those that only lie beside them.
fn matches(
    source: &Source<'_>,
    input: usize,
    base: &ImagePath,
    kept: &str,
) -> Result<Vec<(Item, bool)>, FileError> {
    let pattern = ImagePath::clean(kept)?;
    let parts: Vec<&str> = kept.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let literal = parts.iter().position(|part| glob::has_meta(part));
    let Some(first) = literal else {
        let at = base.join(&pattern);
        if !is_real(source, input, base, &at)? {
            return Err(names::missing(source, input, &at, &at));
        }
        let item = source.get(input, &at)?.ok_or_else(|| names::missing(source, input, &at, &at))?;
        let mut items = Vec::new();
        if item.what.is_dir() {
            items = source.below(input, &at)?;
        }
        items.insert(0, item);
        return Ok(items.into_iter().map(|item| (item, true)).collect());
    };
    let start = base.join(&ImagePath::clean(parts[..first].join("/"))?);
    let is_dir = source.get(input, &start)?.is_some_and(|item| item.what.is_dir());
    if !is_dir || !is_real(source, input, base, &start)? {
        return Ok(Vec::new());
    }
    let include = Ignore::new(&[kept.trim_start_matches('/').to_owned()])?;
    let items = source.below(input, &start)?;
    Ok(items
        .into_iter()
        .map(|item| {
            let whole = include.excludes(&item.path.strip_prefix(base).unwrap_or_default());
            (item, whole)
        })
        .collect())
}

/// True if no part between `base` and `at` is a link: a kept path never goes through one.
fn is_real(source: &Source<'_>, input: usize, base: &ImagePath, at: &ImagePath) -> Result<bool, FileError> {
    for above in at.ancestors().filter(|above| above.is_within(base) && above != base) {
        if !source.get(input, &above)?.is_some_and(|item| item.what.is_dir()) {
            return Ok(false);
        }
    }
    Ok(true)
}
