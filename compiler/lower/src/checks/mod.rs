//! The build checks: what is allowed but probably not meant. One file per rule.
//!
//! Names, texts and behaviour are those of `docker build --check`. A directive at the top of the file
//! (`# check=skip=A,B;error=true;experimental=C`), or the build argument `BUILDKIT_DOCKERFILE_CHECK` in its place, turns
//! rules off and on; a comment `# check=skip=A` directly above one instruction counts for it alone.
//!
//! Rules see a `Model`: the file with its variables followed, as far as that goes without a build. What a
//! base image sets is known if there is a [`World`] to ask.

mod config;
mod consistent_instruction_casing;
mod copy_ignored_file;
mod duplicate_stage_name;
mod expose_invalid_format;
mod expose_proto_casing;
mod from_as_casing;
mod from_platform_flag_const_disallowed;
mod invalid_base_image_platform;
mod invalid_default_arg_in_from;
mod invalid_definition_description;
mod json_args_recommended;
mod legacy_key_value_format;
mod maintainer_deprecated;
mod model;
mod multiple_instructions_disallowed;
mod no_empty_continuation;
mod redundant_target_platform;
mod reserved_stage_name;
mod secrets_used_in_arg_or_env;
mod stage_name_casing;
#[cfg(test)]
mod testing;
mod undefined_arg_in_from;
mod undefined_var;
mod workdir_relative_path;

use imgc_base::diagnostic::Diagnostic;
use imgc_base::span::Span;
use imgc_graph::World;
use imgc_syntax::dockerfile::ast::{Dockerfile, Instruction};

use crate::options::Options;
use config::Config;
pub(crate) use invalid_definition_description::description;
use model::Model;
pub(crate) use model::Nowhere;

/// What the checks may know besides the file.
#[derive(Clone, Copy)]
pub struct CheckContext<'a> {
    /// Target, arguments, platforms.
    pub options: &'a Options,
    /// The patterns of the main context's ignore file.
    pub ignore: &'a [String],
    /// Asked for base images; without it, what they set is unknown.
    pub world: Option<&'a dyn World>,
    /// Look at every stage, not only at those that the target needs.
    pub all_stages: bool,
}

impl std::fmt::Debug for CheckContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckContext").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it asks for.
    pub description: &'static str,
    /// Off unless it is asked for.
    pub experimental: bool,
    find: fn(&Model<'_>, &mut Report<'_>),
}

/// Every rule.
pub const RULES: [Rule; 22] = [
    stage_name_casing::RULE,
    from_as_casing::RULE,
    no_empty_continuation::RULE,
    consistent_instruction_casing::RULE,
    duplicate_stage_name::RULE,
    reserved_stage_name::RULE,
    json_args_recommended::RULE,
    maintainer_deprecated::RULE,
    undefined_arg_in_from::RULE,
    workdir_relative_path::RULE,
    undefined_var::RULE,
    multiple_instructions_disallowed::RULE,
    legacy_key_value_format::RULE,
    invalid_base_image_platform::RULE,
    redundant_target_platform::RULE,
    secrets_used_in_arg_or_env::RULE,
    invalid_default_arg_in_from::RULE,
    from_platform_flag_const_disallowed::RULE,
    copy_ignored_file::RULE,
    invalid_definition_description::RULE,
    expose_proto_casing::RULE,
    expose_invalid_format::RULE,
];

/// Runs the checks. Findings are warnings, or errors if the file asks for it, in the order of the text; their code is
/// the rule's name.
pub fn run(file: &Dockerfile, context: &CheckContext<'_>) -> Vec<Diagnostic> {
    let config = match Config::of(file, context.options) {
        Ok(config) => config,
        Err(error) => return vec![error],
    };
    let model = Model::new(file, context);
    let mut findings = Vec::new();
    for rule in RULES.iter().filter(|rule| config.wants(rule)) {
        (rule.find)(&model, &mut Report { rule, config: &config, findings: &mut findings });
    }
    findings.sort_by_key(|one| {
        one.labels.first().map_or((0, 0), |label| (label.span.source.0, label.span.start))
    });
    findings
}

/// Takes the findings of one rule.
#[derive(Debug)]
struct Report<'r> {
    rule: &'r Rule,
    config: &'r Config,
    findings: &'r mut Vec<Diagnostic>,
}

impl Report<'_> {
    /// Adds a finding about an instruction, unless a comment above it says otherwise.
    fn add(&mut self, instruction: &Instruction, span: Span, message: String) {
        self.add_with(instruction, span, message, None);
    }

    /// Adds a finding with advice.
    fn add_with(&mut self, instruction: &Instruction, span: Span, message: String, help: Option<String>) {
        if config::skipped_above(instruction, self.rule.name) {
            return;
        }
        let found = if self.config.error {
            Diagnostic::error(self.rule.name, message)
        } else {
            Diagnostic::warning(self.rule.name, message)
        };
        let found = found.at(span, "").note(self.rule.description);
        self.findings.push(match help {
            Some(help) => found.help(help),
            None => found,
        });
    }
}

/// ` (did you mean X?)`, or nothing.
fn suggestion(near: Option<&str>) -> String {
    near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::testing::{all, found};
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 22);
    }

    #[test]
    fn warnings_come_with_broken_instructions() {
        // What parsed is checked also if something else did not parse.
        let text = "FROM scratch AS Bad\nMAINTAINER me\nBADCMD";
        assert_eq!(
            all(text),
            [
                "1 StageNameCasing Stage name 'Bad' should be lowercase",
                "2 MaintainerDeprecated Maintainer instruction is deprecated in favor of using label"
            ]
        );
    }

    #[test]
    fn only_what_the_target_needs_unless_asked() {
        let text = "FROM scratch AS a\nCOPY $foo .\nFROM scratch AS b\nCOPY $bar .\n";
        let options = Options::default();
        let parsed = imgc_syntax::dockerfile::parse(imgc_base::SourceId(0), text);
        let count = |all_stages| {
            run(&parsed.dockerfile, &CheckContext { options: &options, ignore: &[], world: None, all_stages })
                .len()
        };
        assert_eq!((count(false), count(true)), (1, 2));
    }

    #[test]
    fn a_clean_file_is_clean() {
        let text = "# syntax=docker/dockerfile:1\nARG V=1\nFROM debian:$V AS build\nWORKDIR /src\nCOPY . .\nRUN make\n\
            FROM scratch\nCOPY --from=build /src/x /x\nENTRYPOINT [\"/x\"]\nEXPOSE 80\n";
        assert_eq!(all(text), [""; 0]);
        assert_eq!(found("StageNameCasing", text), [""; 0]);
    }
}
