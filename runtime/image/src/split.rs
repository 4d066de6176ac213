//! A merged layer cut into several, so that no layer holds a byte that a later one hides.
//!
//! The layer plan wants several layers, and what one group of steps made a later group may have replaced or deleted.
//! All steps are merged first, which leaves only what shows in the end; then each entry goes to the group that its
//! content came from. The flattened file system stays that of the steps.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::digest::DiffId;
use imgc_base::path::ImagePath;

use crate::entry::{Entry, Kind, Meta};
use crate::merge::{Merged, MergedEntry};
use crate::tree::{Layer, Tree};

/// Cuts what all groups together changed into one layer per group, lowest first; a group of which nothing shows in the
/// end gets none of the entries.
///
/// `merged` is [`crate::merge::merge`] of all layers of all groups over `below`.
pub fn split(merged: &Merged, below: &Tree, groups: &[Vec<Layer>]) -> Vec<Merged> {
    if groups.len() <= 1 {
        return vec![merged.clone()];
    }
    let mut group_of: BTreeMap<DiffId, usize> = BTreeMap::new();
    for (number, layers) in groups.iter().enumerate() {
        for layer in layers {
            group_of.entry(layer.diff_id).or_insert(number);
        }
    }
    let own = |merged: &MergedEntry| match merged.from {
        Some(from) => group_of.get(&from).copied().unwrap_or(0),
        None => deleted_by(&merged.entry.path, groups),
    };
    let placed: Vec<(usize, &MergedEntry)> =
        merged.entries().iter().map(|entry| (own(entry), entry)).collect();
    let opaque_in = opaque_groups(&placed);
    let metas: BTreeMap<&ImagePath, &Meta> = placed
        .iter()
        .filter(|(_, merged)| merged.entry.kind.is_dir())
        .map(|(_, merged)| (&merged.entry.path, &merged.entry.meta))
        .collect();

    let mut parts: Vec<BTreeMap<ImagePath, MergedEntry>> = vec![BTreeMap::new(); groups.len()];
    for (number, merged) in &placed {
        let mut merged = (*merged).clone();
        if merged.entry.kind == (Kind::Dir { opaque: true }) {
            let first = opaque_in.get(&merged.entry.path).copied().unwrap_or(*number);
            parts[first].insert(merged.entry.path.clone(), merged.clone());
            if first == *number {
                continue;
            }
            merged.entry.kind = Kind::Dir { opaque: false };
        }
        parts[*number].insert(merged.entry.path.clone(), merged);
    }
    for part in &mut parts {
        add_ancestors(part, &metas, below);
    }
    parts.into_iter().map(|part| Merged::of(part.into_values().collect())).collect()
}

/// The group that deleted a path, or a directory above it.
fn deleted_by(path: &ImagePath, groups: &[Vec<Layer>]) -> usize {
    let holds = |layers: &Vec<Layer>| layers.iter().any(|layer| layer.index.get(path).is_some());
    groups.iter().rposition(holds).unwrap_or(0)
}

/// For each directory that hides what lies below all groups: the lowest group with anything in it. It must hide there,
/// and must not hide again above.
fn opaque_groups(placed: &[(usize, &MergedEntry)]) -> BTreeMap<ImagePath, usize> {
    let mut lowest: BTreeMap<ImagePath, usize> = placed
        .iter()
        .filter(|(_, merged)| merged.entry.kind == (Kind::Dir { opaque: true }))
        .map(|(number, merged)| (merged.entry.path.clone(), *number))
        .collect();
    if lowest.is_empty() {
        return lowest;
    }
    for (number, merged) in placed {
        for above in merged.entry.path.ancestors() {
            if let Some(known) = lowest.get_mut(&above) {
                *known = (*known).min(*number);
            }
        }
    }
    lowest
}

/// Every directory above an entry is an entry, as it is in the end.
fn add_ancestors(
    part: &mut BTreeMap<ImagePath, MergedEntry>,
    metas: &BTreeMap<&ImagePath, &Meta>,
    below: &Tree,
) {
    let missing: BTreeSet<ImagePath> = part
        .keys()
        .flat_map(|path| path.ancestors().collect::<Vec<_>>())
        .filter(|above| !part.contains_key(above))
        .collect();
    for path in missing {
        let meta = match (metas.get(&path), below.get(&path)) {
            (Some(meta), _) => (*meta).clone(),
            (None, Some(found)) => found.entry.meta.clone(),
            // Gone with the last name in it: only a whiteout stands below, and it needs no directory.
            (None, None) => continue,
        };
        let entry = Entry { path: path.clone(), kind: Kind::Dir { opaque: false }, meta };
        part.insert(path, MergedEntry { entry, from: None, content: None });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flatten;
    use crate::merge::merge;
    use crate::testing::any_stack;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 10_000 }))]
        #[test]
        fn cutting_changes_nothing_and_wastes_nothing(
            below in any_stack(3),
            above in any_stack(6),
            cuts in proptest::collection::vec(1usize..4, 1..5),
        ) {
            let below = Tree::new(below);
            let Ok(merged) = merge(&below, &above) else { return Ok(()) };
            let mut groups: Vec<Vec<Layer>> = Vec::new();
            let mut rest = above.as_slice();
            for cut in cuts {
                let (group, tail) = rest.split_at(cut.min(rest.len()));
                groups.push(group.to_vec());
                rest = tail;
            }
            groups.push(rest.to_vec());
            let parts = split(&merged, &below, &groups);
            prop_assert_eq!(parts.len(), groups.len());

            let indexes: Vec<_> = parts.iter().map(Merged::index).collect();
            let plain = flatten::certificate(below.layers().iter().chain(&above).map(|layer| layer.index.as_ref()));
            let cut = flatten::certificate(below.layers().iter().map(|layer| layer.index.as_ref()).chain(&indexes));
            prop_assert_eq!(plain, cut);

            // No file of one part is hidden by a later one.
            for (number, index) in indexes.iter().enumerate() {
                for entry in index.entries().iter().filter(|entry| matches!(entry.kind, Kind::File { .. })) {
                    for later in &indexes[number + 1..] {
                        let hidden = later.get(&entry.path).is_some()
                            || entry.path.ancestors().any(|above| {
                                later.get(&above).is_some_and(|dir| dir.kind != Kind::Dir { opaque: false })
                            });
                        prop_assert!(!hidden, "{} of part {} is hidden", entry.path, number);
                    }
                }
            }
        }
    }
}
