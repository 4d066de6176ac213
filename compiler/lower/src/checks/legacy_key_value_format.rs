//! `LegacyKeyValueFormat`

use imgc_syntax::dockerfile::ast::Kind;

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "LegacyKeyValueFormat",
    description: "Legacy key/value format with whitespace separator should not be used",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for step in model.steps() {
        let (name, pairs) = match &step.instruction.kind {
            Kind::Env(pairs) => ("ENV", pairs),
            Kind::Label(pairs) => ("LABEL", pairs),
            _ => continue,
        };
        if let (true, Some((key, value))) = (pairs.legacy, pairs.pairs.first()) {
            let message =
                format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
            let blank = value.value.contains([' ', '\t']) && !value.value.contains('"');
            let quote = if blank { "\"" } else { "" };
            let help = format!("write `{name} {}={quote}{}{quote}`", key.value, value.value);
            report.add_with(step.instruction, key.span.to(value.span), message, Some(help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        for (text, expected) in [
            (
                "FROM scratch\nENV testkey value\nLABEL key value",
                vec![
                    "2 \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
                    "3 \"LABEL key=value\" should be used instead of legacy \"LABEL key value\" format",
                ],
            ),
            ("FROM scratch\nENV testkey=value\nLABEL key=value", vec![]),
            ("FROM scratch\n# check=skip=LegacyKeyValueFormat\nENV testkey value", vec![]),
        ] {
            assert_eq!(found("LegacyKeyValueFormat", text), expected, "{text}");
        }
    }
}
