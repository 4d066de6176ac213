//! What one process has in a store while it lives: its directory below `tmp/`, and its lease.
//!
//! `tmp/<id>.lock` is locked by the process and lists, one line each, what the process uses; `tmp/<id>/` holds its
//! unfinished files. When the lock is free the process is dead: its files go, its lease means nothing.
//!
//! A line is added to the lease while `locks/gc` is held shared, and before the process looks whether the object is
//! there; gc holds `locks/gc` exclusively. So either gc sees the line, or the process sees that the object is gone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use imgc_base::digest::{BlobDigest, ContentKey, DiffId};
use imgc_image::Root;
use imgc_image::unpack::remove_all;

use crate::error::StoreError;
use crate::layout::{Layout, make_dir};
use crate::lock::{self, Mode};

/// Something that a process uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    /// A blob, and what it refers to if it is a manifest.
    Blob(BlobDigest),
    /// A layer: its index, tree and blobs.
    Layer(DiffId),
    /// A step's result and its layer.
    Step(ContentKey),
    /// A running build's directory.
    Build(String),
}

impl Held {
    fn line(&self) -> String {
        match self {
            Self::Blob(digest) => format!("b {}\n", digest.hex()),
            Self::Layer(diff_id) => format!("l {}\n", diff_id.hex()),
            Self::Step(key) => format!("s {}\n", key.hex()),
            Self::Build(id) => format!("r {id}\n"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (kind, hex) = line.split_once(' ')?;
        match kind {
            "b" => BlobDigest::from_hex(hex).map(Self::Blob),
            "l" => DiffId::from_hex(hex).map(Self::Layer),
            "s" => ContentKey::from_hex(hex).map(Self::Step),
            "r" => Some(Self::Build(hex.to_owned())),
            _ => None,
        }
    }
}

/// The presence of this process in a store.
#[derive(Debug)]
pub(crate) struct Session {
    lease: File,
    lease_path: PathBuf,
    dir: PathBuf,
    gate: File,
    gate_path: PathBuf,
    next: AtomicU64,
    held: Mutex<BTreeSet<Held>>,
}

impl Session {
    /// Starts; the files of dead processes are removed first.
    pub(crate) fn start(layout: &Layout) -> Result<Self, StoreError> {
        let tmp = layout.at("tmp");
        remove_dead(&tmp)?;
        let gate_path = layout.lock("gc");
        let gate = lock::open(&gate_path)?;
        let mut salt = imgc_base::clock::wall().as_nanos();
        loop {
            let id = format!("{}-{salt:x}", std::process::id());
            let lease_path = tmp.join(format!("{id}.lock"));
            let lease = lock::open(&lease_path)?;
            // Another process may take a file that is not locked yet for one of a dead process.
            if lock::try_lock(&lease, &lease_path, Mode::Exclusive)?
                && lock::still_named(&lease, &lease_path)?
            {
                let dir = tmp.join(id);
                make_dir(&dir)?;
                let held = Mutex::default();
                return Ok(Self { lease, lease_path, dir, gate, gate_path, next: AtomicU64::new(0), held });
            }
            salt += 1;
        }
    }

    /// A path for a new file or directory of this process.
    pub(crate) fn new_path(&self, purpose: &str) -> PathBuf {
        self.dir.join(format!("{purpose}-{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Says that this process uses something, before it looks whether it is there.
    pub(crate) fn hold(&self, what: &Held) -> Result<(), StoreError> {
        // The table stays locked: the threads of a process share one descriptor of the gate, and so one lock.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains(what) {
            return Ok(());
        }
        lock::wait_briefly(&self.gate, &self.gate_path, Mode::Shared)?;
        let written = (&self.lease).write_all(what.line().as_bytes());
        lock::release(&self.gate, &self.gate_path)?;
        written.map_err(StoreError::io("write", &self.lease_path))?;
        held.insert(what.clone());
        Ok(())
    }
}

/// What this process uses and could not write into its lease, because the disk is full.
#[derive(Debug, Default)]
pub(crate) struct WithoutLease {
    /// Held shared: keeps collecting out.
    gate: Option<File>,
    pub(crate) held: BTreeSet<Held>,
}

impl WithoutLease {
    /// Keeps collecting out until [`Self::let_in`].
    pub(crate) fn keep_out(&mut self, layout: &Layout) -> Result<(), StoreError> {
        if self.gate.is_none() {
            let path = layout.lock("gc");
            let gate = File::open(&path).map_err(StoreError::io("open", &path))?;
            lock::wait_briefly(&gate, &path, Mode::Shared)?;
            self.gate = Some(gate);
        }
        Ok(())
    }

    /// Lets this process itself collect.
    pub(crate) fn let_in(&mut self) {
        self.gate = None;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process: the lock dies with this one.
        if remove_path(&self.dir).is_ok() {
            fs_err::remove_file(&self.lease_path).ok();
        }
    }
}

/// Removes a file or directory and everything below it, by descriptors.
pub(crate) fn remove_path(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::ffi::OsStrExt;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let root = Root::open(parent).map_err(StoreError::io("open", parent))?;
    let fd = root.dir(&imgc_base::ImagePath::root())?;
    remove_all(&fd, name.as_bytes()).map_err(StoreError::io("remove", path))
}

/// Removes what dead processes left below `tmp/`.
///
/// What cannot be removed (several processes may be at it, or the files belong to ids that this process may not touch)
/// stays for the next one that looks.
pub(crate) fn remove_dead(tmp: &Path) -> Result<(), StoreError> {
    for (id, lock) in leases(tmp)? {
        let path = tmp.join(format!("{id}.lock"));
        let dead = match &lock {
            None => true,
            Some(lock) => lock::try_lock(lock, &path, Mode::Exclusive)? && lock::still_named(lock, &path)?,
        };
        if dead && remove_path(&tmp.join(id)).is_ok() {
            fs_err::remove_file(&path).ok();
        }
    }
    Ok(())
}

/// What living processes use.
pub(crate) fn held_by_processes(tmp: &Path) -> Result<BTreeSet<Held>, StoreError> {
    let mut held = BTreeSet::new();
    for (id, lock) in leases(tmp)? {
        let Some(lock) = lock else { continue };
        let path = tmp.join(format!("{id}.lock"));
        if !lock::try_lock(&lock, &path, Mode::Exclusive)? {
            let text = std::io::read_to_string(&lock).map_err(StoreError::io("read", &path))?;
            held.extend(text.lines().filter_map(Held::parse));
        }
    }
    Ok(held)
}

/// The sessions below `tmp/`, with their lease files unless those are gone.
fn leases(tmp: &Path) -> Result<Vec<(String, Option<File>)>, StoreError> {
    let mut names = BTreeSet::new();
    for item in fs_err::read_dir(tmp).map_err(StoreError::io("list", tmp))? {
        let name = item.map_err(StoreError::io("list", tmp))?.file_name();
        let Some(name) = name.to_str() else { continue };
        names.insert(name.strip_suffix(".lock").unwrap_or(name).to_owned());
    }
    let mut found = Vec::new();
    for id in names {
        let path = tmp.join(format!("{id}.lock"));
        // A session's lease is made before its directory and removed after it: without a lease it is dead.
        match fs_err::OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => found.push((id, Some(file.into_parts().0))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => found.push((id, None)),
            Err(error) => return Err(StoreError::io("open", &path)(error)),
        }
    }
    Ok(found)
}

/// A directory for unfinished work, removed when dropped.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    /// Keeps the session, and with it this directory, alive.
    _session: Arc<Session>,
}

impl WorkDir {
    pub(crate) fn new(session: Arc<Session>, purpose: &str) -> Result<Self, StoreError> {
        let path = session.new_path(purpose);
        // The store around it is closed to others.
        make_root(&path)?;
        Ok(Self { path, _session: session })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it, which may become the root of a tree.
    pub fn subdir(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        make_root(&path)?;
        Ok(path)
    }
}

/// Makes a directory that commands will see as a root, with those above it: its mode must let every user in, whatever
/// the umask.
pub fn make_root(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::create_dir_all(path).map_err(StoreError::io("make directory", path))?;
    let open = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(path, open).map_err(StoreError::io("change mode of", path))
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What cannot be removed goes with the session, or when the next process starts.
        remove_path(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_lines_round_trip() {
        for held in [
            Held::Blob(BlobDigest::of(b"1")),
            Held::Layer(DiffId::of(b"2")),
            Held::Step(ContentKey::of(b"3")),
        ] {
            assert_eq!(Held::parse(held.line().trim_end()), Some(held));
        }
        for bad in ["", "b", "b 12", "x 00", "l ../../etc"] {
            assert_eq!(Held::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_dead_are_removed_and_the_living_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _) = Layout::open(&dir.path().join("store")).unwrap();
        let tmp = layout.at("tmp");
        let alive = Session::start(&layout).unwrap();
        alive.hold(&Held::Blob(BlobDigest::of(b"x"))).unwrap();
        // What a killed process leaves: a lease nobody locks, a directory, and a directory without a lease.
        fs_err::write(tmp.join("1-a.lock"), "b 00\n").unwrap();
        fs_err::create_dir_all(tmp.join("1-a/deep")).unwrap();
        fs_err::create_dir_all(tmp.join("2-b")).unwrap();
        remove_dead(&tmp).unwrap();
        let mut left: Vec<_> = fs_err::read_dir(&tmp).unwrap().map(|i| i.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [alive.dir.clone(), alive.lease_path.clone()]);
        assert_eq!(held_by_processes(&tmp).unwrap(), BTreeSet::from([Held::Blob(BlobDigest::of(b"x"))]));
        drop(alive);
        assert_eq!(fs_err::read_dir(&tmp).unwrap().count(), 0);
    }
}
