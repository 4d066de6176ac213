//! Digests of context files, kept between builds: (device, inode, size, mtime, ctime) -> digest and attributes.
//!
//! One file for each context root, named by the root's device and inode:
//!
//! ```text
//! magic (16 bytes), count u64, records, SHA-256 of all before
//! record: dev ino size mtime.s ctime.s as u64, mtime.ns ctime.ns as u32, age u8, digest 32 bytes,
//!         count u16 of attributes, each: name length u16, name, value length u32, value
//! ```
//!
//! All numbers are little-endian. A file that does not read back is ignored and replaced. A file whose change time is
//! not older than [`SETTLED`] when it is hashed is not remembered: it could change again within the same tick of the
//! clock that stamps it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use imgc_base::clock;
use imgc_base::digest::{BlobDigest, FileDigest};
use rustix::fs::Stat;

use crate::file::source::Xattrs;

const MAGIC: &[u8; 16] = b"imgc-stats-1\n\0\0\0";
/// How old a change must be before the file is remembered.
const SETTLED: Duration = Duration::from_millis(50);
/// How many files are remembered for one root; what was unused longest goes first.
const MAX_RECORDS: usize = 1 << 21;
/// How many roots are remembered.
const MAX_ROOTS: usize = 128;
/// Saves after which an unused record goes.
const MAX_AGE: u8 = 16;

/// What a file looks like from outside; while this is equal, the content is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time: seconds, nanoseconds.
    pub mtime: (i64, u32),
    /// Change time: seconds, nanoseconds.
    pub ctime: (i64, u32),
}

impl Signature {
    /// Takes it from a stat.
    pub fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: stat.st_size.cast_unsigned(),
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime, stat.st_ctime_nsec as u32),
        }
    }

    /// True if the file cannot change any more without its change time showing it.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        let Ok(seconds) = u64::try_from(self.ctime.0) else { return true };
        now.checked_sub(SETTLED).is_some_and(|limit| Duration::new(seconds, self.ctime.1) <= limit)
    }
}

/// What is remembered of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Digest of its content.
    pub digest: FileDigest,
    /// Its attributes, as layers carry them.
    pub xattrs: Xattrs,
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    signature: Signature,
    known: Known,
    age: u8,
}

/// By device and inode of the root.
type Roots = BTreeMap<(u64, u64), Arc<RootCache>>;

/// The caches of all context roots. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StatCache {
    dir: Option<Arc<PathBuf>>,
    roots: Arc<Mutex<Roots>>,
}

/// The cache of one context root.
#[derive(Debug, Default)]
pub struct RootCache {
    file: Option<PathBuf>,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By device and inode, as loaded.
    loaded: Vec<Record>,
    /// Which of those were asked for.
    used: Vec<AtomicBool>,
    /// Learnt since.
    fresh: BTreeMap<(u64, u64), Record>,
}

impl StatCache {
    /// Keeps caches in a directory; `None` keeps them only while the program runs.
    pub fn open(dir: Option<&Path>) -> Self {
        Self { dir: dir.map(|dir| Arc::new(dir.to_owned())), roots: Arc::default() }
    }

    /// The cache of a context root, loaded on first use.
    pub fn root(&self, stat: &Stat) -> Arc<RootCache> {
        let key = (stat.st_dev, stat.st_ino);
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        let load = || {
            let file = self.dir.as_ref().map(|dir| dir.join(format!("{:x}-{:x}.stats", key.0, key.1)));
            let loaded = file.as_deref().and_then(load).unwrap_or_default();
            let used = flags(false, loaded.len());
            Arc::new(RootCache { file, state: RwLock::new(State { loaded, used, fresh: BTreeMap::new() }) })
        };
        Arc::clone(roots.entry(key).or_insert_with(load))
    }

    /// Writes what was learnt. Failing to is no error: the cache can be made again.
    pub fn save(&self) {
        let roots: Vec<Arc<RootCache>> = {
            let roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
            roots.values().cloned().collect()
        };
        for root in roots {
            // A full disk or a read-only home only makes the next build slower.
            root.save().ok();
        }
        if let Some(dir) = &self.dir {
            trim(dir).ok();
        }
    }
}

impl RootCache {
    /// The directory that holds this cache, if it is kept.
    pub(super) fn dir(&self) -> Option<&Path> {
        self.file.as_deref()?.parent()
    }

