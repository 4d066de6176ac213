//! `NoEmptyContinuation`

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "NoEmptyContinuation",
    description: "Empty continuation lines will become errors in a future release",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for instruction in &model.file.instructions {
        if let Some(span) = instruction.empty_continuation {
            let help = Some("remove the blank line, or put a `#` in it".to_owned());
            report.add_with(instruction, span, "Empty continuation line".to_owned(), help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        for (text, expected) in [
            ("FROM scratch\nCOPY a \\\n\n.\n", vec!["3 Empty continuation line"]),
            ("FROM scratch\nCOPY a \\\n.\n\nCOPY a \\\n# comment\n.\n", vec![]),
        ] {
            assert_eq!(found("NoEmptyContinuation", text), expected, "{text}");
        }
    }
}
