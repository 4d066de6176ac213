//! `ARG`, `ENV`, and where variables are seen.

use super::*;

fn with(pairs: &[(&str, &str)]) -> Options {
    let build_args = pairs.iter().map(|&(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
    Options { build_args, ..options() }
}

fn history_with(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let lowered = run(text, &with(pairs), &Fake::new()).unwrap();
    image_of(&lowered.graph).history.into_iter().map(|entry| entry.created_by).collect()
}

#[test]
fn scopes_of_arguments() {
    for (text, args, expected) in [
        // A global argument is seen in FROM lines and later global arguments, not in stages.
        ("ARG a=1\nFROM scratch\nENV e=x$a", vec![], vec!["ENV e=x"]),
        ("ARG a=1\nARG b=$a-x\nFROM scratch\nARG b\nENV e=$b", vec![], vec!["ARG b=1-x", "ENV e=1-x"]),
        ("ARG a=1\nFROM scratch\nARG a\nENV e=$a", vec![], vec!["ARG a=1", "ENV e=1"]),
        ("ARG a=1\nFROM scratch\nARG a=2\nENV e=$a", vec![], vec!["ARG a=2", "ENV e=2"]),
        ("ARG a=1\nFROM scratch\nARG a=2\nENV e=$a", vec![("a", "3")], vec!["ARG a=3", "ENV e=3"]),
        ("ARG a\nFROM scratch\nARG a\nENV e=$a", vec![("a", "3")], vec!["ARG a=3", "ENV e=3"]),
        // Unset is not empty.
        ("FROM scratch\nARG a\nENV e=${a-unset}", vec![], vec!["ARG a", "ENV e=unset"]),
        ("FROM scratch\nARG a=\nENV e=${a-unset}", vec![], vec!["ARG a=", "ENV e="]),
        ("FROM scratch\nARG a=1\nENV e=${a-unset}", vec![("a", "")], vec!["ARG a=", "ENV e="]),
        // A default that is not needed is not expanded.
        ("FROM scratch\nARG a=${b:?needed}\nENV e=$a", vec![("a", "1")], vec!["ARG a=1", "ENV e=1"]),
        // Several on a line; each sees the ones before it.
        ("FROM scratch\nARG a=1 b c=\"x $a\"", vec![], vec!["ARG a=1 b c=x 1"]),
        // From its line on.
        ("FROM scratch\nENV e=x$a\nARG a=1", vec![], vec!["ENV e=x", "ARG a=1"]),
        // Build arguments that nobody declares are not seen.
        ("FROM scratch\nENV e=x$a", vec![("a", "1")], vec!["ENV e=x"]),
        // Values of one instruction see what was before it.
        (
            "FROM scratch\nENV abc=hello\nENV abc=bye def=$abc",
            vec![],
            vec!["ENV abc=hello", "ENV abc=bye def=hello"],
        ),
        ("FROM scratch\nENV a rest of 'the line'", vec![], vec!["ENV a=rest of the line"]),
        ("FROM scratch\nLABEL \"a b\"='c' d=", vec![], vec!["LABEL a b=c d="]),
    ] {
        assert_eq!(history_with(text, &args), expected, "{text} {args:?}");
    }
}

#[test]
fn arguments_and_environment_of_the_same_name() {
    // ENV after ARG wins in both.
    let text = "FROM scratch\nARG X=arg\nENV X=env\nRUN x";
    assert_eq!(execs(text)[0].env.iter().find(|(name, _)| name == "X").unwrap().1, "env");
    assert_eq!(image(text).config.env("X"), Some("env"));
    // ARG after ENV: commands see the argument, the config keeps the environment.
    let text = "FROM scratch\nENV X=env\nARG X=arg\nRUN x";
    assert_eq!(execs(text)[0].env.iter().find(|(name, _)| name == "X").unwrap().1, "arg");
    assert_eq!(image(text).config.env("X"), Some("env"));
    assert_eq!(history(text)[2], "RUN |1 X=arg /bin/sh -c x # buildkit");
    // A child stage begins with what the config says.
    let text = "FROM scratch AS a\nENV X=env\nARG X=arg\nFROM a\nRUN x";
    assert_eq!(execs(text)[0].env.iter().find(|(name, _)| name == "X").unwrap().1, "env");
}

#[test]
fn children_inherit_arguments_and_environment() {
    let text = "FROM scratch AS a\nARG A=1\nENV E=2\nFROM a\nRUN x $A";
    assert_eq!(history(text).last().unwrap(), "RUN |1 A=1 /bin/sh -c x $A # buildkit");
    let exec = execs(text).remove(0);
    let env: Vec<&str> = exec.env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(env, ["PATH", "A", "E"]);
    // Arguments never reach the config.
    assert_eq!(image(text).config.env, [format!("PATH={}", crate::state::DEFAULT_PATH), "E=2".to_owned()]);
}

#[test]
fn environment_keeps_its_order() {
    let config = image("FROM alpine\nENV B=1 LANG=de A=2\nENV B=3").config;
    assert_eq!(config.env, ["PATH=/bin", "LANG=de", "B=3", "A=2"]);
}

#[test]
fn arguments_in_the_history_of_run() {
    for (text, expected) in [
        ("ARG A\nRUN x", "RUN |1 A= /bin/sh -c x # buildkit"),
        ("ARG A=1 B=2\nARG A=3\nRUN x", "RUN |2 A=3 B=2 /bin/sh -c x # buildkit"),
        ("ARG A=1\nENV A=2\nRUN [\"x\", \"y z\"]", "RUN |1 A=2 x y z # buildkit"),
    ] {
        assert_eq!(history(&format!("FROM scratch\n{text}")).last().unwrap(), expected, "{text}");
    }
}

#[test]
fn platform_arguments() {
    let lowered = run(
        "FROM scratch AS web\nARG TARGETPLATFORM TARGETARCH TARGETVARIANT BUILDPLATFORM TARGETSTAGE\nARG TARGETOS=x\nENV a=$BUILDARCH",
        &Options { platforms: vec!["linux/arm/v7".parse().unwrap()], ..options() },
        &Fake::new(),
    )
    .unwrap();
    let history: Vec<String> =
        image_of(&lowered.graph).history.into_iter().map(|entry| entry.created_by).collect();
    assert_eq!(
        history,
        [
            "ARG TARGETPLATFORM=linux/arm/v7 TARGETARCH=arm TARGETVARIANT=v7 BUILDPLATFORM=linux/amd64 TARGETSTAGE=web",
            // A default in a stage hides the automatic value.
            "ARG TARGETOS=x",
            // In a stage it must be declared.
            "ENV a=",
        ]
    );
    assert_eq!(
        history_with("FROM scratch\nARG TARGETOS=x\nARG TARGETSTAGE", &[("TARGETOS", "y")]),
        ["ARG TARGETOS=y", "ARG TARGETSTAGE=default"]
    );
}

#[test]
fn proxies_need_no_declaration_and_leave_no_trace() {
    let text = "FROM scratch\nRUN x";
    let lowered = run(text, &with(&[("HTTP_PROXY", "http://p"), ("no_proxy", "x")]), &Fake::new()).unwrap();
    assert_eq!(lowered.diagnostics, []);
    assert_eq!(image_of(&lowered.graph).history[0].created_by, "RUN /bin/sh -c x # buildkit");
    // Declared, they are arguments like all others.
    let text = "FROM scratch\nARG HTTP_PROXY\nRUN x";
    assert_eq!(
        history_with(text, &[("HTTP_PROXY", "http://p")])[1],
        "RUN |1 HTTP_PROXY=http://p /bin/sh -c x # buildkit"
    );
}

#[test]
fn unused_build_arguments_are_warned_of() {
    let lowered =
        run("FROM scratch\nARG version", &with(&[("versoin", "1"), ("zzz", "")]), &Fake::new()).unwrap();
    assert_eq!(
        shown(&lowered.diagnostics, ""),
        "W0201  build argument `versoin` is not used\n  help: did you mean `version`?\n\
         W0201  build argument `zzz` is not used\n"
    );
}

#[test]
fn from_lines_see_global_arguments() {
    let fake = Fake::new();
    run("ARG base=debian\nFROM --platform=$TARGETPLATFORM ${base:-x}", &options(), &fake).unwrap();
    assert_eq!(*fake.asked.borrow(), ["debian linux/amd64"]);
}

#[test]
fn the_epoch_that_a_file_states() {
    let stated = |text: &str| {
        let parsed = imgc_syntax::dockerfile::parse(imgc_base::SourceId(0), text);
        crate::epoch_argument(&parsed.dockerfile, &options())
    };
    for (text, expected) in [
        ("ARG SOURCE_DATE_EPOCH=5\nFROM scratch", Some("5")),
        ("ARG a=5\nARG SOURCE_DATE_EPOCH=${a}0\nFROM scratch", Some("50")),
        ("ARG SOURCE_DATE_EPOCH=never\nFROM scratch", Some("never")),
        // What other builders take from a source.
        ("ARG SOURCE_DATE_EPOCH=context\nFROM scratch", None),
        ("ARG SOURCE_DATE_EPOCH=src\nFROM scratch AS src", None),
        ("ARG SOURCE_DATE_EPOCH\nFROM scratch", None),
        ("FROM scratch\nARG SOURCE_DATE_EPOCH=5", None),
    ] {
        assert_eq!(stated(text).as_deref(), expected, "{text}");
    }
}
