//! A layout as SVG.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::layout::{self, BAND_TOP, Edge, HEIGHT, Layout, WIDTH};
use super::{Band, Drawing, Look, Mark, escape, stage};
use crate::describe::{Kind, describe};
use crate::graph::{Graph, NodeId};

/// The colours and fonts; they follow the reader's choice of light or dark.
pub(super) const STYLE: &str = include_str!("style.css");

/// Draws a graph as one SVG file.
pub fn print(graph: &Graph, drawing: &Drawing) -> String {
    let (body, _) = body(graph, drawing, "");
    body.replacen('>', &format!(">\n<style>{STYLE}</style>"), 1)
}

/// The `svg` element without its style, and its width. `prefix` keeps ids of several drawings on one page apart.
pub(super) fn body(graph: &Graph, drawing: &Drawing, prefix: &str) -> (String, i32) {
    let layout = layout::layout(graph);
    let mut out = String::new();
    let Layout { width, height, .. } = layout;
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"imgc-graph\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"group\" aria-label=\"instruction graph\">\n\
         <defs><marker id=\"{prefix}arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path class=\"head\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    let stages;
    let bands = if let Some(bands) = &drawing.bands {
        bands
    } else {
        stages = stages_of(graph);
        &stages
    };
    for band in bands {
        draw_band(&mut out, band, &layout);
    }
    for edge in &layout.edges {
        draw_edge(&mut out, edge, drawing, prefix);
    }
    let platforms: BTreeSet<_> = graph.nodes().map(|id| &graph.node(id).platform).collect();
    for id in graph.nodes() {
        draw_node(&mut out, graph, id, &layout, drawing, platforms.len() > 1);
    }
    out.push_str("</svg>\n");
    (out, width)
}

/// One band for each stage.
fn stages_of(graph: &Graph) -> Vec<Band> {
    let mut stages: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
    for id in graph.nodes() {
        stages.entry(stage(graph, id)).or_default().push(id);
    }
    stages.remove("");
    stages.into_iter().map(|(label, nodes)| Band { nodes, label: label.to_owned() }).collect()
}

/// A frame around the band's boxes of each column; boxes of others may stand between: then there are several.
fn draw_band(out: &mut String, band: &Band, layout: &Layout) {
    let mut columns: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (x, y) in band.nodes.iter().filter_map(|id| layout.boxes.get(id)) {
        columns.entry(*x).or_default().push(*y);
    }
    for (x, mut ys) in columns {
        ys.sort_unstable();
        let inside: BTreeSet<i32> = ys.iter().copied().collect();
        let mut others: Vec<i32> = layout
            .boxes
            .values()
            .filter(|(bx, by)| *bx == x && !inside.contains(by))
            .map(|&(_, y)| y)
            .collect();
        others.sort_unstable();
        let mut rows: Vec<(i32, i32)> = Vec::new();
        for y in ys {
            match rows.last_mut() {
                Some((_, end)) if !others.iter().any(|other| (*end..y).contains(other)) => *end = y,
                _ => rows.push((y, y)),
            }
        }
        for (start, end) in rows {
            let (top, height) = (start - BAND_TOP, end - start + HEIGHT + BAND_TOP + 8);
            let _ = writeln!(
                out,
                "<g class=\"band\"><rect x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{height}\" rx=\"9\"/>\
                 <text x=\"{}\" y=\"{}\">{}</text></g>",
                x - 9,
                WIDTH + 18,
                x + 1,
                start - 8,
                escape(&fit(&band.label, WIDTH - 130, 6))
            );
        }
    }
}

fn draw_edge(out: &mut String, edge: &Edge, drawing: &Drawing, prefix: &str) {
    let critical = |id: &NodeId| drawing.marks.get(id).is_some_and(|mark| mark.critical);
    let gone = |id: &NodeId| drawing.marks.get(id).is_some_and(|mark| mark.look == Look::Gone);
    let mut class = String::from(if edge.is_root { "edge root" } else { "edge" });
    if critical(&edge.from) && critical(&edge.to) {
        class.push_str(" critical");
    }
    if gone(&edge.from) || gone(&edge.to) {
        class.push_str(" gone");
    }
    let _ = writeln!(
        out,
        "<path class=\"{class}\" data-from=\"{}\" data-to=\"{}\" d=\"{}\" marker-end=\"url(#{prefix}arrow)\"/>",
        edge.from.index(),
        edge.to.index(),
        rounded(&edge.points)
    );
}

