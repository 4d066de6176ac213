//! From the command line to what lowering, the optimiser and the executor are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use imgc_base::{Epoch, Platform};
use imgc_execute::{BuildOptions, NamedContext, NoCache, Prune, Secret, SecretBytes};
use imgc_image::Compression;
use imgc_optimise::rules::Rules;

use super::annotations::Annotations;
use super::args::Args;
use super::{outputs, pairs};
use crate::environment;
use crate::failure::Failure;
use crate::session::Session;

/// Contexts by name.
pub type Contexts = Vec<(String, NamedContext)>;

/// Everything asked for, checked.
#[derive(Debug)]
pub struct Asked {
    /// For lowering.
    pub lower: imgc_lower::Options,
    /// For the optimiser.
    pub optimise: imgc_optimise::Options,
    /// For the executor.
    pub build: BuildOptions,
    /// What is left out of layers.
    pub prune: Prune,
    /// Contexts by name.
    pub contexts: Contexts,
    /// Remarks, also those that no manifest holds.
    pub annotations: Annotations,
}

/// Checks and translates.
pub fn translate(session: &Session, args: &Args) -> Result<Asked, Failure> {
    if let Some((option, instead)) = args.refused.first() {
        return Err(Failure::usage(format!("`{option}` is not supported")).help(instead));
    }
    let contexts = named_contexts(&args.build_contexts)?;
    let network = match args.network.as_str() {
        "default" | "on" | "bridge" | "host" => true,
        "none" | "off" => false,
        other => {
            return Err(
                Failure::usage(format!("`--network {other}` is not known")).help("use default, none or host")
            );
        }
    };
    let mut build_args = BTreeMap::new();
    for text in &args.build_args {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.clone(), environment::get(text)),
        };
        if name.is_empty() {
            return Err(Failure::usage(format!("`--build-arg {text}` has no name"))
                .help("write it as `--build-arg NAME=VALUE`"));
        }
        build_args.insert(name, value);
    }
    // Proxies of the machine are lent to steps; given as arguments they are the user's own wish.
    let mut lent_env = environment::proxies();
    lend_proxies(&mut lent_env, &build_args);
    let platforms = args
        .platforms
        .iter()
        .map(|text| if text == "local" { Ok(Platform::host()) } else { text.parse() })
        .collect::<Result<Vec<Platform>, _>>()
        .map_err(|error| {
            Failure::usage(error.to_string()).help("write it as `linux/amd64` or `linux/arm64`")
        })?;
    let annotations = Annotations::parse(&args.annotations)?;
    let lower = imgc_lower::Options {
        target: args.target.clone(),
        build_args,
        platforms,
        build_platform: Platform::host(),
        labels: pairs::labels(&args.labels)?,
        annotations: annotations.manifests.clone(),
        platform_annotations: annotations.platforms.clone(),
        contexts: args
            .build_contexts
            .iter()
            .filter_map(|text| text.split_once('='))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        ..imgc_lower::Options::default()
    };
    let optimise = imgc_optimise::Options {
        level: match args.optimise {
            0 => imgc_optimise::Level::O0,
            1 => imgc_optimise::Level::O1,
            _ => imgc_optimise::Level::O2,
        },
        squash: args.squash,
        ..imgc_optimise::Options::default()
    };
    let prune = match args.optimise {
        0 if !args.squash => Prune::Nothing,
        0 | 1 => Prune::Hidden,
        _ => Prune::Garbage(
            Rules::without(&args.keep_garbage).map_err(|error| Failure::usage(error.to_string()))?,
        ),
    };
    let mut allow_insecure = false;
    for allowed in &args.allow {
        match allowed.as_str() {
            "security.insecure" => allow_insecure = true,
            // RUN has the host's network anyway.
            "network.host" => {}
            other => {
                return Err(Failure::usage(format!("`--allow {other}` is not known"))
                    .help("use security.insecure or network.host"));
            }
        }
    }
    let build = BuildOptions {
        contexts: BTreeMap::new(),
        epoch: epoch_of(args.epoch, lower.build_args.get(EPOCH).and_then(Option::as_deref))?,
        compression: compression(args)?,
        jobs: args.jobs.unwrap_or_else(|| BuildOptions::default().jobs).clamp(1, 512),
        no_cache: no_cache(args),
        network,
        allow_insecure,
        hosts: hosts(&args.hosts)?,
        shm_size: args.shm_size.as_deref().map(|text| pairs::size("--shm-size", text)).transpose()?,
        cpus: args.cpus,
        ulimits: ulimits(&args.ulimits)?,
        lent_env,
        ca_bundle: args.ca_bundle.as_deref().map(ca_bundle).transpose()?,
        secrets: secrets(&args.secrets)?,
        ssh: agents(&args.ssh)?,
        stat_cache: environment::cache_dir().map(|dir| dir.join("stat")),
        records: environment::state_dir().map(|dir| dir.join("builds")),
        git_env: environment::for_git(),
        web: session.web()?,
    };
    Ok(Asked { lower, optimise, build, prune, contexts, annotations })
}

