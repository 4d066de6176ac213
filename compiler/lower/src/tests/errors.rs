//! Wrong files: every error at its place, all in one run.

use super::*;

#[test]
fn one_error_each() {
    let texts = [
        "FROM debian\nENV a=${b:?say}",
        "ARG version=1\nFROM debian:${versoin:?}",
        "FROM debian\nENV a=${b^^}",
        "ARG x\nFROM $x",
        "FROM debian\nUSER $x",
        "FROM debian\nVOLUME $x",
        "FROM debian\nENV $x=1",
        "FROM --platform=linux/a/b/c debian",
        "ARG TARGETPLATFROM\nFROM --platform=$TARGETPLATFROM debian",
        "FROM debain",
        "FROM debian AS build\nFROM biuld",
        "FROM debian\nCOPY --from=1 a b",
        "FROM debian\nCOPY --from=0 a b",
        "FROM debian AS a\nCOPY --from=a x y",
        "FROM debian AS a\nCOPY --from=b x y\nFROM debian AS b\nFROM a",
        "FROM debian AS a\nCOPY --from=b x y\nFROM a AS b\nFROM a",
        "FROM debian AS a\nRUN --mount=from=b,target=/b x\nFROM debian AS b\nFROM a",
        "FROM debian\nCOPY --from=nowhere a b",
        "FROM debian\nCOPY --chmod=999 a b",
        "FROM debian\nCOPY --chmod=u+q a b",
        "FROM debian\nCOPY --chown=a:b:c a b",
        "FROM debian\nCOPY --link --chown=app a b",
        "FROM debian\nCOPY https://x/y z",
        "FROM debian\nCOPY https://x/y.git z",
        "FROM debian\nADD --checksum=sha256:x https://x/y z",
        "FROM debian\nADD --checksum=md5:x https://x/y z",
        "FROM debian\nADD --checksum=sha256:x a b",
        "FROM debian\nADD --checksum=sha256:x https://x/y https://x/z /d/",
        "FROM debian\nADD https://u:p@x/y z",
        "FROM debian\nADD https://x/y.git?nonsense=1 z",
        "FROM debian\nADD --keep-git-dir=false https://x/y.git?keep-git-dir=1 z",
        "FROM debian\nCOPY <<a/b /x\na/b",
        "FROM debian\nEXPOSE 70000",
        "FROM debian\nEXPOSE 80/http",
        "FROM debian\nSTOPSIGNAL SIGTREM",
        "FROM debian\nSTOPSIGNAL 0",
        "FROM debian\nRUN --mount=target=/ x",
        "FROM debian\nRUN --mount=type=cache,id=x x",
        "FROM debian\nRUN --mount=type=cahce$x,target=/x x",
        "FROM debian\nRUN --mount=type=bind,target=${x:?} x",
        "FROM debian\nRUN --device=vendor.com/gpu=0 x",
    ];
    let mut out = String::new();
    for text in texts {
        writeln!(out, "{}\n{}", text.replace('\n', "⏎"), errors(text)).unwrap();
    }
    insta::assert_snapshot!(out);
}

#[test]
fn all_independent_errors_at_once() {
    let found = errors(
        "FROM debian AS a\nEXPOSE x\nSTOPSIGNAL x\nCOPY --chmod=9 --chown=:: https://x y\n\
         FROM nowhere AS b\nEXPOSE not-reached\n\
         FROM debian\nCOPY --from=a a b\nCOPY --from=b a b\nVOLUME $x\n",
    );
    let codes: Vec<&str> = found
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|code| code.starts_with('E'))
        .collect();
    assert_eq!(codes, ["E0213", "E0214", "E0209", "E0210", "E0212", "E0205", "E0203"], "{found}");
}

#[test]
fn what_follows_an_error_is_not_blamed() {
    let found = errors("FROM debian\nARG a=${b:?}\nENV c=${d:?}\nUSER u$a$c\nENV e=${a?}${c?}");
    assert_eq!(found.matches("E0201").count(), 2, "{found}");
}

