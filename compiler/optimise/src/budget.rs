//! Keeps the number of layers under the limit.

use std::collections::BTreeMap;

use imgc_graph::NodeId;

use crate::plan::{LayerGroup, LayerPlan};
use crate::report::{self, PassReport};

/// The limit if none is given.
pub const DEFAULT_LIMIT: usize = 100;

/// More layers than this no container engine mounts (docker's overlay driver stops at 128 with the container's own).
pub const HARD_LIMIT: usize = 127;

/// Joins neighbouring groups, the smallest first, until each plan is under the limit.
pub fn run(plans: &mut BTreeMap<NodeId, LayerPlan>, max_layers: usize) -> PassReport {
    let total = |plans: &BTreeMap<NodeId, LayerPlan>| plans.values().map(LayerPlan::layers).sum();
    let mut report = PassReport::new("budget", total(plans));
    let limit = max_layers.clamp(1, HARD_LIMIT);
    for (id, plan) in plans.iter_mut() {
        let before = plan.groups.len();
        while plan.layers() > limit && join_smallest(&mut plan.groups) {}
        plan.excess = plan.layers().saturating_sub(HARD_LIMIT);
        let image = format!("image.{}", id.index());
        if plan.groups.len() < before {
            let what = format!("{before} own layers became {}", plan.groups.len());
            let base = report::count(plan.base_layers, "layer");
            report.act(&image, what, format!("at most {limit} layers, of which the base has {base}"));
        }
        if plan.excess > 0 {
            let why = format!("the base alone has {}", report::count(plan.base_layers, "layer"));
            report.act(&image, format!("{} layers are over the limit of {HARD_LIMIT}", plan.excess), why);
        }
    }
    report.after = total(plans);
    report.summary = format!("{} of at most {limit} per image", report::count(report.after, "layer"));
    if report.after < report.before {
        report.saves = report::count(report.before - report.after, "layer");
    }
    report
}

/// Joins the two neighbours that have the fewest steps together; the lowest such pair, for what is low changes least.
/// False if no two can be joined.
fn join_smallest(groups: &mut Vec<LayerGroup>) -> bool {
    let size = |at: usize| groups[at].steps.len() + groups[at + 1].steps.len();
    let can = |at: &usize| groups[*at].tree.is_none() && groups[at + 1].tree.is_none();
    let pairs = (0..groups.len().saturating_sub(1)).filter(can);
    let Some(at) = pairs.min_by_key(|&at| (size(at), at)) else { return false };
    let upper = groups.remove(at + 1);
    groups[at].steps.extend(upper.steps);
    groups[at].why = String::from("joined to stay under the limit of layers");
    true
}

#[cfg(test)]
mod tests {
    use imgc_base::platform::Platform;
    use imgc_graph::{Graph, Node, Op, Origin, Source};

    use super::*;

    fn plan(own: usize, base_layers: usize) -> BTreeMap<NodeId, LayerPlan> {
        let mut graph = Graph::new();
        let mut node = || {
            let op = Op::Source(Source::Scratch);
            graph.add(
                Node { op, platform: Platform::new("linux", "amd64", ""), origin: Origin::default() },
                &[],
            )
        };
        let image = node();
        let groups = (0..own).map(|_| LayerGroup::of(vec![node()], "")).collect();
        BTreeMap::from([(image, LayerPlan { groups, base_layers, excess: 0 })])
    }

    #[test]
    fn joins_until_it_fits() {
        for (own, base, max, want, excess) in [
            (5, 3, 100, 5, 0),
            (150, 0, 100, 100, 0),
            (150, 20, 100, 80, 0),
            (150, 0, 500, 127, 0),
            (4, 99, 100, 1, 0),
            (4, 126, 100, 1, 0),
            (4, 130, 100, 1, 4),
            (0, 3, 100, 0, 0),
            (9, 0, 0, 1, 0),
        ] {
            let mut plans = plan(own, base);
            let steps =
                |plan: &LayerPlan| plan.groups.iter().flat_map(|g| g.steps.clone()).collect::<Vec<_>>();
            let all = steps(plans.values().next().unwrap());
            let _report = run(&mut plans, max);
            let plan = plans.values().next().unwrap();
            assert_eq!((plan.groups.len(), plan.excess), (want, excess), "{own} {base} {max}");
            assert_eq!(steps(plan), all);
        }
    }

    #[test]
    fn whole_trees_are_not_joined() {
        let mut plans = plan(5, 0);
        let groups = &mut plans.values_mut().next().unwrap().groups;
        groups[2].tree = Some(7);
        assert_eq!(run(&mut plans, 3).after, 9);
        let groups = &plans.values().next().unwrap().groups;
        assert_eq!(groups.iter().map(|group| group.steps.len()).collect::<Vec<_>>(), [2, 1, 2]);
    }
}