/// A proxy that is given in one spelling counts for the other too, unless that is given itself: programs differ in which
/// they read.
fn lend_proxies(lent: &mut Vec<(String, String)>, build_args: &BTreeMap<String, Option<String>>) {
    for (name, value) in build_args {
        let (true, Some(value)) = (is_proxy(name), value) else { continue };
        let other = [name.to_uppercase(), name.to_lowercase()];
        let other = other.iter().filter(|&other| other != name && !build_args.contains_key(other));
        for name in std::iter::once(name).chain(other) {
            lent.retain(|(known, _)| known != name);
            lent.push((name.clone(), value.clone()));
        }
    }
}

/// Largest bundle of certificate authorities, in bytes; Debian's has 220 KB.
const BUNDLE_BYTES: u64 = 8 << 20;

fn ca_bundle(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(BUNDLE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::usage(format!("`--ca-bundle`: {error}")))?;
    let pem = String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----");
    if !pem || bytes.len() as u64 > BUNDLE_BYTES {
        return Err(Failure::usage(format!("`--ca-bundle {}` is no bundle of certificates", path.display()))
            .help("give a PEM file such as /etc/ssl/certs/ca-certificates.crt, of at most 8 MiB"));
    }
    Ok(bytes)
}

fn is_proxy(name: &str) -> bool {
    matches!(
        name.to_uppercase().as_str(),
        "HTTP_PROXY" | "HTTPS_PROXY" | "FTP_PROXY" | "NO_PROXY" | "ALL_PROXY"
    )
}

/// Directories and images by name. Repositories and files of servers are sources of the graph: what no step uses is
/// never fetched.
fn named_contexts(texts: &[String]) -> Result<Contexts, Failure> {
    let mut contexts = Vec::new();
    for text in texts {
        let (name, value) = pairs::pair("--build-context", text)?;
        if ["docker-image://", "oci-layout://", "oci:"].iter().any(|scheme| value.starts_with(scheme)) {
            contexts.push((name, NamedContext::Image(value)));
            continue;
        }
        let dir = PathBuf::from(&value);
        let git = imgc_syntax::giturl::parse(&value)
            .map_err(|error| Failure::usage(format!("`--build-context {text}`: {error}")))?;
        let elsewhere = git.is_some_and(|git| !git.like_a_path || !dir.is_dir())
            || ["http://", "https://", "target:"].iter().any(|scheme| value.starts_with(scheme));
        if elsewhere {
            continue;
        }
        if !dir.is_dir() {
            return Err(Failure::usage(format!("`--build-context {text}`: `{value}` is not a directory"))
                .help(
                    "give a directory, `docker-image://NAME`, `oci-layout://DIR`, or an http or git address",
                ));
        }
        contexts.push((name, NamedContext::Directory(dir)));
    }
    Ok(contexts)
}

/// The variable and the build argument that say when a build is said to be made.
pub const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The epoch asked for by `--epoch`, else by the environment, else the format's.
pub fn epoch(asked: Option<i64>) -> Result<Epoch, Failure> {
    epoch_of(asked, None)
}

