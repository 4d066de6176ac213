//! A file with its variables followed: what rules look at.

use std::cell::Cell;
use std::collections::BTreeSet;

use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Span;
use imgc_base::{Diagnostic, Platform};
use imgc_graph::world::FactKind;
use imgc_graph::{FactError, ImageFacts, World};
use imgc_syntax::dockerfile::ast::{ArgDecl, Copy, CopySource, Dockerfile, Instruction, Kind, Word};
use imgc_syntax::expand::{Expansion, Lexer};

use super::CheckContext;
use crate::args;
use crate::code::Diagnostics;
use crate::env::{Env, part};
use crate::image;
use crate::options::Options;
use crate::stages::{Context, Contexts, Named, Stages, mount_from};
use crate::state::DEFAULT_PATH;

/// A file with its variables followed.
pub(super) struct Model<'a> {
    /// The file.
    pub(super) file: &'a Dockerfile,
    /// What is known besides.
    pub(super) context: &'a CheckContext<'a>,
    /// The stages as written; all of them.
    pub(super) stages: Stages<'a>,
    /// Global arguments as the build has them.
    pub(super) global: Env,
    /// Global arguments if the build gave none.
    pub(super) defaults: Env,
    /// What each stage of [`Model::stages`] does; `None` for those that are not looked at.
    pub(super) followed: Vec<Option<Followed<'a>>>,
    pub(super) lexer: Lexer,
    /// How often a near name may still be looked for.
    guesses: Cell<usize>,
}

/// A stage whose instructions were followed.
pub(super) struct Followed<'a> {
    /// What `FROM` names.
    pub(super) image: Option<Expansion>,
    /// The platform that the base is asked for.
    pub(super) asked: Platform,
    /// The base image, if it is one and the world knows it.
    pub(super) facts: Option<ImageFacts>,
    /// Its instructions.
    pub(super) steps: Vec<Step<'a>>,
    end: Scope,
}

/// One instruction of a stage.
pub(super) struct Step<'a> {
    /// As written.
    pub(super) instruction: &'a Instruction,
    /// Variables that it uses and nobody set.
    pub(super) undefined: Vec<Undefined>,
    /// Its expanded words, as far as a rule wants them: sources of copies, ports, directory, names of variables.
    pub(super) words: Vec<(String, Span)>,
    /// A shell was set before it.
    pub(super) shell: bool,
    /// A working directory was set before it, in this file.
    pub(super) workdir: bool,
}

/// A use of a variable that nobody set.
pub(super) struct Undefined {
    pub(super) name: String,
    pub(super) span: Span,
    /// A variable with a near name.
    pub(super) near: Option<String>,
}

/// What is set at one point.
#[derive(Debug, Clone, Default)]
struct Scope {
    env: Env,
    declared: BTreeSet<String>,
    /// False if a base image may have set more.
    known: bool,
    shell: bool,
    workdir: bool,
}

/// A world that knows nothing.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl World for Nowhere {
    fn image(&self, name: &str, _: &Platform) -> Result<ImageFacts, FactError> {
        let message = format!("nobody to ask for `{name}`");
        Err(FactError { kind: FactKind::Environment, message, notes: Vec::new(), help: None })
    }

    fn has_context(&self, _: &str) -> bool {
        false
    }

    fn ignore(&self, _: &str) -> Result<Vec<String>, FactError> {
        Ok(Vec::new())
    }
}

