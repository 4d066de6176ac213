//! Tests of the text form.

use proptest::prelude::*;

use super::*;
use crate::arbitrary;
use crate::key::definition_keys;
use crate::verify::verify;

/// A small whole build.
pub(crate) const SAMPLE: &str = r#"imgc-graph 1

; the base and the context
%0 = pull {
  reference "debian:13"
  digest sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  layer sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
}
%1 = context {
  ignore "target"
}
%2 = exec %0 %1 {
  step "build#2"
  title "[build 1/2] RUN make"
  args ["/bin/sh" "-c" "make"]
  env "PATH" "/usr/bin"
  cwd "/src"
  mount bind "/src" from=1
  mount cache "/root/.cache" id="c" sharing=locked
  network none
}
%3 = file %0 %2 {
  step "app#5"
  copy ["/src/app"] "/usr/bin/app" from=1 mode=0755
}
%4 = image %3 {
  cmd ["app"]
  label "a" "b"
  history "COPY /src/app /usr/bin/app" %3
}
target %4
"#;

fn errors(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn prints_what_it_read_in_full() {
    let graph = parse(SAMPLE).unwrap();
    assert_eq!(verify(&graph), Ok(()));
    insta::assert_snapshot!(print(&graph));
}

#[test]
fn errors_say_where_and_what_to_do() {
    let mut all = Vec::new();
    for (find, put) in [
        ("= exec", "= exce"),
        ("  cwd", "  cdw"),
        ("sharing=locked", "sharing=lockd"),
        ("from=1 mode", "form=1 mode"),
        ("mode=0755", "mode=0799"),
        ("exec %0", "exec %3"),
        ("exec %0", "exec %9"),
        ("%1 =", "%0 ="),
        ("app\" %3", "app\" %7"),
        ("imgc-graph 1", "imgc-graph 2"),
        ("network none\n}", "network none\n"),
        ("  digest sha256:", "; "),
        ("\"/src\"\n", "\"/src\n"),
        ("target %4", "target"),
        ("  network none", "  network none\n  network host"),
        ("\"a\" \"b\"", "\"a\" \"b\" \"c\""),
        ("cwd \"/src\"", "cwd \"/../src\""),
    ] {
        let text = SAMPLE.replacen(find, put, 1);
        assert_ne!(text, SAMPLE, "{find}");
        all.push(format!("{find} -> {put}\n   {}", errors(&text)[0]));
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn independent_faults_are_reported_together() {
    let text = SAMPLE.replacen("cwd", "cdw", 1).replacen("label", "lable", 1).replacen("mode=", "mod=", 1);
    assert_eq!(errors(&text).len(), 3);
}

#[test]
fn too_long_a_text_is_refused() {
    let text = format!("{SAMPLE}{}", " ".repeat(MAX_TEXT));
    assert_eq!(errors(&text), ["1:1: the text is longer than 67108864 bytes"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn round_trip(graph in arbitrary::graph()) {
        prop_assert_eq!(verify(&graph), Ok(()));
        let text = print(&graph);
        let read = parse(&text).map_err(|errors| TestCaseError::fail(format!("{errors:?}\n{text}")))?;
        prop_assert_eq!(print(&read), text);
        prop_assert_eq!(graph.targets(), read.targets());
        prop_assert_eq!(definition_keys(&graph), definition_keys(&read));
        for id in graph.nodes() {
            prop_assert_eq!(graph.node(id), read.node(id));
            prop_assert_eq!(graph.inputs(id), read.inputs(id));
        }
    }

    #[test]
    fn no_text_breaks_the_reader(
        at in any::<proptest::sample::Index>(),
        length in 0_usize..20,
        put in "[ -~\n%{}\\[\\]=\"é]{0,8}",
    ) {
        let start = at.index(SAMPLE.len());
        let end = (start + length).min(SAMPLE.len());
        let text = format!("{}{put}{}", &SAMPLE[..start], &SAMPLE[end..]);
        if let Ok(graph) = parse(&text) {
            drop(verify(&graph));
            prop_assert!(parse(&print(&graph)).is_ok());
        }
    }

    #[test]
    fn no_bytes_break_the_reader(text in any::<String>()) {
        drop(parse(&text));
        drop(parse(&format!("{HEAD}\n{text}")));
    }
}
