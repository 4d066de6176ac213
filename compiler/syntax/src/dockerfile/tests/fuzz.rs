//! Any text at all: no panic, every place within the text, and the same answer twice.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::parse_trigger;
use super::{SOURCE, corpus, parsed};
use crate::{duration, giturl, mount};

/// Pieces that mean something to some part of the parser.
const PIECES: [&str; 64] = [
    "FROM ",
    "scratch",
    " AS ",
    "RUN ",
    "CMD ",
    "LABEL ",
    "MAINTAINER ",
    "EXPOSE ",
    "ENV ",
    "ADD ",
    "COPY ",
    "ENTRYPOINT ",
    "VOLUME ",
    "USER ",
    "WORKDIR ",
    "ARG ",
    "ONBUILD ",
    "STOPSIGNAL ",
    "HEALTHCHECK ",
    "SHELL ",
    "NONE",
    "--mount=",
    "type=cache",
    ",target=/x",
    "--from=",
    "--link",
    "--",
    "--interval=",
    "5s",
    "[\"",
    "\"]",
    "\", \"",
    "['",
    "']",
    "<<EOF",
    "<<-EOF",
    "<<'EOF'",
    "3<<",
    "EOF\n",
    "\tEOF\n",
    "\n",
    "\r\n",
    "\\\n",
    "\\ \t\n",
    "`\n",
    "\\",
    "# escape=`\n",
    "# syntax=x\n",
    "# check=skip=all\n",
    "#",
    "$",
    "${",
    "}",
    ":-",
    "=",
    "\"",
    "'",
    " ",
    "\t",
    "é",
    "\u{feff}",
    "\u{a0}",
    "\\u00e9",
    "\0",
];

/// Texts from the corpus with a few changes.
fn mutated() -> impl Strategy<Value = String> {
    let files: Vec<String> =
        ["language", "errors", "dockerfiles"].into_iter().flat_map(corpus).map(|(_, text)| text).collect();
    let change = (any::<prop::sample::Index>(), 0usize..12, prop::sample::select(PIECES.to_vec()));
    (prop::sample::select(files), vec(change, 0..8)).prop_map(|(mut text, changes)| {
        for (at, cut, piece) in changes {
            let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let start = at.index(bounds.len());
            let end = (start + cut).min(bounds.len() - 1);
            text.replace_range(bounds[start]..bounds[end], piece);
        }
        text
    })
}

/// Texts that make a careless parser quadratic or overflow its stack.
#[test]
fn long_repetitions() {
    for (head, piece, tail) in [
        ("RUN <<EOF ", "ab ", "\nEOF"),
        ("RUN <<EOF ", "${", ""),
        ("RUN <<EOF ", "${a:-", "}"),
        ("RUN ", "<< ", ""),
        ("RUN ", "<<a ", ""),
        ("RUN << ", "1", ""),
        ("RUN $((", "1 << ", "2))"),
        ("ENV a=", "b", ""),
        ("ENV a=", "\"'", ""),
        ("ENV a=1 ", "b ", ""),
        ("COPY ", "a\" ", ""),
        ("CMD [", "[", ""),
        ("CMD [\"a\"", ",1", "]"),
        ("CMD [", "{\"a\":", "1"),
        ("RUN ", "--mount=type=cache,ro ", "x"),
        ("RUN --mount=", "\"", ""),
        ("RUN --mount=type=cache", ",ro", " x"),
        ("COPY ", "--link ", "a b"),
        ("RUN a", " \\\n b", ""),
        ("RUN a \\\n", "\n", ""),
        ("", "BANANA\n", ""),
        ("", "B", ""),
        ("", "ONBUILD ", ""),
        ("", "# syntax=x\n", ""),
        ("# syntax=", " ", "x"),
        ("RUN", "\u{a0}", "x"),
        ("RUN ", "\\", ""),
    ] {
        parsed(&format!("{head}{}{tail}\n", piece.repeat(20_000 / piece.len())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_dockerfiles(text in mutated()) {
        prop_assert_eq!(parsed(&text), parsed(&text));
        drop(parse_trigger(SOURCE, &text));
    }

    #[test]
    fn pieces(pieces in vec(prop::sample::select(PIECES.to_vec()), 0..40)) {
        let text = pieces.concat();
        parsed(&text);
        parsed(&format!("FROM scratch\nRUN {text}"));
        parsed(&format!("# escape=`\nFROM scratch\nCOPY {text}"));
    }

    #[test]
    fn any_text(text in any::<String>()) {
        parsed(&text);
        drop(parse_trigger(SOURCE, &text));
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(text) = super::super::decode("Dockerfile", &bytes) {
            parsed(text);
        }
    }

    #[test]
    fn small_grammars(text in "[ -~é]{0,40}") {
        if let Err(error) = mount::parse(&text) {
            prop_assert!(text.get(error.place).is_some());
        }
        drop(mount::from_with_variable(&text));
        drop(duration::parse(&text));
        drop(giturl::parse(&text));
    }

    #[test]
    fn durations_and_mounts_near_the_right_ones(
        number in "[0-9]{0,22}(\\.[0-9]{0,25})?(ns|us|ms|s|m|h|d)?(-?[0-9]{1,3}(s|h))?",
        fields in vec(prop::sample::select(vec![
            "type=cache", "type=secret", "type=bind", "type=ssh", "type=tmpfs", "target=/a", "src=b", "from=c", "id=d",
            "ro", "rw=false", "required", "size=1g", "mode=0755", "uid=1", "gid=4294967295", "sharing=locked", "env=E",
            "\"a,b\"", "", "=", "size=",
        ]), 0..6),
    ) {
        drop(duration::parse(&number));
        if let Err(error) = mount::parse(&fields.join(",")) {
            prop_assert!(fields.join(",").get(error.place).is_some());
        }
    }
}