impl<'a> Model<'a> {
    /// Follows a file.
    pub(super) fn new(file: &'a Dockerfile, context: &'a CheckContext<'a>) -> Self {
        let stages = Stages::split(file);
        let lexer = Lexer::new(file.directives.escape);
        let platform = image::platforms(context.options).swap_remove(0);
        let target =
            if stages.list.is_empty() { None } else { stages.target(context.options.target.as_deref()).ok() };
        let name = target.and_then(|target| stages.list[target].name.clone()).unwrap_or_default();
        // What is wrong with arguments is lowering's to say.
        let mut unsaid = Diagnostics::default();
        let none = Options { build_args: std::collections::BTreeMap::new(), ..context.options.clone() };
        let mut follow = |options: &Options| {
            args::global(stages.global.iter(), options, &platform, &name, lexer, &mut unsaid)
        };
        let (global, defaults) = (follow(context.options), follow(&none));
        let mut model = Self {
            file,
            context,
            stages,
            global,
            defaults,
            followed: Vec::new(),
            lexer,
            guesses: Cell::new(1000),
        };
        let world: &dyn World = context.world.unwrap_or(&Nowhere);
        let contexts = Contexts { options: context.options, world };
        let wanted =
            if context.all_stages { None } else { target.map(|target| model.needed(target, &contexts)) };
        for index in 0..model.stages.list.len() {
            let followed = wanted
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&index))
                .then(|| model.follow(index, &contexts, &platform));
            model.followed.push(followed);
        }
        model
    }

    /// Every step of the stages that are looked at.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step<'a>> {
        self.followed.iter().flatten().flat_map(|stage| &stage.steps)
    }

    /// Every stage that is looked at, with its number.
    pub(super) fn looked_at(&self) -> impl Iterator<Item = (usize, &Followed<'a>)> {
        self.followed.iter().enumerate().filter_map(|(index, stage)| Some((index, stage.as_ref()?)))
    }

    /// The names of global arguments, declared or automatic.
    pub(super) fn global_names(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self.global.names().collect();
        for instruction in self.stages.global {
            if let Kind::Arg(list) = &instruction.kind {
                names.extend(list.iter().map(|arg| arg.name.value.as_str()));
            }
        }
        names
    }

    fn base(&self, index: usize, image: Option<&Expansion>, contexts: &Contexts<'_>) -> Named {
        let stage = &self.stages.list[index];
        match stage.name.as_deref().and_then(|name| contexts.find_stage(name)) {
            Some(context) => Named::Context(context),
            None => self.stages.base(image.map_or("", |image| image.text.as_str()), index, contexts),
        }
    }

    fn needed(&self, target: usize, contexts: &Contexts<'_>) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut open = vec![target];
        while let Some(index) = open.pop() {
            if !needed.insert(index) {
                continue;
            }
            let stage = &self.stages.list[index];
            let image = self.lexer.expand(&stage.from.image.value, &self.global).ok();
            if let Named::Stage(base) = self.base(index, image.as_ref(), contexts) {
                open.push(base);
            }
            for instruction in stage.body {
                let names: Vec<String> = match &instruction.kind {
                    Kind::Copy(copy) => copy.from.iter().map(|from| from.value.clone()).collect(),
                    Kind::Run(run) => {
                        run.mounts.iter().filter_map(|mount| mount_from(&mount.value)).collect()
                    }
                    _ => Vec::new(),
                };
                let used =
                    names.iter().map(|name| self.stages.source(name, instruction.span, index, contexts));
                open.extend(used.filter_map(|used: Result<Named, Diagnostic>| match used {
                    Ok(Named::Stage(used)) => Some(used),
                    _ => None,
                }));
            }
        }
        needed
    }

    fn follow(&self, index: usize, contexts: &Contexts<'_>, target: &Platform) -> Followed<'a> {
        let stage = &self.stages.list[index];
        let image = self.lexer.expand(&stage.from.image.value, &self.global).ok();
        let platform =
            stage.from.platform.as_ref().and_then(|word| self.lexer.expand(&word.value, &self.global).ok());
        let asked =
            platform.as_ref().and_then(|done| done.text.parse().ok()).unwrap_or_else(|| target.clone());
        let base = self.base(index, image.as_ref(), contexts);
        let mut facts = None;
        let mut scope = Scope::default();
        match &base {
            Named::Scratch => scope.known = true,
            Named::Stage(below) => {
                if let Some(Some(below)) = self.followed.get(*below) {
                    scope = below.end.clone();
                }
            }
            Named::Image(name) => facts = contexts.world.image(name, &asked).ok(),
            Named::Context(name) => match contexts.kind(name, stage.from.image.span) {
                Ok(Context::Image(name)) => facts = contexts.world.image(&name, &asked).ok(),
                _ => scope.known = true,
            },
        }
        if let Some(facts) = &facts {
            scope.known = true;
            scope.env = Env::from_entries(&facts.config.env);
            scope.shell = facts.config.shell.as_ref().is_some_and(|shell| !shell.is_empty());
        }
        if scope.env.get("PATH").is_none() {
            scope.env.set("PATH", DEFAULT_PATH);
        }
        let steps = stage.body.iter().map(|instruction| self.step(instruction, &mut scope)).collect();
        Followed { image, asked, facts, steps, end: scope }
    }

    fn step(&self, instruction: &'a Instruction, scope: &mut Scope) -> Step<'a> {
        let mut step = Step {
            instruction,
            undefined: Vec::new(),
            words: Vec::new(),
            shell: scope.shell,
            workdir: scope.workdir,
        };
        if let Kind::Arg(list) = &instruction.kind {
            self.arg(list, scope, &mut step);
            return step;
        }
        let mut words = self.words(scope, &mut step.undefined);
        match &instruction.kind {
            Kind::Env(pairs) => {
                let values = pairs.pairs.iter().map(|(name, value)| (words.read(name), words.read(value)));
                // All values see what was before the instruction.
                for ((key, value), (name, _)) in values.collect::<Vec<_>>().into_iter().zip(&pairs.pairs) {
                    scope.env.set(&key, &value);
                    step.words.push((key, name.span));
                }
            }
            Kind::Label(pairs) => {
                for (name, value) in &pairs.pairs {
                    words.read(name);
                    words.read(value);
                }
            }
            Kind::User(word) | Kind::Stopsignal(word) => drop(words.read(word)),
            Kind::Workdir(word) => {
                step.words.push((words.read(word), word.span));
                scope.workdir = true;
            }
            Kind::Volume(list) => list.iter().for_each(|word| drop(words.read(word))),
            Kind::Expose(list) => {
                for word in list {
                    let ports = words.split(word);
                    step.words.extend(ports.into_iter().map(|port| (port, word.span)));
                }
            }
            Kind::Copy(copy) | Kind::Add(copy) => step.words = words.copy(copy),
            Kind::Run(run) => {
                for mount in &run.mounts {
                    words.mount(mount);
                }
            }
            Kind::Shell(_) => scope.shell = true,
            _ => {}
        }
        step
    }

    fn words<'w>(&'w self, scope: &'w Scope, undefined: &'w mut Vec<Undefined>) -> Words<'w> {
        Words { lexer: self.lexer, scope, undefined, guesses: &self.guesses }
    }

    /// Each argument sees the ones before it.
    fn arg(&self, list: &[ArgDecl], scope: &mut Scope, step: &mut Step<'a>) {
        for ArgDecl { name, default } in list {
            let value = match (self.context.options.build_arg(&name.value), default) {
                (Some(given), _) => Some(given.to_owned()),
                (None, Some(default)) => Some(self.words(scope, &mut step.undefined).read(default)),
                (None, None) => self.global.get(&name.value).map(str::to_owned),
            };
            if let Some(value) = value {
                scope.env.set(&name.value, &value);
            }
            scope.declared.insert(name.value.clone());
            step.words.push((name.value.clone(), name.span));
        }
    }
}

