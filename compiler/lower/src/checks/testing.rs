//! For the tests of rules: a text in, `LINE message` out.

use imgc_base::span::{SourceId, SourceMap};
use imgc_graph::World;

use super::{CheckContext, run};
use crate::options::Options;

/// Findings of all rules as `LINE RULE message`.
pub(super) fn all_with(
    text: &str,
    options: &Options,
    ignore: &[&str],
    world: Option<&dyn World>,
) -> Vec<String> {
    let mut sources = SourceMap::default();
    sources.add("Dockerfile", text);
    let parsed = imgc_syntax::dockerfile::parse(SourceId(0), text);
    let ignore: Vec<String> = ignore.iter().map(|pattern| (*pattern).to_owned()).collect();
    let context = CheckContext { options, ignore: &ignore, world, all_stages: true };
    let findings = run(&parsed.dockerfile, &context);
    findings
        .iter()
        .map(|one| {
            let line = one
                .labels
                .first()
                .map_or(0, |label| sources.get(label.span.source).unwrap().line_col(label.span.start).0);
            format!("{line} {} {}", one.code, one.message)
        })
        .collect()
}

/// Findings of all rules, with a small world.
pub(super) fn all(text: &str) -> Vec<String> {
    all_with(text, &crate::tests::options(), &[], Some(&crate::tests::Fake::new()))
}

fn only(rule: &str, findings: Vec<String>) -> Vec<String> {
    findings
        .into_iter()
        .filter_map(|line| {
            let (number, rest) = line.split_once(' ')?;
            let message = rest.strip_prefix(rule)?;
            Some(format!("{number}{message}"))
        })
        .collect()
}

/// Findings of one rule as `LINE message`.
pub(super) fn found(rule: &str, text: &str) -> Vec<String> {
    only(rule, all(text))
}

/// Findings of one rule, with other options, patterns, or no world.
pub(super) fn found_with(
    rule: &str,
    text: &str,
    options: &Options,
    ignore: &[&str],
    world: Option<&dyn World>,
) -> Vec<String> {
    only(rule, all_with(text, options, ignore, world))
}
