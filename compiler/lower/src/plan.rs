//! What must be built for one platform: the target, what it stands on and copies from, and the triggers of bases.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::{SourceMap, Span};
use imgc_base::{Diagnostic, Platform};
use imgc_graph::{ImageFacts, World};
use imgc_syntax::dockerfile::ast::{Instruction, Kind};
use imgc_syntax::dockerfile::parse_trigger;
use imgc_syntax::expand::Lexer;

use crate::code::{self, BLANK, Diagnostics, IMAGE, NETWORK, PLATFORM, TRIGGER};
use crate::env::{Env, expand};
use crate::stages::{Context, Contexts, Named, Stages, mount_from};

/// One instruction of a stage, its own or a trigger of its base.
#[derive(Debug, Clone)]
pub(crate) struct Command<'a> {
    pub(crate) instruction: Cow<'a, Instruction>,
    pub(crate) trigger: bool,
}

/// A stage that must be built.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    /// What it stands on. A context of the stage's own name takes the place of all of it.
    pub(crate) base: Named,
    /// `--platform`.
    pub(crate) platform: Option<Platform>,
    /// What `FROM` names, expanded.
    pub(crate) image: String,
    /// What is done on it.
    pub(crate) commands: Vec<Command<'a>>,
    /// The base image, if it is one.
    pub(crate) facts: Option<ImageFacts>,
}

/// Everything that planning reads.
pub(crate) struct Planner<'p, 'a> {
    pub(crate) stages: &'p Stages<'a>,
    pub(crate) contexts: Contexts<'p>,
    pub(crate) world: &'p dyn World,
    pub(crate) lexer: Lexer,
    pub(crate) global: &'p Env,
    pub(crate) platform: &'p Platform,
    pub(crate) sources: &'p mut SourceMap,
    pub(crate) errors: &'p mut Diagnostics,
}

