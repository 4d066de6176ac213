//! Finds copies whose layer does not depend on the content of their root.
//!
//! Such a step's layer can be made at once, beside the steps below it, and stays when the base changes. The step
//! itself stays where it is: its files get the time of its place in the chain, and the final root must not depend on
//! the level (`spec/optimiser.md` says why no `Merge` is made of it).

use std::collections::BTreeSet;

use imgc_graph::{FileAction, Graph, NodeId, Op, OwnerSpec, Source};

use crate::report::{self, PassReport};

/// The steps whose layer needs no root.
pub fn run(graph: &Graph) -> (BTreeSet<NodeId>, PassReport) {
    let mut found = BTreeSet::new();
    let steps: Vec<NodeId> = graph.nodes().filter(|&id| matches!(graph.node(id).op, Op::File(_))).collect();
    let mut report = PassReport::new("independent", steps.len());
    for id in steps {
        let Op::File(file) = &graph.node(id).op else { continue };
        let on_nothing = graph
            .inputs(id)
            .first()
            .is_some_and(|&root| matches!(graph.node(root).op, Op::Source(Source::Scratch)));
        // A step on scratch has nothing to wait for anyway.
        if !on_nothing && file.actions.iter().all(needs_no_root) {
            let why = "--link with numeric owners: neither links nor names of the root are looked at";
            report.act(report::name(graph, id), "is made without waiting for its root", why);
            found.insert(id);
        }
    }
    report.after = report.before - found.len();
    report.summary = format!("{} of {} need no root", found.len(), report::count(report.before, "file step"));
    if !found.is_empty() {
        report.saves = String::from("waiting; the layer survives a change of the base");
    }
    (found, report)
}

/// True if an action looks at nothing in the root: what exists, where links lead, what users are called.
fn needs_no_root(action: &FileAction) -> bool {
    match action {
        FileAction::Copy(copy) => copy.link && copy.owner.as_ref().is_none_or(OwnerSpec::is_numeric),
        // Both leave an existing directory as it is.
        FileAction::MakeDir { .. } | FileAction::Write { .. } => false,
    }
}
