//! `InvalidDefinitionDescription`

use imgc_syntax::dockerfile::ast::{Instruction, Kind};

use super::config::option;
use super::model::Model;
use super::{Report, Rule};

pub(super) const RULE: Rule = Rule {
    name: "InvalidDefinitionDescription",
    description: "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. \
                  If this is not intended to be a description comment, add an empty line or comment between the \
                  instruction and the comment.",
    experimental: true,
    find,
};

/// The last comment line directly above an `ARG` or a named `FROM` describes it.
fn find(model: &Model<'_>, report: &mut Report<'_>) {
    for instruction in &model.file.instructions {
        let (name, keys): (_, Vec<String>) = match &instruction.kind {
            Kind::From(from) => ("FROM", from.name.iter().map(|name| name.value.to_lowercase()).collect()),
            Kind::Arg(list) => ("ARG", list.iter().map(|arg| arg.name.value.clone()).collect()),
            _ => continue,
        };
        let Some(comment) = description(instruction) else { continue };
        let first = comment.split(' ').next().unwrap_or_default();
        let [key, others @ ..] = keys.as_slice() else { continue };
        if keys.iter().any(|key| key == first) {
            continue;
        }
        let example = if others.is_empty() { key } else { "<arg_key>" };
        let message = format!("Comment for {name} should follow the format: `# {example} <description>`");
        report.add(instruction, instruction.span, message);
    }
}

/// The last comment line directly above an instruction that is no option of the checks.
pub(crate) fn description(instruction: &Instruction) -> Option<&str> {
    let described: Vec<&str> = instruction
        .comments
        .iter()
        .map(|comment| comment.value.as_str())
        .filter(|text| option(text).is_none())
        .collect();
    described.last().copied().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;

    const GOOD: &str = "# foo this is the foo\nARG foo=bar\n\n# base this is the base image\nFROM scratch AS base\n\n\
        # version this is the version number\nARG version=latest\n\n# baz this is the baz\nARG foo=baz bar=qux baz=quux\n#\n\
        ARG bit=bat\n\n# comment for something else\nCOPY Dockerfile .\n\n# no name to describe\nFROM scratch\n\n\
        # check=skip=MaintainerDeprecated\nARG x\n";
    const BAD: &str = "# bar this is the bar\nARG foo=bar\n# BasE this is the BasE image\nFROM scratch AS base\n\
        # definitely a bad comment\nARG version=latest\n# definitely a bad comment\nARG foo=baz bar=qux baz=quux\n";

    #[test]
    fn cases() {
        let on = "# check=experimental=InvalidDefinitionDescription\n";
        assert_eq!(found("InvalidDefinitionDescription", &format!("{on}{GOOD}")), [""; 0]);
        assert_eq!(
            found("InvalidDefinitionDescription", &format!("{on}{BAD}")),
            [
                "3 Comment for ARG should follow the format: `# foo <description>`",
                "5 Comment for FROM should follow the format: `# base <description>`",
                "7 Comment for ARG should follow the format: `# version <description>`",
                "9 Comment for ARG should follow the format: `# <arg_key> <description>`",
            ]
        );
        // Off unless asked for; `skip` wins.
        assert_eq!(found("InvalidDefinitionDescription", BAD), [""; 0]);
        let both = format!("# check=skip=all;experimental=all\n{BAD}");
        assert_eq!(found("InvalidDefinitionDescription", &both), [""; 0]);
        assert_eq!(
            found("InvalidDefinitionDescription", &format!("# check=experimental=all\n{BAD}")).len(),
            4
        );
    }
}
