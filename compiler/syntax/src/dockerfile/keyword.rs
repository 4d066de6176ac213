//! The instructions by name, and the flags that each has.

/// How a flag is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagKind {
    /// `--name`, `--name=true`, `--name=false`; once.
    Bool,
    /// `--name=value`; once.
    Text,
    /// `--name=value`, as often as one likes.
    List,
}

use FlagKind::{Bool, List, Text};

/// An instruction's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
}

impl Keyword {
    /// Every instruction.
    pub(super) const ALL: [Self; 18] = [
        Self::Add,
        Self::Arg,
        Self::Cmd,
        Self::Copy,
        Self::Entrypoint,
        Self::Env,
        Self::Expose,
        Self::From,
        Self::Healthcheck,
        Self::Label,
        Self::Maintainer,
        Self::Onbuild,
        Self::Run,
        Self::Shell,
        Self::Stopsignal,
        Self::User,
        Self::Volume,
        Self::Workdir,
    ];

    /// As documentation writes it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Arg => "ARG",
            Self::Cmd => "CMD",
            Self::Copy => "COPY",
            Self::Entrypoint => "ENTRYPOINT",
            Self::Env => "ENV",
            Self::Expose => "EXPOSE",
            Self::From => "FROM",
            Self::Healthcheck => "HEALTHCHECK",
            Self::Label => "LABEL",
            Self::Maintainer => "MAINTAINER",
            Self::Onbuild => "ONBUILD",
            Self::Run => "RUN",
            Self::Shell => "SHELL",
            Self::Stopsignal => "STOPSIGNAL",
            Self::User => "USER",
            Self::Volume => "VOLUME",
            Self::Workdir => "WORKDIR",
        }
    }

    /// The instruction of a name in any case.
    pub(super) fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|keyword| keyword.name().eq_ignore_ascii_case(word))
    }

    /// Its flags.
    pub(super) const fn flags(self) -> &'static [(&'static str, FlagKind)] {
        match self {
            Self::From => &[("platform", Text)],
            Self::Run => &[("mount", List), ("network", Text), ("security", Text), ("device", List)],
            Self::Copy => &[
                ("from", Text),
                ("chown", Text),
                ("chmod", Text),
                ("link", Bool),
                ("parents", Bool),
                ("exclude", List),
            ],
            Self::Add => &[
                ("chown", Text),
                ("chmod", Text),
                ("link", Bool),
                ("checksum", Text),
                ("keep-git-dir", Bool),
                ("unpack", Bool),
                ("exclude", List),
            ],
            Self::Healthcheck => &[
                ("interval", Text),
                ("timeout", Text),
                ("start-period", Text),
                ("start-interval", Text),
                ("retries", Text),
            ],
            _ => &[],
        }
    }

    /// Whether heredocs can stand in it.
    pub(super) const fn takes_heredocs(self) -> bool {
        matches!(self, Self::Run | Self::Copy | Self::Add)
    }
}
