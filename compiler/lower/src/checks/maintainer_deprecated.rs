//! `MaintainerDeprecated`

use imgc_syntax::dockerfile::ast::Kind;

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "MaintainerDeprecated",
    description: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for instruction in &model.file.instructions {
        if let Kind::Maintainer(text) = &instruction.kind {
            let message = "Maintainer instruction is deprecated in favor of using label".to_owned();
            let help = format!("write `LABEL org.opencontainers.image.authors={}`", quoted(&text.value));
            report.add_with(instruction, instruction.keyword.span, message, Some(help));
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
                "FROM scratch\nMAINTAINER me@example.org",
                vec!["2 Maintainer instruction is deprecated in favor of using label"],
            ),
            ("FROM scratch\nLABEL org.opencontainers.image.authors=\"me@example.org\"", vec![]),
            ("FROM scratch\n# check=skip=MaintainerDeprecated\nMAINTAINER me@example.org", vec![]),
        ] {
            assert_eq!(found("MaintainerDeprecated", text), expected, "{text}");
        }
    }
}
