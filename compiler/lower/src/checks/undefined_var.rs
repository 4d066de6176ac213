//! `UndefinedVar`

use super::model::Model;
use super::{Report, Rule, suggestion};

pub(super) const RULE: Rule = Rule {
    name: "UndefinedVar",
    description: "Variables should be defined before their use",
    experimental: false,
    find,
};

/// Without a world, what a base image sets is unknown, and only slips are reported.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for step in model.steps() {
        for undefined in &step.undefined {
            let near = undefined.near.as_ref().map(|near| format!("${near}"));
            let message =
                format!("Usage of undefined variable '${}'{}", undefined.name, suggestion(near.as_deref()));
            report.add(step.instruction, undefined.span, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, found_with};
    use crate::options::Options;

    #[test]
    fn cases() {
        for (text, expected) in [
            ("FROM scratch\nARG foo\nCOPY Dockerfile${foo} .", vec![]),
            ("FROM alpine AS base\nARG foo=Dockerfile\nFROM base\nCOPY $foo .", vec![]),
            ("FROM alpine\nRUN echo $PATH $nothing\nCMD [\"$x\"]", vec![]),
            ("FROM alpine\nENV A=$LANG", vec![]),
            (
                "FROM alpine\nCOPY $foo .\nARG foo=bar\nRUN echo $foo",
                vec!["2 Usage of undefined variable '$foo'"],
            ),
            (
                "FROM alpine\nARG DIR_BINARIES=b/\nARG DIR_ASSETS=a/\nARG DIR_CONFIG=c/\nCOPY $DIR_ASSET .",
                vec!["5 Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)"],
            ),
            (
                "FROM alpine\nENV PATH=$PAHT:/tmp/bin",
                vec!["2 Usage of undefined variable '$PAHT' (did you mean $PATH?)"],
            ),
            // A default does not define.
            ("FROM alpine\nENV A=${foo:-x} B=${foo}", vec!["2 Usage of undefined variable '$foo'"]),
            ("FROM alpine\nCOPY <<a <<'b' /\n$foo\na\n$bar\nb", vec!["3 Usage of undefined variable '$foo'"]),
            (
                "FROM alpine\nRUN --mount=type=cache,target=/$foo x",
                vec!["2 Usage of undefined variable '$foo'"],
            ),
            ("FROM alpine\nARG a=$b b=1 c=$b", vec!["2 Usage of undefined variable '$b'"]),
            ("FROM alpine\nENV a=$1$@", vec![]),
            ("FROM alpine\nCOPY '$foo' \\$bar /", vec![]),
            ("FROM alpine\n# check=skip=UndefinedVar\nCOPY $foo /", vec![]),
        ] {
            assert_eq!(found("UndefinedVar", text), expected, "{text}");
        }
    }

    #[test]
    fn without_a_world() {
        let found = |text| found_with("UndefinedVar", text, &Options::default(), &[], None);
        assert_eq!(found("FROM node\nENV A=$NODE_VERSION"), [""; 0]);
        assert_eq!(found("FROM node\nENV A=$PAHT").len(), 1);
        assert_eq!(found("FROM scratch\nENV A=$NODE_VERSION").len(), 1);
    }
}
