//! The graph as JSON; the schema is published in `spec/graph.md`.

use imgc_base::config::{ContainerConfig, History};
use imgc_base::digest::DefinitionKey;
use serde::Serialize;

use crate::describe::numbers;
use crate::exec::Exec;
use crate::file::FileOp;
use crate::graph::{Graph, Node, NodeId};
use crate::key::definition_keys;
use crate::op::{Op, Source};

/// The name and version of the schema.
pub const SCHEMA: &str = "imgc-graph-1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    nodes: Vec<NodeView<'a>>,
    targets: Vec<usize>,
}

#[derive(Serialize)]
struct NodeView<'a> {
    number: usize,
    op: &'static str,
    inputs: Vec<usize>,
    platform: String,
    key: DefinitionKey,
    #[serde(skip_serializing_if = "str::is_empty")]
    step: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    #[serde(flatten)]
    detail: Detail<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Detail<'a> {
    Source(&'a Source),
    Exec(&'a Exec),
    File(&'a FileOp),
    Image(Box<ImageView<'a>>),
    #[serde(untagged)]
    None {},
}

#[derive(Serialize)]
struct ImageView<'a> {
    platform: String,
    config: &'a ContainerConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    base_history: &'a [History],
    history: Vec<HistoryView<'a>>,
    annotations: &'a std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
struct HistoryView<'a> {
    created_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<usize>,
}

/// Prints a graph as JSON, indented.
pub fn print(graph: &Graph) -> String {
    let numbers = numbers(graph);
    let keys = definition_keys(graph);
    let number = |id: &NodeId| numbers.get(id).copied();
    let nodes = graph.nodes().map(|id| {
        let Node { op, platform, origin } = graph.node(id);
        NodeView {
            number: numbers[&id],
            op: op.name(),
            inputs: graph.inputs(id).iter().filter_map(number).collect(),
            platform: platform.to_string(),
            key: keys[&id],
            step: &origin.step,
            title: &origin.title,
            detail: detail(op, &number),
        }
    });
    let targets = graph.targets().iter().filter_map(number).collect();
    let document = Document { schema: SCHEMA, nodes: nodes.collect(), targets };
    let mut text = serde_json::to_string_pretty(&document).expect("no map has keys that are not text");
    text.push('\n');
    text
}

fn detail<'a>(op: &'a Op, number: &dyn Fn(&NodeId) -> Option<usize>) -> Detail<'a> {
    match op {
        Op::Source(Source::Scratch) | Op::Merge | Op::Diff | Op::Index => Detail::None {},
        Op::Source(source) => Detail::Source(source),
        Op::Exec(exec) => Detail::Exec(exec),
        Op::File(file) => Detail::File(file),
        Op::Image(image) => Detail::Image(Box::new(ImageView {
            platform: image.platform.to_string(),
            config: &image.config,
            author: image.author.as_deref(),
            base: image.base.as_ref().map(ToString::to_string),
            base_history: &image.base_history,
            history: image
                .history
                .iter()
                .map(|entry| HistoryView {
                    created_by: &entry.created_by,
                    node: entry.node.as_ref().and_then(number),
                })
                .collect(),
            annotations: &image.annotations,
        })),
    }
}

/// Bytes that may be no text, as `%XX` where they are not printable.
pub(crate) fn bytes<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&imgc_base::path::escape(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints() {
        let graph = crate::text::parse(crate::text::tests::SAMPLE).unwrap();
        insta::assert_snapshot!(print(&graph));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_graph_prints(graph in crate::arbitrary::graph()) {
            let value: serde_json::Value = serde_json::from_str(&print(&graph)).unwrap();
            prop_assert_eq!(value["nodes"].as_array().unwrap().len(), graph.len());
        }
    }
}
