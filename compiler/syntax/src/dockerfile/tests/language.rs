//! What a file of the corpus cannot show: line ends, encodings, ends of files, exact places.

use super::super::ast::{Command, Kind};
use super::super::{decode, parse, parse_trigger};
use super::{SOURCE, only, parsed, right, show};

fn shell(kind: &Kind) -> &str {
    match kind {
        Kind::Run(run) => match &run.command {
            Command::Shell(text) => &text.value,
            Command::Exec(..) => panic!("{kind:?}"),
        },
        _ => panic!("{kind:?}"),
    }
}

#[test]
fn continuations() {
    for (line, command) in [
        ("RUN a \\\n  b", "a   b"),
        ("RUN a\\\nb", "ab"),
        ("RUN a \\ \t\n b", "a  b"),
        ("RUN a \\\r\n b\r\n", "a  b"),
        ("RUN a \\\n# comment\n  # another \\\n b", "a  b"),
        ("RUN a \\\n\n\n b", "a  b"),
        ("RUN a \\\\\n", "a \\\\"),
        ("RUN a \\\\\\\n", "a \\\\\\"),
        ("RUN a \\", "a"),
        ("RUN a \\\n\\\n b", "a  b"),
        ("\\\nRUN a", "a"),
        ("RUN \\\n a", "a"),
        ("RUN a # b", "a # b"),
        ("  \t RUN   a  ", "a"),
        ("RUN a`\n", "a`"),
        ("RUN -- --a", "--a"),
        ("RUN --", ""),
    ] {
        if command.is_empty() {
            assert!(!parsed(&format!("FROM scratch\n{line}")).diagnostics.is_empty());
        } else {
            assert_eq!(shell(&only(line)), command, "{line:?}");
        }
    }
    let file = right("# escape=`\nFROM scratch\nRUN a `\n b\\\nRUN c\n");
    assert_eq!(shell(&file.instructions[1].kind), "a  b\\");
    assert_eq!(shell(&file.instructions[2].kind), "c");
}

#[test]
fn blank_lines_within_are_marked() {
    let text = "FROM scratch\nRUN a \\\n\n  \n b\n";
    let file = right(text);
    let span = file.instructions[1].empty_continuation.unwrap();
    assert_eq!((span.start, span.end), (21, 22));
    assert_eq!(right("FROM scratch\nRUN a \\\n # c\n b\n").instructions[1].empty_continuation, None);
}

#[test]
fn crlf() {
    let file = right("\u{feff}# escape=`\r\nFROM scratch\r\nRUN <<EOF\r\na\r\nEOF\r\nCOPY a b\r\n");
    assert_eq!(file.directives.escape, '`');
    let Kind::Run(run) = &file.instructions[1].kind else { panic!() };
    assert_eq!(run.heredocs[0].body, "a\r\n");
    assert_eq!(file.instructions.len(), 3);
    assert_eq!(
        file.instructions[1].span.end as usize,
        "\u{feff}# escape=`\r\nFROM scratch\r\nRUN <<EOF\r\na\r\nEOF".len()
    );
}

#[test]
fn comments_belong_to_what_stands_right_below() {
    let file = right("# a\n\n# b\n#c \n#\n#  d\nFROM scratch\n# e\nRUN x \\\n# within\n y\n");
    let comments = |at: usize| -> Vec<&str> {
        file.instructions[at].comments.iter().map(|comment| comment.value.as_str()).collect()
    };
    assert_eq!(comments(0), ["d"]);
    assert_eq!(comments(1), ["e"]);
}

#[test]
fn places_are_exact() {
    let text = "FROM --platform=linux/arm64 debian AS base\nCOPY --chown=a:b x \\\n  y /z\nENV A=1 B=\"2 3\"\n\
                CMD [\"é\", \"b\"]\nONBUILD RUN <<E\nx\nE\n";
    let file = right(text);
    let at = |span: imgc_base::Span| &text[span.range()];
    let Kind::From(from) = &file.instructions[0].kind else { panic!() };
    assert_eq!(at(from.platform.as_ref().unwrap().span), "linux/arm64");
    assert_eq!((at(from.image.span), at(from.name.as_ref().unwrap().span)), ("debian", "base"));
    let Kind::Copy(copy) = &file.instructions[1].kind else { panic!() };
    assert_eq!((at(copy.chown.as_ref().unwrap().span), at(copy.dest.span)), ("a:b", "/z"));
    assert_eq!(at(file.instructions[1].span), "COPY --chown=a:b x \\\n  y /z");
    let Kind::Env(env) = &file.instructions[2].kind else { panic!() };
    assert_eq!((at(env.pairs[1].0.span), at(env.pairs[1].1.span)), ("B", "\"2 3\""));
    let Kind::Cmd(Command::Exec(list, whole)) = &file.instructions[3].kind else { panic!() };
    assert_eq!((at(list[0].span), at(*whole)), ("\"é\"", "[\"é\", \"b\"]"));
    let Kind::Onbuild(onbuild) = &file.instructions[4].kind else { panic!() };
    assert_eq!(at(onbuild.trigger.span), "RUN <<E\nx\nE");
    assert_eq!(onbuild.text, "RUN <<E\nx\nE");
    assert_eq!(file.instructions[1].line, 2);
}

