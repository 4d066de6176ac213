//! Contexts on real directories; the stat cache on made-up records.

use std::time::Duration;

use imgc_base::digest::FileDigest;
use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use rustix::fs::{CWD, FileType, Mode};

use super::stat_cache::{decode, encode_for_tests, now};
use super::*;

fn path(text: &str) -> ImagePath {
    ImagePath::clean(text).unwrap()
}

fn open(dir: &Path, ignore: &[&str]) -> Context {
    let patterns: Vec<String> = ignore.iter().map(|&text| text.to_owned()).collect();
    Context::open(dir, Ignore::new(&patterns).unwrap(), &StatCache::default()).unwrap()
}

fn all(context: &Context) -> Vec<String> {
    context.below(1, &ImagePath::root()).unwrap().iter().map(|item| item.path.to_absolute()).collect()
}

#[test]
fn walks_in_path_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a/x/1", "a-b/2", "a/3", "0", "a0/4"] {
        let place = dir.path().join(name);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::write(place, "").unwrap();
    }
    assert_eq!(
        all(&open(dir.path(), &[])),
        ["/0", "/a", "/a-b", "/a-b/2", "/a/3", "/a/x", "/a/x/1", "/a0", "/a0/4"]
    );
    assert_eq!(
        all(&open(dir.path(), &["a", "!a/x"])),
        ["/0", "/a", "/a-b", "/a-b/2", "/a/x", "/a/x/1", "/a0", "/a0/4"]
    );
}

#[test]
fn owners_and_times_are_no_part_of_it() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("a"), "1").unwrap();
    rustix::fs::chown(dir.path().join("a"), Some(rustix::fs::Uid::from_raw(77)), None).ok();
    let item = open(dir.path(), &[]).get(1, &path("a")).unwrap().unwrap();
    assert_eq!((item.meta.uid, item.meta.gid, item.meta.mtime), (0, 0, 0));
}

#[test]
fn special_files() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let item = open(dir.path(), &[]).get(1, &path("fifo")).unwrap().unwrap();
    assert!(matches!(item.what, What::Fifo));
    assert_eq!(item.meta.mode, 0o400);
    // A device is refused. Left out, it is no matter.
    let device = dir.path().join("device");
    if rustix::fs::mknodat(CWD, &device, FileType::CharacterDevice, Mode::RUSR, 259).is_ok() {
        let error = open(dir.path(), &[]).below(1, &ImagePath::root()).unwrap_err();
        assert!(error.to_string().starts_with("`/device` in the build context is a device"), "{error}");
        assert!(error.help().unwrap().contains(".dockerignore"));
        assert_eq!(all(&open(dir.path(), &["device"])), ["/fifo"]);
    } else {
        eprintln!("SKIPPED: devices in a context: this user makes none");
    }
    // A socket is an empty file, as the reference has it.
    let socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let item = open(dir.path(), &[]).get(1, &path("socket")).unwrap().unwrap();
    assert!(matches!(&item.what, What::File(content) if content.size == 0 && content.digest.is_some()));
    drop(socket);
}

#[test]
fn nothing_is_reached_through_a_link() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs_err::write(outside.path().join("secret"), "s").unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
    let context = open(dir.path(), &[]);
    assert_eq!(all(&context), ["/out"]);
    assert!(context.get(1, &path("out/secret")).is_err_or_none());
    let stat = rustix::fs::stat(outside.path().join("secret")).unwrap();
    assert!(context.open_file(&path("out/secret"), &Signature::of(&stat)).is_err());
}

trait ErrOrNone {
    fn is_err_or_none(&self) -> bool;
}

impl<T, E> ErrOrNone for Result<Option<T>, E> {
    fn is_err_or_none(&self) -> bool {
        !matches!(self, Ok(Some(_)))
    }
}

#[test]
fn nesting_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut deep = dir.path().to_owned();
    for _ in 0..=MAX_DEPTH {
        deep.push("d");
    }
    fs_err::create_dir_all(&deep).unwrap();
    let error = open(dir.path(), &[]).below(1, &ImagePath::root()).unwrap_err();
    assert!(matches!(error, FileError::Deep { .. }), "{error}");
}

