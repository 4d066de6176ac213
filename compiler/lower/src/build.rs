//! Lowers the stages of one platform, each once, in file order.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::config::ContainerConfig;
use imgc_base::path::ImagePath;
use imgc_base::span::Span;
use imgc_base::{Diagnostic, Platform};
use imgc_graph::{NodeId, Origin, Unpack, World};
use imgc_syntax::expand::Lexer;

use crate::code::{BOUND, Diagnostics};
use crate::env::{Env, Ordered};
use crate::nodes::{Input, Nodes};
use crate::options::Options;
use crate::plan::{Planned, image_error};
use crate::stages::{Context, Contexts, Named, Stages};
use crate::state::State;
use crate::step;
use crate::title::Titles;

/// Bytes of environments and histories that one graph may hold: no file of honest size comes near.
const MAX_BYTES: usize = 256 << 20;

/// What all stages of one platform share.
pub(crate) struct Builder<'b, 'a> {
    pub(crate) options: &'b Options,
    pub(crate) world: &'b dyn World,
    pub(crate) contexts: Contexts<'b>,
    pub(crate) stages: &'b Stages<'a>,
    pub(crate) lexer: Lexer,
    pub(crate) global: &'b Env,
    /// The platform that is built for.
    pub(crate) platform: &'b Platform,
    /// Titles name the platform.
    pub(crate) several: bool,
    pub(crate) nodes: &'b mut Nodes,
    pub(crate) errors: &'b mut Diagnostics,
    /// Build arguments that some `ARG` took.
    pub(crate) used: &'b mut BTreeSet<String>,
    /// Bytes still to be spent, over all platforms.
    pub(crate) spent: &'b mut usize,
    pub(crate) states: BTreeMap<usize, State>,
}

/// Where an instruction stands, while it is lowered.
pub(crate) struct Place<'p> {
    /// The stage.
    pub(crate) stage: usize,
    /// The step's name, `build#12`.
    pub(crate) step: String,
    /// The instruction's place in the text.
    pub(crate) span: Span,
    /// The instruction is a trigger.
    pub(crate) trigger: bool,
    pub(crate) titles: &'p mut Titles,
}

