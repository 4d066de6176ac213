//! One build in isolation: its own store, home and caches, as a process of its own.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imgc_base::reference::Reference;
use imgc_execute::look::record::BuildRecord;
use imgc_image::manifest::Document;
use imgc_image::{Descriptor, limits};
use imgc_store::Store;
use rustix::fs::Mode;

use super::vary::{HOSTNAME, Vary};
use crate::command::build;
use crate::command::why::record;
use crate::environment;
use crate::failure::{Failure, code};
use crate::session::Session;

/// Longest nesting of indexes that is copied.
const DEPTH: u32 = 8;
/// Lines of a failed build that are shown.
const TAIL: usize = 40;

/// One build.
#[derive(Debug)]
pub struct Place {
    /// Its number, 1 for the first.
    pub number: u32,
    /// Its store.
    pub store: PathBuf,
    /// The manifest that came out.
    pub digest: String,
    /// Its steps.
    pub record: Option<BuildRecord>,
    dir: PathBuf,
    home: Option<PathBuf>,
    one_processor: bool,
    /// A directory on another file system, removed with the place.
    _elsewhere: Option<tempfile::TempDir>,
}

impl Place {
    /// A new directory; at another depth if the path is varied, on another file system if the order of directories is.
    pub fn new(
        work: &Path,
        number: u32,
        varied: &BTreeSet<Vary>,
        elsewhere: Option<&Path>,
    ) -> Result<Self, Failure> {
        let elsewhere = match elsewhere.filter(|_| varied.contains(&Vary::Readdir)) {
            Some(place) => Some(tempfile::Builder::new().prefix("imgc-verify-").tempdir_in(place)?),
            None => None,
        };
        let work = elsewhere.as_ref().map_or(work, tempfile::TempDir::path);
        let dir = if varied.contains(&Vary::Path) {
            work.join(format!("build-{number}")).join("at/another/and/longer/path")
        } else {
            work.join(number.to_string())
        };
        std::fs::DirBuilder::new().recursive(true).create(&dir)?;
        let home = varied.contains(&Vary::User).then(|| dir.join("home"));
        if let Some(home) = &home {
            fs_err::create_dir(home)?;
        }
        Ok(Self {
            number,
            store: dir.join("store"),
            digest: String::new(),
            record: None,
            dir,
            home,
            one_processor: varied.contains(&Vary::Cpus),
            _elsewhere: elsewhere,
        })
    }

    /// Copies images that the build starts from. What is not in the store is left for the build to fetch.
    pub fn seed(&self, from: &Store, images: &BTreeSet<Reference>) -> Result<(), Failure> {
        let to = Store::open(&self.store)?;
        for reference in images {
            let Some(descriptor) = from.find(reference)? else { continue };
            copy(from, &to, &descriptor, 0)?;
            if reference.digest().is_none() && to.check_complete(&descriptor).is_ok() {
                to.tag(reference, &descriptor)?;
            } else if to.check_complete(&descriptor).is_ok() {
                to.keep(&descriptor)?;
            }
        }
        Ok(())
    }

