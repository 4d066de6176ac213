//! Collecting and space.

use std::time::Duration;

use imgc_store::usage::Class;
use imgc_store::{Depth, Policy};

use crate::support::*;

const ALL: Policy = Policy { max_bytes: None, keep: None, all: true, dry_run: false };

/// Sets the last use of a file to some seconds after 1970.
fn set_used(path: &std::path::Path, seconds: u64) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

#[test]
fn images_stay_and_the_rest_goes() {
    let f = Fixture::new();
    let tagged = image(&f.store, &layer_tar(&[("f", b"tagged")]));
    f.store.tag(&name("app"), &tagged).unwrap();
    let loose = image(&f.store, &layer_tar(&[("f", b"loose")]));
    run_step(&f.store, "step");
    f.store.put_memo("k", "v").unwrap();
    f.store.begin_build().unwrap().finish().unwrap();
    drop(f.store.lock_cache("apt", imgc_store::Sharing::Shared, &never()).unwrap());
    let dir = f.dir;
    drop(f.store);

    let store = imgc_store::Store::open(&dir.path().join("store")).unwrap();
    let before = store.usage().unwrap();
    let dry = store.gc(&Policy { dry_run: true, ..ALL }).unwrap();
    assert_eq!(store.usage().unwrap(), before);
    let collected = store.gc(&ALL).unwrap();
    assert_eq!(dry, collected);
    assert!(collected.freed() > 0);
    assert_eq!(store.usage().unwrap().total(), before.total() - collected.freed());
    assert_eq!(store.usage().unwrap().reclaimable(), 0);
    assert!(store.check_complete(&tagged).is_ok());
    assert!(!store.has_blob(&loose.digest));
    assert_eq!(store.step(&key("step")).unwrap(), None);
    assert_eq!(store.memo("k").unwrap(), None);
    assert_eq!(store.builds().unwrap().len(), 0);
    assert!(!store.cache_dir("apt").exists());
    for class in ["trees", "stamps", "steps"] {
        assert_eq!(fs_err::read_dir(store.dir().join(class)).unwrap().count(), 0, "{class}");
    }
    assert_eq!(store.verify(Depth::Full).unwrap().problems, []);
}

#[test]
fn what_a_living_process_uses_stays() {
    let f = Fixture::new();
    let loose = image(&f.store, &layer_tar(&[("f", b"loose")]));
    let diff_id = run_step(&f.store, "step");
    run_step(&f.store, "unused");
    let build = f.store.begin_build().unwrap();
    let cache = f.store.lock_cache("apt", imgc_store::Sharing::Shared, &never()).unwrap();
    // Another process, which only looked.
    let user = f.again();
    user.step(&key("step")).unwrap().unwrap();
    assert!(user.has_blob(&loose.digest));
    // The process that made it all is gone.
    let (dir, id) = (f.dir, build.id().to_owned());
    drop((f.store, build));

    let collector = imgc_store::Store::open(&dir.path().join("store")).unwrap();
    collector.gc(&ALL).unwrap();
    assert!(user.has_tree(&diff_id));
    assert!(user.check_complete(&loose).is_ok(), "a manifest in use keeps what it leads to");
    assert!(cache.path().exists());
    assert_eq!(collector.step(&key("unused")).unwrap(), None);
    assert!(collector.build_dir(&id).exists() || collector.builds().unwrap().is_empty());
    drop((user, cache, collector));
    let collector = imgc_store::Store::open(&dir.path().join("store")).unwrap();
    collector.gc(&ALL).unwrap();
    assert!(!collector.has_tree(&diff_id));
    assert!(!collector.has_blob(&loose.digest));
}

#[test]
fn least_recently_used_goes_first() {
    let f = Fixture::new();
    for (at, text) in ["a", "b", "c"].into_iter().enumerate() {
        let diff_id = run_step(&f.store, text);
        set_used(&f.at("steps").join(key(text).hex()), 1000 + at as u64);
        set_used(&f.at("layers").join(diff_id.hex()), 1000 + at as u64);
    }
    let dir = f.dir;
    drop(f.store);
    let open = || imgc_store::Store::open(&dir.path().join("store")).unwrap();
    // Used again: the oldest becomes the newest.
    open().step(&key("a")).unwrap().unwrap();
    let total = open().usage().unwrap().total();
    let collected = open().gc(&Policy { max_bytes: Some(total - 1), ..Policy::default() }).unwrap();
    assert!(collected.left < total);
    let known = |text| open().step(&key(text)).unwrap().is_some();
    assert_eq!([known("a"), known("b"), known("c")], [true, false, true]);
    // By age: all but what was just used.
    set_used(&dir.path().join("store/steps").join(key("c").hex()), 1000);
    open().gc(&Policy { keep: Some(Duration::from_secs(100_000)), ..Policy::default() }).unwrap();
    assert!(known("a"));
    open().gc(&Policy::default()).unwrap();
    assert!(known("a"));
}

#[test]
fn trees_of_images_can_go_and_come_back() {
    let f = Fixture::new();
    let tar = layer_tar(&[("f", b"1")]);
    let image = image(&f.store, &tar);
    f.store.tag(&name("app"), &image).unwrap();
    let diff_id = imgc_base::DiffId::of(&tar);
    f.store.ensure_tree(&diff_id).unwrap();
    let dir = f.dir;
    drop(f.store);
    let store = imgc_store::Store::open(&dir.path().join("store")).unwrap();
    let collected = store.gc(&ALL).unwrap();
    let classes: Vec<_> = collected.removed.iter().map(|removed| removed.class).collect();
    assert_eq!(classes, [Class::Trees]);
    assert!(!store.has_tree(&diff_id));
    store.ensure_tree(&diff_id).unwrap();
    assert!(store.has_tree(&diff_id));
}

#[test]
fn usage_by_class() {
    let f = Fixture::new();
    let image = image(&f.store, &layer_tar(&[("f", b"1")]));
    f.store.tag(&name("app"), &image).unwrap();
    run_step(&f.store, "step");
    f.store.ensure_blob(&imgc_base::DiffId::of(&layer_tar(&[("f", b"step")])), gzip()).unwrap();
    let usage = f.store.usage().unwrap();
    let counts: Vec<_> = usage.classes.iter().filter(|c| c.count > 0).map(|c| (c.class, c.count)).collect();
    assert_eq!(
        counts,
        [(Class::Images, 3), (Class::Blobs, 1), (Class::Layers, 2), (Class::Trees, 1), (Class::Steps, 1)]
    );
}
