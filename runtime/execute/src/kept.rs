//! Containers: the directories of running ones, those that stay after `imgc run --keep`, and images made of them.
//!
//! `containers/ID/` of the store holds `record.json`, `lock`, and the two directories of the overlay. A running program
//! holds the lock. A container that nobody runs and nobody wanted to keep is what a killed process left: it goes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use imgc_base::Epoch;
use imgc_base::config::{ContainerConfig, History, ImageConfig};
use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::manifest::{PlatformDoc, media};
use imgc_image::scan::{self, StepClock};
use imgc_image::unpack::remove_all;
use imgc_image::{Compression, Descriptor, ImageError, Layer, Manifest, Root, Tree};
use imgc_store::Store;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::ExecuteError;
use crate::layers::LayerSink;
use crate::rfc3339::rfc3339;

/// What is known of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: String,
    /// The name of its image when it was started.
    pub image: String,
    /// The image's manifest.
    pub manifest: BlobDigest,
    /// Program and arguments, as they were given.
    pub args: Vec<String>,
    /// The file system's clock when it was started: seconds and nanoseconds.
    pub begin: (i64, i64),
    /// It stays after its program ended.
    pub keep: bool,
    /// How its program ended; a signal counts from 128.
    pub exit: Option<i32>,
}

/// A container.
#[derive(Debug)]
pub struct Container {
    dir: PathBuf,
    /// What is known of it.
    pub record: Record,
    /// A program runs in it, of this process or another.
    pub running: bool,
    lock: File,
}

/// The registry of the names that hold the images of kept containers; nothing can be pulled from it or pushed to it.
pub const HOLDER: &str = "imgc.invalid";

/// Longest record that is read.
const RECORD_BYTES: u64 = 1 << 20;
/// Tries for a name that is free.
const NAMES: u32 = 1000;

fn containers(store: &Store) -> PathBuf {
    store.dir().join("containers")
}

fn lock_file(dir: &Path) -> std::io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(dir.join("lock"))
}