    /// Builds.
    pub fn build(
        &mut self,
        session: &Session,
        args: &build::Args,
        varied: &BTreeSet<Vary>,
    ) -> Result<(), Failure> {
        let mut command = self.command(session, args, varied)?;
        if varied.contains(&Vary::Time) {
            // Every whole second differs then.
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        let output = start(&mut command, varied)?;
        if !output.status.success() {
            let code = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(code::FAILED);
            let mut failure = Failure::new(code, format!("build {} failed", self.number));
            let text = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = text.lines().collect();
            failure.log =
                lines[lines.len().saturating_sub(TAIL)..].iter().map(|&line| line.to_owned()).collect();
            return Err(failure);
        }
        String::from_utf8_lossy(&output.stdout).trim().clone_into(&mut self.digest);
        // The place had no record before, so the one file there is this build's.
        for entry in fs_err::read_dir(self.dir.join("state/imgc/why"))? {
            self.record = record::from(&entry?.path())?.pop();
        }
        Ok(())
    }

    fn command(
        &self,
        session: &Session,
        args: &build::Args,
        varied: &BTreeSet<Vary>,
    ) -> Result<Command, Failure> {
        let program = std::env::current_exe()?;
        let mut command = if varied.contains(&Vary::Hostname) {
            let mut command = Command::new("unshare");
            command.args(["--uts", "sh", "-c", &format!("hostname {HOSTNAME} && exec \"$@\""), "sh"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(["--quiet", "--progress", "quiet", "--store"]).arg(&self.store);
        if session.global.offline {
            command.arg("--offline");
        }
        command.arg("build").args(arguments(args, varied));
        for name in environment::own_names() {
            command.env_remove(name);
        }
        command.env("XDG_STATE_HOME", self.dir.join("state")).env("XDG_CACHE_HOME", self.dir.join("cache"));
        if varied.contains(&Vary::Tz) {
            command.env("TZ", "Pacific/Kiritimati");
        }
        if varied.contains(&Vary::Locale) {
            command.env("LANG", "tr_TR.UTF-8").env("LC_ALL", "tr_TR.UTF-8").env("LANGUAGE", "tr");
        }
        if let Some(home) = &self.home {
            // Logins stay where they are.
            let logins = environment::get("DOCKER_CONFIG").map(PathBuf::from);
            if let Some(logins) = logins.or_else(|| Some(environment::home()?.join(".docker"))) {
                command.env("DOCKER_CONFIG", logins);
            }
            command.env("HOME", home).env("USER", "someone-else").env("LOGNAME", "someone-else");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// What was varied on purpose and could show in a file: its name, and the value in each of two builds.
    pub fn values(&self, other: &Self) -> Vec<(String, String, String)> {
        let shown = |path: &Path| path.display().to_string();
        let mut values = vec![("path of the store".to_owned(), shown(&self.store), shown(&other.store))];
        let home = |place: &Self| place.home.clone().or_else(environment::home).map(|path| shown(&path));
        if let (Some(one), Some(two)) = (home(self), home(other)) {
            values.push(("home directory".to_owned(), one, two));
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let allowed = |place: &Self| if place.one_processor { 1 } else { processors }.to_string();
        values.push(("number of processors".to_owned(), allowed(self), allowed(other)));
        values.retain(|(_, one, two)| one != two);
        values
    }
}

/// The options that decide what is built. Names, outputs and caches are no part of it.
fn arguments(args: &build::Args, varied: &BTreeSet<Vary>) -> Vec<OsString> {
    let mut list: Vec<OsString> = Vec::new();
    let mut one = |name: &str, value: Option<OsString>| {
        if let Some(value) = value {
            let mut text = OsString::from(format!("{name}="));
            text.push(value);
            list.push(text);
        }
    };
    let text = |text: &Option<String>| text.clone().map(OsString::from);
    one("--file", text(&args.file));
    one("--graph", args.graph.clone().map(PathBuf::into_os_string));
    one("--target", text(&args.target));
    one("--ca-bundle", args.ca_bundle.clone().map(PathBuf::into_os_string));
    one("--shm-size", text(&args.shm_size));
    one("--cpus", Some(args.cpus.to_string().into()));
    one("--epoch", args.epoch.map(|seconds| seconds.to_string().into()));
    one("--network", Some(args.network.clone().into()));
    one("--compress", Some(args.compress.clone().into()));
    let jobs =
        if varied.contains(&Vary::Jobs) { Some(if args.jobs == Some(1) { 4 } else { 1 }) } else { args.jobs };
    one("--jobs", jobs.map(|jobs| jobs.to_string().into()));
    for (name, values) in [
        ("--build-arg", &args.build_args),
        ("--platform", &args.platforms),
        ("--build-context", &args.build_contexts),
        ("--secret", &args.secrets),
        ("--ssh", &args.ssh),
        ("--label", &args.labels),
        ("--annotation", &args.annotations),
        ("--add-host", &args.hosts),
        ("--allow", &args.allow),
        ("--ulimit", &args.ulimits),
        ("--keep-garbage", &args.keep_garbage),
    ] {
        for value in values {
            one(name, Some(value.clone().into()));
        }
    }
    list.push(format!("-O{}", args.optimise).into());
    if args.squash {
        list.push("--squash".into());
    }
    list.push("--".into());
    list.push(args.context.clone().into());
    list
}

/// Starts a process and waits. What a child inherits from its parent is changed around the start.
fn start(command: &mut Command, varied: &BTreeSet<Vary>) -> Result<Output, Failure> {
    let umask = varied.contains(&Vary::Umask).then(|| rustix::process::umask(Mode::RWXG | Mode::RWXO));
    let affinity = if varied.contains(&Vary::Cpus) { one_processor() } else { None };
    let child = command.spawn();
    if let Some(affinity) = affinity {
        let _ = rustix::thread::sched_setaffinity(None, &affinity);
    }
    if let Some(umask) = umask {
        rustix::process::umask(umask);
    }
    let load = varied.contains(&Vary::Load).then(Load::start);
    let output = child.and_then(std::process::Child::wait_with_output);
    drop(load);
    output.map_err(|error| Failure::chain(code::MACHINE, &error))
}

/// Restricts this thread, and with it the next child, to one processor; gives what was allowed before.
fn one_processor() -> Option<rustix::thread::CpuSet> {
    let all = rustix::thread::sched_getaffinity(None).ok()?;
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|&number| all.is_set(number))?;
    let mut one = rustix::thread::CpuSet::new();
    one.set(first);
    rustix::thread::sched_setaffinity(None, &one).ok()?;
    Some(all)
}

/// Keeps every processor busy until it is dropped.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count = 2 * std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..count)
            .map(|_| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                })
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// Copies a manifest and all it leads to that is there.
fn copy(from: &Store, to: &Store, descriptor: &Descriptor, depth: u32) -> Result<(), Failure> {
    if depth > DEPTH || !from.has_blob(&descriptor.digest) {
        return Ok(());
    }
    let bytes = from.read_document(&descriptor.digest, limits::MANIFEST_BYTES)?;
    match Document::parse(&bytes, None)? {
        Document::Index(index) => {
            for child in &index.manifests {
                copy(from, to, child, depth + 1)?;
            }
        }
        Document::Manifest(manifest) => {
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                if from.has_blob(&blob.digest) && !to.has_blob(&blob.digest) {
                    let mut source = from.open_blob(&blob.digest)?;
                    let mut writer = to.blob_writer()?;
                    std::io::copy(&mut source, &mut writer)?;
                    writer.commit(Some((blob.digest, blob.size)))?;
                }
            }
        }
    }
    to.put_document(&bytes)?;
    Ok(())
}