/// A line with round corners.
fn rounded(points: &[(i32, i32)]) -> String {
    let mut path = String::new();
    for (at, &(x, y)) in points.iter().enumerate() {
        let neighbours = at.checked_sub(1).and_then(|before| points.get(before)).zip(points.get(at + 1));
        match neighbours {
            None if at == 0 => {
                let _ = write!(path, "M{x} {y}");
            }
            None => {
                let _ = write!(path, "L{x} {y}");
            }
            Some((&before, &after)) => {
                let near = |(px, py): (i32, i32)| {
                    let reach = |d: i32| d.signum() * (d.abs() / 2).min(7);
                    (x + reach(px - x), y + reach(py - y))
                };
                let ((ax, ay), (bx, by)) = (near(before), near(after));
                let _ = write!(path, "L{ax} {ay}Q{x} {y} {bx} {by}");
            }
        }
    }
    path
}

fn draw_node(
    out: &mut String,
    graph: &Graph,
    id: NodeId,
    layout: &Layout,
    drawing: &Drawing,
    platforms: bool,
) {
    let Some(&(x, y)) = layout.boxes.get(&id) else { return };
    let node = graph.node(id);
    let plain = Mark::default();
    let mark = drawing.marks.get(&id).unwrap_or(&plain);
    let mut class = format!("node {}", Kind::of(&node.op).name());
    match mark.look {
        Look::Plain => {}
        Look::Cached => class.push_str(" cached"),
        Look::Gone => class.push_str(" gone"),
    }
    if mark.critical {
        class.push_str(" critical");
    }
    let full = describe(node);
    // The band says the stage already.
    let title =
        full.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(full.as_str(), |(_, t)| t);
    let mut words = vec![node.op.name().to_owned()];
    if !node.origin.step.is_empty() {
        words.push(node.origin.step.clone());
    }
    if platforms {
        words.push(node.platform.to_string());
    }
    let small = words.join(" · ");
    let note = fit(&mark.note, WIDTH / 2, 6);
    let _ = write!(
        out,
        "<g class=\"{class}\" data-node=\"{}\" tabindex=\"0\" role=\"button\" aria-label=\"{}\" \
         transform=\"translate({x} {y})\"><title>{}</title><rect class=\"box\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         rx=\"6\"/><path class=\"bar\" d=\"M6 0H5V{HEIGHT}H6A6 6 0 0 1 0 {}V6A6 6 0 0 1 6 0z\"/>\
         <text class=\"title\" x=\"14\" y=\"18\">{}</text><text class=\"small\" x=\"14\" y=\"35\">{}</text>",
        id.index(),
        escape(&format!("{full}, {small}{}{}", if mark.note.is_empty() { "" } else { ", " }, mark.note)),
        escape(&full),
        HEIGHT - 6,
        escape(&fit(title, WIDTH - 26, 7)),
        escape(&fit(&small, WIDTH - 34 - wide(&note, 6), 6)),
    );
    if !note.is_empty() {
        let _ = write!(out, "<text class=\"note\" x=\"{}\" y=\"35\">{}</text>", WIDTH - 10, escape(&note));
    }
    out.push_str("</g>\n");
}

/// About how wide a text is, with characters of `size` on average.
fn wide(text: &str, size: i32) -> i32 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | 'I' | '!' => size - 3,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => size + 4,
        'A'..='Z' | '&' | '=' | '+' | '<' | '>' => size + 2,
        c if (c as u32) >= 0x1100 => size * 2,
        _ => size,
    };
    text.chars().map(of).sum()
}

/// As much of a text as fits.
fn fit(text: &str, width: i32, size: i32) -> String {
    if wide(text, size) <= width {
        return text.to_owned();
    }
    let mut left = width - 10;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            left -= wide(c.encode_utf8(&mut [0; 4]), size);
            left >= 0
        })
        .collect();
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}