impl Container {
    /// Makes a container for a program that starts now. `name` is the wish of the user.
    pub fn create(
        store: &Store,
        name: Option<&str>,
        image: &str,
        manifest: BlobDigest,
        args: &[String],
        keep: bool,
    ) -> Result<Self, ExecuteError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let failed = || ExecuteError::io("make a container");
        let parent = containers(store);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&parent).map_err(failed())?;
        let mut found = None;
        for number in 0..NAMES {
            let made = || {
                let seed = format!("{} {number} {:?}", std::process::id(), imgc_base::clock::wall());
                BlobDigest::of(seed.as_bytes()).hex()[..12].to_owned()
            };
            let id = name.map_or_else(made, str::to_owned);
            let dir = parent.join(&id);
            match fs_err::create_dir(&dir) {
                Ok(()) => {
                    found = Some((id, dir));
                    break;
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    if name.is_some() {
                        return Err(ExecuteError::Missing {
                            message: format!("there is a container `{id}` already"),
                            help: format!("remove it: `imgc rm {id}`"),
                        });
                    }
                }
                Err(error) => return Err(failed()(error)),
            }
        }
        let Some((id, dir)) = found else {
            return Err(ExecuteError::Graph("no free name for a container"));
        };
        let lock = lock_file(&dir).map_err(failed())?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(ExecuteError::io("lock a container"))?;
        for name in ["upper", "work"] {
            imgc_store::make_root(&dir.join(name))?;
        }
        let upper = Root::open(&dir.join("upper")).map_err(failed())?;
        // The file system's own clock says when the program began.
        let begin = upper
            .stat(&imgc_base::ImagePath::root())?
            .map_or((0, 0), |stat| (stat.st_mtime, stat.st_mtime_nsec.cast_signed()));
        let (image, args) = (image.to_owned(), args.to_vec());
        let record = Record { id, image, manifest, args, begin, keep, exit: None };
        let container = Self { dir, record, running: true, lock };
        container.save()?;
        Ok(container)
    }

    /// Where the changes are.
    pub fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }

    /// Directories for what is written to a volume: for the changes, and the overlay's own. They are no part of
    /// what `imgc commit` takes, and go with the container.
    pub fn volume(&self, number: usize) -> Result<(PathBuf, PathBuf), ExecuteError> {
        let dir = self.dir.join("volumes").join(number.to_string());
        let made = (dir.join("upper"), dir.join("work"));
        for dir in [&made.0, &made.1] {
            imgc_store::make_root(dir)?;
        }
        Ok(made)
    }

    /// The overlay's own directory.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// Notes how the program ended, and gives the container free.
    pub fn ended(&mut self, exit: i32) -> Result<(), ExecuteError> {
        self.record.exit = Some(exit);
        self.save()?;
        self.running = false;
        flock(&self.lock, FlockOperation::Unlock).map_err(ExecuteError::io("unlock a container"))
    }

    /// Keeps its image in the store for as long as there is something to commit, whatever becomes of the image's names.
    pub fn hold(&self, store: &Store, image: &Descriptor) -> Result<(), ExecuteError> {
        Ok(store.tag(&self.holder()?, image)?)
    }

    fn holder(&self) -> Result<Reference, ExecuteError> {
        format!("{HOLDER}/container:{}", self.record.id)
            .parse()
            .map_err(|_| ExecuteError::Graph("a container without a name"))
    }

    /// Removes it with all that is in it.
    pub fn remove(self, store: &Store) -> Result<(), ExecuteError> {
        let failed = || ExecuteError::io("remove a container");
        if self.record.keep {
            store.untag(&self.holder()?)?;
        }
        let parent = self.dir.parent().unwrap_or(Path::new("/"));
        let parent = File::open(parent).map_err(failed())?;
        remove_all(&parent, self.record.id.as_bytes()).map_err(failed())
    }

    /// What the program changed, as a layer on the tree that it ran on; `None` if it changed nothing.
    pub fn layer(&self, store: &Store, tree: &Tree, epoch: Epoch) -> Result<Option<Layer>, ExecuteError> {
        let upper = Root::open(&self.upper()).map_err(ExecuteError::io("open a container"))?;
        let depth = u32::try_from(tree.layers().len() + 1).unwrap_or(u32::MAX);
        let clock = StepClock { start: self.record.begin, time: epoch.step_time(depth) };
        let scan::Changes { entries, .. } = scan::changes(&upper, tree, clock)?;
        if entries.is_empty() {
            return Ok(None);
        }
        let mut sink = LayerSink::new(store, Some(Compression::Gzip))?;
        let index = scan::write_layer(&upper, entries, &mut sink)?;
        Ok(Some(sink.finish(index)?))
    }

    fn save(&self) -> Result<(), ExecuteError> {
        let failed = || ExecuteError::io("write a container's record");
        let bytes = serde_json::to_vec(&self.record)
            .map_err(|source| ImageError::Json { what: "a record".to_owned(), source })?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(failed())?;
        file.write_all(&bytes).map_err(failed())?;
        file.persist(self.dir.join("record.json")).map_err(|error| failed()(error.error))?;
        Ok(())
    }
}

/// The containers that run or stay, by name. What killed processes left is removed.
pub fn list(store: &Store) -> Result<Vec<Container>, ExecuteError> {
    let failed = || ExecuteError::io("list containers");
    let items = match fs_err::read_dir(containers(store)) {
        Ok(items) => items,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    let mut found = Vec::new();
    for item in items {
        let dir = item.map_err(failed())?.path();
        let Ok(lock) = lock_file(&dir) else { continue };
        let running = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err();
        let record = read(&dir);
        if !running {
            flock(&lock, FlockOperation::Unlock).map_err(ExecuteError::io("unlock a container"))?;
        }
        match record {
            Some(record) if running || record.keep => found.push(Container { dir, record, running, lock }),
            // One that is being made has no record yet.
            None if is_new(&dir) => {}
            _ if running => {}
            // What cannot be removed now is tried again next time.
            _ => drop(remove_dead(&dir)),
        }
    }
    found.sort_by(|a, b| a.record.id.cmp(&b.record.id));
    Ok(found)
}

fn read(dir: &Path) -> Option<Record> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    File::open(dir.join("record.json")).ok()?.take(RECORD_BYTES).read_to_end(&mut bytes).ok()?;
    let record: Record = serde_json::from_slice(&bytes).ok()?;
    (dir.file_name()?.to_str()? == record.id).then_some(record)
}