    /// What is known of a file that looks like this.
    pub fn get(&self, signature: &Signature) -> Option<Known> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let key = (signature.dev, signature.ino);
        if let Some(record) = state.fresh.get(&key) {
            return (record.signature == *signature).then(|| record.known.clone());
        }
        let at = state.loaded.binary_search_by_key(&key, |r| (r.signature.dev, r.signature.ino)).ok()?;
        if state.loaded[at].signature != *signature {
            return None;
        }
        state.used[at].store(true, Ordering::Relaxed);
        Some(state.loaded[at].known.clone())
    }

    /// Remembers a file that looked like this before and after it was read. `now` is the wall clock of before.
    pub fn put(&self, signature: Signature, known: Known, now: Duration) {
        if signature.is_settled(now) {
            let record = Record { signature, known, age: 0 };
            self.lock().fresh.insert((signature.dev, signature.ino), record);
        }
    }

    fn lock(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> std::io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut state = self.lock();
        if state.fresh.is_empty() {
            return Ok(());
        }
        let State { loaded, used, fresh } = std::mem::take(&mut *state);
        let mut records: Vec<Record> = Vec::with_capacity(loaded.len() + fresh.len());
        for (mut record, used) in loaded.into_iter().zip(used) {
            record.age = if used.into_inner() { 0 } else { record.age.saturating_add(1) };
            if record.age <= MAX_AGE && !fresh.contains_key(&(record.signature.dev, record.signature.ino)) {
                records.push(record);
            }
        }
        records.extend(fresh.into_values());
        if records.len() > MAX_RECORDS {
            records.sort_by_key(|record| record.age);
            records.truncate(MAX_RECORDS);
        }
        records.sort_unstable_by_key(|record| (record.signature.dev, record.signature.ino));
        let bytes = encode(&records);
        state.used = flags(true, records.len());
        state.loaded = records;
        drop(state);
        let dir = file.parent().unwrap_or(Path::new("."));
        fs_err::create_dir_all(dir)?;
        let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
        temporary.write_all(&bytes)?;
        temporary.persist(file).map_err(|error| error.error)?;
        Ok(())
    }
}

fn flags(value: bool, count: usize) -> Vec<AtomicBool> {
    std::iter::repeat_with(|| AtomicBool::new(value)).take(count).collect()
}

/// Removes the caches of the roots that were used longest ago, and of archives, when there are many.
fn trim(dir: &Path) -> std::io::Result<()> {
    trim_kind(dir, "stats")?;
    trim_kind(dir, super::archives::EXTENSION)
}

fn trim_kind(dir: &Path, kind: &str) -> std::io::Result<()> {
    let mut files = Vec::new();
    for item in fs_err::read_dir(dir)? {
        let item = item?;
        if item.path().extension().is_some_and(|extension| extension == kind) {
            files.push((item.metadata()?.modified()?, item.path()));
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(MAX_ROOTS);
    files.iter().take(surplus).try_for_each(|(_, path)| fs_err::remove_file(path))
}

fn load(file: &Path) -> Option<Vec<Record>> {
    let size = fs_err::metadata(file).ok()?.len();
    // No cache that this program wrote is larger.
    (size <= (MAX_RECORDS as u64) * 512).then_some(())?;
    decode(&fs_err::read(file).ok()?)
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.len() * 96 + 64);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(records.len() as u64).to_le_bytes());
    for Record { signature, known, age } in records {
        for number in [
            signature.dev,
            signature.ino,
            signature.size,
            signature.mtime.0.cast_unsigned(),
            signature.ctime.0.cast_unsigned(),
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&signature.mtime.1.to_le_bytes());
        out.extend_from_slice(&signature.ctime.1.to_le_bytes());
        out.push(*age);
        out.extend_from_slice(known.digest.as_bytes());
        out.extend_from_slice(&(known.xattrs.len() as u16).to_le_bytes());
        for (name, value) in &known.xattrs {
            out.extend_from_slice(&(name.len() as u16).to_le_bytes());
            out.extend_from_slice(name);
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value);
        }
    }
    let sum = BlobDigest::of(&out);
    out.extend_from_slice(sum.as_bytes());
    out
}

/// `None` for anything but exactly what [`encode`] makes.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Record>> {
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    (BlobDigest::of(body).as_bytes() == sum).then_some(())?;
    let mut rest = body.strip_prefix(MAGIC)?;
    let count = u64::from_le_bytes(take(&mut rest)?) as usize;
    let mut records: Vec<Record> = Vec::with_capacity(count.min(rest.len() / 80));
    for _ in 0..count {
        let [dev, ino, size, mtime, ctime] = [(); 5].map(|()| take(&mut rest).map(u64::from_le_bytes));
        let [mtime_ns, ctime_ns] = [(); 2].map(|()| take(&mut rest).map(u32::from_le_bytes));
        let [age] = take(&mut rest)?;
        let digest = FileDigest::from_bytes(take(&mut rest)?);
        let count = u16::from_le_bytes(take(&mut rest)?);
        let mut xattrs = Vec::new();
        for _ in 0..count {
            let length = u16::from_le_bytes(take(&mut rest)?) as usize;
            let name = rest.split_off(..length)?.to_vec();
            let length = u32::from_le_bytes(take(&mut rest)?) as usize;
            xattrs.push((name, rest.split_off(..length)?.to_vec()));
        }
        let signature = Signature {
            dev: dev?,
            ino: ino?,
            size: size?,
            mtime: (mtime?.cast_signed(), mtime_ns?),
            ctime: (ctime?.cast_signed(), ctime_ns?),
        };
        records.push(Record { signature, known: Known { digest, xattrs }, age });
    }
    rest.is_empty().then_some(records)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// The wall clock, for [`RootCache::put`].
pub(super) fn now() -> Duration {
    clock::wall()
}

/// The stored form of fresh records.
#[cfg(test)]
pub(super) fn encode_for_tests(known: &[(Signature, Known)]) -> Vec<u8> {
    let records: Vec<Record> = known
        .iter()
        .map(|(signature, known)| Record { signature: *signature, known: known.clone(), age: 0 })
        .collect();
    encode(&records)
}
