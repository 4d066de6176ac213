//! `imgc history`: what made each layer.

use std::io::Write;

use imgc_base::platform::Platform;
use serde_json::{Value, json};

use super::find;
use crate::failure::Failure;
use crate::render::{rows, table, units};
use crate::session::Session;

/// Show the instructions that made an image, and the size of each layer (with `-q` only the layers)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name or id
    image: String,
    /// Whole instructions
    #[arg(long = "no-trunc")]
    no_trunc: bool,
    /// Sizes for people; `false` for bytes, and times in full
    #[arg(short = 'H', long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    human: bool,
    /// `json`, `table`, or a template for each line: `{{.CreatedBy}} {{.Size}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// Shows, the last instruction first.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let opened = find::open(&store, &args.image, args.platform.as_ref())?;
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
    let lines: Vec<Value> = entries
        .iter()
        .map(|(entry, layer)| {
            let by = units::printable(&entry.created_by.clone().unwrap_or_default().replace('\n', " "));
            let by = if args.no_trunc || by.chars().count() <= 70 {
                by
            } else {
                by.chars().take(69).chain(['…']).collect()
            };
            let size = layer.map_or(0, |layer| layer.size);
            let created = entry.created.as_deref().unwrap_or_default();
            json!({
                "ID": layer.map_or_else(|| "<none>".to_owned(), |layer| {
                    if args.no_trunc { layer.digest.to_string() } else { layer.digest.short() }
                }),
                "CreatedAt": if args.human { created.split('T').next().unwrap_or_default() } else { created },
                "CreatedSince": find::since(created),
                "CreatedBy": by,
                "Size": if args.human { units::bytes(size) } else { size.to_string() },
                "Comment": units::printable(entry.comment.as_deref().unwrap_or_default()),
            })
        })
        .collect();
    if session.global.quiet {
        for line in &lines {
            writeln!(out, "{}", line["ID"].as_str().unwrap_or_default())?;
        }
        return Ok(0);
    }
    if rows::formatted(&mut out, args.format.as_deref(), &lines)? {
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let comment = text("Comment");
            // The same words behind every line say nothing.
            let comment = if comment.starts_with("buildkit.") { String::new() } else { comment };
            vec![text("ID"), text("CreatedAt"), text("CreatedBy"), text("Size"), comment]
        })
        .collect();
    write!(out, "{}", table::table(&["LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT"], &rows))?;
    Ok(0)
}
