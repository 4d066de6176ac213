//! `imgc search`: repositories of a registry, and the tags of one.

use std::io::Write;

use imgc_base::reference::Reference;
use serde_json::json;

use super::names;
use crate::failure::Failure;
use crate::render::rows::formatted;
use crate::render::{table, units};
use crate::session::Session;

/// Search a registry
///
/// `HOST/TERM` searches another registry than Docker Hub, in its catalog; `HOST/` lists all of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to look for
    #[arg(value_name = "[HOST/]TERM")]
    term: String,
    /// Results at most
    #[arg(long, default_value_t = 25)]
    limit: usize,
    /// `stars=N`, `is-official=true|false`
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,
    /// Whole descriptions
    #[arg(long)]
    no_trunc: bool,
    /// The tags of the repository of this name
    #[arg(long)]
    list_tags: bool,
    /// `json`, or a template for each result: `{{.Name}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Searches.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let client = session.online()?;
    if args.list_tags {
        let reference: Reference = args.term.parse()?;
        let mut tags = client.tags(&reference)?;
        tags.sort();
        let name = format!("{}/{}", reference.registry(), reference.repository());
        let rows: Vec<_> =
            tags.iter().take(args.limit.max(1000)).map(|tag| json!({"Name": name, "Tag": tag})).collect();
        return show(session, args, &rows, &["NAME", "TAG"], &["Name", "Tag"]);
    }
    let (registry, term) = match args.term.split_once('/') {
        // The first part is a host if it looks like one, as in names of images.
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
            (names::registry(host)?, rest)
        }
        _ => ("docker.io".to_owned(), args.term.as_str()),
    };
    let mut found = client.search(&registry, term, args.limit)?;
    for filter in &args.filters {
        match filter.split_once('=') {
            Some(("stars", number)) => {
                let number: u64 = number
                    .parse()
                    .map_err(|_| Failure::usage(format!("`--filter {filter}` is no number")))?;
                found.retain(|one| one.stars >= number);
            }
            Some(("is-official", "true")) => found.retain(|one| one.official),
            Some(("is-official", "false")) => found.retain(|one| !one.official),
            _ => {
                return Err(Failure::usage(format!("`--filter {filter}` is not known"))
                    .help("use stars=N or is-official=true|false"));
            }
        }
    }
    let rows: Vec<_> = found
        .iter()
        .map(|one| {
            let name =
                if registry == "docker.io" { one.name.clone() } else { format!("{registry}/{}", one.name) };
            json!({
                "Name": name, "Description": one.description, "Stars": one.stars,
                "Official": if one.official { "[OK]" } else { "" },
            })
        })
        .collect();
    if rows.iter().all(|row| row["Description"] == "" && row["Stars"] == 0) {
        return show(session, args, &rows, &["NAME"], &["Name"]);
    }
    show(
        session,
        args,
        &rows,
        &["NAME", "DESCRIPTION", "STARS", "OFFICIAL"],
        &["Name", "Description", "Stars", "Official"],
    )
}

fn show(
    session: &Session,
    args: &Args,
    rows: &[serde_json::Value],
    header: &[&str],
    fields: &[&str],
) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    if session.global.json {
        writeln!(out, "{}", json!({"v": 1, "found": rows}))?;
        return Ok(0);
    }
    if formatted(&mut out, args.format.as_deref(), rows)? {
        return Ok(0);
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let cell = |field: &&str| match &row[*field] {
                serde_json::Value::String(text) => units::printable(&text.replace('\n', " ")),
                other => other.to_string(),
            };
            let short = |text: String| {
                if args.no_trunc || text.chars().count() <= 45 {
                    text
                } else {
                    text.chars().take(44).chain(['…']).collect()
                }
            };
            fields
                .iter()
                .map(|field| if *field == "Description" { short(cell(field)) } else { cell(field) })
                .collect()
        })
        .collect();
    write!(out, "{}", table::table(header, &cells))?;
    Ok(0)
}
