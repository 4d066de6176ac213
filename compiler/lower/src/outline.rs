//! What a file offers before it is built: its targets, and the arguments, secrets and agents that one of them takes.
//!
//! The forms are those of `docker buildx build --call=outline` and `--call=targets`.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::Diagnostic;
use imgc_base::span::Span;
use imgc_syntax::dockerfile::ast::{Dockerfile, Instruction, Kind};
use imgc_syntax::expand::Lexer;
use imgc_syntax::mount::{self, MountType};

use crate::args;
use crate::checks::Nowhere;
use crate::checks::description;
use crate::code::{self, Diagnostics};
use crate::env::{Env, expand};
use crate::image;
use crate::options::Options;
use crate::stages::{Contexts, Named, Stages, mount_from};

/// What can be given to a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The target's name, if it has one.
    pub name: Option<String>,
    /// What its comment says of it.
    pub description: String,
    /// Build arguments that the target or what it needs declares, in file order.
    pub args: Vec<Offered>,
    /// Secrets.
    pub secrets: Vec<Offered>,
    /// Agents.
    pub ssh: Vec<Offered>,
    /// Cache mounts.
    pub caches: Vec<Offered>,
}

/// One thing that can be given, or that outlives a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its name or id.
    pub name: String,
    /// What its comment says of it; of arguments only.
    pub description: String,
    /// The value that it would have; of arguments only.
    pub value: Option<String>,
    /// The build fails without it.
    pub required: bool,
    /// The instruction that declares it.
    pub span: Span,
}

/// A stage as a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// True for what is built if nothing else is asked for.
    pub default: bool,
    /// What its comment says of it.
    pub description: String,
    /// What its `FROM` names, as written.
    pub base: String,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// Its `FROM`.
    pub span: Span,
}

/// The stages of a file.
pub fn targets(file: &Dockerfile) -> Vec<Target> {
    let stages = Stages::split(file).list;
    let last = stages.len();
    let target = |(number, stage): (usize, &crate::stages::Stage<'_>)| Target {
        name: stage.name.clone(),
        default: number + 1 == last,
        description: stage.name.as_deref().map(|name| comment(stage.instruction, name)).unwrap_or_default(),
        base: stage.from.image.value.clone(),
        platform: stage.from.platform.as_ref().map(|word| word.value.clone()),
        span: stage.instruction.span,
    };
    stages.iter().enumerate().map(target).collect()
}

/// What can be given to the target. No image is asked for: what only a base image knows counts as not set.
pub fn outline(file: &Dockerfile, options: &Options) -> Result<Outline, Vec<Diagnostic>> {
    let stages = Stages::split(file);
    if stages.list.is_empty() {
        return Err(vec![Diagnostic::error(code::TARGET, "dockerfile contains no stages to build")]);
    }
    let target = stages.target(options.target.as_deref()).map_err(|error| vec![error])?;
    let lexer = Lexer::new(file.directives.escape);
    let platform = image::platforms(options).swap_remove(0);
    let name = stages.list[target].name.clone();
    let mut errors = Diagnostics::default();
    let stage = name.as_deref().unwrap_or_default();
    let global = args::global(stages.global.iter(), options, &platform, stage, lexer, &mut errors);
    let mut collect = Collect {
        stages: &stages,
        contexts: Contexts { options, world: &Nowhere },
        options,
        lexer,
        global,
        envs: BTreeMap::new(),
        errors,
        found: Outline::default(),
    };
    for index in collect.needed(target) {
        collect.stage(index);
    }
    collect.globals(target);
    if !collect.errors.is_empty() {
        return Err(collect.errors.into_vec());
    }
    let mut found = collect.found;
    for list in [&mut found.args, &mut found.secrets, &mut found.ssh, &mut found.caches] {
        list.sort_by_key(|one| (one.span.start, one.span.end));
        let mut seen = BTreeSet::new();
        list.retain(|one| seen.insert(one.name.clone()));
    }
    found.description =
        name.as_deref().map(|name| comment(stages.list[target].instruction, name)).unwrap_or_default();
    found.name = name;
    Ok(found)
}

/// What the comment above an instruction says of a name: what follows it.
fn comment(instruction: &Instruction, name: &str) -> String {
    let text = description(instruction).unwrap_or_default();
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    if first == name { rest.trim().to_owned() } else { String::new() }
}

struct Collect<'c, 'a> {
    stages: &'c Stages<'a>,
    contexts: Contexts<'c>,
    options: &'c Options,
    lexer: Lexer,
    global: Env,
    /// What is set at the end of each stage that was looked at.
    envs: BTreeMap<usize, Env>,
    errors: Diagnostics,
    found: Outline,
}

