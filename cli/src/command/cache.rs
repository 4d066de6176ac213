//! `imgc cache`: what the store takes, and giving it back.

use std::io::Write;
use std::time::Duration;

use clap::Subcommand;
use imgc_base::diagnostic::count;
use imgc_store::Policy;

use crate::failure::Failure;
use crate::render::{table, units};
use crate::session::Session;

/// See and free the space of the store
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how much space the store takes
    #[command(visible_alias = "df")]
    Du,
    /// List what is in the store besides images
    Ls,
    /// Remove what no image and no running build needs
    Prune {
        /// Everything that no image needs, also what a next build would find in the cache
        #[arg(short, long)]
        all: bool,
        /// Only what was not used for this long: `24h`, `14d`
        #[arg(long, value_name = "TIME", visible_alias = "keep", value_parser = time)]
        older_than: Option<Duration>,
        /// Until the store is no larger than this: `10GB`
        #[arg(long, value_name = "SIZE", visible_alias = "keep-storage", value_parser = size)]
        max_size: Option<u64>,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
        /// Accepted for docker's sake: nothing is asked
        #[arg(short, long, hide = true)]
        force: bool,
    },
    /// Remove what is certainly of no use: leftovers of killed processes, broken records
    Gc,
}

/// Does one of them.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    match &args.command {
        Command::Du => usage(session, false),
        Command::Ls => usage(session, true),
        Command::Gc => collect(session, &Policy::default()),
        Command::Prune { all, older_than, max_size, dry_run, force: _ } => {
            let policy = Policy {
                // Without a limit everything goes that nothing needs; that is what the word promises.
                all: *all || (older_than.is_none() && max_size.is_none()),
                keep: *older_than,
                max_bytes: *max_size,
                dry_run: *dry_run,
            };
            collect(session, &policy)
        }
    }
}

fn usage(session: &Session, detail: bool) -> Result<u8, Failure> {
    let store = session.store()?;
    let usage = store.usage()?;
    let mut out = std::io::stdout().lock();
    if detail {
        // What a prune of everything would take away is what there is besides images.
        let policy = Policy { all: true, dry_run: true, ..Policy::default() };
        let would = store.gc(&policy)?;
        if session.global.json {
            let list: Vec<_> = would
                .removed
                .iter()
                .map(|one| serde_json::json!({"class": one.class.name(), "name": one.name, "bytes": one.bytes}))
                .collect();
            writeln!(out, "{}", serde_json::json!({"v": 1, "objects": list}))?;
            return Ok(0);
        }
        let rows: Vec<Vec<String>> = would
            .removed
            .iter()
            .map(|one| vec![one.class.name().to_owned(), one.name.clone(), units::bytes(one.bytes)])
            .collect();
        write!(out, "{}", table::table(&["KIND", "NAME", "SIZE"], &rows))?;
        return Ok(0);
    }
    if session.global.json {
        let list: Vec<_> = usage
            .classes
            .iter()
            .map(|class| {
                serde_json::json!({
                    "class": class.class.name(), "count": class.count, "bytes": class.bytes,
                    "reclaimable": class.reclaimable,
                })
            })
            .collect();
        let object = serde_json::json!({
            "v": 1, "classes": list, "total": usage.total(), "reclaimable": usage.reclaimable(),
        });
        writeln!(out, "{object}")?;
        return Ok(0);
    }
    let row = |name: &str, count: String, bytes: u64, reclaimable: u64| {
        vec![name.to_owned(), count, units::bytes(bytes), units::bytes(reclaimable)]
    };
    let mut rows: Vec<Vec<String>> = usage
        .classes
        .iter()
        .filter(|class| class.count > 0)
        .map(|class| row(class.class.name(), class.count.to_string(), class.bytes, class.reclaimable))
        .collect();
    rows.push(row("total", String::new(), usage.total(), usage.reclaimable()));
    write!(out, "{}", table::table(&["KIND", "COUNT", "SIZE", "RECLAIMABLE"], &rows))?;
    Ok(0)
}

fn collect(session: &Session, policy: &Policy) -> Result<u8, Failure> {
    let store = session.store()?;
    // Containers that killed processes left hold space too.
    imgc_execute::kept::list(&store)?;
    let collected = store.gc(policy)?;
    let mut out = std::io::stdout().lock();
    let word = if policy.dry_run { "would free" } else { "freed" };
    if session.global.json {
        let list: Vec<_> = collected
            .removed
            .iter()
            .map(|one| serde_json::json!({"class": one.class.name(), "name": one.name, "bytes": one.bytes}))
            .collect();
        let object = serde_json::json!({
            "v": 1, "removed": list, "freed": collected.freed(), "left": collected.left, "dryRun": policy.dry_run,
        });
        writeln!(out, "{object}")?;
        return Ok(0);
    }
    if session.global.verbose > 0 || policy.dry_run {
        for one in &collected.removed {
            writeln!(out, "{} {} {}", one.class.name(), one.name, units::bytes(one.bytes))?;
        }
    }
    writeln!(
        out,
        "{word} {} in {}; {} left",
        units::bytes(collected.freed()),
        count(collected.removed.len(), "object"),
        units::bytes(collected.left)
    )?;
    Ok(0)
}

/// `90s`, `30m`, `24h`, `14d`, `2w`.
fn time(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no time; write it as 24h or 14d");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let number: u64 = text[..split].parse().map_err(|_| bad())?;
    let seconds = match &text[split..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(bad()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(bad)
}

/// `10GB`, `500 MB`, `1GiB`, or bytes.
fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size; write it as 10GB");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().map_err(|_| bad())?;
    let unit = match text[split..].trim().to_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(bad()),
    };
    number.checked_mul(unit).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        assert_eq!(time("14d"), Ok(Duration::from_hours(14 * 24)));
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(size("10GB"), Ok(10_000_000_000));
        assert_eq!(size("1 GiB"), Ok(1 << 30));
        assert_eq!(size("7"), Ok(7));
        for text in ["", "d", "5y", "-1d", "99999999999999999999d"] {
            assert!(time(text).is_err(), "{text}");
        }
        for text in ["", "GB", "5 apples", "99999999999TB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
