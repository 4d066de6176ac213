//! `ReservedStageName`

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "ReservedStageName",
    description: "Reserved words should not be used as stage names",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for stage in &model.stages.list {
        let (Some(name), Some(written)) = (&stage.name, &stage.from.name) else { continue };
        if matches!(name.as_str(), "context" | "scratch") {
            let message =
                format!("Stage name should not use the same name as reserved stage {}", quoted(name));
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
                "FROM scratch AS scratch\nFROM scratch AS Context",
                vec![
                    "1 Stage name should not use the same name as reserved stage \"scratch\"",
                    "2 Stage name should not use the same name as reserved stage \"context\"",
                ],
            ),
            ("FROM scratch\nFROM scratch AS a", vec![]),
        ] {
            assert_eq!(found("ReservedStageName", text), expected, "{text}");
        }
    }
}
