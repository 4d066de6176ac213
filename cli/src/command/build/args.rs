//! The options of `imgc build`: those of `docker buildx build`, and ours.

use std::path::PathBuf;

/// Build an image from a Dockerfile
///
/// CONTEXT is a directory, a git repository, the address of a tar archive, or `-` for one on stdin.
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "each is an option of docker's"
)]
#[derive(Debug, clap::Args)]
#[group(id = "build")]
#[command(after_help = "Examples:
  imgc build -t app .
  imgc build -t app --target test --build-arg VERSION=1.2 .
  imgc build -o type=oci,dest=app.tar .
  imgc build -o out .                       # the root filesystem as a directory")]
pub struct Args {
    /// Where the files are
    #[arg(value_name = "CONTEXT", default_value = ".")]
    pub context: String,
    /// The Dockerfile (default: CONTEXT/Dockerfile; `-` reads stdin)
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<String>,
    /// Build this graph (as `imgc plan --format graph` prints it) instead of a Dockerfile
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub graph: Option<PathBuf>,
    /// Name the result; may be given several times
    #[arg(short = 't', long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,
    /// Build this stage
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Set an ARG; without a value it is taken from the environment
    #[arg(long = "build-arg", visible_alias = "arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,
    /// Build for these platforms; several make an index
    #[arg(long = "platform", value_name = "OS/ARCH,...", value_delimiter = ',')]
    pub platforms: Vec<String>,
    /// Where the result goes: outputs as `docker build -o` takes them
    #[arg(
        short = 'o',
        long = "output",
        value_name = "OUTPUT",
        help = "Where the result goes: type=oci|docker|tar|local[,dest=PATH], type=image|registry[,name=NAME][,push=true]; a plain PATH is a directory"
    )]
    pub outputs: Vec<String>,
    /// Push to the registry of each tag
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    pub push: bool,
    /// Keep in the store (what happens anyway)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    pub load: bool,
    /// Run all steps, or those of the named stages or steps, even if their result is known
    #[arg(long = "no-cache", value_name = "STEP", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    pub no_cache: Vec<String>,
    /// The same for stages, by buildx's name
    #[arg(long = "no-cache-filter", value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Ask registries even for base images that are in the store
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    pub pull: bool,
    /// A named context: a directory, `docker-image://NAME`, `oci-layout://DIR[:TAG]`, a git or http address
    #[arg(long = "build-context", value_name = "NAME=PATH")]
    pub build_contexts: Vec<String>,
    /// A secret for RUN --mount=type=secret: id=ID[,src=FILE|,env=NAME]
    #[arg(long = "secret", value_name = "id=ID[,src=FILE]")]
    pub secrets: Vec<String>,
    /// An ssh agent for RUN --mount=type=ssh: default or ID[=SOCKET]
    #[arg(long = "ssh", value_name = "ID[=SOCKET]")]
    pub ssh: Vec<String>,
    /// Add a label
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    /// Add an annotation to the manifest
    #[arg(long = "annotation", value_name = "NAME=VALUE")]
    pub annotations: Vec<String>,
    /// Network of RUN: default, none, host
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub network: String,
    /// Add a line to /etc/hosts of RUN
    #[arg(long = "add-host", value_name = "HOST:IP")]
    pub hosts: Vec<String>,
    /// Allow what is refused otherwise: security.insecure, network.host
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    pub allow: Vec<String>,
    /// Size of /dev/shm of RUN
    #[arg(long = "shm-size", value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// How many processors RUN is told of, on every machine (`nproc`); the same number gives the same image
    #[arg(long, value_name = "N", default_value_t = imgc_sandbox::CPUS,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(imgc_sandbox::MOST_CPUS)))]
    pub cpus: u32,
    /// A limit for RUN: `NAME=SOFT[:HARD]`
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]")]
    pub ulimits: Vec<String>,
    /// Lend these certificate authorities to RUN, for a proxy or archive with a private one; they reach no layer
    #[arg(long = "ca-bundle", value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// Level of the optimiser: 0 one layer per instruction, 1 the same root in fewer layers, 2 known garbage dropped
    #[arg(short = 'O', value_name = "LEVEL", default_value = "1", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub optimise: u8,
    /// Of the rules of -O2, leave this one out
    #[arg(long = "keep-garbage", value_name = "RULE", value_delimiter = ',')]
    pub keep_garbage: Vec<String>,
    /// One layer above the base
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    pub squash: bool,
    /// Assemble at -O0 too, and compare the roots and configs; with -O2, all but the paths of its rules
    #[arg(long)]
    pub prove: bool,
    /// Compression of layers: gzip, zstd, none
    #[arg(long, value_name = "KIND", default_value = "gzip")]
    pub compress: String,
    /// When the image says it was built, in seconds since 1970 (default: `$SOURCE_DATE_EPOCH`, else a constant)
    #[arg(long, value_name = "SECONDS")]
    pub epoch: Option<i64>,
    /// How many steps run at once
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub jobs: Option<usize>,
    /// Write the image's config digest to FILE
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Write what was built to FILE, as JSON
    #[arg(long = "metadata-file", value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Do not build but say: check, outline (what the target takes), targets; with `,format=json` as JSON
    #[arg(long, value_name = "METHOD[,format=json]")]
    pub call: Option<String>,
    /// The same as `--call=check`
    #[arg(long, conflicts_with = "call")]
    pub check: bool,
    #[command(flatten)]
    pub refused: Refused,
}

