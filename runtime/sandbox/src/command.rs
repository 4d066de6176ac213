//! What to run, as a value.

use std::path::PathBuf;

use imgc_base::path::ImagePath;
use serde::{Deserialize, Serialize};

/// A command, the file system it runs on, and its surroundings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments. A program without `/` is looked up in the `PATH` of `env`, inside the root.
    pub args: Vec<String>,
    /// The whole environment; nothing of this program's own is added.
    pub env: Vec<(String, String)>,
    /// Working directory; made if it is not there.
    pub cwd: ImagePath,
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// Supplementary groups; the primary one is added.
    pub groups: Vec<u32>,
    /// Name of the machine; empty means [`HOSTNAME`].
    pub hostname: String,
    /// Network.
    pub network: Network,
    /// How far it is locked in.
    pub security: Security,
    /// What is shown besides the root, in any order: outer targets are mounted first.
    pub mounts: Vec<MountSpec>,
    /// Directories below the upper one, lowest first. May be empty.
    pub lower: Vec<PathBuf>,
    /// Takes what the command changes.
    pub upper: PathBuf,
    /// An empty directory beside `upper`, for overlayfs and for what is needed while the command runs.
    pub work: PathBuf,
    /// More lines of `/etc/hosts`: name, address.
    pub hosts: Vec<(String, String)>,
    /// Content of `/etc/resolv.conf`; the machine's own if `None` and there is a network.
    pub resolv_conf: Option<String>,
    /// Shows a generated `/etc/hostname` too, as containers do; build steps do not.
    pub hostname_file: bool,
    /// Size of `/dev/shm` in bytes; 64 MiB if `None`.
    pub shm_size: Option<u64>,
    /// A described machine with so many processors instead of this one (`spec/sandbox.md` 3): files and calls tell the
    /// same everywhere. Without it, and for [`Security::Insecure`], they tell of this machine.
    pub cpus: Option<u32>,
    /// Limits: name (`nofile`), soft, hard; `u64::MAX` is no limit.
    pub ulimits: Vec<(String, u64, u64)>,
    /// The root cannot be written to.
    pub readonly_root: bool,
    /// Where input comes from and output goes.
    pub attach: Attach,
}

/// Name of the machine that commands see, `BuildKit`'s constant.
pub const HOSTNAME: &str = "buildkitsandbox";

/// How many processors a step is told of, unless something else is asked for.
pub const CPUS: u32 = 4;

/// Most processors that a step can be told of.
pub const MOST_CPUS: u32 = 1024;

impl Default for Command {
    fn default() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            cwd: ImagePath::root(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            hostname: String::new(),
            network: Network::default(),
            security: Security::default(),
            mounts: Vec::new(),
            lower: Vec::new(),
            upper: PathBuf::new(),
            work: PathBuf::new(),
            hosts: Vec::new(),
            resolv_conf: None,
            hostname_file: false,
            shm_size: None,
            cpus: None,
            ulimits: Vec::new(),
            readonly_root: false,
            attach: Attach::default(),
        }
    }
}

impl Command {
    /// The processors of the described machine, if the command is told of one.
    pub(crate) fn shown_cpus(&self) -> Option<u32> {
        self.cpus.filter(|_| self.security != Security::Insecure).map(|cpus| cpus.clamp(1, MOST_CPUS))
    }
}

/// Network of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Network {
    /// Loopback only, a loopback of its own.
    None,
    /// The machine's own.
    #[default]
    Host,
}

/// How far a command is locked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Security {
    /// Few capabilities, the system call filter, masked paths.
    #[default]
    Sandbox,
    /// All capabilities, no filter, nothing masked; for real root also no user namespace and the machine's devices.
    Insecure,
}

/// Where input comes from and output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Attach {
    /// No input; output goes to the callback.
    #[default]
    Captured,
    /// This program's own output; no input.
    Output,
    /// This program's own input and output.
    Inherited,
    /// A terminal inside, connected to this program's.
    Terminal,
}

/// Something to show at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// Where. Links in it are resolved inside the root.
    pub target: ImagePath,
    /// What.
    pub what: What,
}

/// What a mount shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A file or directory of this machine. The path is trusted: it must lead through no link that a command made.
    Bind {
        /// Where it is.
        source: PathBuf,
        /// Cannot be written to, at any depth.
        readonly: bool,
    },
    /// Layers, and what is written to them, which stays in `upper`.
    Overlay {
        /// Lowest first. May be empty.
        lower: Vec<PathBuf>,
        /// An empty directory.
        upper: PathBuf,
        /// An empty directory beside it.
        work: PathBuf,
        /// The path to show, resolved inside the layers; the root shows all.
        source: ImagePath,
        /// Cannot be written to.
        readonly: bool,
    },
    /// Memory.
    Tmpfs {
        /// Largest size in bytes.
        size: Option<u64>,
        /// Mode of its root.
        mode: u32,
    },
    /// A file that is kept in memory, never on a disk or in swap.
    File {
        /// Its content.
        #[serde(with = "crate::wire::bytes")]
        bytes: Vec<u8>,
        /// Its mode.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// A socket that leads to one of this machine.
    Socket {
        /// The machine's socket.
        path: PathBuf,
        /// Mode of the one inside.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
}

/// Never shows what a file holds: it may be a secret.
impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind { source, readonly } => {
                f.debug_struct("Bind").field("source", source).field("readonly", readonly).finish()
            }
            Self::Overlay { lower, source, readonly, .. } => f
                .debug_struct("Overlay")
                .field("lower", lower)
                .field("source", source)
                .field("readonly", readonly)
                .finish_non_exhaustive(),
            Self::Tmpfs { size, mode } => {
                f.debug_struct("Tmpfs").field("size", size).field("mode", mode).finish()
            }
            Self::File { mode, .. } => f.debug_struct("File").field("mode", mode).finish_non_exhaustive(),
            Self::Socket { path, .. } => f.debug_struct("Socket").field("path", path).finish_non_exhaustive(),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It ended by itself. 127: the program was not found; 126: it could not be started.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

/// What is known after a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub status: Status,
    /// What this machine could not keep of what the command did: owners, where there is only one id.
    pub notes: Vec<String>,
}
