//! `MultipleInstructionsDisallowed`

use imgc_syntax::dockerfile::ast::{Instruction, Kind};

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "MultipleInstructionsDisallowed",
    description: "Multiple instructions of the same type should not be used in the same stage",
    experimental: false,
    find,
};

/// The earlier one is reported: it has no effect.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for (_, stage) in model.looked_at() {
        let mut earlier: [Option<&Instruction>; 3] = [None; 3];
        for step in &stage.steps {
            let (slot, name) = match step.instruction.kind {
                Kind::Cmd(_) => (0, "CMD"),
                Kind::Entrypoint(_) => (1, "ENTRYPOINT"),
                Kind::Healthcheck(_) => (2, "HEALTHCHECK"),
                _ => continue,
            };
            if let Some(first) = earlier[slot].replace(step.instruction) {
                let message = format!(
                    "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
                );
                report.add_with(first, first.span, message, Some(format!("remove this {name}")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        let text = |line, name| {
            format!(
                "{line} Multiple {name} instructions should not be used in the same stage because only the last one will be used"
            )
        };
        for (file, expected) in [
            (
                "FROM scratch\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\nCMD [\"a\"]\nCMD [\"b\"]\nHEALTHCHECK CMD [\"a\"]\nHEALTHCHECK NONE",
                vec![text(2, "ENTRYPOINT"), text(4, "CMD"), text(6, "HEALTHCHECK")],
            ),
            (
                "FROM scratch\nCMD [\"a\"]\nCOPY a b\nCMD [\"b\"]\nCMD [\"c\"]",
                vec![text(2, "CMD"), text(4, "CMD")],
            ),
            ("FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\nENTRYPOINT [\"c\"]", vec![]),
        ] {
            assert_eq!(found("MultipleInstructionsDisallowed", file), expected, "{file}");
        }
    }
}