/// The same for a build, whose argument comes before the environment. The epoch follows no source: one that is to be
/// taken from the context is the format's.
fn epoch_of(asked: Option<i64>, argument: Option<&str>) -> Result<Epoch, Failure> {
    let asked = match (asked, argument) {
        (Some(seconds), _) => Some(("--epoch", seconds.to_string())),
        (None, Some("" | "context")) => None,
        (None, Some(text)) => Some(("the build argument SOURCE_DATE_EPOCH", text.to_owned())),
        (None, None) => environment::get(EPOCH).map(|text| (EPOCH, text)),
    };
    let Some((name, text)) = asked else { return Ok(Epoch::FORMAT) };
    read_epoch(name, &text)
}

/// A time in seconds.
pub fn read_epoch(name: &str, text: &str) -> Result<Epoch, Failure> {
    text.trim().parse().ok().and_then(Epoch::new).ok_or_else(|| {
        Failure::usage(format!("{name} is `{text}`, which is no time in seconds since 1970"))
            .help("for the last commit's time: `--epoch $(git log -1 --format=%ct)`")
    })
}

/// What `--compress` asks for, or an output, as buildx has it: the layers of a build are one set of blobs.
fn compression(args: &Args) -> Result<Compression, Failure> {
    let asked: BTreeSet<String> = args.outputs.iter().filter_map(|text| outputs::compression(text)).collect();
    let wanted = match asked.iter().collect::<Vec<_>>().as_slice() {
        [] => &args.compress,
        [one] => *one,
        [one, other, ..] => {
            return Err(Failure::usage(format!("one output asks for {one}, another for {other}"))
                .help("the layers of a build are compressed in one way"));
        }
    };
    match wanted.as_str() {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "none" | "uncompressed" => Ok(Compression::None),
        other => {
            let help = if other.contains(':') { outputs::NO_LEVEL } else { "use gzip, zstd or none" };
            Err(Failure::usage(format!("`--compress {other}` is not known")).help(help))
        }
    }
}

fn no_cache(args: &Args) -> NoCache {
    // docker's `--no-cache=true`; a stage of that name is meant by `--no-cache-filter`.
    if args.no_cache.iter().any(|step| step == "*" || step == "true") {
        return NoCache::All;
    }
    let steps = args.no_cache.iter().filter(|step| *step != "false");
    let named: BTreeSet<String> = steps.chain(&args.no_cache_filter).cloned().collect();
    if named.is_empty() { NoCache::Never } else { NoCache::Only(named) }
}

fn hosts(texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    texts
        .iter()
        .map(|text| {
            let split = text.split_once(['=', ':']);
            match split {
                Some((name, address)) if !name.is_empty() => {
                    // docker's word for the machine that builds: RUN is on its network.
                    let address = if address == "host-gateway" { "127.0.0.1" } else { address };
                    let bare = address.trim_start_matches('[').trim_end_matches(']');
                    if bare.parse::<std::net::IpAddr>().is_err() {
                        return Err(Failure::usage(format!(
                            "`--add-host {text}`: `{address}` is not an IP address"
                        )));
                    }
                    Ok((name.to_owned(), bare.to_owned()))
                }
                _ => Err(Failure::usage(format!("`--add-host {text}` is not HOST:IP"))),
            }
        })
        .collect()
}

fn ulimits(texts: &[String]) -> Result<Vec<(String, u64, u64)>, Failure> {
    texts
        .iter()
        .map(|text| {
            let bad = || Failure::usage(format!("`--ulimit {text}` is not NAME=SOFT[:HARD]"));
            let (name, values) = text.split_once('=').ok_or_else(bad)?;
            let (soft, hard) = values.split_once(':').unwrap_or((values, values));
            let number = |text: &str| match text {
                "-1" | "unlimited" => Ok(u64::MAX),
                other => other.parse().map_err(|_| bad()),
            };
            let (soft, hard) = (number(soft)?, number(hard)?);
            if !imgc_sandbox::is_limit(name) {
                return Err(Failure::usage(format!("`--ulimit {text}`: there is no limit `{name}`"))
                    .help("write it as `nofile=1024:2048` or `nproc=100`"));
            }
            if soft > hard {
                return Err(Failure::usage(format!(
                    "`--ulimit {text}`: the soft limit is above the hard one"
                )));
            }
            Ok((name.to_owned(), soft, hard))
        })
        .collect()
}

