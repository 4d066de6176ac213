//! Where everything stands: a layered layout in which each chain of steps has a column.
//!
//! Ranks come from the longest path; a node stands below all its inputs. A step continues the column of its root
//! unless another step of the same stage does. Edges between columns run in the gutters beside columns and in the
//! gaps between ranks, so that they cross no box. All numbers are whole, so that the output is the same everywhere.

use std::collections::BTreeMap;

use super::stage;
use crate::graph::{Graph, NodeId};
use crate::op::{Op, Source};

/// Width of a box.
pub(super) const WIDTH: i32 = 264;
/// Height of a box.
pub(super) const HEIGHT: i32 = 44;
/// Between ranks: room for a band's name and for edges.
const GAP: i32 = 54;
/// Between columns: room for edges.
const GUTTER: i32 = 56;
/// Around everything.
const MARGIN: i32 = 24;
/// A band reaches this far above its first box.
pub(super) const BAND_TOP: i32 = 22;
/// Edges in one gutter or gap keep apart; more than this many share lines.
const SLOTS: i32 = 5;

/// A drawing's geometry.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// The upper left corner of each box.
    pub(super) boxes: BTreeMap<NodeId, (i32, i32)>,
    pub(super) edges: Vec<Edge>,
}

/// A line of straight pieces.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// True for the root that a step stands on.
    pub(super) is_root: bool,
    pub(super) points: Vec<(i32, i32)>,
}

/// The place of a node in the grid.
#[derive(Debug, Clone, Copy)]
struct Cell {
    rank: i32,
    column: i32,
}

pub(super) fn layout(graph: &Graph) -> Layout {
    let mut ranks = ranks(graph);
    let tracks = tracks(graph);
    let columns = columns(graph, &tracks, &mut ranks);
    let top = ranks.values().copied().min().unwrap_or(0);
    for rank in ranks.values_mut() {
        *rank -= top;
    }
    let cells: BTreeMap<NodeId, Cell> =
        ranks.iter().map(|(&id, &rank)| (id, Cell { rank, column: columns[tracks[&id]] })).collect();
    let boxes: BTreeMap<NodeId, (i32, i32)> = cells.iter().map(|(&id, cell)| (id, corner(*cell))).collect();
    let right = boxes.values().map(|&(x, _)| x + WIDTH).max().unwrap_or(0);
    let bottom = boxes.values().map(|&(_, y)| y + HEIGHT).max().unwrap_or(0);
    let edges = edges(graph, &cells, &tracks);
    Layout { width: right + GUTTER / 2 + MARGIN, height: bottom + MARGIN, boxes, edges }
}

fn corner(cell: Cell) -> (i32, i32) {
    let x = MARGIN + GUTTER / 2 + cell.column * (WIDTH + GUTTER);
    (x, MARGIN + BAND_TOP + cell.rank * (HEIGHT + GAP))
}

/// Below all inputs; sources right above their first user.
fn ranks(graph: &Graph) -> BTreeMap<NodeId, i32> {
    let mut ranks = BTreeMap::new();
    for id in graph.nodes() {
        let above = graph.inputs(id).iter().map(|input| ranks[input] + 1).max();
        ranks.insert(id, above.unwrap_or(0));
    }
    for id in graph.nodes().filter(|&id| matches!(graph.node(id).op, Op::Source(_))) {
        if let Some(first) = graph.users(id).iter().map(|user| ranks[user]).min() {
            ranks.insert(id, first - 1);
        }
    }
    ranks
}

/// Each node's column before columns are ordered: chains of roots.
fn tracks(graph: &Graph) -> BTreeMap<NodeId, usize> {
    let mut tracks = BTreeMap::new();
    let mut next = 0;
    let heirs: BTreeMap<NodeId, NodeId> =
        graph.nodes().filter_map(|id| heir(graph, id).map(|heir| (id, heir))).collect();
    for id in graph.nodes() {
        let root = graph.inputs(id).first().copied();
        let continues = root.is_some_and(|root| heirs.get(&root) == Some(&id));
        let track = match root {
            Some(root) if continues => tracks[&root],
            _ => {
                next += 1;
                next - 1
            }
        };
        tracks.insert(id, track);
    }
    tracks
}

/// The step that goes on in a node's column: the first that stands on it, of the same stage if there is one.
fn heir(graph: &Graph, root: NodeId) -> Option<NodeId> {
    let is_context = matches!(graph.node(root).op, Op::Source(Source::Context { .. }));
    let stands = |user: &NodeId| !is_context && graph.inputs(*user).first() == Some(&root);
    let users: Vec<NodeId> = graph.users(root).into_iter().filter(stands).collect();
    let same = users.iter().find(|&&user| stage(graph, user) == stage(graph, root));
    same.or(users.first()).copied()
}

