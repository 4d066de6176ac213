//! What a stage is at one point of its text.

use imgc_base::config::{ContainerConfig, History};
use imgc_base::path::ImagePath;
use imgc_base::{Platform, Reference};
use imgc_graph::{NodeId, PlannedHistory};

use crate::env::{Env, Ordered};

/// Where commands are looked for if nothing else is said.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a stage is at one point of its text.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The tree so far.
    pub(crate) root: NodeId,
    /// The platform that its steps run on.
    pub(crate) platform: Platform,
    /// The platform that the config of its base states.
    pub(crate) image_platform: Platform,
    /// How containers would run, but for the environment.
    pub(crate) config: ContainerConfig,
    /// The config's environment.
    pub(crate) own_env: Env,
    /// What commands and words see: the config's environment and the arguments.
    pub(crate) env: Env,
    /// The arguments declared so far.
    pub(crate) args: Ordered<Option<String>>,
    /// The working directory.
    pub(crate) cwd: ImagePath,
    /// `MAINTAINER`.
    pub(crate) author: Option<String>,
    /// The base image.
    pub(crate) base: Option<Reference>,
    /// Its history.
    pub(crate) base_history: Vec<History>,
    /// The history since.
    pub(crate) history: Vec<PlannedHistory>,
    /// True once this stage has a `CMD` of its own.
    pub(crate) own_cmd: bool,
}

impl State {
    /// An entry for something that makes no layer.
    pub(crate) fn note(&mut self, created_by: String) {
        self.history.push(PlannedHistory { created_by, node: None });
    }

    /// A step: its tree is the root from now on.
    pub(crate) fn step(&mut self, created_by: String, node: NodeId) {
        self.root = node;
        self.history.push(PlannedHistory { created_by, node: Some(node) });
    }

    /// The shell of shell forms.
    pub(crate) fn shell(&self) -> Vec<String> {
        match &self.config.shell {
            Some(shell) if !shell.is_empty() => shell.clone(),
            _ if self.image_platform.os == "windows" => ["cmd", "/S", "/C"].map(str::to_owned).to_vec(),
            _ => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        }
    }

    /// A text as the shell's argument.
    pub(crate) fn with_shell(&self, text: &str) -> Vec<String> {
        let mut args = self.shell();
        args.push(text.to_owned());
        args
    }

    /// The state that a stage built on this one begins with.
    pub(crate) fn child(&self) -> Self {
        let mut child = self.clone();
        child.config.on_build.clear();
        child.own_cmd = false;
        // What the config says wins over arguments of the same name again.
        for (name, value) in child.own_env.pairs() {
            child.env.set(name, value);
        }
        child
    }

    /// About how many bytes a copy of this takes.
    pub(crate) fn weight(&self) -> usize {
        let history: usize = self.history.iter().map(|entry| entry.created_by.len() + 64).sum();
        history + 3 * self.env.bytes()
    }

    /// Reads environment and directory from the config, as a stage does at its start.
    pub(crate) fn settle(&mut self) {
        self.own_env = Env::from_entries(&std::mem::take(&mut self.config.env));
        if self.own_env.get("PATH").is_none() && self.platform.os != "windows" {
            self.own_env.set("PATH", DEFAULT_PATH);
        }
        self.env = self.own_env.clone();
        // A path that no image can hold is not the user's doing; the root is always there.
        self.cwd = ImagePath::clean(&self.config.working_dir).unwrap_or_default();
        if !self.config.working_dir.is_empty() {
            self.config.working_dir = self.cwd.to_absolute();
        }
    }

    /// The config, whole.
    pub(crate) fn into_config(self) -> ContainerConfig {
        ContainerConfig { env: self.own_env.entries(), ..self.config }
    }
}
