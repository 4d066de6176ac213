//! `FromPlatformFlagConstDisallowed`

use imgc_base::Platform;

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "FromPlatformFlagConstDisallowed",
    description: "FROM --platform flag should not use a constant value",
    experimental: false,
    find,
};

/// A stage whose name has the system or architecture in it means it.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for stage in &model.stages.list {
        let Some(word) = &stage.from.platform else { continue };
        let Ok(done) = model.lexer.expand(&word.value, &model.global) else { continue };
        let Ok(platform) = done.text.parse::<Platform>() else { continue };
        let name = stage.name.as_deref().unwrap_or_default();
        if !done.set.is_empty()
            || !done.unset.is_empty()
            || name.contains(&platform.os)
            || name.contains(&platform.arch)
        {
            continue;
        }
        let message = format!("FROM --platform flag should not use constant value {}", quoted(&done.text));
        let help =
            "for a stage that runs on the building machine, write `--platform=$BUILDPLATFORM`".to_owned();
        report.add_with(stage.instruction, word.span, message, Some(help));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        for (text, expected) in [
            (
                "FROM --platform=linux/amd64 scratch",
                vec!["1 FROM --platform flag should not use constant value \"linux/amd64\""],
            ),
            ("FROM --platform=linux/amd64 scratch AS my_amd64_stage", vec![]),
            ("FROM --platform=linux/amd64 scratch AS linux", vec![]),
            ("ARG P=linux/amd64\nFROM --platform=$P scratch\nFROM --platform=$BUILDPLATFORM scratch", vec![]),
        ] {
            assert_eq!(found("FromPlatformFlagConstDisallowed", text), expected, "{text}");
        }
    }
}
