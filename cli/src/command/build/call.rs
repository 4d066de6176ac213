//! `imgc build --call`: what a file says of itself, in the forms of `docker buildx build --call`.

use std::io::Write;

use imgc_base::event::Silent;
use imgc_base::span::{SourceMap, Span};
use imgc_base::{Diagnostic, Severity};
use imgc_lower::checks::CheckContext;
use imgc_lower::outline::{self, Offered, Outline, Target};
use serde_json::{Map, Value, json};

use super::Args;
use super::prepare::Request;
use crate::command::check;
use crate::failure::Failure;
use crate::render::table::table;
use crate::session::Session;

/// What is asked for instead of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The build checks.
    Check,
    /// What can be given to the target.
    Outline,
    /// Which targets there are.
    Targets,
}

/// A method, and whether its result is JSON. `None` for a build.
pub fn parse(args: &Args) -> Result<Option<(Method, bool)>, Failure> {
    let text = match (&args.call, args.check) {
        (Some(text), _) => text.as_str(),
        (None, true) => "check",
        (None, false) => return Ok(None),
    };
    let (mut method, mut json) = (None, false);
    for field in text.split(',') {
        match field.trim() {
            "build" => {}
            "check" | "lint" => method = Some(Method::Check),
            "outline" => method = Some(Method::Outline),
            "targets" => method = Some(Method::Targets),
            "format=json" => json = true,
            "format=text" => json = false,
            other => {
                return Err(Failure::usage(format!("`--call {text}`: `{other}` is not known"))
                    .help("use build, check, outline or targets, and `,format=json`"));
            }
        }
    }
    Ok(method.map(|method| (method, json)))
}

/// Refuses the option where nothing answers it.
pub fn refuse(args: &Args) -> Result<(), Failure> {
    if parse(args)?.is_some() {
        return Err(Failure::usage("`--call` and `--check` are options of `imgc build` alone"));
    }
    Ok(())
}

/// Answers.
pub fn run(session: &Session, args: &Args, method: Method, json: bool) -> Result<u8, Failure> {
    let json = json || session.global.json;
    let store = session.store()?;
    let request = Request::read(session, &store, args)?;
    let mut sources = SourceMap::default();
    let id = sources.add(request.input.name.clone(), request.input.text.as_str());
    let parsed = imgc_syntax::dockerfile::parse(id, &request.input.text);
    if method == Method::Check {
        let client = session.client()?;
        let bases = request.bases(session, &store, client.as_ref(), &Silent, args.pull);
        let context = CheckContext {
            options: &request.asked.lower,
            ignore: &request.input.ignore,
            world: Some(&bases),
            all_stages: request.asked.lower.target.is_none(),
        };
        let findings = check::of_parsed(parsed, &mut sources, &context);
        if json {
            let text = pretty(&check_json(&findings, &sources, &request.input.name, &request.input.text));
            std::io::stdout().lock().write_all(text.as_bytes())?;
            return Ok(check::denied(&findings));
        }
        return check::report(&findings, &sources);
    }
    if !parsed.diagnostics.is_empty() {
        return Err(Failure::diagnostics(parsed.diagnostics, sources));
    }
    let text = if method == Method::Targets {
        let all = outline::targets(&parsed.dockerfile);
        if json { pretty(&targets_json(&all, &sources, &request.input.text)) } else { targets_text(&all) }
    } else {
        let found = outline::outline(&parsed.dockerfile, &request.asked.lower)
            .map_err(|errors| Failure::diagnostics(errors, sources.clone()))?;
        if json { pretty(&outline_json(&found, &sources, &request.input.text)) } else { outline_text(&found) }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(0)
}

fn pretty(value: &Value) -> String {
    // A value of strings and numbers always prints.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn targets_text(all: &[Target]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|target| {
            let name = match (target.name.as_deref(), target.default) {
                (None, true) => "(default)".to_owned(),
                (name, true) => format!("{} (default)", name.unwrap_or_default()),
                (name, false) => name.unwrap_or_default().to_owned(),
            };
            vec![name, target.description.clone()]
        })
        .collect();
    table(&["TARGET", "DESCRIPTION"], &rows)
}

