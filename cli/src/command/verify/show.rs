//! What verifying found, as text and JSON.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;

use super::compare::Difference;
use super::place::Place;
use super::vary::Vary;
use crate::failure::Failure;
use crate::render::units;
use crate::session::Session;

/// Files that are shown as text.
const FILES: usize = 10;

/// All that was found.
pub struct Report<'a> {
    /// The builds.
    pub builds: &'a [Place],
    /// What was different in all but the first.
    pub varied: &'a BTreeSet<Vary>,
    /// What could not be, and why.
    pub not_varied: &'a [(Vary, &'static str)],
    /// How one of them differs from the first.
    pub difference: Option<Difference>,
}

impl Report<'_> {
    /// Writes it to stdout.
    pub fn show(&self, session: &Session) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        if session.global.json {
            writeln!(out, "{}", self.object())?;
            return Ok(());
        }
        let varied: Vec<&str> = self.varied.iter().map(|vary| vary.name()).collect();
        let digest = |at: usize| self.builds.get(at).map_or("", |place| place.digest.as_str());
        match &self.difference {
            None => writeln!(out, "same: {} builds give {}", self.builds.len(), digest(0))?,
            Some(difference) => {
                let last = difference.number as usize - 1;
                writeln!(out, "different: build 1 gives {}, build {} {}", digest(0), last + 1, digest(last))?;
            }
        }
        writeln!(
            out,
            "  varied      {}",
            if varied.is_empty() { "nothing".to_owned() } else { varied.join(", ") }
        )?;
        for (vary, why) in self.not_varied {
            writeln!(out, "  not varied  {}: {why}", vary.name())?;
        }
        if let Some(difference) = &self.difference {
            text(&mut out, difference)?;
        }
        Ok(())
    }

    fn object(&self) -> serde_json::Value {
        let names = |list: &BTreeSet<Vary>| -> Vec<&str> { list.iter().map(|vary| vary.name()).collect() };
        let builds: Vec<_> =
            self.builds.iter().map(|place| json!({"build": place.number, "digest": place.digest})).collect();
        let refused: Vec<_> =
            self.not_varied.iter().map(|(vary, why)| json!({"what": vary.name(), "why": why})).collect();
        json!({
            "v": 1, "same": self.difference.is_none(), "builds": builds, "varied": names(self.varied),
            "notVaried": refused, "difference": self.difference.as_ref().map(object),
        })
    }
}

fn text(out: &mut impl Write, difference: &Difference) -> Result<(), Failure> {
    let Some(step) = &difference.step else {
        writeln!(
            out,
            "  every step gave the same; the layers were put together differently, a fault of imgc"
        )?;
        return Ok(());
    };
    let (same, all) = difference.steps;
    let name = units::printable(&format!("{} {}", step.step, step.title));
    writeln!(out, "\nfirst different step: {name}")?;
    let steps = if same == 1 { "step" } else { "steps" };
    writeln!(out, "  {same} {steps} before it gave the same, of {all} in all")?;
    for (change, finding) in difference.files.iter().take(FILES) {
        let details = change.details().join(", ");
        let line = format!("{} {}  {details}", change.letter(), change.path.to_absolute());
        writeln!(out, "  {}", units::printable(line.trim_end()))?;
        if let Some(finding) = finding {
            let line = format!("at byte {}: {} | {}", finding.offset, finding.before, finding.after);
            writeln!(out, "      {}", units::printable(&line))?;
            writeln!(out, "      {}: {}", finding.meaning.word(), finding.meaning.cause())?;
        }
    }
    if difference.files.len() > FILES {
        writeln!(out, "  and {} more files: `--json` has all", difference.files.len() - FILES)?;
    }
    if !difference.followers.is_empty() {
        writeln!(out, "  not compared, since they stand on it: {}", difference.followers.join(", "))?;
    }
    Ok(())
}

fn object(difference: &Difference) -> serde_json::Value {
    let files: Vec<_> = difference
        .files
        .iter()
        .map(|(change, finding)| {
            json!({
                "path": change.path.to_absolute(), "change": change.letter().to_string(), "details": change.details(),
                "bytes": finding.as_ref().map(|finding| json!({
                    "offset": finding.offset, "before": finding.before, "after": finding.after,
                    "meaning": finding.meaning.word(), "cause": finding.meaning.cause(),
                })),
            })
        })
        .collect();
    json!({
        "build": difference.number, "step": difference.step.as_ref().map(|step| &step.step),
        "title": difference.step.as_ref().map(|step| &step.title), "same": difference.steps.0,
        "steps": difference.steps.1, "files": files, "followers": difference.followers,
    })
}
