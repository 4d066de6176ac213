//! `InvalidBaseImagePlatform`

use super::model::Model;
use super::{Report, Rule};
use crate::gofmt::quoted;

pub(super) const RULE: Rule = Rule {
    name: "InvalidBaseImagePlatform",
    description: "Base image platform does not match expected target platform",
    experimental: false,
    find,
};

/// Needs a world to ask. The variant is not compared.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for (index, stage) in model.looked_at() {
        let (Some(facts), Some(image)) = (&stage.facts, &stage.image) else { continue };
        let (own, asked) = (&facts.platform, &stage.asked);
        // A base without layers is as good as scratch.
        if facts.layers.is_empty() || (own.os == asked.os && own.arch == asked.arch) {
            continue;
        }
        let from = &model.stages.list[index];
        let message = format!(
            "Base image {} was pulled with platform {}, expected {} for current build",
            image.text,
            quoted(&own.to_string()),
            quoted(&asked.to_string())
        );
        report.add(from.instruction, from.from.image.span, message);
    }
}

#[cfg(test)]
mod tests {
    use imgc_base::Platform;
    use imgc_graph::{FactError, ImageFacts, World};

    use super::super::testing::{found, found_with};
    use crate::tests::{Fake, options};

    /// Every image is for arm64.
    struct Arm(Fake);

    impl World for Arm {
        fn image(&self, name: &str, _: &Platform) -> Result<ImageFacts, FactError> {
            self.0.image(name, &"linux/arm64".parse().unwrap())
        }

        fn has_context(&self, name: &str) -> bool {
            self.0.has_context(name)
        }

        fn ignore(&self, context: &str) -> Result<Vec<String>, FactError> {
            self.0.ignore(context)
        }
    }

    #[test]
    fn cases() {
        let text = "FROM debian AS a\nFROM --platform=linux/arm64 debian AS arm64\nFROM a\nFROM empty";
        assert_eq!(found("InvalidBaseImagePlatform", text), [""; 0]);
        assert_eq!(
            found_with("InvalidBaseImagePlatform", text, &options(), &[], Some(&Arm(Fake::new()))),
            [
                "1 Base image debian was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build"
            ]
        );
    }
}
