//! `FromAsCasing`

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "FromAsCasing",
    description: "The 'as' keyword should match the case of the 'from' keyword",
    experimental: false,
    find,
};

/// A `From` in mixed case is another rule's.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for stage in &model.stages.list {
        let Some(word) = &stage.from.as_keyword else { continue };
        let from = &stage.instruction.keyword.value;
        let expected = if *from == from.to_lowercase() {
            word.value.to_lowercase()
        } else if *from == from.to_uppercase() {
            word.value.to_uppercase()
        } else {
            continue;
        };
        if word.value != expected {
            let message = format!("'{}' and '{from}' keywords' casing do not match", word.value);
            report.add_with(stage.instruction, word.span, message, Some(format!("write `{expected}`")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        for (text, expected) in [
            ("FROM scratch as b", vec!["1 'as' and 'FROM' keywords' casing do not match"]),
            ("from scratch AS b", vec!["1 'AS' and 'from' keywords' casing do not match"]),
            ("FROM scratch aS b", vec!["1 'aS' and 'FROM' keywords' casing do not match"]),
            ("from scratch as b\nFROM scratch AS c\nFROM b", vec![]),
            ("From scratch as b", vec![]),
        ] {
            assert_eq!(found("FromAsCasing", text), expected, "{text}");
        }
    }
}
