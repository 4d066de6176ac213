//! `InvalidDefaultArgInFrom`

use imgc_base::Reference;

use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "InvalidDefaultArgInFrom",
    description: "Default value for global ARG results in an empty or invalid base image name",
    experimental: false,
    find,
};

/// A file should build without arguments.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for (index, stage) in model.stages.list.iter().enumerate() {
        let word = &stage.from.image;
        if !word.value.contains('$') {
            continue;
        }
        let Ok(done) = model.lexer.expand(&word.value, &model.defaults) else { continue };
        let names_stage = model.stages.before(&done.text, index).is_some();
        let names_layout = done.text.starts_with("oci:") || done.text.starts_with("oci-layout://");
        if !names_stage && !names_layout && done.text.parse::<Reference>().is_err() {
            let message =
                format!("Default value for ARG {} results in empty or invalid base image name", word.value);
            report.add(stage.instruction, word.span, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, found_with};
    use crate::options::Options;

    #[test]
    fn cases() {
        let text =
            |word| format!("2 Default value for ARG {word} results in empty or invalid base image name");
        for (file, expected) in [
            ("ARG VERSION\nFROM busybox:$VERSION", vec![text("busybox:$VERSION")]),
            ("ARG IMAGE\nFROM $IMAGE", vec![text("$IMAGE")]),
            ("ARG SFX=\"box:\"\nFROM busy${SFX}", vec![text("busy${SFX}")]),
            ("ARG VERSION=\"latest\"\nFROM busybox:${VERSION}", vec![]),
            ("ARG VARIANT=\"\"\nFROM busybox:stable${VARIANT}", vec![]),
            ("ARG VARIANT\nFROM busybox:stable${VARIANT}", vec![]),
            ("ARG B=A\nFROM scratch AS a\nFROM $B", vec![]),
        ] {
            assert_eq!(found("InvalidDefaultArgInFrom", file), expected, "{file}");
            // What the build gives makes no difference.
            let names = ["VERSION", "IMAGE", "SFX"];
            let build_args =
                names.map(|name| (name.to_owned(), Some("debian".to_owned()))).into_iter().collect();
            let options = Options { build_args, ..Options::default() };
            assert_eq!(found_with("InvalidDefaultArgInFrom", file, &options, &[], None), expected, "{file}");
        }
    }
}
