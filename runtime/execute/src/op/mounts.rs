//! `RUN --mount`: what is shown to a command besides its root.

use std::fmt::Write as _;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use imgc_base::ImagePath;
use imgc_base::digest::{ChainId, FileDigest};
use imgc_graph::{CacheSharing, Exec, Mount, MountKind};
use imgc_image::index::encode_entry;
use imgc_image::unpack::TreeWriter;
use imgc_image::{Entry, Kind, Root as Dir, Tree};
use imgc_sandbox::{MountSpec, What};
use imgc_store::{CacheMount, WorkDir};

use super::file::context_root;
use super::secrets::Secrets;
use super::trust;
use crate::error::ExecuteError;
use crate::run::Build;
use crate::value::{Root, Value};

/// A tree that a mount shows.
#[derive(Debug, Clone)]
pub struct Input(Arc<Root>);

/// Gives every mounted input the form of a tree; a context is taken into the store as one.
pub fn inputs_as_trees(build: &Build<'_>, inputs: &[Value]) -> Result<Vec<Input>, ExecuteError> {
    inputs
        .iter()
        .map(|input| match input {
            Value::Context(context) => Ok(Input(Arc::new(context_root(build, context)?))),
            other => Ok(Input(Arc::clone(other.root()?))),
        })
        .collect()
}

impl Input {
    /// The digest of the parts that the command's mounts show: of all, or of the mounted paths alone.
    pub fn digest(&self, exec: &Exec, number: usize) -> Vec<u8> {
        let tree = &self.0.tree;
        let shown: Vec<&ImagePath> = exec
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Bind { input, source, .. } if *input == number => Some(source),
                MountKind::Cache { from: Some((input, source)), .. } if *input == number => Some(source),
                _ => None,
            })
            .collect();
        if shown.iter().any(|path| path.is_root()) {
            return tree.chain_id().as_bytes().to_vec();
        }
        let mut bytes = Vec::new();
        for path in shown {
            let path = tree.resolve(path, true).unwrap_or_else(|_| path.clone());
            for found in tree.get(&path).into_iter().chain(tree.below(&path)) {
                let content = found.content();
                encode_entry(&mut bytes, found.entry);
                encode_entry(&mut bytes, content);
            }
        }
        FileDigest::of(&bytes).as_bytes().to_vec()
    }
}

/// Mounts ready for the sandbox, and what must live as long as the command runs.
#[derive(Debug)]
pub struct Prepared {
    /// In order.
    pub specs: Vec<MountSpec>,
    /// Variables that carry secrets or name a socket.
    pub env: Vec<(String, String)>,
    caches: Vec<CacheMount>,
}

/// Prepares the mounts of a command; directories that it may write to are made below `work`.
pub fn prepare(
    build: &Build<'_>,
    exec: &Exec,
    inputs: &[Input],
    secrets: &Secrets,
    work: &WorkDir,
) -> Result<Prepared, ExecuteError> {
    let mut prepared = Prepared { specs: Vec::new(), env: Vec::new(), caches: Vec::new() };
    for (number, mount) in exec.mounts.iter().enumerate() {
        let scratch = work.path().join(format!("mount-{number}"));
        one(build, mount, inputs, secrets, &scratch, &mut prepared)?;
    }
    for (name, script) in &exec.scripts {
        let target = ImagePath::clean(format!("/dev/pipes/{name}")).map_err(imgc_image::ImageError::from)?;
        let what = What::File { bytes: script.clone().into_bytes(), mode: 0o755, uid: 0, gid: 0 };
        prepared.specs.push(MountSpec { target, what });
    }
    if let Some(bundle) = &build.options.ca_bundle {
        prepared.specs.extend(trust::mounts(bundle)?);
    }
    Ok(prepared)
}

fn one(
    build: &Build<'_>,
    mount: &Mount,
    inputs: &[Input],
    secrets: &Secrets,
    scratch: &std::path::Path,
    prepared: &mut Prepared,
) -> Result<(), ExecuteError> {
    let input = |number: usize| {
        inputs
            .get(number.wrapping_sub(1))
            .ok_or(ExecuteError::Graph("a mount names an input that is not there"))
    };
    let what = match &mount.kind {
        MountKind::Bind { input: number, source, writable } => {
            let tree = &input(*number)?.0.tree;
            bind(build, tree, source, *writable, scratch)?
        }
        MountKind::Tmpfs { size } => What::Tmpfs { size: (*size > 0).then_some(*size), mode: 0o1777 },
        MountKind::Cache { id, sharing, readonly, from, mode, uid, gid } => {
            let share = match sharing {
                CacheSharing::Shared => imgc_store::Sharing::Shared,
                CacheSharing::Private => imgc_store::Sharing::Private,
                CacheSharing::Locked => imgc_store::Sharing::Locked,
            };
            let base = match from {
                Some((number, source)) => Some((input(*number)?.0.tree.chain_id(), source)),
                None => None,
            };
            let name = cache_name(id, base, *mode, *uid, *gid);
            let lock = build.store.lock_cache(&name, share, &build.stop)?;
            let dir = lock.path().to_path_buf();
            if lock.is_fresh() {
                if let Some((number, source)) = from {
                    fill(build, &input(*number)?.0.tree, source, &dir)?;
                }
                own(&dir, *mode, *uid, *gid)?;
            }
            prepared.caches.push(lock);
            What::Bind { source: dir, readonly: *readonly }
        }
        MountKind::Secret { id, required, mode, uid, gid, env, file } => {
            let Some(bytes) = secrets.get(id).map(<[u8]>::to_vec) else {
                if *required {
                    return Err(ExecuteError::Missing {
                        message: format!("secret `{id}` was not given"),
                        help: format!("give it: `--secret id={id},src=FILE` or `--secret id={id},env=NAME`"),
                    });
                }
                return Ok(());
            };
            if let Some(name) = env {
                prepared.env.push((name.clone(), String::from_utf8_lossy(&bytes).into_owned()));
            }
            if !*file {
                return Ok(());
            }
            What::File { bytes, mode: *mode, uid: *uid, gid: *gid }
        }
        MountKind::Ssh { id, required, mode, uid, gid } => {
            let Some(path) = build.options.ssh.get(id) else {
                if *required {
                    return Err(ExecuteError::Missing {
                        message: format!("ssh agent `{id}` was not given"),
                        help: format!("give it: `--ssh {id}` (needs SSH_AUTH_SOCK) or `--ssh {id}=SOCKET`"),
                    });
                }
                return Ok(());
            };
            prepared.env.push(("SSH_AUTH_SOCK".to_owned(), mount.target.to_absolute()));
            What::Socket { path: path.clone(), mode: *mode, uid: *uid, gid: *gid }
        }
    };
    prepared.specs.push(MountSpec { target: mount.target.clone(), what });
    Ok(())
}

