//! `imgc images`: what the store holds.

use std::collections::BTreeMap;
use std::io::Write;

use imgc_base::digest::BlobDigest;
use imgc_base::glob::Pattern;
use imgc_base::reference::Reference;
use serde_json::{Value, json};

use super::find::{self, Image, Opened};
use crate::failure::Failure;
use crate::render::{rows, table, units};
use crate::session::Session;

/// List images (with `-q` only their ids)
///
/// SIZE counts each layer once per image; UNIQUE is what no other image shares.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this repository, tag or pattern: `app`, `app:1`, `team/*`
    name: Option<String>,
    /// Accepted for docker's sake: there are no hidden images
    #[arg(short, long, hide = true)]
    all: bool,
    /// Whole digests
    #[arg(long)]
    digests: bool,
    /// Whole ids
    #[arg(long = "no-trunc")]
    no_trunc: bool,
    /// `reference=PATTERN`, `label=KEY[=VALUE]`, `dangling=true|false`, `before=IMAGE`, `since=IMAGE`
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,
    /// `json`, `table`, or a template for each name: `{{.Repository}}:{{.Tag}} {{.Size}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// What is known of one image.
struct Row {
    image: Image,
    opened: Vec<Opened>,
    platforms: Vec<String>,
    created: String,
    blobs: BTreeMap<BlobDigest, u64>,
    unique: u64,
}

impl Row {
    fn size(&self) -> u64 {
        self.blobs.values().sum()
    }
}

/// Lists.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let mut rows = Vec::new();
    for image in find::all(&store)? {
        rows.push(row(image, &store)?);
    }
    let mut users: BTreeMap<BlobDigest, usize> = BTreeMap::new();
    for digest in rows.iter().flat_map(|row| row.blobs.keys()) {
        *users.entry(*digest).or_default() += 1;
    }
    for row in &mut rows {
        row.unique = row.blobs.iter().filter(|(digest, _)| users[digest] == 1).map(|(_, size)| size).sum();
    }
    // Filters of one kind are alternatives, those of several kinds must all fit (docker).
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for filter in &args.filters {
        let Some((key, value)) = filter.split_once('=') else {
            return Err(Failure::usage(format!("`--filter {filter}` is not KEY=VALUE")));
        };
        kinds.entry(key).or_default().push(value);
    }
    let own = args.name.as_deref();
    for (key, values) in kinds
        .iter()
        .map(|(key, values)| (*key, values.clone()))
        .chain(own.map(|name| ("reference", vec![name])))
    {
        keep(&mut rows, key, &values, &store)?;
    }
    show(session, args, &rows)
}

fn row(image: Image, store: &imgc_store::Store) -> Result<Row, Failure> {
    let opened = find::open_all(store, &image.descriptor)?;
    let mut blobs = BTreeMap::new();
    let mut platforms = Vec::new();
    let mut created = String::new();
    for one in &opened {
        // What is no image (a chart, a signature) is for none.
        let platform = one.platform();
        if !platform.os.is_empty() {
            platforms.push(platform.to_string());
        }
        created = one.config.created.clone().unwrap_or_default();
        blobs.extend(one.manifest.layers.iter().map(|layer| (layer.digest, layer.size)));
    }
    Ok(Row { image, opened, platforms, created, blobs, unique: 0 })
}

/// Keeps the rows, and the names of rows, that one of the values fits.
fn keep(rows: &mut Vec<Row>, key: &str, values: &[&str], store: &imgc_store::Store) -> Result<(), Failure> {
    match key {
        "reference" => {
            let mut patterns = Vec::new();
            for value in values {
                let pattern = Pattern::new(value)
                    .map_err(|error| Failure::usage(format!("`{value}` is no pattern: {error}")))?;
                patterns.push((*value, pattern));
            }
            for row in rows.iter_mut() {
                row.image
                    .names
                    .retain(|name| patterns.iter().any(|(text, pattern)| fits(name, text, pattern)));
            }
            rows.retain(|row| !row.image.names.is_empty());
        }
        "label" => rows.retain(|row| {
            row.opened.iter().any(|one| {
                let labels = &one.config.config.labels;
                values.iter().any(|wanted| match wanted.split_once('=') {
                    Some((name, value)) => labels.get(name).is_some_and(|known| known == value),
                    None => labels.contains_key(*wanted),
                })
            })
        }),
        "dangling" => {
            let wanted = match values {
                ["true" | "1"] => true,
                ["false" | "0"] => false,
                _ => return Err(Failure::usage("`--filter dangling=` is true or false")),
            };
            rows.retain(|row| row.image.names.is_empty() == wanted);
        }
        "before" | "since" => {
            for value in values {
                let other = row(find::find(store, value)?, store)?.created;
                rows.retain(|row| if key == "before" { row.created < other } else { row.created > other });
            }
        }
        other => {
            let known = ["reference", "label", "dangling", "before", "since"];
            let near = imgc_base::diagnostic::did_you_mean(other, known)
                .map(|near| format!("did you mean `{near}`?"));
            return Err(Failure::usage(format!("`--filter {other}=` is not known"))
                .help(near.unwrap_or_else(|| format!("use {}", known.join(", ")))));
        }
    }
    Ok(())
}

