//! `imgc check`: the build checks, without building.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use clap::ValueEnum;
use imgc_base::Platform;
use imgc_base::diagnostic::{Diagnostic, Severity};
use imgc_base::span::{SourceFile, SourceMap};
use imgc_graph::{FactError, ImageFacts, World};
use imgc_lower::checks::{self, CheckContext, RULES, Rule};
use imgc_lower::wrong;
use imgc_syntax::dockerfile::Parsed;
use serde_json::json;

use crate::command::build::context;
use crate::failure::{Failure, code};
use crate::render::diagnostic;
use crate::session::Session;

/// Check Dockerfiles without building
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Dockerfiles, or directories with one
    #[arg(default_value = ".")]
    files: Vec<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<String>,
    /// All but these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<String>,
    /// From which severity on the exit code is 5
    #[arg(long, value_enum, default_value_t = Deny::Warning)]
    deny: Deny,
    /// List the rules
    #[arg(long)]
    rules: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warning,
    Error,
    Never,
}

/// Checks.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    if args.rules {
        for rule in RULES {
            writeln!(out, "{}: {}", rule.name, rule.description)?;
        }
        return Ok(0);
    }
    for name in args.select.iter().chain(&args.ignore) {
        if !RULES.iter().any(|rule| rule.name == name) {
            let mut failure = Failure::usage(format!("there is no rule `{name}`"));
            if let Some(near) = imgc_base::diagnostic::did_you_mean(name, RULES.iter().map(|rule| rule.name))
            {
                failure = failure.help(format!("did you mean `{near}`?"));
            }
            return Err(failure.help("`imgc check --rules` lists them"));
        }
    }
    let mut sources = SourceMap::default();
    let mut findings = Vec::new();
    for file in &args.files {
        findings.extend(one(file, &mut sources)?);
    }
    let listed = |names: &[String], found: &Diagnostic| names.iter().any(|name| name == found.code);
    findings.retain(|found| {
        !is_rule(found)
            || ((args.select.is_empty() || listed(&args.select, found)) && !listed(&args.ignore, found))
    });
    let format = if session.global.json { Format::Json } else { args.format };
    match format {
        Format::Text => {
            drop(out);
            text(&findings, &sources)?;
            return Ok(exit_code(args.deny, &findings));
        }
        Format::Json => {
            writeln!(out, "{}", to_json(&findings, &sources))?;
        }
        Format::Sarif => writeln!(out, "{}", sarif(&findings, &sources))?,
        Format::Github => github(&mut out, &findings, &sources)?,
    }
    Ok(exit_code(args.deny, &findings))
}

/// Writes findings as text; gives the exit code of a check that denies warnings.
pub fn report(findings: &[Diagnostic], sources: &SourceMap) -> Result<u8, Failure> {
    text(findings, sources)?;
    Ok(denied(findings))
}

/// Findings as this program writes them everywhere.
pub fn to_json(findings: &[Diagnostic], sources: &SourceMap) -> serde_json::Value {
    let shown: Vec<_> = findings.iter().map(|found| diagnostic::to_json(found, sources)).collect();
    json!({"v": 1, "findings": shown})
}

/// The exit code of a check that denies warnings.
pub fn denied(findings: &[Diagnostic]) -> u8 {
    exit_code(Deny::Warning, findings)
}

/// The rule that a finding is of; errors of the file are of none.
pub fn rule_of(found: &Diagnostic) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == found.code)
}

/// What does not parse is an error of the file, whatever is denied.
fn exit_code(deny: Deny, findings: &[Diagnostic]) -> u8 {
    if findings.iter().any(|found| found.severity == Severity::Error && !is_rule(found)) {
        return code::SPEC;
    }
    let denied = findings.iter().any(|found| match deny {
        Deny::Warning => true,
        Deny::Error => found.severity == Severity::Error,
        Deny::Never => false,
    });
    if denied { code::FINDINGS } else { 0 }
}

/// True for findings of the build checks; all others are errors of the file.
fn is_rule(found: &Diagnostic) -> bool {
    rule_of(found).is_some()
}

/// Everything that is to be said about one Dockerfile.
fn one(file: &str, sources: &mut SourceMap) -> Result<Vec<Diagnostic>, Failure> {
    let input = context::read_for_check(file)?;
    let id = sources.add(input.name.clone(), input.text.as_str());
    let parsed = imgc_syntax::dockerfile::parse(id, &input.text);
    let options = imgc_lower::Options::default();
    let context = CheckContext { options: &options, ignore: &input.ignore, world: None, all_stages: true };
    Ok(of_parsed(parsed, sources, &context))
}

/// What parsing, lowering and the rules say of one file.
pub fn of_parsed(parsed: Parsed, sources: &mut SourceMap, context: &CheckContext<'_>) -> Vec<Diagnostic> {
    let mut findings = parsed.diagnostics;
    let once = context.world.map(|world| Once { world, answers: RefCell::default() });
    let context = &CheckContext { world: once.as_ref().map(|once| once as &dyn World), ..*context };
    // Without an instruction that did not parse, others seem wrong that are not.
    if !findings.iter().any(|found| found.severity == Severity::Error) {
        findings.extend(wrong::errors(&parsed.dockerfile, sources, context));
    }
    findings.extend(checks::run(&parsed.dockerfile, context));
    findings
}

/// A world that is asked for each image once: a registry that does not answer takes its time.
struct Once<'w> {
    world: &'w dyn World,
    answers: RefCell<BTreeMap<(String, String), Result<ImageFacts, FactError>>>,
}

