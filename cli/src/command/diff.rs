//! `imgc diff`: how two images differ.

use std::collections::BTreeMap;
use std::io::Write;

use imgc_base::platform::Platform;
use imgc_execute::look::files::{self, FileChange};
use imgc_execute::look::packages;
use imgc_image::Tree;
use imgc_store::Store;
use serde_json::{Value, json};

use super::find::{self, Opened};
use crate::failure::{Failure, code};
use crate::render::units;
use crate::session::Session;

/// Show how two images differ: layers, config, packages, files (exit code 6 if they do)
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Letters before files: A added, D deleted, M content, T another kind, a attributes only.
Examples:
  imgc diff app:1 app:2
  imgc diff --only packages,config app:1 app:2
  imgc diff --semantic app:1 app:2          # times do not count"
)]
pub struct Args {
    /// A name or id
    before: String,
    /// Another one
    after: String,
    /// Compare only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Leave out what says when, not what: times of files, of the config and of the history; and how files lie in layers
    #[arg(long)]
    semantic: bool,
    /// The images for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Files,
    Config,
    Packages,
    Layers,
}

/// A value that differs: what it was and what it is.
pub type Pair = (Option<String>, Option<String>);

/// All that differs.
#[derive(Default)]
struct Difference {
    layers: BTreeMap<usize, Pair>,
    config: BTreeMap<String, Pair>,
    packages: BTreeMap<String, Pair>,
    files: Vec<FileChange>,
}

/// Compares.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let before = find::open(&store, &args.before, args.platform.as_ref())?;
    let after = find::open(&store, &args.after, args.platform.as_ref())?;
    let found = if before.descriptor.digest == after.descriptor.digest {
        Difference::default()
    } else {
        compare(&store, &before, &after, args)?
    };
    let same = found.layers.is_empty()
        && found.config.is_empty()
        && found.packages.is_empty()
        && found.files.is_empty();
    let mut out = std::io::stdout().lock();
    if session.global.json {
        writeln!(out, "{}", object(args, same, &found))?;
    } else if same {
        let kind = if before.descriptor.digest == after.descriptor.digest { "the same" } else { "equal" };
        writeln!(out, "{kind}")?;
    } else {
        text(&mut out, &found)?;
    }
    Ok(if same { 0 } else { code::DIFFERENT })
}

fn compare(store: &Store, before: &Opened, after: &Opened, args: &Args) -> Result<Difference, Failure> {
    let wants = |part: Part| args.only.is_empty() || args.only.contains(&part);
    let mut found = Difference::default();
    // How files lie in layers is no difference in what an image is.
    if wants(Part::Layers) && (!args.semantic || args.only.contains(&Part::Layers)) {
        let list = |opened: &Opened| -> BTreeMap<usize, String> {
            let ids = opened.config.rootfs.diff_ids.iter().enumerate();
            ids.map(|(at, id)| (at + 1, id.to_string())).collect()
        };
        found.layers = pairs(list(before), list(after));
    }
    if wants(Part::Config) {
        found.config = pairs(config(before, args.semantic)?, config(after, args.semantic)?);
    }
    if wants(Part::Files) || wants(Part::Packages) {
        let old = Tree::new(find::layers(store, before)?);
        let new = Tree::new(find::layers(store, after)?);
        if wants(Part::Packages) {
            found.packages = pairs(packages::read(&old, store)?, packages::read(&new, store)?);
        }
        if wants(Part::Files) {
            found.files = files::compare(&old, &new, !args.semantic);
        }
    }
    Ok(found)
}

/// Keys whose values differ.
pub fn pairs<K: Ord>(before: BTreeMap<K, String>, mut after: BTreeMap<K, String>) -> BTreeMap<K, Pair> {
    let mut found = BTreeMap::new();
    for (key, old) in before {
        let new = after.remove(&key);
        if new.as_ref() != Some(&old) {
            found.insert(key, (Some(old), new));
        }
    }
    found.extend(after.into_iter().map(|(key, new)| (key, (None, Some(new)))));
    found
}

/// The config as paths and values: `config.Env.PATH`, `config.Cmd`.
pub fn config(opened: &Opened, semantic: bool) -> Result<BTreeMap<String, String>, Failure> {
    let mut config = opened.config.clone();
    config.rootfs.diff_ids.clear();
    if semantic {
        config.created = None;
        config.history.clear();
    }
    let value = serde_json::to_value(&config).map_err(|error| Failure::chain(code::FAILED, &error))?;
    let mut found = BTreeMap::new();
    flatten(String::new(), &value, &mut found);
    Ok(found)
}

