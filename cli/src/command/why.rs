//! `imgc why`: why a step ran again, and which step made a file.

mod made;
pub mod record;

use std::io::Write;

use imgc_base::diagnostic::{count, did_you_mean};
use imgc_execute::look::record::BuildRecord;
use imgc_execute::look::why::{Builds, Change, Verdict, Why};
use serde_json::json;

use super::build;
use crate::failure::{Failure, code};
use crate::render::units;
use crate::session::Session;

/// Show why a step ran again in the last build: which part of its key changed; or which step made a file
///
/// The last build is compared with the one before it that was different, of the same context, file, target and
/// platforms; or with an earlier one of the last ten.
#[derive(Debug, clap::Args)]
#[command(
    mut_args(super::fewer_build_options),
    after_help = "Examples:
  imgc why build#12
  imgc why all ./app                # every step that ran
  imgc why build#12 --against 3     # compared with the third build before
  imgc why --image /etc/hosts ./app # which step made this file"
)]
pub struct Args {
    /// A step as messages name it (`build#12`, or `#12`), or `all` that ran (which is also meant by none)
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// Compare with this build: how many builds before, or the start of its name (`--json` shows names)
    #[arg(long, value_name = "BUILD")]
    against: Option<String>,
    /// Show which steps made, changed or removed this path of the image
    #[arg(long, value_name = "PATH", conflicts_with = "against")]
    image: Option<String>,
    #[command(flatten)]
    build: build::Args,
}

/// Explains.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    // With `--image` no step is named: the first word is the context.
    let context = match (&args.image, &args.step) {
        (Some(_), Some(first)) => first,
        _ => &args.build.context,
    };
    let builds = record::read(&args.build, context)?;
    let Some(now) = builds.last() else {
        return Err(Failure::new(code::FAILED, format!("no build of `{context}` is remembered"))
            .help("build it first, with the same context, file, target and platforms"));
    };
    if let Some(path) = &args.image {
        return made::run(session, now, path);
    }
    let wanted = wanted(now, args.step.as_deref().unwrap_or("all"))?;
    let nothing = BuildRecord { v: BuildRecord::FORM, build: String::new(), when: 0, steps: Vec::new() };
    let before = match &args.against {
        Some(name) => earlier(&builds, name)?,
        None => builds.len().checked_sub(2).map_or(&nothing, |at| &builds[at]),
    };
    let compared = Builds::new(before, now);
    let explained: Vec<(usize, Why)> = wanted.into_iter().map(|at| (at, compared.explain(at))).collect();
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let steps: Vec<_> = explained.iter().map(|(at, why)| object(now, *at, why)).collect();
        writeln!(out, "{}", json!({"v": 1, "build": now.build, "against": before.build, "steps": steps}))?;
        return Ok(0);
    }
    if explained.is_empty() {
        writeln!(out, "no step ran in the last build: all {} results were known", now.steps.len())?;
    }
    for (at, why) in &explained {
        text(&mut out, now, *at, why)?;
    }
    Ok(0)
}

/// An earlier build: so many before the last one, or by the start of its name.
fn earlier<'a>(builds: &'a [BuildRecord], name: &str) -> Result<&'a BuildRecord, Failure> {
    let last = builds.len().saturating_sub(1);
    let by_number =
        name.parse::<usize>().ok().filter(|&back| back > 0).and_then(|back| last.checked_sub(back));
    let by_name = || builds[..last].iter().rev().find(|build| build.build.starts_with(name));
    if let Some(found) = by_number.map(|at| &builds[at]).or_else(by_name) {
        return Ok(found);
    }
    let now = imgc_base::clock::wall().as_secs();
    let known = builds[..last].iter().rev().enumerate().map(|(at, build)| {
        let ago = units::duration(now.saturating_sub(build.when).saturating_mul(1000));
        let ran = build.steps.iter().filter(|step| !step.cached).count();
        format!("{}: {}, {ago} ago, {ran} of {} ran", at + 1, build.build, count(build.steps.len(), "step"))
    });
    let known: Vec<String> = known.collect();
    let failure = Failure::usage(format!("no earlier build `{name}` is remembered"));
    Err(if known.is_empty() {
        failure.note("the last build is the only one")
    } else {
        known.into_iter().fold(failure, Failure::note)
    })
}

