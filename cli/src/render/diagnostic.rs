//! Diagnostics as rustc draws them, and as JSON.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use imgc_base::diagnostic::{Diagnostic, Severity};
use imgc_base::span::{SourceId, SourceMap};

/// Lines of source that are drawn at most for one label; a heredoc of a thousand lines is not repeated.
const LINES: usize = 12;

/// As text with colours; `anstream` removes them where nobody wants them.
pub fn to_text(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    let mut drawn: Vec<SourceId> = Vec::new();
    for label in &diagnostic.labels {
        let id = label.span.source;
        if drawn.contains(&id) {
            continue;
        }
        drawn.push(id);
        let Some(file) = sources.get(id) else { continue };
        let mut snippet = Snippet::source(&*file.text).path(file.name.as_str());
        for (number, label) in
            diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.source == id)
        {
            let kind = if number == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let range = shortened(&file.text, label.span.range());
            let annotation = kind.span(range);
            let text = (!label.text.is_empty()).then_some(label.text.as_str());
            snippet = snippet.annotation(annotation.label(text));
        }
        group = group.element(snippet);
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &diagnostic.helps {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let report = &[group];
    Renderer::styled().render(report).clone()
}

/// Cuts a range to the first lines of it, and to the text.
fn shortened(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let end = range.end.min(text.len());
    let start = range.start.min(end);
    let Some(part) = text.get(start..end) else { return start..start };
    let cut = part.match_indices('\n').nth(LINES).map_or(part.len(), |(at, _)| at);
    start..start + cut
}

/// As a JSON object: code, severity, message, places, notes, helps.
pub fn to_json(diagnostic: &Diagnostic, sources: &SourceMap) -> serde_json::Value {
    let places: Vec<serde_json::Value> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let file = sources.get(label.span.source)?;
            let (line, column) = file.line_col(label.span.start);
            let (end_line, end_column) = file.line_col(label.span.end);
            Some(serde_json::json!({
                "file": file.name, "line": line, "column": column,
                "endLine": end_line, "endColumn": end_column, "label": label.text,
            }))
        })
        .collect();
    serde_json::json!({
        "code": diagnostic.code, "severity": diagnostic.severity, "message": diagnostic.message,
        "places": places, "notes": diagnostic.notes, "helps": diagnostic.helps,
    })
}
