//! What can be seen of a stack: layer by layer, each merged into the names below it in one walk over both, which are in
//! path order. Nothing is looked up but what a layer leaves out.

use std::collections::BTreeSet;

use imgc_base::path::ImagePath;

use crate::entry::{Entry, Kind};
use crate::tree::{Found, Layer, Tree};

/// All that can be seen of a stack, found by path.
pub(crate) struct Seen<'a>(Vec<Found<'a>>);

impl<'a> Seen<'a> {
    /// Looks at a whole stack once.
    pub(crate) fn of(tree: &'a Tree) -> Self {
        Self(tree.all())
    }

    /// What stands at exactly this path; as [`Tree::get`].
    pub(crate) fn get(&self, path: &ImagePath) -> Option<Found<'a>> {
        self.0.binary_search_by(|found| found.entry.path.cmp(path)).ok().map(|at| self.0[at])
    }

    /// True if something lies below a path.
    pub(crate) fn is_filled(&self, path: &ImagePath) -> bool {
        let prefix = [path.as_bytes(), b"/"].concat();
        let at = self.0.partition_point(|found| found.entry.path.as_bytes() < prefix.as_slice());
        self.0.get(at).is_some_and(|found| found.entry.path.as_bytes().starts_with(&prefix))
    }
}

/// What can be seen below `dir` when a layer lies on what could be seen before.
pub(crate) fn with_layer<'a>(below: Vec<Found<'a>>, layer: &'a Layer, dir: &ImagePath) -> Vec<Found<'a>> {
    let implied = implied_below(layer, dir);
    let mut seen = Vec::with_capacity(below.len());
    let mut hiding = Hiding::default();
    let mut below = below.into_iter().peekable();
    let stays = |hiding: &mut Hiding<'a>, found: &Found<'a>| {
        let path = &found.entry.path;
        !hiding.covers(path) && (found.entry.kind.is_dir() || !implied.contains(path.as_bytes()))
    };
    for entry in layer.index.below(dir) {
        while let Some(found) = below.next_if(|found| found.entry.path < entry.path) {
            if stays(&mut hiding, &found) {
                seen.push(found);
            }
        }
        // The same name: the upper one counts.
        below.next_if(|found| found.entry.path == entry.path);
        if !matches!(entry.kind, Kind::Dir { opaque: false }) {
            hiding.add(&entry.path);
        }
        let is_there = match entry.kind {
            Kind::Whiteout => false,
            Kind::Dir { .. } => true,
            _ => !implied.contains(entry.path.as_bytes()),
        };
        if is_there {
            seen.push(Found { entry, layer });
        }
    }
    for found in below {
        if stays(&mut hiding, &found) {
            seen.push(found);
        }
    }
    seen
}

/// The directories that a layer only implies: it has names below them, but no directory's entry. What is no directory
/// there, in it or in a lower layer, is gone.
fn implied_below<'a>(layer: &'a Layer, dir: &ImagePath) -> BTreeSet<&'a [u8]> {
    let mut implied = BTreeSet::new();
    let mut looked_at: &[u8] = b"";
    for entry in layer.index.below(dir).filter(|entry| entry.kind != Kind::Whiteout) {
        let mut above = entry.path.dir_bytes();
        if above == looked_at {
            continue;
        }
        looked_at = above;
        while !above.is_empty() && !layer.index.get_bytes(above).is_some_and(is_dir) && implied.insert(above)
        {
            above = &above[..above.iter().rposition(|&byte| byte == b'/').unwrap_or(0)];
        }
    }
    implied
}

/// The directories that a layer only implies.
pub(crate) fn implied(layer: &Layer) -> impl Iterator<Item = ImagePath> {
    let found = implied_below(layer, &ImagePath::root());
    found.into_iter().filter_map(|path| ImagePath::strict(path).ok())
}

fn is_dir(entry: &Entry) -> bool {
    entry.kind.is_dir()
}

/// The paths of one layer that hide what lies below them, as far as they matter where a walk in path order is: each
/// begins with the one before it.
#[derive(Default)]
struct Hiding<'a>(Vec<&'a [u8]>);

impl<'a> Hiding<'a> {
    /// Forgets what no later path can begin with. (`a-b` is between `a` and `a/b`: it begins with `a`, and is not below.)
    fn advance(&mut self, path: &[u8]) {
        while self.0.last().is_some_and(|last| !path.starts_with(last)) {
            self.0.pop();
        }
    }

    fn add(&mut self, path: &'a ImagePath) {
        self.advance(path.as_bytes());
        self.0.push(path.as_bytes());
    }

    /// True if something strictly above the path hides it.
    fn covers(&mut self, path: &ImagePath) -> bool {
        let path = path.as_bytes();
        self.advance(path);
        self.0.iter().any(|above| path.get(above.len()) == Some(&b'/'))
    }
}