/// Options of docker that have no meaning here; each is refused with what to use instead.
#[derive(Debug, clap::Args)]
#[group(id = "refused")]
pub struct Refused {
    #[arg(long, hide = true)]
    builder: Option<String>,
    #[arg(long = "cache-from", hide = true)]
    cache_from: Vec<String>,
    #[arg(long = "cache-to", hide = true)]
    cache_to: Vec<String>,
    #[arg(long = "cgroup-parent", hide = true)]
    cgroup_parent: Option<String>,
    #[arg(long, hide = true)]
    attest: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    provenance: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sbom: Option<String>,
    #[arg(long, short = 'D', hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    policy: Vec<String>,
    #[arg(long = "disable-content-trust", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<String>,
    #[arg(long = "force-rm", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_rm: Option<String>,
    #[arg(long, short = 'm', hide = true)]
    memory: Option<String>,
    #[arg(long = "memory-swap", hide = true)]
    memory_swap: Option<String>,
    #[arg(long = "cpu-shares", short = 'c', hide = true)]
    cpu_shares: Option<String>,
    #[arg(long = "cpu-period", hide = true)]
    cpu_period: Option<String>,
    #[arg(long = "cpu-quota", hide = true)]
    cpu_quota: Option<String>,
    #[arg(long = "cpuset-cpus", hide = true)]
    cpuset_cpus: Option<String>,
    #[arg(long = "cpuset-mems", hide = true)]
    cpuset_mems: Option<String>,
    #[arg(long = "security-opt", hide = true)]
    security_opt: Vec<String>,
    #[arg(long, hide = true)]
    isolation: Option<String>,
}

impl Refused {
    /// The first option that was given, and what to use instead.
    pub fn first(&self) -> Option<(&'static str, &'static str)> {
        let limits =
            "limit the whole build instead: `systemd-run --user --scope -p MemoryMax=... imgc build ...`";
        let attest = "an image is described from outside; attestations inside the index are not written";
        [
            (self.builder.is_some(), "--builder", "there is no builder to choose: imgc itself builds"),
            (
                !self.cache_from.is_empty(),
                "--cache-from",
                "results are kept in the store; share it with `--store DIR`",
            ),
            (
                !self.cache_to.is_empty(),
                "--cache-to",
                "results are kept in the store; share it with `--store DIR`",
            ),
            (self.cgroup_parent.is_some(), "--cgroup-parent", limits),
            (!self.attest.is_empty(), "--attest", attest),
            (self.provenance.as_deref().is_some_and(|value| value != "false"), "--provenance", attest),
            (self.sbom.as_deref().is_some_and(|value| value != "false"), "--sbom", attest),
            (self.debug, "--debug", "all output of the steps is shown by `--progress plain`"),
            (
                !self.policy.is_empty(),
                "--policy",
                "there are no policies of builds; look at the file with `imgc check`",
            ),
            (
                self.disable_content_trust.is_some(),
                "--disable-content-trust",
                "content trust (Notary v1) is retired; leave the option out",
            ),
            // That they are removed is what happens; that they stay cannot be had.
            (
                self.rm.as_deref().is_some_and(|value| value != "true"),
                "--rm=false",
                "nothing of a step is left behind; look at a result with `imgc files` or `imgc run`",
            ),
            (
                self.force_rm.as_deref().is_some_and(|value| value != "true" && value != "false"),
                "--force-rm",
                "nothing of a step is left behind; leave the option out",
            ),
            (self.memory.is_some(), "--memory", limits),
            (self.memory_swap.is_some(), "--memory-swap", limits),
            (self.cpu_shares.is_some(), "--cpu-shares", limits),
            (self.cpu_period.is_some(), "--cpu-period", limits),
            (self.cpu_quota.is_some(), "--cpu-quota", limits),
            (self.cpuset_cpus.is_some(), "--cpuset-cpus", "run it under `taskset -c LIST imgc build ...`"),
            (self.cpuset_mems.is_some(), "--cpuset-mems", "run it under `numactl -m LIST imgc build ...`"),
            (
                !self.security_opt.is_empty(),
                "--security-opt",
                "use `RUN --security=insecure` and `--allow security.insecure`",
            ),
            (
                self.isolation.is_some(),
                "--isolation",
                "isolation is chosen by what the machine can do, and printed",
            ),
        ]
        .into_iter()
        .find(|(given, _, _)| *given)
        .map(|(_, name, instead)| (name, instead))
    }
}
