//! `StageNameCasing`

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "StageNameCasing",
    description: "Stage names should be lowercase",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for stage in &model.stages.list {
        let Some(name) = &stage.from.name else { continue };
        let lower = name.value.to_lowercase();
        if lower != name.value {
            let message = format!("Stage name '{}' should be lowercase", name.value);
            report.add_with(stage.instruction, name.span, message, Some(format!("write `{lower}`")));
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
                "FROM scratch AS BadStageName\nFROM scratch AS base3",
                vec!["1 Stage name 'BadStageName' should be lowercase"],
            ),
            ("FROM scratch AS good-name\nFROM scratch", vec![]),
            ("# check=skip=StageNameCasing\n\nFROM scratch AS Bad", vec![]),
        ] {
            assert_eq!(found("StageNameCasing", text), expected, "{text}");
        }
    }
}
