//! Which image of an index is for a platform.

use imgc_base::platform::Platform;
use imgc_graph::FactError;
use imgc_graph::world::FactKind;
use imgc_image::manifest::media;
use imgc_image::{Descriptor, Index};

/// The entry of an index that fits a platform best; of equal ones the first.
pub(crate) fn for_platform(name: &str, index: &Index, platform: &Platform) -> Result<Descriptor, FactError> {
    let images = || {
        index
            .manifests
            .iter()
            .filter(|entry| media::is_manifest(&entry.media_type) || media::is_index(&entry.media_type))
    };
    let stated = |entry: &&Descriptor| entry.platform.as_ref()?.platform().distance(platform);
    let best = images().filter(|entry| stated(entry).is_some()).min_by_key(stated);
    // What says nothing of itself: the only image there is, or another index, which says it of its entries.
    let silent = || images().filter(|entry| entry.platform.is_none());
    let only = || silent().next().filter(|_| images().count() == 1);
    let nested = || silent().find(|entry| media::is_index(&entry.media_type));
    best.or_else(only).or_else(nested).cloned().ok_or_else(|| {
        let has: Vec<String> = images()
            .filter_map(|entry| entry.platform.as_ref())
            .filter(|own| own.os != "unknown")
            .map(|own| own.platform().to_string())
            .collect();
        let message = format!("image `{name}` is not made for {platform}");
        let mut error = FactError { kind: FactKind::NotFound, message, notes: Vec::new(), help: None };
        error.notes.push(if has.is_empty() {
            "its index names no platform".to_owned()
        } else {
            format!("it is made for: {}", has.join(", "))
        });
        error
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &[(&str, Option<&str>)]) -> Index {
        let mut index = imgc_image::layout::empty_index();
        for (at, (kind, platform)) in entries.iter().enumerate() {
            let mut entry = Descriptor::of(kind, at.to_string().as_bytes());
            entry.platform = platform.map(|text| (&text.parse::<Platform>().unwrap()).into());
            index.manifests.push(entry);
        }
        index
    }

    #[test]
    fn the_best_entry() {
        const IMAGE: &str = media::MANIFEST;
        let arms = index(&[
            (IMAGE, Some("unknown/unknown")),
            (IMAGE, Some("linux/arm/v7")),
            (IMAGE, Some("linux/arm/v5")),
            (IMAGE, Some("linux/arm/v6")),
            (IMAGE, Some("linux/amd64/v3")),
            (IMAGE, Some("linux/amd64")),
        ]);
        let newer = index(&[(IMAGE, Some("linux/arm/v7")), (IMAGE, Some("linux/amd64/v2"))]);
        let single = index(&[(IMAGE, None), ("application/x-other", None)]);
        let two = index(&[(IMAGE, None), (IMAGE, None)]);
        let nested = index(&[(IMAGE, Some("linux/s390x")), (IMAGE, None), (media::INDEX, None)]);
        for (index, platform, want) in [
            (&arms, "linux/arm/v6", Some(3)),
            (&arms, "linux/arm/v8", Some(1)),
            (&arms, "linux/arm/v5", Some(2)),
            (&arms, "linux/arm", Some(1)),
            (&arms, "linux/amd64", Some(5)),
            (&arms, "linux/amd64/v2", Some(5)),
            (&arms, "linux/amd64/v4", Some(4)),
            (&arms, "linux/arm64", None),
            (&newer, "linux/arm/v6", None),
            (&newer, "linux/amd64", Some(1)),
            (&single, "linux/arm64", Some(0)),
            (&two, "linux/amd64", None),
            (&nested, "linux/amd64", Some(2)),
            (&nested, "linux/s390x", Some(0)),
        ] {
            let got = for_platform("x", index, &platform.parse().unwrap()).ok();
            let want: Option<&Descriptor> = want.map(|at: usize| &index.manifests[at]);
            assert_eq!(got.as_ref(), want, "{platform}");
        }
    }
}
