//! Several platforms in one graph.

use super::*;

fn several(text: &str) -> Graph {
    let platforms = ["linux/amd64", "linux/arm64"].map(|text| text.parse().unwrap()).to_vec();
    run(text, &Options { platforms, ..options() }, &Fake::new()).unwrap().graph
}

fn distinct_keys(graph: &Graph, op: &str) -> (usize, usize) {
    let keys = imgc_graph::key::definition_keys(graph);
    let all: Vec<_> =
        graph.nodes().filter(|&id| graph.node(id).op.name() == op).map(|id| keys[&id]).collect();
    let set: std::collections::BTreeSet<_> = all.iter().collect();
    (all.len(), set.len())
}

#[test]
fn an_index_over_images() {
    insta::assert_snapshot!(print(&several("FROM debian\nRUN x")));
}

#[test]
fn what_names_no_target_is_equal() {
    let graph = several(
        "FROM --platform=$BUILDPLATFORM debian AS build\nCOPY . .\nRUN make\n\
         FROM --platform=$BUILDPLATFORM debian AS cross\nARG TARGETARCH\nRUN make $TARGETARCH\n\
         FROM debian\nCOPY --from=build a b\nCOPY --from=cross a b\n",
    );
    // `make` twice and once; `make $TARGETARCH` twice.
    assert_eq!(distinct_keys(&graph, "exec"), (4, 3));
    assert_eq!(distinct_keys(&graph, "context"), (1, 1));
    // debian for the build platform is debian for one of the targets.
    assert_eq!(distinct_keys(&graph, "pull"), (2, 2));
}

#[test]
fn each_platform_asks_for_its_own_image() {
    let fake = Fake::new();
    let platforms = ["linux/arm/v7", "linux/arm/v7", "linux/386"].map(|text| text.parse().unwrap()).to_vec();
    let graph = run("FROM debian", &Options { platforms, ..options() }, &fake).unwrap().graph;
    assert_eq!(*fake.asked.borrow(), ["debian linux/arm/v7", "debian linux/386"]);
    assert_eq!(graph.inputs(graph.targets()[0]).len(), 2);
}

#[test]
fn an_index_over_one() {
    let build_args = BTreeMap::from([("BUILDKIT_MULTI_PLATFORM".to_owned(), Some("1".to_owned()))]);
    let graph = run("FROM debian", &Options { build_args, ..options() }, &Fake::new()).unwrap().graph;
    assert_eq!(graph.node(graph.targets()[0]).op, Op::Index);
}

#[test]
fn errors_are_said_once() {
    let platforms = ["linux/amd64", "linux/arm64"].map(|text| text.parse().unwrap()).to_vec();
    let found = errors_with("FROM debian\nEXPOSE x", &Options { platforms, ..options() }, &Fake::new());
    assert_eq!(found.lines().filter(|line| line.starts_with('E')).count(), 1, "{found}");
}

#[test]
fn the_shell_of_another_system() {
    let platforms = ["windows/amd64", "linux/amd64"].map(|text| text.parse().unwrap()).to_vec();
    let lowered = run("FROM scratch\nENTRYPOINT foo bar", &Options { platforms, ..options() }, &Fake::new());
    let graph = lowered.unwrap().graph;
    let shells: Vec<Option<Vec<String>>> = graph
        .nodes()
        .filter_map(|id| match &graph.node(id).op {
            Op::Image(image) => Some(image.config.entrypoint.clone()),
            _ => None,
        })
        .collect();
    let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    assert_eq!(shells, [words(&["cmd", "/S", "/C", "foo bar"]), words(&["/bin/sh", "-c", "foo bar"])]);
}
