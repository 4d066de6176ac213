//! Drawings on one page that works without a network.

use std::fmt::Write as _;

use super::{Drawing, escape, svg};
use crate::graph::Graph;
use crate::{text, tree};

/// One drawing of a page.
#[derive(Debug, Clone, Copy)]
pub struct Panel<'a> {
    /// Its heading.
    pub title: &'a str,
    /// A line below it; may be empty.
    pub caption: &'a str,
    /// The graph.
    pub graph: &'a Graph,
    /// What is drawn besides.
    pub drawing: &'a Drawing,
}

/// A page with the panels side by side, and sections of plain text (heading, text) below.
pub fn page(title: &str, panels: &[Panel<'_>], sections: &[(&str, &str)]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{}{}</style>\n<h1>{}</h1>\n",
        escape(title),
        svg::STYLE,
        include_str!("page.css"),
        escape(title)
    );
    out.push_str(
        "<p class=\"key\"><span class=\"k source\">source</span><span class=\"k exec\">exec: runs a command</span>\
         <span class=\"k file\">file: changes files</span><span class=\"k combine\">merge, diff</span>\
         <span class=\"k result\">image, index</span><span>solid line: the root a step stands on; dashed: what it \
         takes from elsewhere</span></p>\n<main>\n",
    );
    for (number, panel) in panels.iter().enumerate() {
        let (drawing, width) = svg::body(panel.graph, panel.drawing, &format!("p{number}"));
        let _ = writeln!(
            out,
            "<section class=\"panel\" data-panel=\"{number}\" style=\"--w:{width}px\"><h2>{}</h2><p>{}</p><div class=\"scroll\">\n{drawing}\
             </div>\n<details><summary>As text</summary><pre>{}</pre></details></section>",
            escape(panel.title),
            escape(panel.caption),
            escape(&tree::print(panel.graph)),
        );
    }
    out.push_str("</main>\n");
    for (heading, body) in sections {
        let _ = writeln!(out, "<section><h2>{}</h2><pre>{}</pre></section>", escape(heading), escape(body));
    }
    out.push_str("<aside id=\"detail\" hidden aria-live=\"polite\"><button aria-label=\"close\">×</button><pre></pre></aside>\n");
    for (number, panel) in panels.iter().enumerate() {
        for (id, definition) in text::print_nodes(panel.graph) {
            let _ =
                writeln!(out, "<template id=\"d{number}-{}\">{}</template>", id.index(), escape(&definition));
        }
    }
    let _ = writeln!(out, "<script>\n{}</script>\n</html>", include_str!("page.js"));
    out
}
