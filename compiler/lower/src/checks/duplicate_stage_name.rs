//! `DuplicateStageName`

use std::collections::BTreeSet;

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "DuplicateStageName",
    description: "Stage names should be unique",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for stage in &model.stages.list {
        let (Some(name), Some(written)) = (&stage.name, &stage.from.name) else { continue };
        if !seen.insert(name) {
            let message = format!("Duplicate stage name {}, stage names should be unique", quoted(name));
            report.add(stage.instruction, written.span, message);
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
                "FROM scratch AS b\nFROM scratch AS B",
                vec!["2 Duplicate stage name \"b\", stage names should be unique"],
            ),
            ("FROM scratch AS b1\nFROM scratch AS b2\nFROM scratch\nFROM scratch", vec![]),
        ] {
            assert_eq!(found("DuplicateStageName", text), expected, "{text}");
        }
    }
}
