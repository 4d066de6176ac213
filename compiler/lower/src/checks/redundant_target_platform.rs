//! `RedundantTargetPlatform`

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "RedundantTargetPlatform",
    description: "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    experimental: false,
    find,
};

fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for stage in &model.stages.list {
        let Some(word) = &stage.from.platform else { continue };
        let Ok(done) = model.lexer.expand(&word.value, &model.global) else { continue };
        let only = done.unset.is_empty() && done.set.iter().eq(["TARGETPLATFORM"]);
        if only && model.global.get("TARGETPLATFORM") == Some(done.text.as_str()) {
            let message = format!(
                "Setting platform to predefined {} in FROM is redundant as this is the default behavior",
                word.value
            );
            report.add_with(stage.instruction, word.span, message, Some("remove `--platform`".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        let text = |word| {
            format!(
                "1 Setting platform to predefined {word} in FROM is redundant as this is the default behavior"
            )
        };
        for (file, expected) in [
            ("FROM --platform=$TARGETPLATFORM scratch", vec![text("$TARGETPLATFORM")]),
            ("FROM --platform=${TARGETPLATFORM} scratch", vec![text("${TARGETPLATFORM}")]),
            ("FROM --platform=$BUILDPLATFORM scratch", vec![]),
            ("FROM --platform=${TARGETPLATFORM#linux/} scratch", vec![]),
            (
                "FROM scratch\n# check=skip=RedundantTargetPlatform\nFROM --platform=$TARGETPLATFORM scratch",
                vec![],
            ),
        ] {
            assert_eq!(found("RedundantTargetPlatform", file), expected, "{file}");
        }
    }
}
