//! `imgc history`: what made each layer.

use std::io::Write;

use super::find;
use crate::failure::Failure;
use crate::render::{table, units};
use crate::session::Session;

/// Show the instructions that made an image, and the size of each layer
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name or id
    image: String,
    /// Whole instructions
    #[arg(long = "no-trunc")]
    no_trunc: bool,
}

/// Shows, the last instruction first.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let opened = find::open(&store, &args.image, None)?;
    let mut layers = opened.manifest.layers.iter();
    let mut entries = Vec::new();
    for entry in &opened.config.history {
        let layer = if entry.empty_layer { None } else { layers.next() };
        entries.push((entry, layer));
    }
    entries.reverse();
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let rows: Vec<_> = entries
            .iter()
            .map(|(entry, layer)| {
                serde_json::json!({
                    "created": entry.created, "createdBy": entry.created_by, "comment": entry.comment,
                    "layer": layer.map(|layer| layer.digest.to_string()), "size": layer.map_or(0, |layer| layer.size),
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::json!({"v": 1, "history": rows}))?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|(entry, layer)| {
            let by = units::printable(&entry.created_by.clone().unwrap_or_default().replace('\n', " "));
            let by = if args.no_trunc || by.chars().count() <= 70 {
                by
            } else {
                by.chars().take(69).chain(['…']).collect()
            };
            vec![
                layer.map_or_else(|| "-".to_owned(), |layer| layer.digest.short()),
                entry.created.as_deref().unwrap_or_default().split('T').next().unwrap_or_default().to_owned(),
                by,
                layer.map_or_else(|| "0 B".to_owned(), |layer| units::bytes(layer.size)),
            ]
        })
        .collect();
    write!(out, "{}", table::table(&["LAYER", "CREATED", "CREATED BY", "SIZE"], &rows))?;
    Ok(0)
}