#[test]
fn fingerprints_see_every_change() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a");
    fs_err::write(&file, "1").unwrap();
    let settle = || std::thread::sleep(Duration::from_millis(80));
    let mark = || open(dir.path(), &["skip"]).fingerprint().unwrap();
    // Still fresh: it could change within the same tick.
    assert_eq!(mark(), None);
    settle();
    let first = mark();
    assert!(first.is_some());
    assert_eq!(mark(), first);
    fs_err::write(dir.path().join("skip"), "").unwrap();
    assert_eq!(mark(), first, "what is left out does not count");
    fs_err::write(&file, "2").unwrap();
    settle();
    let second = mark();
    assert!(second.is_some() && second != first);
    std::os::unix::fs::symlink("a", dir.path().join("l")).unwrap();
    assert_ne!(mark(), second);
}

fn stat(number: u64) -> Signature {
    Signature { dev: 1, ino: number, size: 3, mtime: (5, 6), ctime: (7, 8) }
}

fn known(number: u64) -> Known {
    let xattrs = if number.is_multiple_of(2) { vec![(b"user.a".to_vec(), vec![1, 2])] } else { Vec::new() };
    Known { digest: FileDigest::of(&number.to_le_bytes()), xattrs }
}

#[test]
fn remembers_over_restarts() {
    let (store, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = rustix::fs::stat(dir.path()).unwrap();
    let cache = StatCache::open(Some(store.path()));
    for number in 0..100 {
        cache.root(&root).put(stat(number), known(number), now());
    }
    cache.save();
    let cache = StatCache::open(Some(store.path()));
    for number in 0..100 {
        assert_eq!(cache.root(&root).get(&stat(number)), Some(known(number)));
        for other in [
            Signature { size: 4, ..stat(number) },
            Signature { mtime: (5, 7), ..stat(number) },
            Signature { ctime: (8, 8), ..stat(number) },
            Signature { dev: 2, ..stat(number) },
        ] {
            assert_eq!(cache.root(&root).get(&other), None, "{other:?}");
        }
    }
    // A broken file is no cache, and no error.
    let file = fs_err::read_dir(store.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs_err::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(&file, bytes).unwrap();
    assert_eq!(StatCache::open(Some(store.path())).root(&root).get(&stat(1)), None);
}

#[test]
fn fresh_changes_are_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let cache = StatCache::default();
    let root = cache.root(&rustix::fs::stat(dir.path()).unwrap());
    let at = |duration: Duration| Signature {
        ctime: (duration.as_secs().cast_signed(), duration.subsec_nanos()),
        ..stat(1)
    };
    let time = Duration::from_secs(1_000_000);
    for (age, remembered) in [(0, false), (49, false), (50, true), (51, true)] {
        let signature = at(time.checked_sub(Duration::from_millis(age)).unwrap());
        root.put(signature, known(1), time);
        assert_eq!(root.get(&signature).is_some(), remembered, "{age} ms");
    }
    // A clock of a file server that runs ahead.
    root.put(at(time + Duration::from_secs(5)), known(1), time);
    assert_eq!(root.get(&at(time + Duration::from_secs(5))), None);
}

#[test]
fn what_is_not_used_goes_in_the_end() {
    let (store, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = rustix::fs::stat(dir.path()).unwrap();
    for round in 0..30 {
        let cache = StatCache::open(Some(store.path()));
        cache.root(&root).put(stat(1000 + round), known(0), now());
        if round == 0 {
            cache.root(&root).put(stat(1), known(1), now());
            cache.root(&root).put(stat(2), known(2), now());
        }
        assert!(cache.root(&root).get(&stat(1)).is_some(), "round {round}");
        cache.save();
    }
    let cache = StatCache::open(Some(store.path()));
    assert_eq!(cache.root(&root).get(&stat(2)), None);
}

proptest::proptest! {
    #[test]
    fn any_bytes_decode_or_not(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        proptest::prop_assert!(decode(&bytes).is_none());
    }

    #[test]
    fn cut_or_changed_caches_are_refused(at in 0usize..400, bit in 0u8..8) {
        let mut bytes = encode_for_tests(&[(stat(1), known(1)), (stat(2), known(2))]);
        let at = at % bytes.len();
        proptest::prop_assert!(decode(&bytes[..at]).is_none());
        bytes[at] ^= 1 << bit;
        proptest::prop_assert!(decode(&bytes).is_none());
    }
}