impl Collect<'_, '_> {
    fn base(&self, index: usize) -> Named {
        let stage = &self.stages.list[index];
        if let Some(context) = stage.name.as_deref().and_then(|name| self.contexts.find_stage(name)) {
            return Named::Context(context);
        }
        let image = expand(self.lexer, &stage.from.image, &self.global);
        self.stages.base(&image.map(|done| done.text).unwrap_or_default(), index, &self.contexts)
    }

    /// The target and the stages that it needs, each after those that it stands on.
    fn needed(&self, target: usize) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut open = vec![target];
        while let Some(index) = open.pop() {
            if !needed.insert(index) {
                continue;
            }
            let stage = &self.stages.list[index];
            if let Named::Stage(base) = self.base(index) {
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
                open.extend(names.iter().filter_map(|name| {
                    match self.stages.source(name, instruction.span, index, &self.contexts) {
                        Ok(Named::Stage(used)) => Some(used),
                        _ => None,
                    }
                }));
            }
        }
        needed
    }

    fn stage(&mut self, index: usize) {
        let mut env = match self.base(index) {
            Named::Stage(base) => self.envs.get(&base).cloned().unwrap_or_default(),
            // Nothing of the stage is run.
            Named::Context(_)
                if self.stages.list[index]
                    .name
                    .as_deref()
                    .is_some_and(|name| self.contexts.find_stage(name).is_some()) =>
            {
                return;
            }
            _ => Env::default(),
        };
        for instruction in self.stages.list[index].body {
            match &instruction.kind {
                Kind::Arg(_) => self.arg(instruction, &mut env),
                Kind::Env(pairs) => {
                    let before = env.clone();
                    for (name, value) in &pairs.pairs {
                        let read = |word| {
                            expand(self.lexer, word, &before).map(|done| done.text).unwrap_or_default()
                        };
                        env.set(&read(name), &read(value));
                    }
                }
                Kind::Run(run) => {
                    for word in &run.mounts {
                        self.mount(&word.value, instruction.span, &env);
                    }
                }
                _ => {}
            }
        }
        self.envs.insert(index, env);
    }

    fn arg(&mut self, instruction: &Instruction, env: &mut Env) {
        let Kind::Arg(list) = &instruction.kind else { return };
        for one in list {
            let name = &one.name.value;
            let value = match (self.options.build_arg(name), &one.default) {
                (Some(given), _) => Some(given.to_owned()),
                (None, Some(default)) => match expand(self.lexer, default, env) {
                    Ok(done) => Some(done.text),
                    Err(error) => {
                        self.errors.push(error);
                        continue;
                    }
                },
                (None, None) => self.global.get(name).map(str::to_owned),
            };
            if let Some(value) = &value {
                env.set(name, value);
            }
            // One that only lets a global argument in is described there.
            let declared =
                one.default.is_none() && self.stages.global.iter().any(|above| declares(above, name));
            if !declared && !args::PLATFORM_ARGS.contains(&name.as_str()) {
                self.offer(instruction, name, value);
            }
        }
    }

    /// Arguments before the first stage, if a needed stage names them in its `FROM` or lets them in.
    fn globals(&mut self, target: usize) {
        let needed = self.needed(target);
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for &index in &needed {
            let stage = &self.stages.list[index];
            for word in std::iter::once(&stage.from.image).chain(&stage.from.platform) {
                wanted.extend(names_in(&word.value));
            }
            for instruction in stage.body {
                if let Kind::Arg(list) = &instruction.kind {
                    wanted.extend(
                        list.iter().filter(|one| one.default.is_none()).map(|one| one.name.value.clone()),
                    );
                }
            }
        }
        // From the last to the first: a default may name those before it.
        for instruction in self.stages.global.iter().rev() {
            let Kind::Arg(list) = &instruction.kind else { continue };
            for one in list.iter().rev() {
                let name = &one.name.value;
                if !wanted.contains(name) {
                    continue;
                }
                if let Some(default) = &one.default {
                    wanted.extend(names_in(&default.value));
                }
                let value = self.global.get(name).map(str::to_owned);
                self.offer(instruction, name, value);
            }
        }
    }

    fn offer(&mut self, instruction: &Instruction, name: &str, value: Option<String>) {
        let description = comment(instruction, name);
        let offered =
            Offered { name: name.to_owned(), description, value, required: false, span: instruction.span };
        self.found.args.push(offered);
    }

    fn mount(&mut self, text: &str, span: Span, env: &Env) {
        let lexer = self.lexer;
        let read =
            |value: &str| lexer.expand(value, env).map(|done| done.text).map_err(|error| error.to_string());
        // What is wrong with it is said when it is built.
        let Ok(options) = mount::parse_with(text, read) else { return };
        let (list, name) = match options.kind {
            MountType::Secret => (&mut self.found.secrets, options.secret_id().map(str::to_owned)),
            MountType::Ssh => {
                (&mut self.found.ssh, Some(options.id.clone().unwrap_or_else(|| "default".to_owned())))
            }
            MountType::Cache => {
                (&mut self.found.caches, options.id.clone().or_else(|| options.target.clone()))
            }
            _ => return,
        };
        let Some(name) = name else { return };
        // Required somewhere is required.
        match list.iter_mut().find(|one| one.name == name) {
            Some(known) => known.required |= options.required,
            None => list.push(Offered {
                name,
                description: String::new(),
                value: None,
                required: options.required,
                span,
            }),
        }
    }
}