/// Expands words and notes what is undefined.
struct Words<'w> {
    lexer: Lexer,
    scope: &'w Scope,
    undefined: &'w mut Vec<Undefined>,
    guesses: &'w Cell<usize>,
}

impl Words<'_> {
    fn expand(&mut self, lexer: Lexer, text: &str, span: Span) -> Expansion {
        // What cannot be expanded is lowering's to say.
        let Ok(done) = lexer.expand(text, &self.scope.env) else { return Expansion::default() };
        for unset in &done.unset {
            let name = unset.name.as_str();
            let special = !name.starts_with(|char: char| char.is_alphabetic() || char == '_');
            if special
                || self.scope.declared.contains(name)
                || args::NOT_ENVIRONMENT.contains(&name)
                || self.undefined.iter().any(|known| known.name == name)
            {
                continue;
            }
            let near = self.near(name);
            // A base image that nobody knows may set anything; only a slip is sure.
            if self.scope.known || near.is_some() {
                self.undefined.push(Undefined {
                    name: name.to_owned(),
                    span: part(text, span, &unset.at),
                    near,
                });
            }
        }
        done
    }

    /// A variable with a near name. Asked too often, it gives up: that file has other troubles.
    fn near(&self, name: &str) -> Option<String> {
        self.guesses.set(self.guesses.get().checked_sub(1)?);
        did_you_mean(name, self.scope.env.names()).map(str::to_owned)
    }

    fn read(&mut self, word: &Word) -> String {
        self.expand(self.lexer, &word.value, word.span).text
    }

    fn split(&mut self, word: &Word) -> Vec<String> {
        self.expand(self.lexer, &word.value, word.span).words
    }

    fn copy(&mut self, copy: &Copy) -> Vec<(String, Span)> {
        let mut sources = Vec::new();
        for source in &copy.sources {
            match source {
                CopySource::Path(word) => sources.push((self.read(word), word.span)),
                CopySource::Heredoc(heredoc) if heredoc.expand => {
                    self.expand(Lexer::heredoc(), &heredoc.body, heredoc.span);
                }
                CopySource::Heredoc(_) => {}
            }
        }
        self.read(&copy.dest);
        for flag in [&copy.chown, &copy.chmod, &copy.checksum].into_iter().flatten() {
            self.read(flag);
        }
        sources
    }

    fn mount(&mut self, mount: &Word) {
        let lexer = self.lexer;
        // The mount itself is lowering's to judge.
        let _read = imgc_syntax::mount::parse_with(&mount.value, |value| {
            Ok(self.expand(lexer, value, mount.span).text)
        });
    }
}
