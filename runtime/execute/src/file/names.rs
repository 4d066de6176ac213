//! Names of sources: wildcards, and what to say when there is nothing.

use imgc_base::glob::{self, Pattern};
use imgc_base::path::ImagePath;

use super::error::FileError;
use super::source::{Item, Source, What};

/// The names that a source stands for, links in its literal start resolved. A literal one is given as it is, also
/// if nothing stands there; a pattern may give none.
pub(super) fn expand(source: &Source<'_>, input: usize, text: &str) -> Result<Vec<ImagePath>, FileError> {
    let parts = clean(text);
    let Some(first) = parts.iter().position(|part| glob::has_meta(part)) else {
        return Ok(vec![ImagePath::clean(text)?]);
    };
    let base = source.resolve(input, &ImagePath::clean(parts[..first].join("/"))?)?;
    let patterns: Vec<Pattern> =
        parts[first..].iter().map(|part| Pattern::new(part)).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    descend(source, input, &base, &patterns, &mut found)?;
    Ok(found)
}

fn descend(
    source: &Source<'_>,
    input: usize,
    dir: &ImagePath,
    patterns: &[Pattern],
    found: &mut Vec<ImagePath>,
) -> Result<(), FileError> {
    let [pattern, rest @ ..] = patterns else { return Ok(()) };
    for name in source.names(input, dir)? {
        if !pattern.matches(&name) {
            continue;
        }
        let path = ImagePath::strict(dir.child(&name).as_bytes())?;
        let Some(item) = source.get(input, &path)? else { continue };
        if rest.is_empty() {
            found.push(path);
        } else if item.what.is_dir() {
            descend(source, input, &path, rest, found)?;
        }
    }
    Ok(())
}

/// The parts of a path, `.` and `..` worked out, escapes untouched.
fn clean(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts
}

/// Looks a source up, links followed.
pub(super) fn find(source: &Source<'_>, input: usize, path: &ImagePath) -> Result<Item, FileError> {
    let followed = source.resolve(input, path)?;
    match source.get(input, &followed)? {
        Some(item) => Ok(item),
        None => Err(missing(source, input, path, &followed)),
    }
}

/// Says that a source is not there, and why it may be.
pub(super) fn missing(
    source: &Source<'_>,
    input: usize,
    path: &ImagePath,
    followed: &ImagePath,
) -> FileError {
    let ignored = match source {
        Source::Context(context) => {
            context.hides(followed) || followed.ancestors().any(|above| context.hides(&above))
        }
        _ => false,
    };
    let similar = if ignored { None } else { similar(source, input, followed) };
    let leads = (followed != path).then(|| followed.to_absolute());
    FileError::NotFound { path: path.to_absolute(), place: source.place(), ignored, leads, similar }
}

/// The name closest to the one that was not found: in its directory, or with another case anywhere on the way.
fn similar(source: &Source<'_>, input: usize, path: &ImagePath) -> Option<String> {
    let mut dir = ImagePath::root();
    let mut parts = path.parts();
    let mut wrong = parts.next()?;
    while let Ok(Some(Item { what: What::Dir, .. })) = source.get(input, &dir.child(wrong)) {
        dir = dir.child(wrong);
        wrong = parts.next()?;
    }
    let names = source.names(input, &dir).ok()?;
    let limit = (wrong.len() / 3).clamp(1, 4);
    let (_, name) = names
        .iter()
        .take(10_000)
        .map(|name| (distance(&name.to_ascii_lowercase(), &wrong.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit && name.len() > *distance && name.as_slice() != wrong)
        .min()?;
    let rest: Vec<&[u8]> = parts.collect();
    let mut whole = dir.child(name).to_absolute();
    for part in rest {
        whole.push('/');
        whole.push_str(&String::from_utf8_lossy(part));
    }
    Some(whole.trim_start_matches('/').to_owned())
}

/// How many letters must change or swap places with a neighbour, for names of sane length.
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(row[j - 1] + 1).min(rows[i - 1][j] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
