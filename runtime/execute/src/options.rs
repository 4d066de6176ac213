//! What a build was asked for, beyond the graph.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use imgc_base::Epoch;
use imgc_image::Compression;
use imgc_registry::Trust;

/// What a build was asked for. No value of it is in a key unless it decides bytes.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Directories given with the build; the empty name is the main context.
    pub contexts: BTreeMap<String, PathBuf>,
    /// When the image says it was built.
    pub epoch: Epoch,
    /// How layers are compressed.
    pub compression: Compression,
    /// How many steps run at once.
    pub jobs: usize,
    /// Which steps are run even if their result is known.
    pub no_cache: NoCache,
    /// Network of steps that ask for nothing else.
    pub network: bool,
    /// Allows `--security=insecure`.
    pub allow_insecure: bool,
    /// Lines for `/etc/hosts` while a step runs: name, address.
    pub hosts: Vec<(String, String)>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// How many processors steps are told of, on every machine.
    pub cpus: u32,
    /// Limits of processes: name, soft, hard.
    pub ulimits: Vec<(String, u64, u64)>,
    /// Variables lent to commands that are in no key and no layer: proxies.
    pub lent_env: Vec<(String, String)>,
    /// Certificate authorities lent to commands, in no key and no layer.
    pub ca_bundle: Option<Vec<u8>>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Secret>,
    /// Agent sockets by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Where digests of context files are remembered between builds.
    pub stat_cache: Option<PathBuf>,
    /// Where build records go.
    pub records: Option<PathBuf>,
    /// Reads environment variables for tools this build starts.
    pub git_env: Vec<(String, String)>,
    /// Whom to trust of the web servers of `ADD`; `None` if no server may be asked.
    pub web: Option<Trust>,
}

/// Largest secret, in bytes (`BuildKit`'s limit).
const SECRET_BYTES: u64 = 500 << 10;

/// Where a secret's value is.
#[derive(Debug, Clone)]
pub enum Secret {
    /// In a file.
    File(PathBuf),
    /// Here, read from the environment by the cli.
    Value(SecretBytes),
}

impl Secret {
    /// Its value; more than `SECRET_BYTES` is an error.
    pub(crate) fn read(&self) -> std::io::Result<Vec<u8>> {
        use std::io::Read as _;
        let bytes = match self {
            Self::Value(bytes) => bytes.0.clone(),
            Self::File(path) => {
                let mut bytes = Vec::new();
                fs_err::File::open(path)?.take(SECRET_BYTES + 1).read_to_end(&mut bytes)?;
                bytes
            }
        };
        if bytes.len() as u64 > SECRET_BYTES {
            let message = format!("it is larger than {} KiB", SECRET_BYTES >> 10);
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
        }
        Ok(bytes)
    }
}

/// A secret's value; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(pub Vec<u8>);

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// Which steps are run even if their result is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NoCache {
    /// None: every known result is used.
    #[default]
    Never,
    /// All steps.
    All,
    /// Steps of these stages, or these steps (`build`, `build#12`).
    Only(BTreeSet<String>),
}

impl NoCache {
    /// True if the step's known result must not be used.
    pub fn covers(&self, step: &str) -> bool {
        match self {
            Self::Never => false,
            Self::All => true,
            Self::Only(names) => {
                names.contains(step) || step.split_once('#').is_some_and(|(stage, _)| names.contains(stage))
            }
        }
    }
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            contexts: BTreeMap::new(),
            epoch: Epoch::FORMAT,
            compression: Compression::Gzip,
            jobs: std::thread::available_parallelism().map_or(2, usize::from).max(2),
            no_cache: NoCache::Never,
            network: true,
            allow_insecure: false,
            hosts: Vec::new(),
            shm_size: None,
            cpus: imgc_sandbox::CPUS,
            ulimits: Vec::new(),
            lent_env: Vec::new(),
            ca_bundle: None,
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            stat_cache: None,
            records: None,
            git_env: Vec::new(),
            web: Some(Trust::default()),
        }
    }
}
