//! `ConsistentInstructionCasing`

use imgc_syntax::dockerfile::ast::Instruction;

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "ConsistentInstructionCasing",
    description: "All commands within the Dockerfile should use the same casing (either upper or lower)",
    experimental: false,
    find,
};

/// The majority decides, upper case in a draw. What stands before the first `FROM` has no vote.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    let voters = || model.file.instructions.iter().skip(model.stages.global.len());
    let lower = voters().filter(|one| is_lower(one)).count();
    let upper = voters().filter(|one| one.keyword.value == one.keyword.value.to_uppercase()).count();
    let (fold, name): (fn(&str) -> String, _) =
        if lower > upper { (str::to_lowercase, "lowercase") } else { (str::to_uppercase, "uppercase") };
    for instruction in voters() {
        let word = &instruction.keyword;
        let expected = fold(&word.value);
        if word.value != expected {
            let message =
                format!("Command '{}' should match the case of the command majority ({name})", word.value);
            report.add_with(instruction, word.span, message, Some(format!("write `{expected}`")));
        }
    }
}

fn is_lower(instruction: &Instruction) -> bool {
    instruction.keyword.value == instruction.keyword.value.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        let upper = |line, word| {
            format!("{line} Command '{word}' should match the case of the command majority (uppercase)")
        };
        let lower = |line, word| {
            format!("{line} Command '{word}' should match the case of the command majority (lowercase)")
        };
        for (text, expected) in [
            ("From scratch as base\nFROM scratch AS base2", vec![upper(1, "From")]),
            ("FROM scratch\ncopy a /foo\nCOPY a /bar", vec![upper(2, "copy")]),
            ("frOM scratch as base\nfrom scratch as base2", vec![lower(1, "frOM")]),
            ("from scratch\nCOPY a /foo\ncopy a /bar", vec![lower(2, "COPY")]),
            ("from scratch\nCOPY a b\nCOPY a b", vec![upper(1, "from")]),
            ("FROM scratch\ncopy a b", vec![upper(2, "copy")]),
            ("arg a\nFROM scratch\nCOPY a b", vec![]),
            ("from scratch\ncopy a b", vec![]),
            ("FROM debian\nRUN <<'EOT'\nenv\nEOT", vec![]),
        ] {
            assert_eq!(found("ConsistentInstructionCasing", text), expected, "{text}");
        }
    }
}
