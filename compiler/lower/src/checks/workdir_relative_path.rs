//! `WorkdirRelativePath`

use imgc_syntax::dockerfile::ast::Kind;

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "WorkdirRelativePath",
    description: "Relative workdir without an absolute workdir declared within the build can have unexpected results \
                  if the base image changes",
    experimental: false,
    find,
};

/// Only the first in a stage and those it stands on: it makes the others right or wrong. What the base image says
/// may change, so it does not count.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for step in model.steps() {
        if let (Kind::Workdir(_), false, Some((path, span))) =
            (&step.instruction.kind, step.workdir, step.words.first())
            && !path.starts_with('/')
        {
            let message = format!(
                "Relative workdir {} can have unexpected results if the base image changes",
                quoted(path)
            );
            report.add(step.instruction, *span, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        let text = "Relative workdir \"app/\" can have unexpected results if the base image changes";
        for (file, expected) in [
            ("FROM scratch\nWORKDIR app/", vec![format!("2 {text}")]),
            // The base has `/srv`.
            ("FROM alpine\nWORKDIR app/\nWORKDIR b", vec![format!("2 {text}")]),
            ("FROM scratch AS a\nWORKDIR /app\nFROM a AS b\nWORKDIR subdir/", vec![]),
            ("FROM scratch\nENV D=/d\nWORKDIR $D\nWORKDIR x", vec![]),
            ("FROM scratch\n# check=skip=WorkdirRelativePath\nWORKDIR app/", vec![]),
        ] {
            assert_eq!(found("WorkdirRelativePath", file), expected, "{file}");
        }
    }
}
