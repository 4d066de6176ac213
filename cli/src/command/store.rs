//! `imgc store`: is the store whole?

use std::io::Write;

use clap::Subcommand;

use crate::failure::{Failure, code};
use crate::session::Session;
use imgc_base::diagnostic::count;

/// Check the store
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that everything is what its name says
    Verify {
        /// Read every blob and tree again
        #[arg(long)]
        full: bool,
        /// Put what is broken aside, so that it is made or fetched again
        #[arg(long)]
        repair: bool,
    },
    /// Print where the store is
    Path,
}

/// Checks.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    match args.command {
        Command::Path => {
            writeln!(out, "{}", session.store_dir()?.display())?;
            Ok(0)
        }
        Command::Verify { full, repair } => {
            let store = session.store()?;
            let depth = if full { imgc_store::Depth::Full } else { imgc_store::Depth::Quick };
            let report = store.verify(depth)?;
            let broken = report.broken().count();
            if session.global.json {
                let problems: Vec<_> = report
                    .problems
                    .iter()
                    .map(|problem| {
                        serde_json::json!({
                            "class": problem.class.name(), "name": problem.name, "what": problem.what,
                            "stale": problem.stale, "remedy": problem.remedy,
                        })
                    })
                    .collect();
                let object = serde_json::json!({"v": 1, "checked": report.checked, "problems": problems});
                writeln!(out, "{object}")?;
            } else {
                for problem in &report.problems {
                    let kind = if problem.stale { "stale" } else { "broken" };
                    let (class, name) = (problem.class.name(), &problem.name);
                    writeln!(out, "{kind}: {class} {name}: {} ({})", problem.what, problem.remedy)?;
                }
                writeln!(out, "{}, {broken} broken", count(report.checked, "object"))?;
            }
            if repair && !report.is_whole() {
                let repaired = store.repair(&report)?;
                for path in &repaired.moved {
                    writeln!(out, "moved to {}", path.display())?;
                }
                for image in &repaired.images {
                    writeln!(out, "{image} lost a part: pull or build it again")?;
                }
                return Ok(0);
            }
            Ok(if report.is_whole() { 0 } else { code::FAILED })
        }
    }
}