/// The column of each track.
fn columns(graph: &Graph, tracks: &BTreeMap<NodeId, usize>, ranks: &mut BTreeMap<NodeId, i32>) -> Vec<i32> {
    let count = tracks.values().max().map_or(0, |last| last + 1);
    let mut span = vec![(i32::MAX, i32::MIN); count];
    for (id, &track) in tracks {
        let (low, high) = span[track];
        span[track] = (low.min(ranks[id]), high.max(ranks[id]));
    }
    let mut links = Vec::new();
    for id in graph.nodes() {
        links.extend(
            graph.inputs(id).iter().map(|input| (tracks[input], tracks[&id])).filter(|(a, b)| a != b),
        );
    }
    let order = arrange(count, &links);
    // A track moves into the column before it where that is free; a lone source also climbs on top of it.
    let mut alone: Vec<Option<NodeId>> = vec![None; count];
    for id in
        graph.nodes().filter(|&id| graph.inputs(id).is_empty() && span[tracks[&id]].0 == span[tracks[&id]].1)
    {
        alone[tracks[&id]] = Some(id);
    }
    let mut columns = vec![0; count];
    let mut taken: Vec<Vec<(i32, i32)>> = Vec::new();
    for track in order {
        let (low, high) = span[track];
        let free = |spans: &Vec<(i32, i32)>| spans.iter().all(|&(from, to)| high < from || to < low);
        match (taken.last_mut(), alone[track]) {
            (Some(last), _) if free(last) => last.push((low, high)),
            (Some(last), Some(source)) => {
                let top = last.iter().map(|&(from, _)| from).min().unwrap_or(0).min(low) - 1;
                last.push((top, top));
                ranks.insert(source, top);
            }
            _ => taken.push(vec![(low, high)]),
        }
        columns[track] = i32::try_from(taken.len() - 1).unwrap_or(i32::MAX);
    }
    columns
}

/// Orders tracks so that links are short: neighbours swap as long as that helps.
fn arrange(count: usize, links: &[(usize, usize)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut near = vec![Vec::new(); count];
    for &(a, b) in links {
        near[a].push(b);
        near[b].push(a);
    }
    let mut place: Vec<usize> = (0..count).collect();
    // Each sweep is linear in links; a large graph gets few sweeps.
    let sweeps = (200_000 / (links.len() + count + 1)).clamp(1, 40);
    for _ in 0..sweeps {
        let mut better = false;
        for at in 0..count.saturating_sub(1) {
            let (a, b) = (order[at], order[at + 1]);
            let cost = |track: usize, here: usize, other: usize| -> usize {
                near[track].iter().filter(|&&n| n != other).map(|&n| place[n].abs_diff(here)).sum()
            };
            let (left, right) = (at, at + 1);
            if cost(a, right, b) + cost(b, left, a) < cost(a, left, b) + cost(b, right, a) {
                order.swap(at, at + 1);
                (place[a], place[b]) = (right, left);
                better = true;
            }
        }
        if !better {
            break;
        }
    }
    order
}

/// Lines in the gutters and gaps.
fn edges(graph: &Graph, cells: &BTreeMap<NodeId, Cell>, tracks: &BTreeMap<NodeId, usize>) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut in_gutter: BTreeMap<i32, i32> = BTreeMap::new();
    let mut in_gap: BTreeMap<i32, i32> = BTreeMap::new();
    for to in graph.nodes() {
        let mut ports = 0;
        for (number, from) in graph.inputs(to).into_iter().enumerate() {
            let (a, b) = (cells[&from], cells[&to]);
            let ((ax, ay), (bx, by)) = (corner(a), corner(b));
            let points = if number == 0 && tracks[&from] == tracks[&to] {
                vec![(ax + WIDTH / 2, ay + HEIGHT), (bx + WIDTH / 2, by)]
            } else {
                let slot = |slots: &mut BTreeMap<i32, i32>, key: i32| {
                    let slot = slots.entry(key).or_insert(-1);
                    *slot = (*slot + 1) % SLOTS;
                    *slot
                };
                let above = by - BAND_TOP - 5 - 4 * slot(&mut in_gap, b.rank);
                let port = bx + WIDTH - 20 - 14 * (ports % 8);
                ports += 1;
                if b.rank == a.rank + 1 {
                    vec![(ax + WIDTH / 2, ay + HEIGHT), (ax + WIDTH / 2, above), (port, above), (port, by)]
                } else {
                    // The gutter on the side of the user.
                    let right = b.column >= a.column;
                    let gutter = a.column + i32::from(right);
                    let offset = 6 * slot(&mut in_gutter, gutter) - 12;
                    let x = ax + if right { WIDTH + GUTTER / 2 } else { -GUTTER / 2 } + offset;
                    let side = ax + if right { WIDTH } else { 0 };
                    let middle = ay + HEIGHT / 2;
                    vec![(side, middle), (x, middle), (x, above), (port, above), (port, by)]
                }
            };
            edges.push(Edge { from, to, is_root: number == 0, points });
        }
    }
    edges
}