#[test]
fn a_flag_over_two_lines_keeps_its_place() {
    let text = "FROM scratch\nRUN --mount=type=ca\\\nche,target=/a x\n";
    let Kind::Run(run) = &right(text).instructions[1].kind else { panic!() };
    assert_eq!(run.mounts[0].value, "type=cache,target=/a");
    assert_eq!(&text[run.mounts[0].span.range()], "type=ca\\\nche,target=/a");
}

#[test]
fn shifts_are_no_heredocs() {
    assert_eq!(shell(&only("RUN echo $((1 << 2))")), "echo $((1 << 2))");
    let Kind::Run(run) = only("RUN cat << EOF\nx\nEOF") else { panic!() };
    assert_eq!(run.heredocs[0].body, "x\n");
}

#[test]
fn files_without_anything_to_build() {
    for (text, code, message) in [
        ("", "E0101", "the Dockerfile cannot be empty"),
        ("\n  \n# x\n", "E0101", "file with no instructions"),
        ("\u{feff}", "E0101", "file with no instructions"),
        ("ARG a\n", "E0104", "dockerfile contains no stages to build"),
        ("FROM scratch\nRUN a\0b", "E0121", "a NUL byte in the text"),
        ("FROM scratch\nRUN\u{a0}x", "E0102", "U+00A0 after RUN is not a blank"),
        ("\\", "E0102", "a continued line without an instruction"),
        ("\\\n# x\n", "E0102", "a continued line without an instruction"),
    ] {
        let parsed = parsed(text);
        assert_eq!(parsed.diagnostics.len(), 1, "{text:?} {}", show::errors(text, &parsed.diagnostics));
        assert_eq!((parsed.diagnostics[0].code, parsed.diagnostics[0].message.as_str()), (code, message));
    }
}

#[test]
fn bytes_that_are_no_text() {
    for (bytes, message, note) in [
        (&b"FROM a\nRUN caf\xe9"[..], "byte 0xE9 at line 2, column 8", "the file ends in the middle"),
        (b"FROM a\nRUN caf\xe9s\n", "byte 0xE9 at line 2, column 8", "Latin-1"),
        (b"\xff\xfeF\0R\0", "byte 0xFF at line 1, column 1", "UTF-16"),
        (b"\x1f\x8b\x08", "byte 0x8B at line 1, column 2", "compressed"),
        (b"\x7fELF\0\0\xfe", "byte 0xFE at line 1, column 7", "binary"),
    ] {
        let error = decode("Dockerfile", bytes).unwrap_err();
        assert_eq!(error.message, format!("Dockerfile is not UTF-8: {message}"));
        assert!(error.notes[0].contains(note), "{error:?}");
    }
    assert_eq!(decode("x", "é".as_bytes()).unwrap(), "é");
}

#[test]
fn errors_are_bounded() {
    let text = "BANANA\n".repeat(5000);
    let parsed = parse(SOURCE, &text);
    assert_eq!(parsed.diagnostics.len(), 1001);
    assert_eq!(parsed.diagnostics[1000].message, "4000 more errors are not listed");
}

#[test]
fn triggers() {
    let trigger = |text: &str| parse_trigger(SOURCE, text);
    assert!(matches!(trigger("COPY . /app").unwrap().kind, Kind::Copy(_)));
    let Kind::Run(run) = trigger("RUN <<-E\n\tx\nE").unwrap().kind else { panic!() };
    assert_eq!(run.heredocs[0].body, "x\n");
    for (text, message) in [
        ("FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD RUN x", "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("RUN a\nRUN b", "a trigger of the base image is not one instruction"),
        ("", "the Dockerfile cannot be empty"),
        ("# x", "a trigger of the base image is not one instruction"),
        ("COPY a", "COPY requires at least two arguments, but only one was provided"),
    ] {
        assert_eq!(trigger(text).unwrap_err()[0].message, message, "{text}");
    }
}

#[test]
fn a_trigger_keeps_its_text() {
    for (line, text) in [
        ("ONBUILD run  x  y ", "run  x  y "),
        ("onbuild\tCOPY a \\\n  b", "COPY a   b"),
        ("ONBUILD COPY <<-A <<B /x\n\t1\n\tA\n2\nB", "COPY <<-A <<B /x\n\t1\nA\n2\nB"),
    ] {
        let Kind::Onbuild(onbuild) = only(line) else { panic!() };
        assert_eq!(onbuild.text, text);
    }
}
