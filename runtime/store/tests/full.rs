//! A full disk: a small tmpfs in a user namespace of its own.

use std::io::{Read, Write};
use std::process::Command;

use imgc_store::{Depth, Policy, Store, StoreError};
use rustix::mount::{MountFlags, mount};

use crate::support::*;

const TEST: &str = "full::a_full_disk_leaves_everything_whole";

#[test]
fn a_full_disk_leaves_everything_whole() {
    if let Some(role) = role() {
        return work(role[0].as_ref());
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--"]).arg(std::env::current_exe().unwrap());
    prepare(&mut command, TEST, &[dir.path().to_str().unwrap()]);
    let Ok(mut child) = command.spawn() else {
        eprintln!("SKIPPED: `unshare` (util-linux) is absent");
        return;
    };
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let status = child.wait().unwrap();
    if text.contains("NO NAMESPACES") || !text.contains("running 1 test") {
        eprintln!("SKIPPED: user namespaces with mounts are not permitted here");
        return;
    }
    assert!(status.success(), "{text}");
}

fn work(dir: &std::path::Path) {
    if let Err(error) = mount("tmpfs", dir, "tmpfs", MountFlags::empty(), Some(c"size=1m")) {
        println!("\nNO NAMESPACES: {error}");
        return;
    }
    let store = Store::open(&dir.join("store")).unwrap();
    let image = image(&store, &layer_tar(&[("f", b"1")]));
    store.tag(&name("app"), &image).unwrap();
    let files_before = files(store.dir());

    // A blob that does not fit.
    let mut writer = store.blob_writer().unwrap();
    let error = writer.write_all(&bytes(1, 2 << 20)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    drop(writer);
    // A layer that does not fit, plain and compressed.
    let error = store
        .import_layer(layer_tar(&[("big", &bytes(2, 2 << 20))]).as_slice(), &imgc_store::Import::default());
    assert!(matches!(&error, Err(error) if error.is_full()), "{error:?}");
    assert_eq!(files(store.dir()), files_before, "nothing half-written stays");

    // Not one byte left: everything fails as full, and what is here can be used and collected.
    run_step(&store, "old");
    let stuffing = dir.join("stuffing");
    let mut file = std::fs::File::create(&stuffing).unwrap();
    while file.write(&[0; 512]).is_ok() {}
    let full =
        |result: Result<(), StoreError>| assert!(matches!(&result, Err(e) if e.is_full()), "{result:?}");
    full(store.put_document(b"new").map(drop));
    full(store.put_step(&key("new"), &record(None)));
    full(store.put_memo("k", "v"));
    full(store.tag(&name("other"), &image));
    full(store.ensure_tree(&imgc_base::DiffId::of(&layer_tar(&[("f", b"1")]))).map(drop));
    let fresh = Store::open(store.dir()).unwrap();
    assert_eq!(fresh.find(&name("app")).unwrap().unwrap().digest, image.digest);
    assert!(fresh.step(&key("old")).unwrap().is_some());
    assert_eq!(fresh.verify(Depth::Full).unwrap().problems, []);
    drop((store, fresh));
    let collector = Store::open(&dir.join("store")).unwrap();
    assert!(collector.gc(&Policy { all: true, ..Policy::default() }).unwrap().freed() > 0);
    assert!(collector.check_complete(&image).is_ok());

    fs_err::remove_file(stuffing).unwrap();
    collector.put_document(b"new").unwrap();
    assert_eq!(collector.verify(Depth::Full).unwrap().problems, []);
}

/// All regular files but leases.
fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for item in fs_err::read_dir(dir).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_none_or(|extension| extension != "lock") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
