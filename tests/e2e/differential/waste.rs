//! At `-O1` no own layer holds a byte that a higher own layer hides.

use imgc_testkit::Place;
use serde_json::Value;

use super::table::Case;

/// What is wrong with an image of this name that the case's Dockerfile gave.
pub(super) fn check(case: &Case, place: &Place, image: &str) -> Vec<String> {
    let base = base(&case.dockerfile);
    let below = match base.as_deref() {
        Some("scratch") => 0,
        Some(name) if name == "busybox" || case.images.iter().any(|(image, _)| image == name) => {
            layers(place, name)
        }
        // A base of another platform, a context or a name made of arguments: other cases have the same steps.
        _ => return Vec::new(),
    };
    let sizes = json(place, &["size", image]);
    // Layers are counted from 1.
    let number = |value: &Value| value.as_u64().expect("a layer's number") as usize;
    let wasted = sizes["wasted"].as_array().expect("a list").iter();
    wasted
        .filter(|wasted| number(&wasted["layer"]) > below)
        .map(|wasted| format!("own waste at -O1: {wasted}"))
        .collect()
}

/// The image that the last stage stands on, through the stages between.
fn base(dockerfile: &str) -> Option<String> {
    let mut stages: Vec<(String, String)> = Vec::new();
    for line in dockerfile.lines() {
        let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        if let [from, image, rest @ ..] = words.as_slice()
            && from.eq_ignore_ascii_case("from")
        {
            let name = rest.get(1).map_or_else(|| stages.len().to_string(), |name| name.to_ascii_lowercase());
            let known = stages.iter().rev().find(|(name, _)| *name == image.to_ascii_lowercase());
            let base = known.map_or_else(|| (*image).to_owned(), |(_, base)| base.clone());
            stages.push((name, base));
        }
    }
    stages.pop().map(|(_, base)| base)
}

fn layers(place: &Place, image: &str) -> usize {
    let found = json(place, &["inspect", image]);
    found[0]["RootFS"]["Layers"].as_array().expect("layers").len()
}

fn json(place: &Place, args: &[&str]) -> Value {
    let done = place.imgc(&[&["--json"], args].concat()).ok();
    serde_json::from_str(&done.stdout).expect("JSON")
}