/// A path of a tree as a mount. A path of one layer alone is bound as it is; else the layers are stacked.
fn bind(
    build: &Build<'_>,
    tree: &Tree,
    source: &ImagePath,
    writable: bool,
    scratch: &std::path::Path,
) -> Result<What, ExecuteError> {
    let source = tree.resolve(source, true)?;
    let found = tree.get(&source);
    if found.is_none() && !source.is_root() {
        return Err(ExecuteError::Missing {
            message: format!("`{}` to be mounted does not exist in its source", source.to_absolute()),
            help: "check `source=` of the mount".to_owned(),
        });
    }
    if let Some(found) = found
        && !found.entry.kind.is_dir()
    {
        let dir = build.store.ensure_tree(&found.layer.diff_id)?;
        let path = dir.join(host_path(&source));
        return if writable {
            fs_err::create_dir_all(scratch).map_err(ExecuteError::io("make a work directory"))?;
            let copy = scratch.join("file");
            fs_err::copy(&path, &copy).map_err(ExecuteError::io("copy a mounted file"))?;
            Ok(What::Bind { source: copy, readonly: false })
        } else {
            Ok(What::Bind { source: path, readonly: true })
        };
    }
    let mut lower: Vec<PathBuf> = Vec::new();
    for layer in tree.layers() {
        lower.push(build.store.ensure_tree(&layer.diff_id)?);
    }
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    for dir in [&upper, &work] {
        imgc_store::make_root(dir)?;
    }
    Ok(What::Overlay { lower, upper, work, source, readonly: !writable })
}

fn host_path(path: &ImagePath) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

/// What the store calls a cache directory. As the reference has it, caches of one id are apart if they began with
/// other content, another mode or another owner.
fn cache_name(id: &str, base: Option<(ChainId, &ImagePath)>, mode: u32, uid: u32, gid: u32) -> String {
    let mut name = id.to_owned();
    if (mode, uid, gid) != (0o755, 0, 0) {
        let _ = write!(name, " mode={mode:o} owner={uid}:{gid}");
    }
    if let Some((tree, source)) = base {
        let _ = write!(name, " from={tree}{}", source.to_absolute());
    }
    name
}

/// The first content of a cache directory.
fn fill(
    build: &Build<'_>,
    tree: &Tree,
    source: &ImagePath,
    dir: &std::path::Path,
) -> Result<(), ExecuteError> {
    let source = tree.resolve(source, true)?;
    let mut writer = TreeWriter::new(Dir::open(dir).map_err(ExecuteError::io("open a cache directory"))?);
    for found in tree.below(&source) {
        let Some(path) = found.entry.path.strip_prefix(&source) else { continue };
        let content = found.content();
        let entry = Entry { path, kind: content.kind.clone(), meta: content.meta.clone() };
        if matches!(entry.kind, Kind::File { .. }) {
            let mut from = imgc_image::Contents::open(build.store, &found.layer.diff_id, &content.path)
                .map_err(ExecuteError::io("read the first content of a cache"))?;
            writer.file(entry, &mut from)?;
        } else {
            writer.put(&entry)?;
        }
    }
    Ok(())
}

/// Gives a new cache directory its mode and owner.
fn own(dir: &std::path::Path, mode: u32, uid: u32, gid: u32) -> Result<(), ExecuteError> {
    let file = fs_err::File::open(dir).map_err(ExecuteError::io("open a cache directory"))?;
    let file: std::fs::File = file.into();
    imgc_image::ownership::set(file.as_fd(), uid, gid).map_err(ExecuteError::io("own a cache directory"))?;
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(mode))
        .map_err(ExecuteError::io("set the mode of a cache directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_of_one_id_are_apart_if_they_began_otherwise() {
        let (one, other) =
            (ChainId::of_layers([]), ChainId::of_layers([imgc_base::digest::DiffId::of(b"x")]));
        let (root, below) = (ImagePath::root(), ImagePath::root().child(b"s"));
        let names = [
            cache_name("a", None, 0o755, 0, 0),
            cache_name("b", None, 0o755, 0, 0),
            cache_name("a", None, 0o750, 0, 0),
            cache_name("a", None, 0o755, 33, 0),
            cache_name("a", None, 0o755, 0, 33),
            cache_name("a", Some((one, &root)), 0o755, 0, 0),
            cache_name("a", Some((other, &root)), 0o755, 0, 0),
            cache_name("a", Some((one, &below)), 0o755, 0, 0),
            cache_name("a", Some((one, &below)), 0o700, 0, 0),
        ];
        let apart: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(apart.len(), names.len(), "{names:?}");
        assert_eq!(names[0], "a");
    }
}