fn declares(instruction: &Instruction, name: &str) -> bool {
    matches!(&instruction.kind, Kind::Arg(list) if list.iter().any(|one| one.name.value == name))
}

/// Names that may be variables of a text: words after `$` or `${`.
fn names_in(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split('$')
        .skip(1)
        .map(|rest| rest.trim_start_matches('{').chars().take_while(|c| is_word(*c)).collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# VERSION of everything\nARG VERSION=1\nARG UNUSED=x\nARG BASE=debian:$VERSION\n\
        # build makes it\nFROM $BASE AS Build\n# FLAGS for the compiler\nARG FLAGS=\"-O2 $VERSION\"\nARG VERSION\n\
        RUN --mount=type=secret,id=token --mount=type=cache,target=/c make\n\
        FROM debian AS other\nARG NOT_NEEDED=1\n\
        # run it\nFROM --platform=$BUILDPLATFORM debian AS run\nARG EMPTY\nENV A=b\nARG FROM_ENV=$A TARGETARCH\n\
        COPY --from=build /x /x\nRUN --mount=type=secret,id=token,required --mount=type=ssh true\n";

    fn parsed(text: &str) -> Dockerfile {
        let parsed =
            imgc_syntax::dockerfile::parse(imgc_base::span::SourceMap::default().add("f", text), text);
        assert_eq!(parsed.diagnostics, [], "{text}");
        parsed.dockerfile
    }

    fn shown(list: &[Offered]) -> Vec<String> {
        let show = |one: &Offered| {
            format!(
                "{}={} {}{}",
                one.name,
                one.value.as_deref().unwrap_or("?"),
                one.description,
                if one.required { "required" } else { "" }
            )
        };
        list.iter().map(show).collect()
    }

    #[test]
    fn what_a_target_takes() {
        let file = parsed(FILE);
        let mut options = crate::tests::options();
        let found = outline(&file, &options).unwrap();
        assert_eq!((found.name.as_deref(), found.description.as_str()), (Some("run"), "it"));
        assert_eq!(
            shown(&found.args),
            [
                "VERSION=1 of everything",
                "BASE=debian:1 ",
                "FLAGS=-O2  for the compiler",
                "EMPTY=? ",
                "FROM_ENV=b "
            ]
        );
        assert_eq!(shown(&found.secrets), ["token=? required"]);
        assert_eq!(shown(&found.ssh), ["default=? "]);
        assert_eq!(shown(&found.caches), ["/c=? "]);

        options.target = Some("OTHER".to_owned());
        options.build_args.insert("NOT_NEEDED".to_owned(), Some("2".to_owned()));
        let other = outline(&file, &options).unwrap();
        assert_eq!(shown(&other.args), ["NOT_NEEDED=2 "]);
        assert_eq!((other.secrets, other.ssh), (Vec::new(), Vec::new()));
        options.target = Some("othr".to_owned());
        assert!(outline(&file, &options).is_err());
    }

    #[test]
    fn what_targets_there_are() {
        let found = targets(&parsed(FILE));
        let show = |one: &Target| {
            let name = one.name.as_deref().unwrap_or("?");
            format!("{name} {} {} {:?} {}", one.default, one.base, one.platform, one.description)
        };
        assert_eq!(
            found.iter().map(show).collect::<Vec<_>>(),
            [
                "build false $BASE None makes it",
                "other false debian None ",
                "run true debian Some(\"$BUILDPLATFORM\") it"
            ]
        );
    }

    #[test]
    fn wrong_arguments_are_errors() {
        let file = parsed("FROM debian\nARG A=\"${B:?must be given}\"\n");
        let errors = outline(&file, &crate::tests::options()).unwrap_err();
        assert!(errors[0].message.contains("must be given"), "{errors:?}");
    }
}
