//! Stages, targets, names, named contexts.

use super::*;

/// The commands that a target needs, in order.
fn needed(text: &str, target: Option<&str>) -> Vec<String> {
    let options = Options { target: target.map(str::to_owned), ..options() };
    needed_with(text, &options, &Fake::new())
}

fn needed_with(text: &str, options: &Options, world: &dyn World) -> Vec<String> {
    let graph = match run(text, options, world) {
        Ok(lowered) => lowered.graph,
        Err(errors) => panic!("{}", shown(&errors, text)),
    };
    let all = graph.nodes().filter_map(|id| match &graph.node(id).op {
        Op::Exec(exec) => exec.args.last().cloned(),
        _ => None,
    });
    all.collect()
}

#[test]
fn only_what_the_target_needs() {
    let text = "FROM nowhere AS broken\nRUN no\nFROM debian AS a\nRUN a\nFROM a AS b\nRUN b\nFROM debian AS c\nRUN c\n\
        FROM debian AS d\nCOPY --from=c x y\nRUN d\nFROM broken AS e\nRUN e";
    for (target, expected) in [
        ("a", vec!["a"]),
        ("B", vec!["a", "b"]),
        ("d", vec!["c", "d"]),
        ("1", vec!["a"]),
        ("2", vec!["a", "b"]),
    ] {
        assert_eq!(needed(text, Some(target)), expected, "{target}");
    }
    let lowered = run(text, &Options { target: Some("d".into()), ..options() }, &Fake::new()).unwrap();
    let used: Vec<bool> = lowered.stages.iter().map(|stage| stage.used).collect();
    assert_eq!(used, [false, false, false, true, true, false]);
}

#[test]
fn names() {
    // The last stage of a name before its use.
    assert_eq!(needed("FROM debian AS a\nRUN 1\nFROM debian AS a\nRUN 2\nFROM a\nRUN 3", None), ["2", "3"]);
    assert_eq!(needed("FROM debian AS a\nRUN 1\nFROM a AS a\nRUN 2\nFROM A\nRUN 3", None), ["1", "2", "3"]);
    // A stage's own name, and those of later stages, are images.
    let fake = Fake::new();
    run("FROM debian AS debian\nFROM debian", &options(), &fake).unwrap();
    assert_eq!(*fake.asked.borrow(), ["debian linux/amd64"]);
    run("FROM alpine AS x\nFROM debian AS alpine", &Options { target: Some("x".into()), ..options() }, &fake)
        .unwrap();
    assert_eq!(fake.asked.borrow().last().unwrap(), "alpine linux/amd64");
    // A stage beats an image of its name.
    assert_eq!(
        needed("FROM scratch AS alpine\nRUN 1\nFROM debian\nCOPY --from=alpine a b\nRUN 2", None),
        ["1", "2"]
    );
}

#[test]
fn numbers_count_stages() {
    let text = "FROM debian\nRUN 0\nFROM debian\nRUN 1\nFROM debian\nCOPY --from=1 a b\nRUN 2";
    assert_eq!(needed(text, None), ["1", "2"]);
    assert_eq!(needed(text, Some("0")), ["0"]);
}

#[test]
fn named_contexts_replace_images_and_stages() {
    let with = |pairs: &[(&str, &str)]| {
        let contexts = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Options { contexts, ..options() }
    };
    let asked = |text: &str, options: &Options| {
        let fake = Fake::new();
        let commands = needed_with(text, options, &fake);
        let asked = fake.asked.borrow().clone();
        (commands, asked)
    };
    let image = || vec!["docker-image://alpine linux/amd64".to_owned()];
    let text = "FROM debian AS build\nRUN 1\nFROM build\nRUN 2";
    // An image; `:latest` makes no difference.
    for name in ["debian", "debian:latest", "docker.io/library/debian"] {
        let options = with(&[(name, "docker-image://alpine")]);
        assert_eq!(asked(text, &options), (vec!["1".into(), "2".into()], image()), "{name}");
    }
    // A whole stage, also one that others stand on.
    let options = with(&[("Build", "docker-image://alpine")]);
    assert_eq!(asked(text, &options), (vec!["2".into()], image()));
    // What is not used is not asked for.
    let options = with(&[("other", "docker-image://nowhere")]);
    assert_eq!(asked(text, &options).1, ["debian linux/amd64"]);
    // `scratch` stays what it is.
    assert_eq!(asked("FROM scratch", &with(&[("scratch", "docker-image://alpine")])).1, [""; 0]);
}

#[test]
fn directories_and_checkouts_as_bases() {
    let contexts = BTreeMap::from([
        ("dir".to_owned(), "../x".to_owned()),
        ("repo".to_owned(), "https://h/r.git".to_owned()),
        ("web".to_owned(), "https://h/root.tar".to_owned()),
    ]);
    let options = Options { contexts, ..options() };
    let text = "FROM dir AS a\nFROM repo AS b\nFROM web AS c\nFROM scratch\n\
        COPY --from=a / /\nCOPY --from=b / /\nCOPY --from=c / /";
    insta::assert_snapshot!(print(&run(text, &options, &Fake::new()).unwrap().graph));
}

#[test]
fn titles_and_steps() {
    let titles = |text: &str, options: &Options| -> Vec<String> {
        let graph = run(text, options, &Fake::new()).unwrap().graph;
        graph
            .nodes()
            .filter(|&id| !graph.node(id).origin.step.is_empty())
            .map(|id| format!("{} {}", graph.node(id).origin.step, graph.node(id).origin.title))
            .collect()
    };
    let one = "FROM debian\nARG V=1\nRUN --mount=type=tmpfs,target=/t make $V $W\nWORKDIR /x\nCOPY --from=alpine a b";
    assert_eq!(
        titles(one, &options()),
        [
            "Dockerfile#3 [2/4] RUN --mount=type=tmpfs,target=/t make 1 $W",
            "Dockerfile#4 [3/4] WORKDIR /x",
            "Dockerfile#5 [4/4] COPY --from=alpine a b",
        ]
    );
    let two = "FROM --platform=$BUILDPLATFORM debian AS Build\nARG TARGETARCH\nRUN make\nFROM scratch\nCOPY --from=build a b\nRUN <<EOF\n\necho 1\necho 2\nEOF";
    let options = Options {
        platforms: vec!["linux/arm64".parse().unwrap(), "linux/amd64".parse().unwrap()],
        dockerfile_name: "web.Dockerfile".into(),
        ..options()
    };
    assert_eq!(
        titles(two, &options),
        [
            "build#3 [linux/amd64->arm64 build 2/2] RUN make",
            "web.Dockerfile#5 [linux/arm64 stage-1 1/2] COPY --from=build a b",
            "web.Dockerfile#6 [linux/arm64 stage-1 2/2] RUN <<EOF (echo 1...)",
            "build#3 [linux/amd64 build 2/2] RUN make",
            "web.Dockerfile#5 [linux/amd64 stage-1 1/2] COPY --from=build a b",
            "web.Dockerfile#6 [linux/amd64 stage-1 2/2] RUN <<EOF (echo 1...)",
        ]
    );
}