#[test]
fn targets() {
    let text = "FROM debian AS build\nFROM debian AS release";
    let with =
        |target: &str| errors_with(text, &Options { target: Some(target.into()), ..options() }, &Fake::new());
    assert_eq!(
        with("relase"),
        "E0202  target stage `relase` could not be found\n  help: did you mean `release`?\n"
    );
    assert_eq!(with("9"), "E0202  target stage `9` could not be found\n");
}

#[test]
fn a_ladder_of_references_ends_in_an_error() {
    // Each line doubles the value.
    let mut text = "FROM scratch\nENV a=xxxxxxxxxxxxxxxx\n".to_owned();
    text.push_str(&"ENV a=$a$a\n".repeat(30));
    let found = errors(&text);
    assert!(found.starts_with("E0201") && found.contains("longer than"), "{found}");
}

#[test]
fn too_much_is_refused() {
    let mut text = "FROM scratch\nENV a=xxxxxxxxxxxxxxxx\n".to_owned();
    text.push_str(&"ENV a=$a$a\n".repeat(16));
    text.push_str(&"RUN x\n".repeat(400));
    let found = errors(&text);
    assert!(found.contains("E0220"), "{found}");
    let many = "FROM scratch\n".repeat(crate::MAX_STAGES + 1);
    assert!(errors(&many).starts_with("E0220"));
}

/// What a check says of all stages, with and without a world to ask.
fn checked(text: &str, asks: bool) -> Vec<String> {
    let mut sources = SourceMap::default();
    let id = sources.add("Dockerfile", text);
    let parsed = imgc_syntax::dockerfile::parse(id, text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let (options, fake) = (options(), Fake::new());
    let context = crate::checks::CheckContext {
        options: &options,
        ignore: &[],
        world: asks.then_some(&fake as &dyn World),
        all_stages: true,
    };
    let found = crate::wrong::errors(&parsed.dockerfile, &mut sources, &context);
    found.iter().map(|one| format!("{} {}", sources.locate(one.labels[0].span).unwrap(), one.code)).collect()
}

#[test]
fn a_check_finds_what_a_build_would_fail_at() {
    // Also in stages that the target does not need; each once.
    let text = "FROM debian AS base\nEXPOSE abc\nFROM base AS a\nCOPY --chmod=9 x /\nFROM base\nCOPY --from=7 x /\n\
        COPY --from=last x /\nFROM debian AS last";
    let all =
        ["Dockerfile:2:8 E0213", "Dockerfile:4:14 E0209", "Dockerfile:6:13 E0206", "Dockerfile:7:13 E0207"];
    assert_eq!(checked(text, false), all);
    assert_eq!(checked(text, true), all);
    // An image that is not there is no fault of the text.
    assert_eq!(checked("FROM nowhere\nCOPY --from=nothing a /", true), [""; 0]);
    // What a base image sets is unknown if there is nobody to ask.
    let text = "FROM debian\nUSER $WHO\nSTOPSIGNAL $WHAT\nENV a=${SET:?}\nEXPOSE abc";
    assert_eq!(checked(text, false), ["Dockerfile:5:8 E0213"]);
    assert_eq!(checked(text, true).len(), 4);
}

#[test]
fn without_a_network_a_slip_is_still_a_slip() {
    struct Offline;
    impl World for Offline {
        fn image(&self, name: &str, _: &Platform) -> Result<ImageFacts, FactError> {
            let kind = FactKind::Network;
            Err(FactError { kind, message: format!("no way to `{name}`"), notes: Vec::new(), help: None })
        }
        fn has_context(&self, _: &str) -> bool {
            false
        }
        fn ignore(&self, _: &str) -> Result<Vec<String>, FactError> {
            Ok(Vec::new())
        }
    }
    let text = "FROM scratch AS builder\nFROM scratch\nCOPY --from=bulider a b";
    let found = errors_with(text, &options(), &Offline);
    assert!(found.starts_with("E0221") && found.contains("did you mean the stage `builder`?"), "{found}");
}
