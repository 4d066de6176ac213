//! What a stage is at one point of its text.

use imgc_base::config::{ContainerConfig, History};
use imgc_base::path::ImagePath;
use imgc_base::{Platform, Reference};
use imgc_graph::{NodeId, PlannedHistory};

use crate::env::Env;

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
    /// How containers would run.
    pub(crate) config: ContainerConfig,
    /// What commands and words see: the config's environment and the arguments.
    pub(crate) env: Env,
    /// The arguments declared so far, in order; a name may come twice.
    pub(crate) args: Vec<(String, Option<String>)>,
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
        for entry in &child.config.env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            child.env.set(name, value);
        }
        child
    }

    /// About how many bytes a copy of this takes.
    pub(crate) fn weight(&self) -> usize {
        let history: usize = self.history.iter().map(|entry| entry.created_by.len() + 64).sum();
        history
            + 2 * self.env.bytes()
            + self
                .args
                .iter()
                .map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len))
                .sum::<usize>()
    }

    /// Reads environment, user and directory from the config, as a stage does at its start.
    pub(crate) fn settle(&mut self) {
        if self.config.env("PATH").is_none() && self.platform.os != "windows" {
            self.config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        self.env = Env::from_entries(&self.config.env);
        // A path that no image can hold is not the user's doing; the root is always there.
        self.cwd = ImagePath::clean(&self.config.working_dir).unwrap_or_default();
        if !self.config.working_dir.is_empty() {
            self.config.working_dir = self.cwd.to_absolute();
        }
    }
}