impl World for Once<'_> {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageFacts, FactError> {
        let mut answers = self.answers.borrow_mut();
        let asked = (name.to_owned(), platform.to_string());
        answers.entry(asked).or_insert_with(|| self.world.image(name, platform)).clone()
    }

    fn has_context(&self, name: &str) -> bool {
        self.world.has_context(name)
    }

    fn ignore(&self, context: &str) -> Result<Vec<String>, FactError> {
        self.world.ignore(context)
    }
}

/// The page of docker's documentation about a rule: its name in lower case, with `-` between words.
pub fn url(rule: &Rule) -> String {
    let chars: Vec<char> = rule.name.chars().collect();
    let mut name = String::new();
    for (at, one) in chars.iter().enumerate() {
        let begins = one.is_uppercase()
            && at > 0
            && (chars[at - 1].is_lowercase() || chars.get(at + 1).is_some_and(|next| next.is_lowercase()));
        if begins {
            name.push('-');
        }
        name.extend(one.to_lowercase());
    }
    format!("https://docs.docker.com/go/dockerfile/rule/{name}/")
}

fn text(findings: &[Diagnostic], sources: &SourceMap) -> Result<(), Failure> {
    let mut styled = anstream::stdout().lock();
    for found in findings {
        writeln!(styled, "{}\n", diagnostic::to_text(found, sources))?;
    }
    match findings.len() {
        0 => writeln!(styled, "no findings")?,
        1 => writeln!(styled, "1 finding")?,
        count => writeln!(styled, "{count} findings")?,
    }
    Ok(())
}

/// Workflow commands of GitHub Actions.
fn github(out: &mut impl Write, findings: &[Diagnostic], sources: &SourceMap) -> Result<(), Failure> {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    for found in findings {
        let kind = if found.severity == Severity::Error { "error" } else { "warning" };
        let mut place = String::new();
        if let Some(label) = found.labels.first()
            && let Some(file) = sources.get(label.span.source)
        {
            let (line, column) = file.line_col(label.span.start);
            place = format!("file={},line={line},col={column},", property(&file.name));
        }
        writeln!(out, "::{kind} {place}title={}::{}", property(found.code), data(&found.message))?;
    }
    Ok(())
}

/// A path as a URI reference.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
        uri
    })
}

/// SARIF 2.1.0.
fn sarif(findings: &[Diagnostic], sources: &SourceMap) -> serde_json::Value {
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| json!({"id": rule.name, "shortDescription": {"text": rule.description}, "helpUri": url(rule)}))
        .collect();
    // Columns of SARIF are characters.
    let place = |file: &SourceFile, offset: u32| {
        let (line, column) = file.line_col(offset);
        let before = file.text.get((offset + 1 - column) as usize..offset as usize);
        (line, before.map_or(column as usize, |before| before.chars().count() + 1))
    };
    let results: Vec<_> = findings
        .iter()
        .map(|found| {
            let locations: Vec<_> = found
                .labels
                .iter()
                .take(1)
                .filter_map(|label| {
                    let file = sources.get(label.span.source)?;
                    let (line, column) = place(file, label.span.start);
                    let (end_line, end_column) = place(file, label.span.end);
                    Some(json!({"physicalLocation": {
                        "artifactLocation": {"uri": uri(&file.name)},
                        "region": {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column},
                    }}))
                })
                .collect();
            json!({
                "ruleId": found.code,
                "level": if found.severity == Severity::Error { "error" } else { "warning" },
                "message": {"text": found.message},
                "locations": locations,
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "imgc", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sarif_counts_characters_and_escapes_paths() {
        let mut sources = SourceMap::default();
        let source = sources.add("my dir/é", "FROM x\nENV é=ü b c\n");
        let span = imgc_base::Span { source, start: 14, end: 16 };
        let found = Diagnostic::warning("UndefinedVar", "m").at(span, "");
        let place = &sarif(&[found], &sources)["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20dir/%C3%A9");
        let region = json!({"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 8});
        assert_eq!(place["region"], region);
    }

    #[test]
    fn each_image_is_asked_for_once() {
        struct Counts(RefCell<Vec<String>>);
        impl World for Counts {
            fn image(&self, name: &str, _: &Platform) -> Result<ImageFacts, FactError> {
                self.0.borrow_mut().push(name.to_owned());
                let kind = imgc_graph::world::FactKind::Network;
                Err(FactError { kind, message: String::new(), notes: Vec::new(), help: None })
            }
            fn has_context(&self, _: &str) -> bool {
                false
            }
            fn ignore(&self, _: &str) -> Result<Vec<String>, FactError> {
                Ok(Vec::new())
            }
        }
        let counts = Counts(RefCell::default());
        let mut sources = SourceMap::default();
        let parsed = imgc_syntax::dockerfile::parse(imgc_base::SourceId(0), "FROM a\nFROM b\nFROM a\n");
        let options = imgc_lower::Options::default();
        let context = CheckContext { options: &options, ignore: &[], world: Some(&counts), all_stages: true };
        of_parsed(parsed, &mut sources, &context);
        counts.0.borrow_mut().sort();
        assert_eq!(*counts.0.borrow(), ["a", "b"]);
    }

    #[test]
    fn pages_of_rules() {
        let page = |name: &str| url(RULES.iter().find(|rule| rule.name == name).unwrap());
        let at = |page: &str| format!("https://docs.docker.com/go/dockerfile/rule/{page}/");
        assert_eq!(page("JSONArgsRecommended"), at("json-args-recommended"));
        assert_eq!(page("FromAsCasing"), at("from-as-casing"));
        assert_eq!(page("SecretsUsedInArgOrEnv"), at("secrets-used-in-arg-or-env"));
    }
}