/// Numbers of the steps that are asked for.
fn wanted(now: &BuildRecord, step: &str) -> Result<Vec<usize>, Failure> {
    if step == "all" {
        return Ok((0..now.steps.len()).filter(|&at| !now.steps[at].cached).collect());
    }
    let named = |name: &str| name == step || step.starts_with('#') && name.ends_with(step);
    let found: Vec<usize> = (0..now.steps.len()).filter(|&at| named(&now.steps[at].step)).collect();
    if found.is_empty() {
        let names: Vec<&str> = now.steps.iter().map(|step| step.step.as_str()).collect();
        let mut failure = Failure::usage(format!("the last build had no step `{step}`"));
        if let Some(near) = did_you_mean(step, names.iter().copied()) {
            failure = failure.help(format!("did you mean `{near}`?"));
        }
        return Err(failure.note(format!("it had {}", names.join(", "))));
    }
    Ok(found)
}

fn text(out: &mut impl Write, now: &BuildRecord, at: usize, why: &Why) -> Result<(), Failure> {
    let step = &now.steps[at];
    let name = units::printable(&format!("{} {}", step.step, step.title));
    match why.verdict {
        Verdict::Known => writeln!(out, "{name}: not rebuilt, its result was known")?,
        Verdict::New => writeln!(out, "why {name} was built\n  new    no earlier build had it")?,
        Verdict::Again => writeln!(
            out,
            "why {name} was rebuilt\n  same   everything: it was asked for (--no-cache), or its result was no longer in the store"
        )?,
        Verdict::Rebuilt => writeln!(out, "why {name} was rebuilt")?,
        Verdict::KnownChange => writeln!(out, "{name}: changed, but the result for that was known")?,
    }
    let width = why.changed.iter().map(|change| kind(change).1.chars().count()).max().unwrap_or(0);
    for change in &why.changed {
        let (kind, name) = kind(change);
        let said = match (&change.before, &change.now) {
            (None, _) => "added".to_owned(),
            (_, None) => "removed".to_owned(),
            (Some(old), Some(new)) if old == new || old.is_empty() || new.is_empty() => "changed".to_owned(),
            (Some(old), Some(new)) => format!("changed  {old} -> {new}"),
        };
        let pad = " ".repeat(width - name.chars().count());
        writeln!(
            out,
            "  {kind:<6} {}",
            units::printable(&format!("{name}{pad}  {}", said.replace('\n', " ")))
        )?;
    }
    if let Some(cause) = &why.cause {
        writeln!(out, "  since  {}", units::printable(cause))?;
    }
    if !why.same.is_empty() && !matches!(why.verdict, Verdict::Known | Verdict::Again) {
        let same = units::printable(&shorter(&why.same));
        writeln!(out, "  same   {same}")?;
    }
    match why.followers.as_slice() {
        [] => {}
        [one] => writeln!(out, "  1 step follows: {one}")?,
        several => writeln!(out, "  {} steps follow: {}", several.len(), several.join(", "))?,
    }
    Ok(())
}

/// A word for what changed, and its name without it.
fn kind(change: &Change) -> (&'static str, &str) {
    match change.name.split_once(' ') {
        Some(("env", name)) => ("env", name),
        Some(("source", name)) => ("input", name),
        Some(("mount", name)) => ("mount", name),
        _ if change.name.starts_with("input ") => ("input", change.name.as_str()),
        _ if change.name == "args" => ("run", "command"),
        _ => ("", change.name.as_str()),
    }
}

/// Variables as one word.
fn shorter(names: &[String]) -> String {
    let (variables, mut others): (Vec<&str>, Vec<&str>) =
        names.iter().map(String::as_str).partition(|name| name.starts_with("env "));
    let env = match variables.len() {
        0 => String::new(),
        1 => variables[0].to_owned(),
        count => format!("{count} variables"),
    };
    if !env.is_empty() {
        others.push(&env);
    }
    others.join(", ")
}

fn object(now: &BuildRecord, at: usize, why: &Why) -> serde_json::Value {
    let step = &now.steps[at];
    let verdict = match why.verdict {
        Verdict::New => "new",
        Verdict::Rebuilt => "rebuilt",
        Verdict::KnownChange => "known-change",
        Verdict::Again => "again",
        Verdict::Known => "known",
    };
    let changed: Vec<_> = why
        .changed
        .iter()
        .map(|change| json!({"name": change.name, "before": change.before, "now": change.now}))
        .collect();
    json!({
        "step": step.step, "title": step.title, "platform": step.platform, "key": step.key.to_string(),
        "verdict": verdict, "changed": changed, "same": why.same, "cause": why.cause, "followers": why.followers,
    })
}
