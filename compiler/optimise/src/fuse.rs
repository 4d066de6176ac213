//! Finds neighbouring commands that one sandbox set-up can serve, with a checkpoint after each.

use std::collections::BTreeMap;

use imgc_graph::{Graph, NodeId, Op};

use crate::report::{self, PassReport};

/// Rows of two commands or more, each the root of the next.
pub fn run(graph: &Graph) -> (Vec<Vec<NodeId>>, PassReport) {
    let commands = graph.nodes().filter(|&id| matches!(graph.node(id).op, Op::Exec(_)));
    let commands: Vec<NodeId> = commands.collect();
    let mut report = PassReport::new("fuse", commands.len());
    let mut rows: Vec<Vec<NodeId>> = Vec::new();
    let mut row_of = BTreeMap::new();
    for &id in &commands {
        let below = graph.inputs(id).first().copied();
        let row = below.filter(|&below| fits(graph, below, id)).and_then(|below| row_of.get(&below).copied());
        let row: usize = row.unwrap_or_else(|| {
            rows.push(Vec::new());
            rows.len() - 1
        });
        rows[row].push(id);
        row_of.insert(id, row);
    }
    rows.retain(|row| row.len() > 1);
    for row in &rows {
        let last = row.last().map(|&id| report::name(graph, id)).unwrap_or_default();
        let what = format!("{} up to {last} share a sandbox", report::count(row.len(), "command"));
        report.act(report::name(graph, row[0]), what, "same platform, network, security and host name");
    }
    let fused: usize = rows.iter().map(|row| row.len() - 1).sum();
    report.after = report.before - fused;
    let set_ups = if report.after == 1 { "set-up" } else { "set-ups" };
    report.summary = format!("{} in {} {set_ups}", report::count(report.before, "command"), report.after);
    if fused > 0 {
        report.saves = report::count(fused, "set-up");
    }
    (rows, report)
}

/// True if the upper command can run where the lower one ran: it is the lower one's only user, and alike.
fn fits(graph: &Graph, lower: NodeId, upper: NodeId) -> bool {
    let (a, b) = (graph.node(lower), graph.node(upper));
    let (Op::Exec(x), Op::Exec(y)) = (&a.op, &b.op) else { return false };
    graph.users(lower) == [upper]
        && a.platform == b.platform
        && x.network == y.network
        && x.security == y.security
        && x.hostname == y.hostname
}