/// True if a directory was made in the last minute.
fn is_new(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let now = imgc_base::clock::wall().as_secs().cast_signed();
    fs_err::metadata(dir).is_ok_and(|meta| now - meta.mtime() < 60)
}

fn remove_dead(dir: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(()) };
    remove_all(&File::open(parent)?, std::os::unix::ffi::OsStrExt::as_bytes(name))
}

/// What an image gets besides the layer.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// How containers of it run.
    pub config: ContainerConfig,
    /// Who made it.
    pub author: Option<String>,
    /// A remark for the history.
    pub message: Option<String>,
    /// What was run.
    pub command: String,
}

/// Makes an image of a base and one more layer.
pub fn commit(
    store: &Store,
    base: (&Manifest, &ImageConfig),
    layer: Option<Layer>,
    commit: Commit,
    epoch: Epoch,
) -> Result<Descriptor, ExecuteError> {
    let (manifest, base) = base;
    let created = Some(rfc3339(epoch.seconds()));
    let mut config = base.clone();
    config.created.clone_from(&created);
    config.config = commit.config;
    if commit.author.is_some() {
        config.author.clone_from(&commit.author);
    }
    let mut layers: Vec<Descriptor> = manifest.layers.iter().map(oci).collect();
    config.history.push(History {
        created,
        created_by: Some(commit.command),
        author: commit.author,
        comment: commit.message,
        empty_layer: layer.is_none(),
    });
    if let Some(layer) = layer {
        let blob = store.ensure_blob(&layer.diff_id, Compression::Gzip)?;
        layers.push(Descriptor::new(&blob.media_type, blob.digest, blob.size));
        config.rootfs.diff_ids.push(layer.diff_id);
    }
    write(store, &config, layers)
}

/// A layer as an OCI manifest names it; docker's gzip layers are the same bytes.
pub(crate) fn oci(layer: &Descriptor) -> Descriptor {
    let docker = layer.media_type == media::DOCKER_LAYER;
    let kind = if docker { Compression::Gzip.media_type() } else { &layer.media_type };
    Descriptor::new(kind, layer.digest, layer.size)
}

/// Writes config and manifest of an image of these layers.
pub(crate) fn write(
    store: &Store,
    config: &ImageConfig,
    layers: Vec<Descriptor>,
) -> Result<Descriptor, ExecuteError> {
    let bytes = serde_json::to_vec(config)
        .map_err(|source| ImageError::Json { what: "a config".to_owned(), source })?;
    write_raw(store, config, &bytes, layers)
}

/// The same for a config that has its bytes already.
pub(crate) fn write_raw(
    store: &Store,
    config: &ImageConfig,
    bytes: &[u8],
    layers: Vec<Descriptor>,
) -> Result<Descriptor, ExecuteError> {
    let digest = store.put_document(bytes)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::new(media::CONFIG, digest, bytes.len() as u64),
        layers,
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|source| ImageError::Json { what: "a manifest".to_owned(), source })?;
    store.put_document(&bytes)?;
    let mut descriptor = Descriptor::of(media::MANIFEST, &bytes);
    descriptor.platform = Some(PlatformDoc {
        architecture: config.architecture.clone(),
        os: config.os.clone(),
        variant: config.variant.clone(),
        os_version: None,
    });
    Ok(descriptor)
}
