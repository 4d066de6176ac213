//! `imgc images`: what the store holds.

use std::collections::BTreeMap;
use std::io::Write;

use imgc_base::digest::BlobDigest;
use imgc_base::platform::Platform;

use super::find::{self, Image};
use crate::failure::Failure;
use crate::render::{table, units};
use crate::session::Session;

/// List images (with `-q` only their ids)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only images whose name starts with this
    name: Option<String>,
    /// Whole digests
    #[arg(long)]
    digests: bool,
}

/// What is known of one image.
struct Row {
    image: Image,
    platforms: Vec<String>,
    created: String,
    blobs: BTreeMap<BlobDigest, u64>,
}

/// Lists.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let mut rows = Vec::new();
    for image in find::all(&store)? {
        let opened = find::open_all(&store, &image.descriptor)?;
        let mut blobs = BTreeMap::new();
        let mut platforms = Vec::new();
        let mut created = String::new();
        for one in &opened {
            let variant = one.config.variant.as_deref().unwrap_or_default();
            platforms.push(Platform::new(&one.config.os, &one.config.architecture, variant).to_string());
            created = one.config.created.clone().unwrap_or_default();
            for layer in &one.manifest.layers {
                blobs.insert(layer.digest, layer.size);
            }
        }
        rows.push(Row { image, platforms, created, blobs });
    }
    let mut users: BTreeMap<BlobDigest, usize> = BTreeMap::new();
    for digest in rows.iter().flat_map(|row| row.blobs.keys()) {
        *users.entry(*digest).or_default() += 1;
    }
    if let Some(prefix) = &args.name {
        rows.retain(|row| {
            row.image.names.iter().any(|name| {
                let familiar = name.familiar();
                familiar == *prefix
                    || familiar
                        .strip_prefix(prefix.as_str())
                        .is_some_and(|rest| rest.starts_with([':', '/', '@']))
                    || name.to_string().starts_with(prefix.as_str())
            })
        });
    }
    let unique = |row: &Row| {
        row.blobs.iter().filter(|(digest, _)| users[digest] == 1).map(|(_, size)| size).sum::<u64>()
    };
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let images: Vec<_> = rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "digest": row.image.descriptor.digest.to_string(),
                    "names": row.image.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "platforms": row.platforms, "created": row.created,
                    "size": row.blobs.values().sum::<u64>(), "unique": unique(row),
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::json!({"v": 1, "images": images}))?;
        return Ok(0);
    }
    if session.global.quiet {
        for row in &rows {
            writeln!(out, "{}", row.image.descriptor.digest.short())?;
        }
        return Ok(0);
    }
    let mut lines = Vec::new();
    for row in &rows {
        let names: Vec<String> = if row.image.names.is_empty() {
            vec!["<none>".to_owned()]
        } else {
            row.image.names.iter().map(|name| name.familiar()).collect()
        };
        for name in names {
            let digest = row.image.descriptor.digest;
            lines.push(vec![
                name,
                if args.digests { digest.to_string() } else { digest.short() },
                row.platforms.join(","),
                units::bytes(row.blobs.values().sum()),
                units::bytes(unique(row)),
                row.created.split('T').next().unwrap_or_default().to_owned(),
            ]);
        }
    }
    let header =
        ["IMAGE", if args.digests { "DIGEST" } else { "ID" }, "PLATFORMS", "SIZE", "UNIQUE", "CREATED"];
    write!(out, "{}", table::table(&header, &lines))?;
    Ok(0)
}
