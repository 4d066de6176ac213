//! `imgc ps`: containers that run, and those that were kept.

use std::io::Write;

use imgc_execute::kept;

use crate::failure::Failure;
use crate::render::{table, units};
use crate::session::Session;

/// List containers that run or were kept (with `-q` only their ids)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Accepted for docker's sake: kept ones are always listed
    #[arg(short, long)]
    all: bool,
}

/// Lists.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let Args { all: _ } = args;
    let containers = kept::list(&session.store()?)?;
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let list: Vec<_> = containers
            .iter()
            .map(|container| {
                let record = &container.record;
                serde_json::json!({
                    "id": record.id, "image": record.image, "manifest": record.manifest.to_string(),
                    "command": record.args, "running": container.running, "exit": record.exit,
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::json!({"v": 1, "containers": list}))?;
        return Ok(0);
    }
    if session.global.quiet {
        for container in &containers {
            writeln!(out, "{}", container.record.id)?;
        }
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = containers
        .iter()
        .map(|container| {
            let record = &container.record;
            let status = match record.exit {
                _ if container.running => "running".to_owned(),
                Some(code) => format!("exited ({code})"),
                None => "killed".to_owned(),
            };
            let command = units::printable(&record.args.join(" ").replace('\n', " "));
            vec![record.id.clone(), record.image.clone(), command.chars().take(50).collect(), status]
        })
        .collect();
    write!(out, "{}", table::table(&["CONTAINER", "IMAGE", "COMMAND", "STATUS"], &rows))?;
    Ok(0)
}
