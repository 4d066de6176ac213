//! What verifying found, as text and JSON.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::compare::Difference;
use super::page;
use super::place::Place;
use super::vary::Vary;
use crate::failure::Failure;
use crate::render::units;
use crate::session::Session;

/// Files that are shown as text.
const FILES: usize = 10;

/// All that was found.
pub struct Report<'a> {
    /// What was built, as the user named it.
    pub subject: &'a str,
    /// The image that it was compared with: its name and digest.
    pub against: Option<(&'a str, String)>,
    /// The builds.
    pub builds: &'a [Place],
    /// What was different in all but the first.
    pub varied: &'a BTreeSet<Vary>,
    /// What could not be, and why.
    pub not_varied: &'a [(Vary, &'static str)],
    /// How one of them differs from the first.
    pub difference: Option<Difference>,
}

/// The form that `-o` asks for, and whether it goes to stdout.
fn form(output: &str) -> Option<(&'static str, bool)> {
    let ending = Path::new(output).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match (output, ending) {
        ("html", _) => Some(("html", true)),
        ("json", _) => Some(("json", true)),
        (_, "html" | "htm") => Some(("html", false)),
        (_, "json") => Some(("json", false)),
        _ => None,
    }
}

/// Refuses what `-o` does not know, before anything is built.
pub fn check(outputs: &[String]) -> Result<(), Failure> {
    match outputs.iter().find(|output| form(output).is_none()) {
        Some(output) => Err(Failure::usage(format!("`-o {output}` is no format and no file of one"))
            .help("use html, json, or a file that ends so")),
        None => Ok(()),
    }
}

impl Report<'_> {
    /// Writes it to stdout, and to the files that were asked for.
    pub fn show(&self, session: &Session, outputs: &[String]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let mut on_stdout = if session.global.json { Some("json") } else { None };
        for output in outputs {
            match form(output) {
                Some((form, true)) => on_stdout = Some(form),
                Some(("html", false)) => fs_err::write(output, page::page(self))?,
                Some(_) => fs_err::write(output, format!("{}\n", self.object()))?,
                None => {}
            }
        }
        match on_stdout {
            Some("html") => write!(out, "{}", page::page(self))?,
            Some(_) => writeln!(out, "{}", self.object())?,
            None => self.text(&mut out)?,
        }
        Ok(())
    }

    /// The result in one line, and the digests.
    pub fn verdict(&self) -> String {
        let digest = |at: usize| self.builds.get(at).map_or("", |place| place.digest.as_str());
        match (&self.difference, &self.against) {
            (None, None) => format!("same: {} builds give {}", self.builds.len(), digest(0)),
            (None, Some((name, _))) => format!("same: {name} and what is built are {}", digest(0)),
            (Some(difference), Some((name, theirs))) if self.differs_from_image() => {
                format!(
                    "different: {name} is {theirs}, build {} gives {}",
                    difference.number,
                    digest(difference.number as usize - 1)
                )
            }
            (Some(difference), _) => {
                let last = difference.number as usize - 1;
                format!("different: build 1 gives {}, build {} {}", digest(0), last + 1, digest(last))
            }
        }
    }

    /// True if the difference is to the image, not between builds.
    fn differs_from_image(&self) -> bool {
        let (Some(difference), Some((_, theirs))) = (&self.difference, &self.against) else { return false };
        self.builds.get(difference.number as usize - 1).is_some_and(|place| place.digest != *theirs)
    }

    /// What the difference is if no file and no field differs.
    pub fn form_alone(&self) -> &'static str {
        if self.against.is_some() {
            "files and config are equal; layers are cut or compressed differently"
        } else {
            "every step gave the same; the layers were put together differently, a fault of imgc"
        }
    }

    fn text(&self, out: &mut impl Write) -> Result<(), Failure> {
        let varied: Vec<&str> = self.varied.iter().map(|vary| vary.name()).collect();
        writeln!(out, "{}", units::printable(&self.verdict()))?;
        if self.builds.len() > 1 {
            let varied = if varied.is_empty() { "nothing".to_owned() } else { varied.join(", ") };
            writeln!(out, "  varied      {varied}")?;
        }
        for (vary, why) in self.not_varied {
            writeln!(out, "  not varied  {}: {why}", vary.name())?;
        }
        if let Some(difference) = &self.difference {
            if difference.is_form_alone() {
                writeln!(out, "  {}", self.form_alone())?;
            } else {
                text(out, difference)?;
            }
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
            "v": 1, "against": self.against.as_ref().map(|(name, digest)| json!({"name": name, "digest": digest})),
            "same": self.difference.is_none(), "builds": builds, "varied": names(self.varied),
            "notVaried": refused, "difference": self.difference.as_ref().map(object),
        })
    }
}

fn text(out: &mut impl Write, difference: &Difference) -> Result<(), Failure> {
    if let Some(step) = &difference.step {
        let (same, all) = difference.steps;
        let name = units::printable(&format!("{} {}", step.step, step.title));
        writeln!(out, "\nfirst different step: {name}")?;
        let steps = if same == 1 { "step" } else { "steps" };
        writeln!(out, "  {same} {steps} before it gave the same, of {all} in all")?;
    }
    for (name, (before, after)) in &difference.config {
        let value =
            |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned()).replace('\n', " ");
        writeln!(out, "  {}", units::printable(&format!("{name}: {} -> {}", value(before), value(after))))?;
    }
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
    let config: Vec<_> = difference
        .config
        .iter()
        .map(|(name, (before, after))| json!({"name": name, "before": before, "after": after}))
        .collect();
    json!({
        "config": config, "build": difference.number, "step": difference.step.as_ref().map(|step| &step.step),
        "title": difference.step.as_ref().map(|step| &step.title), "same": difference.steps.0,
        "steps": difference.steps.1, "files": files, "followers": difference.followers,
    })
}
