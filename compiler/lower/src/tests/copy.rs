//! `COPY`, `ADD` and `WORKDIR`.

use imgc_base::Platform;
use imgc_graph::{Chmod, Copy, FileOp, Unpack};

use super::*;

/// The actions of the last file step.
fn actions(text: &str) -> Vec<FileAction> {
    let graph = graph(&format!("FROM alpine AS base\nFROM debian\n{text}\n"));
    let all = graph.nodes().filter_map(|id| match &graph.node(id).op {
        Op::File(FileOp { actions }) => Some(actions.clone()),
        _ => None,
    });
    all.last().unwrap()
}

fn copies(text: &str) -> Vec<Copy> {
    actions(text)
        .into_iter()
        .map(|action| match action {
            FileAction::Copy(copy) => *copy,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn last(text: &str) -> String {
    history(&format!("FROM alpine AS base\nFROM debian\n{text}\n")).pop().unwrap()
}

#[test]
fn paths() {
    for (text, sources, dest, into_dir) in [
        ("COPY a b", vec!["a"], "/b", false),
        ("COPY a b/", vec!["a"], "/b", true),
        ("COPY a .", vec!["a"], "/", true),
        ("WORKDIR /w\nCOPY a .", vec!["a"], "/w", true),
        ("WORKDIR /w\nARG e\nCOPY a \"$e\"", vec!["a"], "/w", true),
        ("WORKDIR /w\nCOPY a ./x", vec!["a"], "/w/x", false),
        ("WORKDIR /w\nCOPY a ..", vec!["a"], "/", true),
        ("COPY ../../a/./b//c /", vec!["a/b/c"], "/", true),
        ("COPY / . /d/", vec![".", "."], "/d", true),
        ("ARG e\nCOPY $e b \"$e\" /d/", vec![".", "b", "."], "/d", true),
        ("COPY --parents $e /d/", vec!["."], "/d", true),
        ("COPY a* [b]? /d/", vec!["a*", "[b]?"], "/d", true),
        (
            "COPY [\"a b\", \"$PATH\", \"/d/\"]",
            vec!["a b", "usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "/d",
            true,
        ),
        ("COPY --parents a/./b/../c x/ /d/", vec!["a/./b/../c", "x/"], "/d", true),
        ("COPY --from=base /srv/x /y", vec!["srv/x"], "/y", false),
    ] {
        let all = copies(text);
        assert_eq!(all.len(), 1, "{text}");
        let copy = &all[0];
        assert_eq!(
            (copy.sources.clone(), copy.dest.to_absolute().as_str(), copy.into_dir),
            (sources.iter().map(|s| (*s).to_owned()).collect(), dest, into_dir),
            "{text}"
        );
    }
}

#[test]
fn flags() {
    let copy = &copies("COPY --chown=u:g --chmod=0750 --exclude=*.o --exclude=$x --parents a b/")[0];
    assert_eq!(copy.owner.as_ref().unwrap().to_string(), "u:g");
    assert_eq!(copy.chmod, Some(Chmod::Octal(0o750)));
    assert_eq!(copy.exclude, ["*.o", "$x"]);
    assert!(copy.parents && !copy.link && copy.from.foreign);
    let copy = &copies("COPY --link --from=base --chown=1 a b")[0];
    assert!(copy.link && !copy.from.foreign);
    assert_eq!(copy.unpack, Unpack::Never);
    // With --chmod there is no link.
    assert!(!copies("COPY --link --chmod=u+x a b")[0].link);
}

#[test]
fn archives() {
    for (text, unpack) in [
        ("COPY a b", Unpack::Never),
        ("ADD a b", Unpack::Archives),
        ("ADD --unpack=false a b", Unpack::Never),
        ("ADD https://h/a.tar b", Unpack::Never),
        ("ADD --unpack=true https://h/a.tar b", Unpack::Archives),
        ("ADD https://h/r.git b", Unpack::Never),
    ] {
        assert_eq!(copies(text)[0].unpack, unpack, "{text}");
    }
}

#[test]
fn fetched_sources() {
    let sum = "0".repeat(64);
    insta::assert_snapshot!(printed(&format!(
        "FROM debian\n\
         ADD --checksum=sha256:{sum} https://example.org/a%20b.txt?x=1 /d/\n\
         ADD https://example.org https://github.com/o/r.git#v1:sub c.tar /e/\n\
         ADD --keep-git-dir --checksum=abcdef0 git@example.org:o/r /g\n"
    )));
}

#[test]
fn heredocs_become_files() {
    let text = "ARG a=1\nCOPY --chmod=600 --chown=5 <<x <<'y' f /d/\nit's $a \\$a\nx\n$a\ny";
    let all = actions(text);
    let written: Vec<(String, String, Option<Chmod>)> = all[1..]
        .iter()
        .map(|action| match action {
            FileAction::Write { name, content, into_dir: true, chmod, .. } => {
                (name.clone(), String::from_utf8(content.clone()).unwrap(), chmod.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let mode = Some(Chmod::Octal(0o600));
    assert_eq!(
        written,
        [("x".to_owned(), "it's 1 $a\n".to_owned(), mode.clone()), ("y".to_owned(), "$a\n".to_owned(), mode)]
    );
    assert_eq!(last(text), "COPY --chown=5 --chmod=600 f <<x <<y /d/ # buildkit");
}

#[test]
fn histories() {
    for (text, expected) in [
        ("COPY a b", "COPY a b # buildkit"),
        ("copy a b", "COPY a b # buildkit"),
        ("COPY --from=base --link a b", "COPY a b # buildkit"),
        (
            "ARG v=1\nCOPY --parents --chmod=7$v --chown=$v a$v \"b$v\" /",
            "COPY --parents --chown=1 --chmod=71 a1 b1 / # buildkit",
        ),
        ("ADD https://h/x /y", "ADD https://h/x /y # buildkit"),
        ("WORKDIR a/../b", "WORKDIR /b"),
        ("WORKDIR /", "WORKDIR /"),
    ] {
        assert_eq!(last(text), expected, "{text}");
    }
}

#[test]
fn working_directories() {
    let text = "FROM alpine\nUSER u:g\nWORKDIR a\nWORKDIR /\nWORKDIR /b/c";
    insta::assert_snapshot!(printed(text));
    // Each but the root is a layer.
    let layers: Vec<bool> = image(text).history.iter().map(|entry| entry.node.is_some()).collect();
    assert_eq!(layers, [false, true, false, true]);
    // What expands to nothing changes nothing.
    assert_eq!(history("FROM scratch\nWORKDIR /a\nWORKDIR $x\nWORKDIR \"\""), ["WORKDIR /a"; 3]);
    assert_eq!(history("FROM scratch\nWORKDIR $x"), ["WORKDIR /"]);
}

#[test]
fn sources_by_any_name() {
    let mut fake = Fake::new();
    fake.dirs.push("dir".to_owned());
    let contexts = BTreeMap::from([
        ("img".to_owned(), "docker-image://alpine".to_owned()),
        ("none".to_owned(), "docker-image://scratch".to_owned()),
        ("git".to_owned(), "https://h/r.git#main".to_owned()),
    ]);
    let options = Options { contexts, ..options() };
    let text = "FROM debian AS Base\nRUN made\nFROM debian\n\
        COPY --from=base a b\nCOPY --from=BASE a b\nCOPY --from=0 a b\nCOPY --from=alpine a b\nCOPY --from=dir a b\n\
        COPY --from=img a b\nCOPY --from=none a b\nCOPY --from=git a b\nCOPY --from=scratch a b\nCOPY a b\n";
    let graph = run(text, &options, &fake).unwrap().graph;
    let from: Vec<(String, bool)> = graph
        .nodes()
        .filter_map(|id| match &graph.node(id).op {
            Op::File(FileOp { actions }) => match &actions[0] {
                FileAction::Copy(copy) => {
                    let input = graph.node(graph.inputs(id)[copy.from.input]);
                    let name = match &input.op {
                        Op::Source(Source::Image { reference, .. }) => reference.clone(),
                        Op::Source(Source::Context { name, .. }) => format!("context {name}"),
                        other => other.name().to_owned(),
                    };
                    Some((name, copy.from.foreign))
                }
                _ => None,
            },
            _ => None,
        })
        .collect();
    let alpine = "docker.io/library/alpine:latest";
    let expected = [
        ("exec", false),
        ("exec", false),
        ("exec", false),
        (alpine, false),
        ("context dir", true),
        (alpine, false),
        ("scratch", false),
        ("git", true),
        ("scratch", false),
        ("context ", true),
    ];
    assert_eq!(from, expected.map(|(name, foreign)| (name.to_owned(), foreign)));
    let platform: Platform = "linux/amd64".parse().unwrap();
    assert!(graph.nodes().all(|id| graph.node(id).platform == platform));
}
