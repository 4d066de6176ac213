//! What has to be equal, and what is known to differ.

use imgc_testkit::flat::{Flat, differences};
use serde_json::Value;

use super::table::Case;

/// buildah leaves the mount points of RUN in the layer; the reference removes them.
const MOUNT_POINTS: [&str; 8] = [
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/sys",
];

/// The optimiser changes nothing that a container can see.
pub(super) fn levels(plain: &Flat, optimised: &Flat) -> Vec<String> {
    let mut wrong = differences(plain, optimised);
    for (path, time) in &plain.times {
        let other = optimised.times.get(path);
        if other.is_some_and(|other| other != time) {
            wrong.push(format!("{path}: time {time} and {other:?}"));
        }
    }
    if plain.config.config != optimised.config.config {
        wrong.push(format!("{:?} and {:?}", plain.config.config, optimised.config.config));
    }
    wrong.into_iter().map(|line| format!("-O0 and -O1 differ: {line}")).collect()
}

/// What the case says that the reference has.
pub(super) fn reference(case: &Case, flat: &Flat) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, expected) in &case.is {
        match flat.paths.get(path) {
            // A link has no mode, and an owner that nobody asks for.
            Some(line) if line.starts_with(expected.as_str()) => {}
            found => wrong.push(format!("{path}: the reference has `{expected}`, not {found:?}")),
        }
    }
    for path in &case.none {
        if let Some(line) = flat.paths.get(path) {
            wrong.push(format!("{path}: the reference has nothing, not `{line}`"));
        }
    }
    let config = serde_json::to_value(&flat.config.config).expect("a config");
    for (field, expected) in &case.config {
        let found = config.get(field).unwrap_or(&Value::Null);
        if found != expected {
            wrong.push(format!("{field}: the reference has {expected}, not {found}"));
        }
    }
    wrong
}

/// The peer's image is the same but for what the case explains; an explanation that explains nothing is wrong too.
pub(super) fn peer(case: &Case, ours: &Flat, theirs: &Flat) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut used = vec![false; case.except.len()];
    let mut explained = |what: &str| {
        let mut found = false;
        for (pattern, used) in case.except.iter().zip(&mut used) {
            let matches = match pattern.strip_suffix("**") {
                Some(prefix) => what.starts_with(prefix),
                None => what == pattern,
            };
            *used |= matches;
            found |= matches;
        }
        found
    };
    let texts = case.images.iter().map(|(_, text)| text).chain([&case.dockerfile]);
    let runs = texts.into_iter().any(|text| text.contains("RUN"));
    for line in differences(ours, theirs) {
        let path = line[2..].split_once(' ').map_or(&line[2..], |(path, _)| path);
        let mount_point = runs && MOUNT_POINTS.contains(&path) && !ours.paths.contains_key(path);
        if !mount_point && !explained(path) {
            wrong.push(line);
        }
    }
    for (field, ours, theirs) in fields(ours, theirs) {
        if ours != theirs && !explained(&field) {
            wrong.push(format!("{field}: {ours}, buildah has {theirs}"));
        }
    }
    for (pattern, used) in case.except.iter().zip(&used) {
        if !used {
            wrong.push(format!("`{pattern}` is excepted but equal"));
        }
    }
    wrong
}

/// The fields of two configs.
fn fields(ours: &Flat, theirs: &Flat) -> Vec<(String, Value, Value)> {
    let value = |flat: &Flat| {
        let mut value = serde_json::to_value(&flat.config.config).expect("a config");
        // Docker's note on how Windows reads a command.
        value.as_object_mut().expect("an object").remove("ArgsEscaped");
        value["Author"] = flat.config.author.clone().into();
        value
    };
    let (ours, theirs) = (value(ours), value(theirs));
    let mut names: Vec<&String> =
        ours.as_object().into_iter().chain(theirs.as_object()).flat_map(serde_json::Map::keys).collect();
    names.sort();
    names.dedup();
    // buildah writes an empty list where there is none.
    let get = |value: &Value, name: &str| match value.get(name) {
        Some(Value::Array(list)) if list.is_empty() => Value::Null,
        Some(value) => value.clone(),
        None => Value::Null,
    };
    names.into_iter().map(|name| (name.clone(), get(&ours, name), get(&theirs, name))).collect()
}