impl<'a> Builder<'_, 'a> {
    /// Lowers the planned stages; the state of the target, if all went well.
    pub(crate) fn run(&mut self, planned: &BTreeMap<usize, Planned<'a>>, target: usize) -> Option<State> {
        for (&index, stage) in planned {
            match self.base(index, stage) {
                Ok(Some(state)) => {
                    if let Err(error) = self.stage(index, stage, state) {
                        self.errors.push(error);
                        return None;
                    }
                }
                // What it stands on failed, which is reported.
                Ok(None) => {}
                Err(error) => self.errors.push(error),
            }
        }
        self.states.remove(&target)
    }

    fn stage(&mut self, index: usize, stage: &Planned<'a>, mut state: State) -> Result<(), Diagnostic> {
        let label = if self.stages.list.len() == 1 { String::new() } else { self.stages.label(index) };
        let mut titles = Titles::new(label, stage, self.several);
        let caller =
            self.stages.list[index].name.as_deref().unwrap_or(&self.options.dockerfile_name).to_owned();
        for command in &stage.commands {
            if self.errors.is_full() {
                break;
            }
            let instruction = &*command.instruction;
            // A trigger stands in no line of the file; it runs at its FROM.
            let line =
                if command.trigger { self.stages.list[index].instruction.line } else { instruction.line };
            let mut place = Place {
                stage: index,
                step: format!("{caller}#{line}"),
                span: instruction.span,
                trigger: command.trigger,
                titles: &mut titles,
            };
            let before = state.history.len();
            if let Err(errors) = step::lower(self, &mut state, &mut place, instruction) {
                for error in errors {
                    self.errors.push(error);
                }
            }
            let bytes = state.history[before..].iter().map(|entry| entry.created_by.len() + 64).sum();
            self.spend(bytes, instruction.span)?;
        }
        self.states.insert(index, state);
        Ok(())
    }

    /// Accounts for bytes that the graph will hold.
    pub(crate) fn spend(&mut self, bytes: usize, span: Span) -> Result<(), Diagnostic> {
        *self.spent = self.spent.saturating_add(bytes);
        if *self.spent <= MAX_BYTES {
            return Ok(());
        }
        Err(Diagnostic::error(BOUND, "environments and histories together are too large")
            .at(span, "here")
            .note(format!("more than {} MiB", MAX_BYTES >> 20)))
    }

    /// The state that a stage begins with; `None` if it stands on a stage that failed.
    fn base(&mut self, index: usize, stage: &Planned<'a>) -> Result<Option<State>, Diagnostic> {
        let span = self.stages.list[index].from.image.span;
        let platform = stage.platform.clone().unwrap_or_else(|| self.platform.clone());
        if let Named::Stage(base) = stage.base {
            let Some(state) = self.states.get(&base).map(State::child) else { return Ok(None) };
            self.spend(state.weight(), span)?;
            return Ok(Some(state));
        }
        let root = match &stage.facts {
            Some(facts) => self.nodes.image(facts, &stage.image, &platform),
            None => self.nodes.scratch(),
        };
        let mut state = empty(root, &platform);
        if let Some(facts) = &stage.facts {
            state.image_platform = facts.platform.clone();
            state.config = facts.config.clone();
            state.config.on_build.clear();
            state.author.clone_from(&facts.author);
            state.base.clone_from(&facts.reference);
            state.base_history.clone_from(&facts.history);
        } else if let Named::Context(context) = &stage.base {
            let origin = Origin {
                step: format!("{}#{}", self.stages.label(index), self.stages.list[index].instruction.line),
                title: format!("FROM context {context}"),
                span: Some(span),
            };
            let source = match self.contexts.kind(context, span)? {
                Context::Directory => {
                    Some((self.nodes.directory(context, self.world, span)?, ".".to_owned(), Unpack::Never))
                }
                Context::Git(url) => {
                    let keep = url.keep_git_dir.unwrap_or(false);
                    Some((
                        self.nodes.git(&url, keep, url.checksum.as_deref(), span)?,
                        ".".to_owned(),
                        Unpack::Never,
                    ))
                }
                Context::Http(url) => {
                    let (input, name) = self.nodes.http(&url, None, span)?;
                    Some((input, name.unwrap_or_else(|| UNNAMED.to_owned()), Unpack::Archives))
                }
                Context::Scratch | Context::Image(_) => None,
            };
            if let Some((input, path, unpack)) = source {
                let node = self.nodes.as_root(input, &path, unpack, origin);
                state.step(format!("FROM context {context}"), node);
            }
        }
        if stage.facts.is_none() {
            "/".clone_into(&mut state.config.working_dir);
        }
        state.settle();
        self.spend(state.weight(), span)?;
        Ok(Some(state))
    }

    /// The tree that `--from=` or `from=` names; `None` if its stage failed.
    pub(crate) fn input(
        &mut self,
        name: &str,
        span: Span,
        stage: usize,
    ) -> Result<Option<Input>, Diagnostic> {
        let owned = |node: NodeId| Some(Input { node, foreign: false });
        Ok(match self.stages.source(name, span, stage, &self.contexts)? {
            Named::Scratch => owned(self.nodes.scratch()),
            Named::Stage(index) => self.states.get(&index).and_then(|state| owned(state.root)),
            Named::Image(name) => owned(self.image(&name, span)?),
            Named::Context(context) => match self.contexts.kind(&context, span)? {
                Context::Scratch => owned(self.nodes.scratch()),
                Context::Image(name) => owned(self.image(&name, span)?),
                Context::Directory => Some(self.nodes.directory(&context, self.world, span)?),
                Context::Git(url) => {
                    let keep = url.keep_git_dir.unwrap_or(false);
                    Some(self.nodes.git(&url, keep, url.checksum.as_deref(), span)?)
                }
                Context::Http(url) => {
                    // As after FROM: the content of an archive, else the file itself.
                    let (input, name) = self.nodes.http(&url, None, span)?;
                    let path = name.unwrap_or_else(|| UNNAMED.to_owned());
                    let origin = Origin {
                        step: format!("context {context}"),
                        title: format!("context {context}"),
                        span: Some(span),
                    };
                    owned(self.nodes.as_root(input, &path, Unpack::Archives, origin))
                }
            },
        })
    }

    fn image(&mut self, name: &str, span: Span) -> Result<NodeId, Diagnostic> {
        let facts = self
            .world
            .image(name, self.platform)
            .map_err(|error| image_error(self.stages, name, error, span))?;
        Ok(self.nodes.image(&facts, name, self.platform))
    }
}

fn empty(root: NodeId, platform: &Platform) -> State {
    State {
        root,
        platform: platform.clone(),
        image_platform: platform.clone(),
        config: ContainerConfig::default(),
        own_env: Env::default(),
        env: Env::default(),
        args: Ordered::default(),
        cwd: ImagePath::root(),
        author: None,
        base: None,
        base_history: Vec::new(),
        history: Vec::new(),
        own_cmd: false,
    }
}

/// The name of a file whose address gives none.
pub(crate) const UNNAMED: &str = "__unnamed__";