/// A pattern fits a name as docker matches it: the repository or the whole, short or in full.
fn fits(name: &Reference, text: &str, pattern: &Pattern) -> bool {
    let (full, familiar) = (name.to_string(), name.familiar());
    let repository = |text: &str| {
        let text = text.split('@').next().unwrap_or_default();
        match text.rsplit_once(':') {
            Some((before, after)) if !after.contains('/') => before.to_owned(),
            _ => text.to_owned(),
        }
    };
    let forms = [repository(&full), repository(&familiar), full, familiar];
    forms.iter().any(|form| form == text || pattern.matches(form.as_bytes()))
}

/// One line per name, with docker's words for templates.
fn lines(row: &Row) -> Vec<Value> {
    let digest = row.image.descriptor.digest;
    let line = |repository: String, tag: String, name: String| {
        json!({
            "Repository": repository, "Tag": tag, "Name": name,
            "ID": digest.short(), "Digest": digest.to_string(), "Platforms": row.platforms,
            "Size": units::bytes(row.size()), "SizeBytes": row.size(),
            "UniqueSize": units::bytes(row.unique), "UniqueBytes": row.unique,
            "SharedSize": units::bytes(row.size() - row.unique), "SharedBytes": row.size() - row.unique,
            "CreatedAt": row.created, "CreatedSince": find::since(&row.created),
        })
    };
    if row.image.names.is_empty() {
        let none = || "<none>".to_owned();
        return vec![line(none(), none(), none())];
    }
    let lines = row.image.names.iter().map(|name| {
        let familiar = name.familiar();
        let tag = name.tag().unwrap_or("<none>").to_owned();
        let repository = familiar.split('@').next().unwrap_or_default();
        let repository = repository.strip_suffix(&format!(":{tag}")).unwrap_or(repository).to_owned();
        line(repository, tag, familiar)
    });
    lines.collect()
}

fn show(session: &Session, args: &Args, list: &[Row]) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let images: Vec<_> = list
            .iter()
            .map(|row| {
                json!({
                    "digest": row.image.descriptor.digest.to_string(),
                    "names": row.image.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "platforms": row.platforms, "created": row.created,
                    "size": row.size(), "unique": row.unique, "shared": row.size() - row.unique,
                })
            })
            .collect();
        writeln!(out, "{}", json!({"v": 1, "images": images}))?;
        return Ok(0);
    }
    if session.global.quiet {
        for row in list {
            let digest = row.image.descriptor.digest;
            writeln!(out, "{}", if args.no_trunc { digest.to_string() } else { digest.short() })?;
        }
        return Ok(0);
    }
    let all: Vec<Value> = list.iter().flat_map(lines).collect();
    if rows::formatted(&mut out, args.format.as_deref(), &all)? {
        return Ok(0);
    }
    let long = args.digests || args.no_trunc;
    let mut cells = Vec::new();
    for row in list {
        for line in lines(row) {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            cells.push(vec![
                text("Name"),
                text(if long { "Digest" } else { "ID" }),
                row.platforms.join(","),
                text("Size"),
                text("UniqueSize"),
                row.created.split('T').next().unwrap_or_default().to_owned(),
            ]);
        }
    }
    let header =
        ["IMAGE", if args.digests { "DIGEST" } else { "ID" }, "PLATFORMS", "SIZE", "UNIQUE", "CREATED"];
    write!(out, "{}", table::table(&header, &cells))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_as_docker_matches_them() {
        for (name, text, expected) in [
            ("debian:12", "debian", true),
            ("debian:12", "debian:12", true),
            ("debian:12", "debian:13", false),
            ("debian:12", "deb*", true),
            ("debian:12", "docker.io/library/debian", true),
            ("team/app:1", "team/*", true),
            ("team/app:1", "app", false),
            ("localhost:5000/a/b:1", "localhost:5000/a/*", true),
            ("localhost:5000/a:1", "localhost:5000/a", true),
            ("debian:12", "*:12", true),
        ] {
            let pattern = Pattern::new(text).unwrap();
            assert_eq!(fits(&name.parse().unwrap(), text, &pattern), expected, "{name} {text}");
        }
    }
}