fn outline_text(found: &Outline) -> String {
    let mut parts = Vec::new();
    if found.name.is_some() || !found.description.is_empty() {
        let name = found.name.clone().unwrap_or_else(|| "default".to_owned());
        let mut rows = Vec::new();
        if !found.description.is_empty() {
            rows.push(vec!["DESCRIPTION:".to_owned(), found.description.clone()]);
        }
        parts.push(table(&["TARGET:", &name], &rows));
    }
    if !found.args.is_empty() {
        let row = |one: &Offered| {
            vec![one.name.clone(), one.value.clone().unwrap_or_default(), one.description.clone()]
        };
        parts.push(table(
            &["BUILD ARG", "VALUE", "DESCRIPTION"],
            &found.args.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    for (title, list) in [("SECRET", &found.secrets), ("SSH", &found.ssh)] {
        if !list.is_empty() {
            let row = |one: &Offered| {
                vec![one.name.clone(), if one.required { "true".to_owned() } else { String::new() }]
            };
            parts.push(table(&[title, "REQUIRED"], &list.iter().map(row).collect::<Vec<_>>()));
        }
    }
    parts.join("\n")
}

/// The place of an instruction; lines from 1.
fn location(span: Span, sources: &SourceMap) -> Value {
    let line = |at: u32| sources.get(span.source).map_or(0, |file| file.line_col(at).0);
    let last = span.end.saturating_sub(1).max(span.start);
    json!({"ranges": [{"start": {"line": line(span.start)}, "end": {"line": line(last)}}]})
}

/// The file itself, as buildx has it.
fn text_json(text: &str) -> Value {
    use base64::Engine as _;
    json!([base64::engine::general_purpose::STANDARD.encode(text)])
}

/// Fields that are empty are left out.
fn object(fields: Vec<(&str, Value)>) -> Value {
    let empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    let kept = fields.into_iter().filter(|(_, value)| !empty(value));
    Value::Object(kept.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// Findings as this program writes them, and once more as buildx does: rules are its warnings, and the first error its error.
fn check_json(findings: &[Diagnostic], sources: &SourceMap, name: &str, text: &str) -> Value {
    let place = |found: &Diagnostic| found.labels.first().map(|label| location(label.span, sources));
    let warnings: Vec<Value> = findings
        .iter()
        .filter_map(|found| {
            let rule = check::rule_of(found)?;
            Some(object(vec![
                ("ruleName", rule.name.into()),
                ("description", rule.description.into()),
                ("url", check::url(rule).into()),
                ("detail", found.message.clone().into()),
                ("location", place(found).unwrap_or_default()),
            ]))
        })
        .collect();
    let mut all = check::to_json(findings, sources);
    all["warnings"] = warnings.into();
    let file = text_json(text);
    all["sources"] = json!([{"fileName": name, "language": "Dockerfile", "data": file[0]}]);
    if let Some(error) = findings.iter().find(|found| found.severity == Severity::Error) {
        let message = match check::rule_of(error) {
            Some(rule) => format!("lint violation found for rules: {}", rule.name),
            None => error.message.clone(),
        };
        all["buildError"] =
            object(vec![("message", message.into()), ("location", place(error).unwrap_or_default())]);
    }
    all
}

fn targets_json(all: &[Target], sources: &SourceMap, text: &str) -> Value {
    let target = |one: &Target| {
        object(vec![
            ("name", one.name.clone().into()),
            ("default", one.default.into()),
            ("description", one.description.clone().into()),
            ("base", one.base.clone().into()),
            ("platform", one.platform.clone().into()),
            ("location", location(one.span, sources)),
        ])
    };
    json!({"targets": all.iter().map(target).collect::<Vec<_>>(), "sources": text_json(text)})
}

fn outline_json(found: &Outline, sources: &SourceMap, text: &str) -> Value {
    let list = |list: &[Offered], name: &str| {
        let one = |one: &Offered| {
            object(vec![
                (name, one.name.clone().into()),
                ("description", one.description.clone().into()),
                ("value", one.value.clone().into()),
                ("required", one.required.into()),
                ("location", location(one.span, sources)),
            ])
        };
        Value::Array(list.iter().map(one).collect())
    };
    object(vec![
        ("name", found.name.clone().into()),
        ("description", found.description.clone().into()),
        ("args", list(&found.args, "name")),
        ("secrets", list(&found.secrets, "name")),
        ("ssh", list(&found.ssh, "name")),
        ("cache", list(&found.caches, "ID")),
        ("sources", text_json(text)),
    ])
}
