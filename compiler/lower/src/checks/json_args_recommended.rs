//! `JSONArgsRecommended`

use imgc_syntax::dockerfile::ast::{Command, Kind};

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "JSONArgsRecommended",
    description: "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    experimental: false,
    find,
};

/// Who sets a shell wants a shell.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for step in model.steps() {
        let (name, text) = match &step.instruction.kind {
            Kind::Cmd(Command::Shell(text)) => ("CMD", text),
            Kind::Entrypoint(Command::Shell(text)) => ("ENTRYPOINT", text),
            _ => continue,
        };
        if !step.shell {
            let message = format!(
                "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
            );
            report.add_with(step.instruction, text.span, message, json(name, &text.value));
        }
    }
}

/// The JSON form, if the text is only words.
fn json(name: &str, text: &str) -> Option<String> {
    let plain = |char: char| char.is_alphanumeric() || " \t-_./:=,@%+".contains(char);
    if !text.chars().all(plain) {
        return None;
    }
    let words: Vec<String> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    // `A=1 program` needs a shell.
    (!words.first()?.contains('=')).then(|| format!("write `{name} [{}]`", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;
    use super::*;

    #[test]
    fn cases() {
        let text = |name| {
            format!(
                "2 JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
            )
        };
        for (file, expected) in [
            ("FROM scratch\nCMD mycommand", vec![text("CMD")]),
            ("FROM scratch\nENTRYPOINT mycommand", vec![text("ENTRYPOINT")]),
            ("FROM scratch\nENTRYPOINT [\"a\"]\nCMD [\"b\"]\nRUN c", vec![]),
            ("FROM scratch\nSHELL [\"/usr/bin/customshell\"]\nCMD mycommand\nENTRYPOINT x", vec![]),
            ("FROM scratch AS base\nSHELL [\"/usr/bin/customshell\"]\nFROM base\nCMD mycommand", vec![]),
            ("FROM scratch\n# check=skip=JSONArgsRecommended\nCMD mycommand", vec![]),
        ] {
            assert_eq!(found("JSONArgsRecommended", file), expected, "{file}");
        }
    }

    #[test]
    fn advice() {
        assert_eq!(json("CMD", "a -b  c.d").unwrap(), "write `CMD [\"a\", \"-b\", \"c.d\"]`");
        for text in ["a | b", "a $b", "A=1 b", "a 'b'", "a && b"] {
            assert_eq!(json("CMD", text), None, "{text}");
        }
    }
}
