//! The layer plan: which steps' changes form one layer.
//!
//! A layer takes neighbouring steps that change equally often ([`crate::volatility`]), so that few layers are made,
//! what a later step deletes is not shipped, and a change of the application does not ship the system again. A new
//! layer starts
//!
//! - where steps become more volatile,
//! - where another stage's steps start (`FROM base AS app`: images on one stage share its layers),
//! - among the application's steps, around a run of steps that installs system packages: what it puts there is large
//!   and does not follow the application's files.
//!
//! The plan of an image follows from its own chain alone.

use std::collections::BTreeMap;

use imgc_graph::chain::{self, Chain};
use imgc_graph::{FileAction, Graph, NodeId, Op};

use crate::plan::{LayerGroup, LayerPlan};
use crate::report::{self, PassReport};
use crate::volatility::{self, Volatility};

/// One layer per step.
pub fn each(graph: &Graph) -> (BTreeMap<NodeId, LayerPlan>, PassReport) {
    plan(graph, "one layer for each step", |chain| {
        let group = |&step: &NodeId| LayerGroup {
            tree: tree(graph, step),
            ..LayerGroup::of(vec![step], "one layer for each step")
        };
        chain.steps.iter().map(group).collect()
    })
}

/// Grouped layers; with `squash`, one for all steps.
pub fn run(graph: &Graph, squash: bool) -> (BTreeMap<NodeId, LayerPlan>, PassReport) {
    let volatility = volatility::of_trees(graph);
    plan(graph, "neighbouring steps that change equally often", |chain| {
        let mut groups: Vec<LayerGroup> = Vec::new();
        let mut last: Option<Kind> = None;
        for &step in &chain.steps {
            let kind = Kind::of(graph, step, &volatility, last.as_ref());
            match (groups.last_mut(), &last) {
                (Some(group), Some(last))
                    if (*last == kind && !kind.tree) || (squash && !last.tree && !kind.tree) =>
                {
                    group.steps.push(step);
                }
                (_, last) => {
                    let why = if squash { "all steps".to_owned() } else { kind.why(last.as_ref()) };
                    groups.push(LayerGroup { tree: tree(graph, step), ..LayerGroup::of(vec![step], why) });
                }
            }
            last = Some(kind);
        }
        groups
    })
}

fn plan(
    graph: &Graph,
    how: &str,
    groups: impl Fn(&Chain) -> Vec<LayerGroup>,
) -> (BTreeMap<NodeId, LayerPlan>, PassReport) {
    let mut report = PassReport::new("group", 0);
    let mut plans = BTreeMap::new();
    for id in graph.nodes().filter(|&id| matches!(graph.node(id).op, Op::Image(_))) {
        let chain = chain::of(graph, id);
        let plan = LayerPlan { groups: groups(&chain), base_layers: chain.base_layers(graph), excess: 0 };
        report.before += chain.steps.len();
        report.after += plan.groups.len();
        for group in plan.groups.iter().filter(|group| group.steps.len() > 1) {
            let names: Vec<String> = group.steps.iter().map(|&step| report::name(graph, step)).collect();
            let (Some(first), Some(last)) = (names.first(), names.last()) else { continue };
            let what = format!("{} up to {last} form one layer", report::count(names.len(), "step"));
            report.act(first, what, &group.why);
        }
        plans.insert(id, plan);
    }
    report.summary = format!(
        "{} in {}: {how}",
        report::count(report.before, "step"),
        report::count(report.after, "layer")
    );
    if report.after < report.before {
        report.saves = format!(
            "{}, and the bytes of what a later step of the same layer deletes",
            report::count(report.before - report.after, "layer")
        );
    }
    (plans, report)
}

/// How many layers a step brings that is a whole tree; `None` for the others.
fn tree(graph: &Graph, step: NodeId) -> Option<usize> {
    matches!(graph.node(step).op, Op::Source(_)).then(|| chain::layers_of(graph, step))
}

/// What decides in which layer a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    volatility: Volatility,
    stage: String,
    /// True within a row of steps that installs system packages.
    packages: bool,
    /// True for a whole tree that a merge put here.
    tree: bool,
}

impl Kind {
    fn of(graph: &Graph, step: NodeId, known: &BTreeMap<NodeId, Volatility>, last: Option<&Self>) -> Self {
        let node = graph.node(step);
        let own = known.get(&step).copied().unwrap_or(Volatility::System);
        // What lies on something volatile is made again with it.
        let volatility = last.map_or(own, |last| last.volatility.max(own));
        let stage = node.origin.step.rsplit_once('#').map_or("", |(stage, _)| stage).to_owned();
        let packages = volatility == Volatility::Application
            && match &node.op {
                Op::Exec(exec) => last.is_some_and(|last| last.packages) || installs_packages(&exec.args),
                // A directory or file made in between ends no row of commands, a copy does.
                Op::File(file) => {
                    last.is_some_and(|last| last.packages)
                        && !file.actions.iter().any(|action| matches!(action, FileAction::Copy(_)))
                }
                _ => false,
            };
        Self { volatility, stage, packages, tree: matches!(node.op, Op::Source(_)) }
    }

    fn why(&self, last: Option<&Self>) -> String {
        let volatility = self.volatility.describe();
        match last {
            _ if self.tree => "a tree of its own: its layers stay".to_owned(),
            Some(last) if self.packages && !last.packages => format!("installs packages; {volatility}"),
            Some(last) if last.volatility == self.volatility && last.stage != self.stage => {
                format!("another stage; {volatility}")
            }
            _ => volatility.to_owned(),
        }
    }
}

/// Programs that install packages of the system.
const PACKAGE_MANAGERS: &[&str] =
    &["apk", "apt", "apt-get", "dnf", "dpkg", "emerge", "microdnf", "pacman", "rpm", "tdnf", "yum", "zypper"];

/// True if a command, or a simple command of a shell text, is one of [`PACKAGE_MANAGERS`]. A guess that costs
/// nothing when wrong: layers are cut elsewhere, their files are the same.
fn installs_packages(args: &[String]) -> bool {
    let texts: Vec<&str> = match args {
        [program, rest @ ..] if rest.first().is_some_and(|flag| flag.starts_with('-')) => {
            rest.iter().map(String::as_str).chain([program.as_str()]).collect()
        }
        [program, ..] => vec![program.as_str()],
        [] => return false,
    };
    let commands = texts.iter().flat_map(|text| text.split(['\n', ';', '&', '|', '(', ')', '{', '}']));
    commands.into_iter().any(|command| {
        let mut words = command.split_whitespace();
        let wrapper =
            |word: &&str| word.contains('=') || matches!(*word, "sudo" | "exec" | "then" | "do" | "else");
        let program = words.find(|word| !wrapper(word)).unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or(program);
        PACKAGE_MANAGERS.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_package_managers() {
        let shell = |text: &str| installs_packages(&["/bin/sh".into(), "-c".into(), text.into()]);
        for text in [
            "apt-get update",
            "set -eux; apt-get install -y curl",
            "DEBIAN_FRONTEND=noninteractive apt-get install -y x",
            "if true; then /usr/bin/apk add x; fi",
        ] {
            assert!(shell(text), "{text}");
        }
        for text in ["make", "echo apt-get", "pip install x", ""] {
            assert!(!shell(text), "{text}");
        }
        assert!(installs_packages(&["apk".into(), "add".into(), "x".into()]));
        assert!(!installs_packages(&[]));
    }
}
