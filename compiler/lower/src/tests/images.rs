//! What the image's config and history say.

use super::*;

fn config(text: &str) -> ContainerConfig {
    image(text).config
}

#[expect(clippy::unnecessary_wraps, reason = "what the tables hold")]
fn list(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn nothing_on_scratch() {
    let op = image("FROM scratch");
    assert_eq!(op.config.env, [format!("PATH={}", crate::state::DEFAULT_PATH)]);
    assert_eq!(op.config.working_dir, "/");
    assert_eq!((op.history, op.base), (vec![], None));
    // An image without layers is scratch with a config.
    assert!(printed("FROM empty").starts_with("%0 = scratch"));
}

#[test]
fn commands_and_entrypoints() {
    for (text, entrypoint, cmd) in [
        ("CMD a b", None, list(&["/bin/sh", "-c", "a b"])),
        ("CMD [\"a\"]", None, list(&["a"])),
        ("CMD []", None, None),
        ("CMD a\nCMD [\"b\"]", None, list(&["b"])),
        ("", None, list(&["/bin/ash"])),
        // An entrypoint drops the base's command, not the stage's own, before or after.
        ("ENTRYPOINT [\"e\"]", list(&["e"]), None),
        ("CMD [\"c\"]\nENTRYPOINT e", list(&["/bin/sh", "-c", "e"]), list(&["c"])),
        ("ENTRYPOINT [\"e\"]\nCMD [\"c\"]", list(&["e"]), list(&["c"])),
        ("ENTRYPOINT [\"e\"]\nENTRYPOINT []", None, None),
        (
            "SHELL [\"bash\", \"-c\"]\nCMD a\nENTRYPOINT b",
            list(&["bash", "-c", "b"]),
            list(&["bash", "-c", "a"]),
        ),
    ] {
        let config = config(&format!("FROM alpine\n{text}"));
        assert_eq!((config.entrypoint, config.cmd), (entrypoint, cmd), "{text}");
    }
    // A command of the stage below counts as the base's.
    let config = config("FROM debian AS a\nCMD [\"c\"]\nFROM a\nENTRYPOINT [\"e\"]");
    assert_eq!((config.entrypoint, config.cmd), (list(&["e"]), None));
}

#[test]
fn json_elements_are_expanded_where_words_are() {
    let text = "FROM debian\nENV A=x\nVOLUME [\"/$A\", \"/b c\"]\nCOPY [\"$A\", \"/d $A/\"]\nADD [\"$A.tar\", \"/$A/\"]\n\
        CMD [\"$A\"]\nENTRYPOINT [\"${A}\"]\nSHELL [\"$A\", \"-c\"]\nRUN [\"$A\"]";
    let config = config(text);
    assert_eq!(config.volumes.keys().collect::<Vec<_>>(), ["/b c", "/x"]);
    assert_eq!((config.cmd, config.entrypoint), (list(&["$A"]), list(&["${A}"])));
    assert_eq!(config.shell, list(&["$A", "-c"]));
    assert_eq!(execs(text)[0].args, ["$A"]);
    let printed = printed(text);
    for part in ["\"x\"", "\"/d x\"", "\"x.tar\""] {
        assert!(printed.contains(part), "{part} is not in\n{printed}");
    }
}

#[test]
fn a_shell_is_inherited() {
    let text = "FROM debian AS a\nSHELL [\"bash\", \"-c\"]\nFROM a\nRUN x\nHEALTHCHECK CMD y";
    assert_eq!(execs(text)[0].args, ["bash", "-c", "x"]);
    assert_eq!(config(text).shell, list(&["bash", "-c"]));
    let mut fake = Fake::new();
    fake.has("powershell", |config| config.shell = list(&["pwsh", "-Command"]));
    let lowered = run("FROM powershell\nCMD x", &options(), &fake).unwrap();
    assert_eq!(image_of(&lowered.graph).config.cmd, list(&["pwsh", "-Command", "x"]));
}

#[test]
fn everything_else() {
    let text = "FROM debian\n\
        ARG p=\"90 91/udp\" \n\
        MAINTAINER Jane <j@x>\n\
        ENV A=1\n\
        LABEL a=1 b=2\n\
        LABEL a=3\n\
        EXPOSE 80 443/TCP 8000-8002/udp $p\n\
        VOLUME /a /b$A\n\
        VOLUME [\"/c d\"]\n\
        USER u\n\
        STOPSIGNAL SIG$x\"TERM\"\n\
        SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\n\
        HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f http://x || exit 1\n\
        CMD x \"y\"\n\
        ENTRYPOINT [\"a\\\"b\", \"c\"]\n\
        ONBUILD RUN y\n";
    insta::assert_snapshot!(printed(text));
}

#[test]
fn health_checks() {
    for (text, test, created_by) in [
        (
            "HEALTHCHECK NONE",
            vec!["NONE"],
            "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
        ),
        (
            "HEALTHCHECK CMD [\"a\", \"b\"]",
            vec!["CMD", "a", "b"],
            "HEALTHCHECK {Test:[CMD a b] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
        ),
    ] {
        let text = format!("FROM debian\n{text}");
        assert_eq!(config(&text).healthcheck.unwrap().test, test);
        assert_eq!(history(&text), [created_by]);
    }
}

#[test]
fn labels_and_annotations_of_the_command_line() {
    let options = Options {
        labels: BTreeMap::from([("a".into(), "cli".into()), ("b".into(), "cli".into())]),
        annotations: BTreeMap::from([("n".into(), "v".into())]),
        ..options()
    };
    let op = image_of(&run("FROM debian\nLABEL a=file c=file", &options, &Fake::new()).unwrap().graph);
    let labels: Vec<String> =
        op.config.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["a=cli", "b=cli", "c=file"]);
    assert_eq!(op.annotations["n"], "v");
}

#[test]
fn metadata_makes_no_node() {
    let plain = graph("FROM debian\nRUN x");
    let more = graph("FROM debian\nLABEL a=b\nEXPOSE 1\nCMD y\nMAINTAINER z\nRUN x\nVOLUME /v");
    assert_eq!(plain.len(), more.len());
    let keys = |graph: &Graph| {
        let keys = imgc_graph::key::definition_keys(graph);
        let steps = graph.nodes().filter(|&id| graph.node(id).op.is_tree()).map(|id| keys[&id]);
        steps.collect::<Vec<_>>()
    };
    assert_eq!(keys(&plain), keys(&more));
}

#[test]
fn the_history_counts_layers() {
    let op = image("FROM debian\nENV a=1\nRUN x\nWORKDIR /\nWORKDIR /w\nCOPY a b\nADD a b\nUSER u");
    let layers = op.history.iter().filter(|entry| entry.node.is_some()).count();
    assert_eq!((op.history.len(), layers), (7, 4));
}

#[test]
fn a_child_stage_goes_on() {
    let op = image("FROM alpine AS a\nLABEL x=1\nRUN a\nONBUILD ENV T=1\nFROM a\nRUN b");
    let history: Vec<&str> = op.history.iter().map(|entry| entry.created_by.as_str()).collect();
    assert_eq!(
        history,
        ["LABEL x=1", "RUN /bin/sh -c a # buildkit", "ENV T=1", "RUN /bin/sh -c b # buildkit"]
    );
    assert_eq!(op.config.labels["x"], "1");
    assert_eq!(op.config.on_build, [""; 0]);
    assert_eq!(op.base.unwrap().familiar(), "alpine:latest");
}
