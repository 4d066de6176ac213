//! `RUN`: a command, its surroundings and its mounts.

use imgc_base::path::ImagePath;

/// A command to run on a root.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exec {
    /// The program and its arguments; the shell is already in front. Empty does nothing.
    pub args: Vec<String>,
    /// The whole environment in order, `PATH` included; no proxies.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: ImagePath,
    /// `user[:group]` as written and expanded; empty means root.
    pub user: String,
    /// Mounts in order.
    pub mounts: Vec<Mount>,
    /// Scripts of heredocs with `#!`: shown as `/dev/pipes/NAME`, mode 0755, never in the layer.
    pub scripts: Vec<(String, String)>,
    /// Network.
    pub network: Network,
    /// How far the command is locked in.
    pub security: Security,
    /// Name of the machine as the command sees it.
    pub hostname: String,
}

/// Network of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// What the build was asked for; on for Dockerfiles.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The machine's own.
    Host,
}

/// How far a command is locked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// The baseline.
    #[default]
    Sandbox,
    /// All capabilities, no filter; must be allowed on the command line.
    Insecure,
}

/// Something to show at a path while the command runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Mount {
    /// Where.
    pub target: ImagePath,
    /// What.
    #[serde(flatten)]
    pub kind: MountKind,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum MountKind {
    /// A path of another tree. Writes, if allowed, are thrown away.
    Bind {
        /// Number of the input.
        input: usize,
        /// Path in it; the root shows all.
        source: ImagePath,
        /// Writable.
        writable: bool,
    },
    /// A directory that lives on between builds.
    Cache {
        /// Its name; never a path.
        id: String,
        /// What happens when two steps want it.
        sharing: CacheSharing,
        /// Read only.
        readonly: bool,
        /// Number of the input with the first content, and a path in it.
        from: Option<(usize, ImagePath)>,
        /// Mode of the directory when it is made.
        mode: u32,
        /// Owner when it is made.
        uid: u32,
        /// Group when it is made.
        gid: u32,
    },
    /// Memory.
    Tmpfs {
        /// Largest size in bytes; 0 means no limit of its own.
        size: u64,
    },
    /// A file whose content is in no key, layer, log or record.
    Secret {
        /// Its name.
        id: String,
        /// Fail if it was not given.
        required: bool,
        /// Mode of the file.
        mode: u32,
        /// Owner of the file.
        uid: u32,
        /// Group of the file.
        gid: u32,
        /// Also, or only, as this environment variable.
        env: Option<String>,
        /// Show the file; false if only the variable was asked for.
        file: bool,
    },
    /// The socket of an ssh agent.
    Ssh {
        /// Its name.
        id: String,
        /// Fail if it was not given.
        required: bool,
        /// Mode of the socket.
        mode: u32,
        /// Owner of the socket.
        uid: u32,
        /// Group of the socket.
        gid: u32,
    },
}

impl MountKind {
    /// The word after `type=`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::Cache { .. } => "cache",
            Self::Tmpfs { .. } => "tmpfs",
            Self::Secret { .. } => "secret",
            Self::Ssh { .. } => "ssh",
        }
    }

    /// The number of the input that the mount shows, if it shows one.
    pub fn input(&self) -> Option<usize> {
        match self {
            Self::Bind { input, .. } | Self::Cache { from: Some((input, _)), .. } => Some(*input),
            _ => None,
        }
    }
}

/// What happens when two steps want one cache directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheSharing {
    /// Both use it at once.
    #[default]
    Shared,
    /// Each gets its own.
    Private,
    /// One waits.
    Locked,
}