fn flatten(path: String, value: &Value, found: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(below(name), value, found);
            }
        }
        // Variables have names, so they are compared by name.
        Value::Array(items) if path.ends_with(".Env") => {
            for item in items.iter().filter_map(Value::as_str) {
                let (name, value) = item.split_once('=').unwrap_or((item, ""));
                found.insert(below(name), value.to_owned());
            }
        }
        Value::Array(items) if path == "history" => {
            for (at, item) in items.iter().enumerate() {
                flatten(format!("history.{}", at + 1), item, found);
            }
        }
        Value::String(text) => drop(found.insert(path, text.clone())),
        other => drop(found.insert(path, other.to_string())),
    }
}

fn text(out: &mut impl Write, found: &Difference) -> Result<(), Failure> {
    let mut first = true;
    let mut heading = |out: &mut dyn Write, name: &str, count: usize| -> std::io::Result<()> {
        let line = if std::mem::take(&mut first) { "" } else { "\n" };
        writeln!(out, "{line}{name} ({count})")
    };
    if !found.layers.is_empty() {
        heading(out, "layers", found.layers.len())?;
        for (number, (before, after)) in &found.layers {
            let short =
                |id: &Option<String>| id.as_deref().map_or("-", |id| id.get(..19).unwrap_or(id)).to_owned();
            writeln!(out, "  {number}: {} -> {}", short(before), short(after))?;
        }
    }
    for (name, list) in [("config", &found.config), ("packages", &found.packages)] {
        if !list.is_empty() {
            heading(out, name, list.len())?;
        }
        for (key, pair) in list {
            let line = match pair {
                (Some(before), Some(after)) => format!("  {key}: {before} -> {after}"),
                (Some(before), None) => format!("- {key}: {before}"),
                (_, after) => format!("+ {key}: {}", after.as_deref().unwrap_or_default()),
            };
            writeln!(out, "{}", units::printable(&line.replace('\n', " ")))?;
        }
    }
    if !found.files.is_empty() {
        heading(out, "files", found.files.len())?;
        for change in &found.files {
            let details = match (&change.before, &change.after) {
                (None, Some(state)) | (Some(state), None) => {
                    let kind = state.kind.noun();
                    if kind == "file" { units::bytes(state.size()) } else { kind.to_owned() }
                }
                _ => change.details().join(", "),
            };
            let path = change.path.to_absolute();
            writeln!(out, "{}", units::printable(&format!("{} {path}  {details}", change.letter())))?;
        }
    }
    Ok(())
}

fn object(args: &Args, same: bool, found: &Difference) -> Value {
    let list = |list: &BTreeMap<String, Pair>| -> Vec<Value> {
        list.iter().map(|(name, (old, new))| json!({"name": name, "before": old, "after": new})).collect()
    };
    let layers: Vec<Value> = found
        .layers
        .iter()
        .map(|(number, (old, new))| json!({"layer": number, "before": old, "after": new}))
        .collect();
    let state = |state: &Option<files::State>| {
        state.as_ref().map(|state| {
            json!({
                "kind": state.kind.noun(), "size": state.size(), "mode": format!("{:04o}", state.meta.mode),
                "uid": state.meta.uid, "gid": state.meta.gid, "mtime": state.meta.mtime,
                "digest": state.digest().map(|digest| digest.to_string()),
            })
        })
    };
    let files: Vec<Value> = found
        .files
        .iter()
        .map(|change| {
            json!({
                "path": change.path.to_absolute(), "change": change.letter().to_string(),
                "details": change.details(), "before": state(&change.before), "after": state(&change.after),
            })
        })
        .collect();
    json!({
        "v": 1, "before": args.before, "after": args.after, "semantic": args.semantic, "same": same,
        "layers": layers, "config": list(&found.config), "packages": list(&found.packages), "files": files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_paths_and_values() {
        let value =
            json!({"config": {"Env": ["A=1=2", "B="], "Cmd": ["x"]}, "history": [{"created_by": "y"}]});
        let mut found = BTreeMap::new();
        flatten(String::new(), &value, &mut found);
        let lines: Vec<String> = found.iter().map(|(path, value)| format!("{path} {value}")).collect();
        assert_eq!(
            lines,
            ["config.Cmd [\"x\"]", "config.Env.A 1=2", "config.Env.B ", "history.1.created_by y"]
        );
        let other = BTreeMap::from([("config.Cmd".to_owned(), "[\"x\"]".to_owned())]);
        assert_eq!(pairs(found, other).len(), 3);
    }
}
