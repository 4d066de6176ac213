//! What verifying found, as one page that needs no network.

use std::fmt::Write as _;

use imgc_execute::look::bytes::Finding;
use imgc_execute::look::files::FileChange;

use super::compare::Difference;
use super::show::Report;
use crate::render::page::{escape, start};

/// Most files that are listed.
const FILES: usize = 500;

/// The page.
pub fn page(report: &Report<'_>) -> String {
    let same = report.difference.is_none();
    let (word, class) = if same { ("Reproducible", "good") } else { ("Not reproducible", "bad") };
    let word = match (&report.against, same) {
        (Some(_), true) => "The same image",
        (Some(_), false) => "Another image",
        _ => word,
    };
    let mut out = start(&format!("{}: verify", report.subject), include_str!("page.css"));
    let _ = write!(out, "<h1 class=\"{class}\">{word}</h1>\n<p>{}</p>\n", escape(&report.verdict()));
    builds(&mut out, report);
    if report.builds.len() > 1 {
        varied(&mut out, report);
    }
    if let Some(difference) = &report.difference {
        if difference.is_form_alone() {
            let _ = writeln!(out, "<h2>What differs</h2>\n<p>{}</p>", report.form_alone());
        } else {
            differences(&mut out, difference);
        }
    }
    out.push_str("</html>\n");
    out
}

fn builds(out: &mut String, report: &Report<'_>) {
    out.push_str("<h2>Builds</h2>\n<table><tr><th>build<th>manifest</tr>\n");
    if let Some((name, digest)) = &report.against {
        let _ = writeln!(out, "<tr><td>{}<td><code>{}</code></tr>", escape(name), escape(digest));
    }
    let first = match &report.against {
        Some((_, digest)) => digest.as_str(),
        None => report.builds.first().map_or("", |place| place.digest.as_str()),
    };
    for place in report.builds {
        let class = if place.digest == first { "good" } else { "bad" };
        let _ = writeln!(
            out,
            "<tr><td>build {}<td><code class=\"{class}\">{}</code></tr>",
            place.number,
            escape(&place.digest)
        );
    }
    out.push_str("</table>\n");
}

fn varied(out: &mut String, report: &Report<'_>) {
    out.push_str("<h2>What differed around the builds</h2>\n<p class=\"chips\">");
    for vary in report.varied {
        let _ = write!(out, "<span>{}</span>", vary.name());
    }
    if report.varied.is_empty() {
        out.push_str("nothing");
    }
    out.push_str("</p>\n");
    for (vary, why) in report.not_varied {
        let _ = writeln!(out, "<p>not {}: {}</p>", vary.name(), escape(why));
    }
}

fn differences(out: &mut String, difference: &Difference) {
    if let Some(step) = &difference.step {
        let (same, all) = difference.steps;
        let _ = writeln!(
            out,
            "<h2>First different step</h2>\n<pre>{} {}</pre>\n<div class=\"bar\" role=\"img\" aria-label=\"{same} of {all} steps \
             gave the same\">",
            escape(&step.step),
            escape(&step.title)
        );
        for at in 0..all {
            let class = match at {
                at if at < same => "good",
                at if at == same => "bad",
                _ => "",
            };
            let _ = write!(out, "<i class=\"{class}\"></i>");
        }
        let _ = writeln!(out, "</div>\n<p>{same} of {all} steps before it gave the same.</p>");
        if !difference.followers.is_empty() {
            let _ = writeln!(
                out,
                "<p>Not compared, since they stand on it: {}</p>",
                escape(&difference.followers.join(", "))
            );
        }
    }
    if !difference.config.is_empty() {
        out.push_str("<h2>Config</h2>\n<table><tr><th>field<th>before<th>after</tr>\n");
        for (name, (before, after)) in &difference.config {
            let value = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), escape);
            let _ = writeln!(
                out,
                "<tr><td><code>{}</code><td><code>{}</code><td><code>{}</code></tr>",
                escape(name),
                value(before),
                value(after)
            );
        }
        out.push_str("</table>\n");
    }
    if difference.files.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h2>Files ({})</h2>", difference.files.len());
    for (change, finding) in difference.files.iter().take(FILES) {
        file(out, change, finding.as_ref());
    }
    if difference.files.len() > FILES {
        let _ =
            writeln!(out, "<p>and {} more: <code>--json</code> has all</p>", difference.files.len() - FILES);
    }
}

fn file(out: &mut String, change: &FileChange, finding: Option<&Finding>) {
    let word = match change.letter() {
        'A' => "added",
        'D' => "gone",
        'M' => "content",
        'T' => "another kind",
        _ => "attributes",
    };
    let _ = write!(
        out,
        "<section><h3><code>{}</code> <span class=\"kind\">{word}</span></h3>\n<p>{}</p>\n",
        escape(&change.path.to_absolute()),
        escape(&change.details().join(", "))
    );
    if let Some(finding) = finding {
        let _ = write!(
            out,
            "<table class=\"bytes\"><tr><th>byte {}<td><code class=\"old\">{}</code></tr><tr><th><td><code \
             class=\"new\">{}</code></tr></table>\n<p><b>{}</b>: {}</p>\n",
            finding.offset,
            escape(&finding.before),
            escape(&finding.after),
            escape(finding.meaning.word()),
            escape(&finding.meaning.cause())
        );
    }
    out.push_str("</section>\n");
}
