//! Sizes as one page that needs no network: a treemap, the layers, the wasted bytes.

use std::fmt::Write as _;

use imgc_base::diagnostic::count;
use imgc_execute::look::size::Sizes;

use super::Row;
use crate::render::page::{self, escape};
use crate::render::units;

/// Most wasted files that are listed.
const WASTED: usize = 200;

/// The page.
pub fn page(name: &str, sizes: &Sizes, rows: &[Row]) -> String {
    let visible = sizes.visible();
    let waste = sizes.waste();
    let mut out = page::start(&format!("{name}: size"), include_str!("treemap.css"));
    let _ = write!(
        out,
        "<h1>{}</h1>\n<p>{} in {}, {}; {} in {} that nobody can see</p>\n",
        escape(name),
        units::bytes(visible.bytes),
        count(visible.files, "file"),
        count(rows.len(), "layer"),
        units::bytes(waste.bytes),
        count(waste.files, "file"),
    );
    out.push_str(
        "<nav id=\"trail\" aria-label=\"directory\"></nav>\n<div id=\"map\"></div>\n<p class=\"keys\">",
    );
    for row in rows.iter().filter(|row| row.size.held.files > 0) {
        let _ = write!(out, "<span><i data-layer=\"{}\"></i>layer {}</span>", row.number - 1, row.number);
    }
    out.push_str("</p>\n<h2>Layers</h2>\n<table><tr><th class=n>layer<th class=n>size<th class=n>files<th class=n>wasted<th class=n>compressed<th>made by</tr>\n");
    for row in rows {
        let _ = writeln!(
            out,
            "<tr><td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td><code>{}</code></tr>",
            row.number,
            units::bytes(row.size.held.bytes),
            row.size.held.files,
            units::bytes(row.size.wasted.bytes),
            units::bytes(row.compressed),
            escape(&row.by)
        );
    }
    out.push_str("</table>\n");
    if !sizes.wasted.is_empty() {
        out.push_str(
            "<h2>Wasted</h2>\n<table><tr><th class=n>size<th>file<th class=n>in layer<th>hidden by</tr>\n",
        );
        for wasted in sizes.wasted.iter().take(WASTED) {
            let _ = writeln!(
                out,
                "<tr><td class=n>{}<td><code>{}</code><td class=n>{}<td>layer {} ({})</tr>",
                units::bytes(wasted.bytes),
                escape(&wasted.path.to_absolute()),
                wasted.layer + 1,
                wasted.by + 1,
                wasted.how.name()
            );
        }
        out.push_str("</table>\n");
        if sizes.wasted.len() > WASTED {
            let _ = writeln!(out, "<p>and {} more</p>", sizes.wasted.len() - WASTED);
        }
    }
    let files: Vec<_> = sizes
        .files
        .iter()
        .map(|file| serde_json::json!([file.path.to_absolute(), file.bytes, file.layer]))
        .collect();
    // Inside a script element only `</` and `<!` could end it early.
    let data = serde_json::json!({"files": files}).to_string().replace('<', "\\u003c");
    let _ = writeln!(
        out,
        "<script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{}\
         for (const key of document.querySelectorAll(\".keys i\")) key.style.background = colours[key.dataset.layer % colours.length];\n\
         </script>\n</html>",
        include_str!("treemap.js")
    );
    out
}
