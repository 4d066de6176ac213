//! How often the result of a step is likely to change, told from the graph alone.

use std::collections::BTreeMap;

use imgc_graph::{Copy, FileAction, Graph, NodeId, Op, Source};

/// How often something changes; later ones more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// With its base image or its own text.
    System,
    /// With lists of dependencies (`package.json`, `Cargo.lock`).
    Dependencies,
    /// With the application's own files.
    Application,
}

impl Volatility {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::System => "changes with the base image or the step's own text",
            Self::Dependencies => "changes with the lists of dependencies",
            Self::Application => "changes with the application's files",
        }
    }
}

/// Files that list dependencies: name, or how it begins and ends.
const MANIFESTS: &[(&str, &str)] = &[
    ("Cargo.lock", ""),
    ("Cargo.toml", ""),
    ("Gemfile", ""),
    ("Pipfile", ""),
    ("bun.lock", ""),
    ("composer.", ""),
    ("constraints", ".txt"),
    ("environment", ".yml"),
    ("go.mod", ""),
    ("go.sum", ""),
    ("mix.", ""),
    ("npm-shrinkwrap.json", ""),
    ("package", ".json"),
    ("pnpm-", ".yaml"),
    ("poetry.lock", ""),
    ("pom.xml", ""),
    ("pyproject.toml", ""),
    ("requirements", ".txt"),
    ("rust-toolchain", ""),
    ("uv.lock", ""),
    ("yarn.lock", ""),
    ("", ".csproj"),
    ("", ".gradle"),
    ("", ".lockfile"),
    ("gradle", ""),
];

/// True if a source of a copy is a list of dependencies.
fn is_manifest(source: &str) -> bool {
    let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let fits = |(start, end): &(&str, &str)| name.starts_with(start) && name.ends_with(end);
    MANIFESTS.iter().any(fits)
}

/// The volatility of every tree: that of the most volatile thing it is made of.
pub fn of_trees(graph: &Graph) -> BTreeMap<NodeId, Volatility> {
    let mut known = BTreeMap::new();
    for id in graph.nodes() {
        let inputs = graph.inputs(id);
        let of = |number: usize| {
            inputs.get(number).and_then(|id| known.get(id)).copied().unwrap_or(Volatility::System)
        };
        let is_context = |number: usize| inputs.get(number).is_some_and(|&id| is_context(graph, id));
        let value = match &graph.node(id).op {
            Op::Source(source) => of_source(source),
            Op::File(file) => {
                let copies = file.actions.iter().map(|action| match action {
                    FileAction::Copy(copy) => of_copy(copy, &of, &is_context),
                    FileAction::MakeDir { .. } | FileAction::Write { .. } => Volatility::System,
                });
                copies.chain([of(0)]).max()
            }
            .unwrap_or(Volatility::System),
            Op::Exec(exec) => {
                let mounts = exec.mounts.iter().filter_map(|mount| match &mount.kind {
                    imgc_graph::MountKind::Bind { input, source, .. }
                        if is_context(*input) && is_manifest(&source.to_absolute()) =>
                    {
                        Some(Volatility::Dependencies)
                    }
                    kind => kind.input().map(of),
                });
                mounts.chain([of(0)]).max()
            }
            .unwrap_or(Volatility::System),
            Op::Merge | Op::Diff | Op::Image(_) | Op::Index => {
                (0..inputs.len()).map(of).max().unwrap_or(Volatility::System)
            }
        };
        known.insert(id, value);
    }
    known
}

fn is_context(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).op, Op::Source(Source::Context { .. }))
}

/// What is pinned changes with the text only.
fn of_source(source: &Source) -> Volatility {
    match source {
        Source::Scratch | Source::Image { .. } | Source::Http { .. } => Volatility::System,
        Source::Git { checksum: Some(_), .. } => Volatility::System,
        Source::Git { .. } | Source::Context { .. } => Volatility::Application,
    }
}

/// A copy of nothing but lists of dependencies is less volatile than its context.
fn of_copy(copy: &Copy, of: &dyn Fn(usize) -> Volatility, is_context: &dyn Fn(usize) -> bool) -> Volatility {
    let input = copy.from.input;
    if is_context(input) && copy.sources.iter().all(|source| is_manifest(source)) {
        Volatility::Dependencies
    } else {
        of(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_lists_of_dependencies() {
        for name in
            ["package.json", "package-lock.json", "package*.json", "web/go.sum", "requirements-dev.txt"]
        {
            assert!(is_manifest(name), "{name}");
        }
        for name in ["", ".", "src", "app.py", "*", "requirements", "package.json.bak/x"] {
            assert!(!is_manifest(name), "{name}");
        }
    }
}
