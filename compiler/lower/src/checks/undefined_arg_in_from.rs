//! `UndefinedArgInFrom`

use imgc_base::diagnostic::did_you_mean;

use super::model::Model;
use super::{Report, Rule, suggestion};
use crate::env::part;

pub(super) const RULE: Rule = Rule {
    name: "UndefinedArgInFrom",
    description: "FROM command must use declared ARGs",
    experimental: false,
    find,
};

/// A declared argument without a value is declared.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    let names = model.global_names();
    for stage in &model.stages.list {
        for word in [Some(&stage.from.image), stage.from.platform.as_ref()].into_iter().flatten() {
            let Ok(done) = model.lexer.expand(&word.value, &model.global) else { continue };
            for unset in done.unset.iter().filter(|unset| !names.contains(unset.name.as_str())) {
                let near = did_you_mean(&unset.name, names.iter().copied());
                let message = format!("FROM argument '{}' is not declared{}", unset.name, suggestion(near));
                report.add(stage.instruction, part(&word.value, word.span, &unset.at), message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    #[test]
    fn cases() {
        for (text, expected) in [
            ("ARG base=scratch\nFROM $base", vec![]),
            ("FROM --platform=$BUILDPLATFORM scratch", vec![]),
            ("ARG DEBUG\nFROM scratch${DEBUG}", vec![]),
            ("ARG DEBUG\nFROM scra${DEBUG:-tch}", vec![]),
            ("ARG DEBUG=\"\"\nFROM scratch${DEBUG-@bogus}", vec![]),
            (
                "FROM --platform=$BULIDPLATFORM scratch",
                vec!["1 FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)"],
            ),
            (
                "ARG MY_OS=linux\nARG MY_ARCH=amd64\nFROM --platform=linux/${MYARCH} busybox",
                vec!["3 FROM argument 'MYARCH' is not declared (did you mean MY_ARCH?)"],
            ),
            (
                "ARG tag=latest\nFROM busybox:${tag}${version} AS b",
                vec!["2 FROM argument 'version' is not declared"],
            ),
        ] {
            assert_eq!(found("UndefinedArgInFrom", text), expected, "{text}");
        }
    }
}
