//! Which rules are on, and whether findings are errors.

use imgc_base::Diagnostic;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Span;
use imgc_syntax::dockerfile::ast::{Dockerfile, Instruction};

use super::Rule;
use crate::code::CHECK_OPTION;
use crate::options::Options;

/// A list of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Some(Vec<String>),
    All,
}

impl Set {
    fn read(text: &str) -> Self {
        // What follows a name after a blank is the author's remark.
        let names: Vec<String> =
            text.split(',').filter_map(|part| part.split_whitespace().next()).map(str::to_owned).collect();
        if names.iter().any(|name| name == "all") { Self::All } else { Self::Some(names) }
    }

    fn holds(&self, rule: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.iter().any(|name| name == rule),
        }
    }
}

/// Which rules are on, and whether findings are errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    skip: Set,
    experimental: Set,
    /// Findings are errors.
    pub(super) error: bool,
}

impl Config {
    /// What the file's directive says, or the build argument in its place.
    pub(super) fn of(file: &Dockerfile, options: &Options) -> Result<Self, Diagnostic> {
        if let Some(text) = options.build_arg("BUILDKIT_DOCKERFILE_CHECK") {
            return Self::read(text, None);
        }
        match &file.directives.check {
            Some(check) => Self::read(&check.value, Some(check.span)),
            None => Self::read("", None),
        }
    }

    fn read(text: &str, span: Option<Span>) -> Result<Self, Diagnostic> {
        let mut config =
            Self { skip: Set::Some(Vec::new()), experimental: Set::Some(Vec::new()), error: false };
        if text.trim().is_empty() {
            return Ok(config);
        }
        let wrong = |part: &str| {
            let error = Diagnostic::error(CHECK_OPTION, format!("invalid check option \"{part}\"")).note(
                "options are `skip=RULE,...`, `error=true` and `experimental=RULE,...`, with `;` between",
            );
            match span {
                Some(span) => error.at(span, ""),
                None => error.note("given as BUILDKIT_DOCKERFILE_CHECK"),
            }
        };
        for part in text.split(';') {
            let Some((key, value)) = part.split_once('=') else { return Err(wrong(part.trim())) };
            let value = value.trim();
            match key.trim() {
                "skip" => config.skip = Set::read(value),
                "experimental" => config.experimental = Set::read(value),
                "error" => match value {
                    "1" | "t" | "T" | "true" | "True" | "TRUE" => config.error = true,
                    "0" | "f" | "F" | "false" | "False" | "FALSE" => config.error = false,
                    _ => return Err(wrong(part.trim())),
                },
                other => {
                    let error = wrong(other);
                    return Err(match did_you_mean(other, ["skip", "error", "experimental"]) {
                        Some(near) => error.help(format!("did you mean `{near}`?")),
                        None => error,
                    });
                }
            }
        }
        Ok(config)
    }

    /// True if a rule is on.
    pub(super) fn wants(&self, rule: &Rule) -> bool {
        !self.skip.holds(rule.name) && (!rule.experimental || self.experimental.holds(rule.name))
    }
}

/// True if a comment directly above an instruction turns a rule off for it.
pub(super) fn skipped_above(instruction: &Instruction, rule: &str) -> bool {
    instruction.comments.iter().any(|comment| {
        option(&comment.value).is_some_and(|options| {
            options
                .split(';')
                .filter_map(|part| part.split_once('='))
                .any(|(key, value)| key.trim() == "skip" && Set::read(value).holds(rule))
        })
    })
}

/// The options of a comment `check=...`.
pub(super) fn option(comment: &str) -> Option<&str> {
    let (key, rest) = comment.split_once('=')?;
    key.trim().eq_ignore_ascii_case("check").then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, all_with};
    use super::*;

    const WRONG: &str = "FROM scratch as base\ncopy Dockerfile .\n";

    #[test]
    fn directives() {
        for (directive, expected) in [
            ("", vec!["FromAsCasing", "ConsistentInstructionCasing"]),
            ("#check=skip=all\n", vec![]),
            ("#check=skip=all;error=true\n", vec![]),
            ("#check=skip=ConsistentInstructionCasing, FromAsCasing\n", vec![]),
            ("#check=skip=ConsistentInstructionCasing\n", vec!["FromAsCasing"]),
            // Names have one spelling.
            ("#check=skip=fromascasing\n", vec!["FromAsCasing", "ConsistentInstructionCasing"]),
        ] {
            let names: Vec<String> = all(&format!("{directive}{WRONG}"))
                .iter()
                .map(|line| line.split(' ').nth(1).unwrap().to_owned())
                .collect();
            assert_eq!(names, expected, "{directive}");
        }
    }

    #[test]
    fn the_build_argument_wins() {
        let options = |text: &str| Options {
            build_args: std::collections::BTreeMap::from([(
                "BUILDKIT_DOCKERFILE_CHECK".to_owned(),
                Some(text.to_owned()),
            )]),
            ..Options::default()
        };
        let count = |directive: &str, argument: &str| {
            all_with(&format!("{directive}{WRONG}"), &options(argument), &[], None).len()
        };
        assert_eq!(count("#check=skip=all\n", "skip=ConsistentInstructionCasing;error=true"), 1);
        assert_eq!(count("#check=error=true\n", "skip=all"), 0);
    }

    #[test]
    fn errors_if_asked() {
        let severity = |text: &str| {
            let parsed = imgc_syntax::dockerfile::parse(imgc_base::SourceId(0), text);
            let options = Options::default();
            let context =
                super::super::CheckContext { options: &options, ignore: &[], world: None, all_stages: true };
            super::super::run(&parsed.dockerfile, &context)[0].severity
        };
        assert_eq!(severity(WRONG), imgc_base::Severity::Warning);
        assert_eq!(severity(&format!("# check=error=true\n{WRONG}")), imgc_base::Severity::Error);
    }

    #[test]
    fn wrong_options() {
        for (directive, message) in [
            ("skip", "invalid check option \"skip\""),
            ("error=maybe", "invalid check option \"error=maybe\""),
            ("skpi=all", "invalid check option \"skpi\""),
        ] {
            let found = all(&format!("# check={directive}\n{WRONG}"));
            assert_eq!(found, [format!("1 E0223 {message}")]);
        }
    }

    #[test]
    fn comments_above_one_instruction() {
        let text = "FROM scratch\n# check=skip=MaintainerDeprecated // old\nMAINTAINER a\nMAINTAINER b\n# check=skip=all\nMAINTAINER c\n";
        assert_eq!(all(text).len(), 1);
        assert!(all(text)[0].starts_with("4 "));
    }
}