impl<'a> Planner<'_, 'a> {
    /// The stages that the target needs, by number. One that is missing failed, which is reported.
    pub(crate) fn plan(self, target: usize) -> BTreeMap<usize, Planned<'a>> {
        self.plan_all([target])
    }

    /// The same for several targets, each stage once.
    pub(crate) fn plan_all(
        mut self,
        targets: impl IntoIterator<Item = usize>,
    ) -> BTreeMap<usize, Planned<'a>> {
        let mut planned = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = targets.into_iter().collect();
        while let Some(index) = open.pop() {
            if !seen.insert(index) {
                continue;
            }
            match self.stage(index) {
                Ok(stage) => {
                    open.extend(self.needs(index, &stage));
                    planned.insert(index, stage);
                }
                Err(error) => self.errors.push(error),
            }
        }
        planned
    }

    fn stage(&mut self, index: usize) -> Result<Planned<'a>, Diagnostic> {
        let stage = &self.stages.list[index];
        let word = &stage.from.image;
        let image = expand(self.lexer, word, self.global)?;
        if image.text.is_empty() {
            let error = Diagnostic::error(BLANK, format!("base name ({}) should not be blank", word.value))
                .at(word.span, "is empty after expansion");
            return Err(match image.unset.first() {
                Some(unset) => error.help(format!(
                    "declare `ARG {0}=...` before the first FROM, or give `--build-arg {0}=...`",
                    unset.name
                )),
                None => error,
            });
        }
        let image = image.text;
        let platform = self.stage_platform(index)?;
        let own = stage.name.as_deref().and_then(|name| self.contexts.find_stage(name));
        let replaced = own.is_some();
        let base = match own {
            Some(context) => Named::Context(context),
            None => self.stages.base(&image, index, &self.contexts),
        };
        let asked = platform.as_ref().unwrap_or(self.platform).clone();
        let facts = self.facts(&base, &asked, word.span)?;
        let mut commands = Vec::new();
        if !replaced {
            commands = self.triggers(index, &base, facts.as_ref(), word.span)?;
            commands.extend(
                stage.body.iter().map(|one| Command { instruction: Cow::Borrowed(one), trigger: false }),
            );
        }
        Ok(Planned { base, platform, image, commands, facts })
    }

    fn stage_platform(&self, index: usize) -> Result<Option<Platform>, Diagnostic> {
        let Some(word) = &self.stages.list[index].from.platform else { return Ok(None) };
        let expanded = expand(self.lexer, word, self.global)?;
        if expanded.text.is_empty() {
            let message = format!("empty platform value from expression {}", word.value);
            let error = Diagnostic::error(PLATFORM, message).at(word.span, "is empty after expansion");
            return Err(match expanded.unset.first() {
                Some(unset) => match did_you_mean(&unset.name, self.global.names()) {
                    Some(near) => error.help(format!("did you mean `${near}`?")),
                    None => error.help(format!("declare `ARG {}` before the first FROM", unset.name)),
                },
                None => error,
            });
        }
        expanded.text.parse().map(Some).map_err(|error: imgc_base::platform::PlatformError| {
            let wrong = Diagnostic::error(PLATFORM, format!("failed to parse platform `{}`", word.value))
                .at(word.span, "not a platform")
                .note(error.to_string());
            let slip =
                expanded.unset.first().and_then(|unset| did_you_mean(&unset.name, self.global.names()));
            match slip {
                Some(near) => wrong.help(format!("did you mean `${near}`?")),
                None => wrong,
            }
        })
    }

    /// Asks the world for a base image.
    fn facts(
        &mut self,
        base: &Named,
        platform: &Platform,
        span: Span,
    ) -> Result<Option<ImageFacts>, Diagnostic> {
        let name = match base {
            Named::Image(name) => name.clone(),
            Named::Context(context) => match self.contexts.kind(context, span)? {
                Context::Image(name) => name,
                _ => return Ok(None),
            },
            Named::Scratch | Named::Stage(_) => return Ok(None),
        };
        self.world
            .image(&name, platform)
            .map(Some)
            .map_err(|error| image_error(self.stages, &name, error, span))
    }

    /// The triggers that a stage runs first.
    fn triggers(
        &mut self,
        index: usize,
        base: &Named,
        facts: Option<&ImageFacts>,
        span: Span,
    ) -> Result<Vec<Command<'a>>, Diagnostic> {
        if let Named::Stage(base) = base {
            // A stage that a context replaces runs nothing, so it leaves no triggers either.
            let stage = &self.stages.list[*base];
            if stage.name.as_deref().is_some_and(|name| self.contexts.find_stage(name).is_some()) {
                return Ok(Vec::new());
            }
            return Ok(stage
                .body
                .iter()
                .filter_map(|one| match &one.kind {
                    Kind::Onbuild(onbuild) => {
                        Some(Command { instruction: Cow::Borrowed(&*onbuild.trigger), trigger: true })
                    }
                    _ => None,
                })
                .collect());
        }
        let Some(facts) = facts else { return Ok(Vec::new()) };
        let mut commands = Vec::new();
        for text in &facts.config.on_build {
            let name = format!("ONBUILD of {}", self.stages.list[index].from.image.value);
            let source = self.sources.add(name, text.as_str());
            match parse_trigger(source, text) {
                Ok(instruction) => {
                    commands.push(Command { instruction: Cow::Owned(instruction), trigger: true });
                }
                Err(errors) => {
                    for error in errors {
                        self.errors.push(error);
                    }
                    return Err(Diagnostic::error(TRIGGER, "a trigger of the base image cannot be run")
                        .at(span, "its ONBUILD instructions run here"));
                }
            }
        }
        Ok(commands)
    }

    /// The stages that a stage needs.
    fn needs(&mut self, index: usize, stage: &Planned<'a>) -> BTreeSet<usize> {
        let mut needs = BTreeSet::new();
        if let Named::Stage(base) = stage.base {
            needs.insert(base);
        }
        for command in &stage.commands {
            let (names, span): (Vec<String>, Span) = match &command.instruction.kind {
                Kind::Copy(copy) => {
                    let Some(from) = &copy.from else { continue };
                    (vec![from.value.clone()], from.span)
                }
                Kind::Run(run) => {
                    let names = run.mounts.iter().filter_map(|mount| mount_from(&mount.value)).collect();
                    (names, command.instruction.span)
                }
                _ => continue,
            };
            for name in names {
                // What is wrong is reported when the instruction is lowered.
                if let Ok(Named::Stage(used)) = self.stages.source(&name, span, index, &self.contexts) {
                    needs.insert(used);
                }
            }
        }
        needs
    }
}

/// Says that an image was not found.
pub(crate) fn image_error(
    stages: &Stages<'_>,
    name: &str,
    error: imgc_graph::FactError,
    span: Span,
) -> Diagnostic {
    let mut diagnostic = code::fact(error, "needed here", span);
    // Without a network a slip looks like a registry that is out of reach.
    if [IMAGE, NETWORK].contains(&diagnostic.code)
        && let Some(near) = stages.near(name)
    {
        diagnostic.helps.insert(0, format!("did you mean the stage `{near}`?"));
    }
    diagnostic
}
