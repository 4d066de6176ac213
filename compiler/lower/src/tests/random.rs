//! Files that nobody wrote: lowering and the checks never panic, and what they accept is a graph.

use proptest::prelude::*;

use super::*;
use crate::checks::{CheckContext, run as check};

/// Finds every image.
#[derive(Debug)]
struct Everything;

impl World for Everything {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageFacts, FactError> {
        let config = ContainerConfig {
            on_build: if name.starts_with('o') { vec!["COPY --from=a . .".to_owned()] } else { Vec::new() },
            working_dir: "relative/../x".to_owned(),
            env: vec!["NOVALUE".to_owned(), "A=1".to_owned()],
            ..ContainerConfig::default()
        };
        Ok(ImageFacts {
            reference: name.parse().ok(),
            digest: BlobDigest::of(name.as_bytes()),
            platform: platform.clone(),
            config,
            history: Vec::new(),
            author: None,
            layers: vec![DiffId::of(name.as_bytes())],
        })
    }

    fn has_context(&self, name: &str) -> bool {
        name == "c"
    }

    fn ignore(&self, _: &str) -> Result<Vec<String>, FactError> {
        Ok(Vec::new())
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-c/.$:=*0-9]{1,6}",
        1 => prop::sample::select(vec!["$A", "${A:-x}", "${A%1}", "..", "/", ".", "a", "b", "0", "1", "o"])
            .prop_map(str::to_owned),
        1 => "[\\PC]{1,4}".prop_map(|text| text.replace(['\n', '\r'], "")),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "FROM",
        "FROM --platform=$BUILDPLATFORM",
        "RUN",
        "RUN --mount=type=bind,from=a,target=/m",
        "RUN --mount=type=cache,target=",
        "COPY",
        "COPY --from=a",
        "COPY --from=0",
        "COPY --from=c",
        "COPY --link --chown=",
        "ADD",
        "ADD --checksum=",
        "ENV",
        "ARG",
        "LABEL",
        "EXPOSE",
        "USER",
        "WORKDIR",
        "VOLUME",
        "CMD",
        "ENTRYPOINT",
        "STOPSIGNAL",
        "ONBUILD RUN",
        "ONBUILD COPY --from=b",
        "MAINTAINER",
        "HEALTHCHECK CMD",
        "SHELL [\"a\"]\nRUN",
    ]);
    (name, prop::collection::vec(word(), 0..4), any::<bool>()).prop_map(|(name, words, named)| {
        let alias = if named && name.starts_with("FROM") && words.len() == 1 { " AS a" } else { "" };
        format!("{name} {}{alias}\n", words.join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_panics(lines in prop::collection::vec(line(), 1..12), target in prop::option::of("[ab01]")) {
        let text = format!("FROM o AS b\n{}", lines.concat());
        let mut sources = SourceMap::default();
        let id = sources.add("Dockerfile", text.as_str());
        let file = imgc_syntax::dockerfile::parse(id, &text).dockerfile;
        let platforms = ["linux/amd64", "linux/arm64"].map(|text| text.parse().unwrap()).to_vec();
        let options = Options { target, platforms, ..options() };
        for all_stages in [false, true] {
            let context = CheckContext { options: &options, ignore: &[], world: Some(&Everything), all_stages };
            for found in check(&file, &context) {
                prop_assert!(found.labels.iter().all(|label| sources.locate(label.span).is_some()));
            }
        }
        match lower(&file, &mut sources, &options, &Everything) {
            Ok(lowered) => prop_assert_eq!(imgc_graph::verify::verify(&lowered.graph), Ok(())),
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for label in errors.iter().flat_map(|error| &error.labels) {
                    let place = sources.get(label.span.source).unwrap();
                    prop_assert!(place.text.get(label.span.range()).is_some());
                }
            }
        }
    }
}

/// The files of the tutorial, right and wrong ones.
#[test]
fn the_tutorial() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tutorial");
    let mut out = String::new();
    for number in 1..=10 {
        let path = dir.join(format!("{number:02}.Dockerfile"));
        #[expect(clippy::disallowed_methods, reason = "a test's own table")]
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("SKIPPED: the tutorial's files are absent");
            return;
        };
        let mut sources = SourceMap::default();
        let id = sources.add("Dockerfile", text.as_str());
        let parsed = imgc_syntax::dockerfile::parse(id, &text);
        let context = CheckContext { options: &options(), ignore: &[], world: None, all_stages: true };
        let steps = match lower(&parsed.dockerfile, &mut sources, &options(), &Everything) {
            Ok(lowered) => format!("{} nodes", lowered.graph.len()),
            Err(errors) => shown(&errors, &text),
        };
        let rules: Vec<&str> = check(&parsed.dockerfile, &context).iter().map(|found| found.code).collect();
        writeln!(out, "{number:02} {} errors, {steps}, {rules:?}", parsed.diagnostics.len()).unwrap();
    }
    insta::assert_snapshot!(out);
}
