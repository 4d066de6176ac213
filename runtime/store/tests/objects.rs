//! Blobs, refs, steps, memos, builds, cache mounts.

use std::io::{Read, Write};

use imgc_base::digest::BlobDigest;
use imgc_image::source::Blobs;
use imgc_store::refs::name_of;
use imgc_store::{Sharing, StoreError};

use crate::support::*;

#[test]
fn a_blob_is_named_after_it_was_checked() {
    let f = Fixture::new();
    let mut writer = f.store.blob_writer().unwrap();
    writer.write_all(b"hello").unwrap();
    let expected = BlobDigest::of(b"hello");
    assert!(!f.store.has_blob(&expected));
    assert_eq!(writer.commit(Some((expected, 5))).unwrap(), (expected, 5));
    assert_eq!(f.again().read_document(&expected, 5).unwrap(), b"hello");
    assert!(matches!(f.store.read_document(&expected, 4), Err(StoreError::TooLarge { size: 5, .. })));
}

#[test]
fn wrong_bytes_get_no_name() {
    let f = Fixture::new();
    let expected = BlobDigest::of(b"hello");
    for (given, size) in [(&b"hallo"[..], 5), (b"hell", 5), (b"hello!", 5), (b"hello", 6)] {
        let mut writer = f.store.blob_writer().unwrap();
        writer.write_all(given).unwrap();
        let refused = writer.commit(Some((expected, size)));
        assert!(matches!(refused, Err(StoreError::Digest { .. } | StoreError::Size { .. })), "{given:?}");
    }
    assert_eq!(fs_err::read_dir(f.at("blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn a_download_goes_on_where_it_was_cut() {
    let f = Fixture::new();
    let whole = bytes(1, 10_000);
    let digest = BlobDigest::of(&whole);
    let mut first = f.store.resume_blob(&digest, 10_000).unwrap();
    first.write_all(&whole[..4000]).unwrap();
    // A second process receives the same blob meanwhile: apart.
    let other = f.again();
    assert_eq!(other.resume_blob(&digest, 10_000).unwrap().offset(), 0);
    drop(first);
    let mut second = other.resume_blob(&digest, 10_000).unwrap();
    assert_eq!(second.offset(), 4000);
    second.write_all(&whole[4000..]).unwrap();
    second.commit(Some((digest, 10_000))).unwrap();
    assert_eq!(f.store.read_document(&digest, 10_000).unwrap(), whole);
    assert_eq!(fs_err::read_dir(f.at("partial")).unwrap().count(), 0);
}

#[test]
fn a_download_of_wrong_bytes_does_not_go_on() {
    let f = Fixture::new();
    let digest = BlobDigest::of(b"right");
    let mut writer = f.store.resume_blob(&digest, 5).unwrap();
    writer.write_all(b"wrong").unwrap();
    assert!(matches!(writer.commit(Some((digest, 5))), Err(StoreError::Digest { .. })));
    assert_eq!(f.store.resume_blob(&digest, 5).unwrap().offset(), 0);
}

#[test]
fn damage_is_found_when_a_blob_is_read() {
    let f = Fixture::new();
    let digest = put_blob(&f.store, b"hello");
    let path = f.at("blobs/sha256").join(digest.hex());
    fs_err::remove_file(&path).unwrap();
    fs_err::write(&path, "hallo").unwrap();
    let mut text = Vec::new();
    assert!(Blobs::open(&f.store, &digest).unwrap().read_to_end(&mut text).is_err());
    assert!(!f.store.has_blob(&digest), "it was moved away");
    assert_eq!(fs_err::read_dir(f.at("quarantine")).unwrap().count(), 1);
    // And a document with the right bytes takes its place.
    fs_err::write(&path, "hallo").unwrap();
    assert_eq!(f.store.put_document(b"hello").unwrap(), digest);
    assert_eq!(f.store.read_document(&digest, 5).unwrap(), b"hello");
}

#[test]
fn names_lead_to_images() {
    let f = Fixture::new();
    let (one, two) =
        (image(&f.store, &layer_tar(&[("f", b"1")])), image(&f.store, &layer_tar(&[("f", b"2")])));
    f.store.tag(&name("app"), &one).unwrap();
    f.store.tag(&name("app:2"), &two).unwrap();
    f.store.tag(&name("app"), &two).unwrap();
    let names: Vec<_> = f.again().images().unwrap().iter().map(|i| name_of(i).cloned().unwrap()).collect();
    assert_eq!(names, ["docker.io/library/app:2", "docker.io/library/app:latest"]);
    assert_eq!(f.store.find(&name("app")).unwrap().unwrap().digest, two.digest);
    assert_eq!(f.store.find(&name("docker.io/library/app:2")).unwrap().unwrap().digest, two.digest);
    assert_eq!(f.store.find(&name("other")).unwrap(), None);
    // By digest also without a name.
    let pinned = format!("whatever@{}", one.digest);
    assert_eq!(f.store.find(&name(&pinned)).unwrap().unwrap().media_type, one.media_type);
    assert!(f.store.untag(&name("app")).unwrap());
    assert!(!f.store.untag(&name("app")).unwrap());
    assert_eq!(f.store.find(&name("app")).unwrap(), None);
    f.store.keep(&one).unwrap();
    assert_eq!(f.store.images().unwrap().len(), 2);
    f.store.tag(&name("one"), &one).unwrap();
    assert_eq!(f.store.images().unwrap().len(), 2, "its entry without a name went");
    assert!(f.store.forget(&one.digest).unwrap());
    assert_eq!(f.store.images().unwrap().len(), 1);
}

#[test]
fn an_incomplete_image_gets_no_name() {
    let f = Fixture::new();
    let image = image(&f.store, &layer_tar(&[("f", b"1")]));
    let manifest = f.store.read_document(&image.digest, 10_000).unwrap();
    let manifest: imgc_image::Manifest = serde_json::from_slice(&manifest).unwrap();
    fs_err::remove_file(f.at("blobs/sha256").join(manifest.layers[0].digest.hex())).unwrap();
    assert!(matches!(f.store.tag(&name("app"), &image), Err(StoreError::Missing { .. })));
    assert_eq!(f.store.images().unwrap(), []);
}

#[test]
fn other_tools_read_the_store_as_a_layout() {
    let f = Fixture::new();
    let image = image(&f.store, &layer_tar(&[("f", b"1")]));
    f.store.tag(&name("app:1"), &image).unwrap();
    let layout = imgc_image::layout::Layout::open(f.store.dir()).unwrap();
    let roots = layout.roots();
    assert_eq!(roots.len(), 1);
    let mut manifest = Vec::new();
    layout.open(&image.digest).unwrap().read_to_end(&mut manifest).unwrap();
    assert_eq!(BlobDigest::of(&manifest), image.digest);
}

#[test]
fn steps_are_found_while_their_layer_is_here() {
    let f = Fixture::new();
    assert_eq!(f.store.step(&key("a")).unwrap(), None);
    f.store.put_step(&key("a"), &record(None)).unwrap();
    assert_eq!(f.again().step(&key("a")).unwrap(), Some(record(None)));
    let diff_id = run_step(&f.store, "b");
    assert_eq!(f.again().step(&key("b")).unwrap(), Some(record(Some(diff_id))));
    fs_err::remove_dir_all(f.at("trees").join(diff_id.hex())).unwrap();
    assert_eq!(f.again().step(&key("b")).unwrap(), None);
    // A blob of the layer is as good as its tree.
    import(&f.store, &layer_tar(&[("f", b"b")]));
    assert_eq!(f.again().step(&key("b")).unwrap(), Some(record(Some(diff_id))));
}

#[test]
fn memos() {
    let f = Fixture::new();
    assert_eq!(f.store.memo("k").unwrap(), None);
    f.store.put_memo("k", "v\n").unwrap();
    f.store.put_memo("../k", "w").unwrap();
    assert_eq!(f.again().memo("k").unwrap().as_deref(), Some("v\n"));
    assert_eq!(f.again().memo("../k").unwrap().as_deref(), Some("w"));
}

#[test]
fn builds_have_their_own_directories() {
    let f = Fixture::new();
    let (one, two) = (f.store.begin_build().unwrap(), f.store.begin_build().unwrap());
    assert_ne!(one.id(), two.id());
    fs_err::write(one.dir().join("log"), "x").unwrap();
    let ids = vec![one.id().to_owned(), two.id().to_owned()];
    f.store.put_memo("k", "v").unwrap();
    one.finish().unwrap();
    assert!(!f.at("synced").exists(), "nothing needed a sync");
    f.store.put_step(&key("a"), &record(None)).unwrap();
    two.finish().unwrap();
    assert!(f.at("synced").exists());
    assert_eq!(f.again().builds().unwrap(), ids);
}

#[test]
fn cache_mounts_are_shared_locked_or_private() {
    let f = Fixture::new();
    let (a, b) = (f.store.clone(), f.again());
    let one = a.lock_cache("apt", Sharing::Shared, &never()).unwrap();
    assert!(one.is_fresh());
    fs_err::write(one.path().join("x"), "1").unwrap();
    let two = b.lock_cache("apt", Sharing::Shared, &never()).unwrap();
    assert_eq!((two.path(), two.is_fresh()), (one.path(), false));
    let stop = never();
    stop.cancel();
    assert!(matches!(b.lock_cache("apt", Sharing::Locked, &stop), Err(StoreError::Cancelled(_))));
    drop((one, two));
    let locked = b.lock_cache("apt", Sharing::Locked, &never()).unwrap();
    assert!(matches!(a.lock_cache("apt", Sharing::Locked, &stop), Err(StoreError::Cancelled(_))));
    let private = a.lock_cache("apt", Sharing::Private, &never()).unwrap();
    assert_ne!(private.path(), locked.path());
    drop((locked, private));
    let first = a.lock_cache("apt", Sharing::Private, &never()).unwrap();
    assert_eq!(first.path(), a.cache_dir("apt"));
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let f = Fixture::new();
    let image = image(&f.store, &layer_tar(&[("f", b"1")]));
    f.store.tag(&name("app"), &image).unwrap();
    let set = |mode| fs_err::set_permissions(f.store.dir(), std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o500);
    let store = f.again();
    if store.is_read_only() {
        assert_eq!(store.find(&name("app")).unwrap().unwrap().digest, image.digest);
        assert!(store.read_document(&image.digest, 10_000).is_ok());
        assert!(matches!(store.put_document(b"x"), Err(StoreError::ReadOnly(_))));
    } else {
        eprintln!("SKIPPED: this user may write everywhere");
    }
    set(0o700);
}