fn secrets(texts: &[String]) -> Result<BTreeMap<String, Secret>, Failure> {
    let mut secrets = BTreeMap::new();
    for text in texts {
        let (mut id, mut source, mut variable, mut kind) = (None, None, None, None);
        for field in pairs::fields(text) {
            match field.split_once('=') {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("src" | "source", value)) => source = Some(PathBuf::from(value)),
                Some(("env", value)) => variable = Some(value.to_owned()),
                Some(("type", value)) => kind = Some(value.to_owned()),
                _ => {
                    return Err(Failure::usage(format!("`--secret`: `{field}` is not known"))
                        .help("write it as `id=ID,src=FILE` or `id=ID,env=NAME`"));
                }
            }
        }
        let Some(id) = id else {
            return Err(Failure::usage("`--secret` without `id=`").help("write it as `id=ID,src=FILE`"));
        };
        // Without either, the id names both, a variable first (docker).
        let secret = match (source, variable, kind.as_deref()) {
            (Some(path), None, None | Some("file")) => file_secret(&id, path)?,
            (None, Some(name), None | Some("env")) => variable_secret(&id, &name)?,
            (Some(path), None, Some("env")) => variable_secret(&id, &path.to_string_lossy())?,
            (None, None, Some("env")) => variable_secret(&id, &id)?,
            (None, None, None) if environment::get(&id).is_some() => variable_secret(&id, &id)?,
            (None, None, None | Some("file")) => file_secret(&id, PathBuf::from(&id))?,
            _ => {
                return Err(Failure::usage(format!("`--secret id={id}`: these options do not go together"))
                    .help("write it as `id=ID,src=FILE` or `id=ID,env=NAME`"));
            }
        };
        secrets.insert(id, secret);
    }
    Ok(secrets)
}

fn file_secret(id: &str, path: PathBuf) -> Result<Secret, Failure> {
    if path.is_file() || !path.exists() && path.to_string_lossy().starts_with("/dev/fd/") {
        return Ok(Secret::File(path));
    }
    Err(Failure::usage(format!("`--secret id={id}`: there is no file `{}`", path.display())))
}

fn variable_secret(id: &str, name: &str) -> Result<Secret, Failure> {
    match environment::get(name) {
        Some(value) => Ok(Secret::Value(SecretBytes(value.into_bytes()))),
        None => Err(Failure::usage(format!("`--secret id={id}`: the variable `{name}` is not set"))),
    }
}

fn agents(texts: &[String]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut agents = BTreeMap::new();
    for text in texts {
        let (id, socket) = match text.split_once('=') {
            Some((id, path)) => (id, Some(PathBuf::from(path))),
            None => (text.as_str(), environment::get("SSH_AUTH_SOCK").map(PathBuf::from)),
        };
        let Some(socket) = socket else {
            return Err(Failure::usage(format!("`--ssh {text}`: no agent runs (SSH_AUTH_SOCK is not set)"))
                .help("start one: `eval $(ssh-agent) && ssh-add`, or give its socket: `--ssh ID=SOCKET`"));
        };
        if !socket.exists() {
            return Err(Failure::usage(format!("`--ssh {text}`: there is no socket `{}`", socket.display())));
        }
        agents.insert(id.to_owned(), socket);
    }
    Ok(agents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_in_both_spellings() {
        let given = |pairs: &[(&str, &str)]| {
            let mut lent = vec![("HTTP_PROXY".to_owned(), "machine".to_owned())];
            let args = pairs.iter().map(|&(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
            lend_proxies(&mut lent, &args);
            lent.sort();
            lent.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(given(&[("http_proxy", "a")]), ["HTTP_PROXY=a", "http_proxy=a"]);
        assert_eq!(given(&[("HTTP_PROXY", "a")]), ["HTTP_PROXY=a", "http_proxy=a"]);
        assert_eq!(given(&[("HTTP_PROXY", "a"), ("http_proxy", "b")]), ["HTTP_PROXY=a", "http_proxy=b"]);
        assert_eq!(given(&[("other", "a")]), ["HTTP_PROXY=machine"]);
    }
}
