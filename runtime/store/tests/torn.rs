//! Torn and damaged files: what a power loss or bit rot leaves.

use imgc_base::DiffId;
use imgc_store::usage::Class;
use imgc_store::{Depth, Store};

use crate::support::*;

/// Cuts a file, as a power loss before its data was written does.
fn tear(path: &std::path::Path, keep: usize) {
    let bytes = fs_err::read(path).unwrap();
    fs_err::remove_file(path).unwrap();
    fs_err::write(path, &bytes[..keep.min(bytes.len() - 1)]).unwrap();
}

#[test]
fn torn_small_files_are_absent_and_replaced() {
    for keep in [0, 10, 100] {
        let f = Fixture::new();
        let diff_id = run_step(&f.store, "a");
        let blob = f.store.ensure_blob(&diff_id, gzip()).unwrap();
        f.store.put_memo("k", "v").unwrap();
        for class in ["layers", "maps", "steps", "memo", "stamps"] {
            for item in fs_err::read_dir(f.at(class)).unwrap() {
                tear(&item.unwrap().path(), keep);
            }
        }
        let store = f.again();
        assert_eq!(store.layer(&diff_id).unwrap(), None);
        assert_eq!(store.any_layer_blob(&diff_id).unwrap(), None);
        assert_eq!(store.step(&key("a")).unwrap(), None);
        assert_eq!(store.memo("k").unwrap(), None);
        assert!(!store.has_tree(&diff_id));
        let report = store.verify(Depth::Full).unwrap();
        assert!(report.is_whole() && report.problems.len() >= 4, "{report:?}");
        // Running the step again puts everything right.
        let store = f.again();
        run_step(&store, "a");
        assert_eq!(store.ensure_blob(&diff_id, gzip()).unwrap(), blob);
        assert_eq!(f.again().step(&key("a")).unwrap(), Some(record(Some(diff_id))));
        assert_eq!(f.again().verify(Depth::Full).unwrap().problems, []);
    }
}

/// Makes records look as if an earlier boot of the machine had written them.
fn change_boot(store: &Store) {
    for class in ["steps", "stamps"] {
        for item in fs_err::read_dir(store.dir().join(class)).unwrap() {
            let path = item.unwrap().path();
            let text = fs_err::read_to_string(&path).unwrap();
            let (head, body) = text.split_once('\n').unwrap();
            let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
            let body = body.replace(boot.trim(), "an-earlier-boot");
            let (tag, _) = head.split_once(' ').unwrap();
            let sum = imgc_base::BlobDigest::of(body.as_bytes()).hex();
            fs_err::write(&path, format!("{tag} {sum}\n{body}")).unwrap();
        }
    }
}

#[test]
fn steps_and_trees_of_an_unsynced_boot_are_not_believed() {
    let f = Fixture::new();
    let diff_id = run_step(&f.store, "a");
    assert!(f.again().step(&key("a")).unwrap().is_some());
    change_boot(&f.store);
    let store = f.again();
    assert_eq!(store.step(&key("a")).unwrap(), None);
    assert!(!store.has_tree(&diff_id));
    // A tree that lost its content is replaced by whoever makes it again.
    fs_err::write(f.at("trees").join(diff_id.hex()).join("d/f"), "").unwrap();
    run_step(&store, "a");
    let content = fs_err::read_to_string(f.at("trees").join(diff_id.hex()).join("d/f")).unwrap();
    assert_eq!(content, "a");
    assert_eq!(f.again().verify(Depth::Full).unwrap().problems, []);
}

#[test]
fn one_flipped_bit_is_found_and_moved_away() {
    let f = Fixture::new();
    let tar = layer_tar(&[("f", b"content of a file")]);
    let image = image(&f.store, &tar);
    f.store.tag(&name("app"), &image).unwrap();
    let diff_id = DiffId::of(&tar);
    f.store.ensure_tree(&diff_id).unwrap();
    let whole = f.again().verify(Depth::Full).unwrap();
    assert_eq!(whole.problems, []);

    let layer = f.store.any_layer_blob(&diff_id).unwrap().unwrap();
    let blob = f.at("blobs/sha256").join(layer.digest.hex());
    let file = f.at("trees").join(diff_id.hex()).join("d/f");
    for (class, path) in [(Class::Blobs, blob), (Class::Trees, file)] {
        let good = fs_err::read(&path).unwrap();
        let meta = fs_err::metadata(&path).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            rewrite(&path, &bad, &meta);
            let report = f.again().verify(Depth::Full).unwrap();
            let classes: Vec<_> = report.broken().map(|problem| problem.class).collect();
            assert_eq!(classes, [class], "byte {at}: {report:?}");
        }
        rewrite(&path, &good, &meta);
    }

    let mut bad = fs_err::read(f.at("blobs/sha256").join(layer.digest.hex())).unwrap();
    bad[20] ^= 1;
    let path = f.at("blobs/sha256").join(layer.digest.hex());
    let meta = fs_err::metadata(&path).unwrap();
    rewrite(&path, &bad, &meta);
    let store = f.again();
    let report = store.verify(Depth::Full).unwrap();
    let repaired = store.repair(&report).unwrap();
    assert_eq!((repaired.moved.len(), repaired.images.len()), (1, 1));
    assert_eq!(repaired.images, ["docker.io/library/app:latest"]);
    assert_eq!(store.find(&name("app")).unwrap(), None);
    assert!(f.again().verify(Depth::Full).unwrap().is_whole());
}

/// Writes bytes in place; mode and time stay.
fn rewrite(path: &std::path::Path, bytes: &[u8], meta: &std::fs::Metadata) {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    fs_err::write(path, bytes).unwrap();
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(meta.modified().unwrap()).unwrap();
    fs_err::set_permissions(path, meta.permissions()).unwrap();
}

#[test]
fn changed_trees_are_found() {
    use std::os::unix::fs::PermissionsExt;
    type Change = fn(&std::path::Path);
    let table: [(&str, Change); 6] = [
        ("gone", |tree| fs_err::remove_file(tree.join("d/f")).unwrap()),
        ("new", |tree| fs_err::write(tree.join("new"), "").unwrap()),
        ("mode", |tree| {
            fs_err::set_permissions(tree.join("d/f"), std::fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("time", |tree| {
            std::fs::File::open(tree.join("d/f")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }),
        ("link", |tree| {
            fs_err::remove_file(tree.join("link")).unwrap();
            std::os::unix::fs::symlink("elsewhere", tree.join("link")).unwrap();
        }),
        ("type", |tree| {
            fs_err::remove_file(tree.join("link")).unwrap();
            fs_err::write(tree.join("link"), "").unwrap();
        }),
    ];
    for (what, change) in table {
        let f = Fixture::new();
        let diff_id = run_step(&f.store, "a");
        change(&f.store.tree_path(&diff_id));
        let report = f.again().verify(Depth::Full).unwrap();
        assert_eq!(report.broken().count(), 1, "{what}: {report:?}");
        f.store.repair(&report).unwrap();
        assert!(!f.again().has_tree(&diff_id));
    }
}

#[test]
fn a_missing_part_of_an_image_is_found_quickly() {
    let f = Fixture::new();
    let image = image(&f.store, &layer_tar(&[("f", b"1")]));
    f.store.tag(&name("app"), &image).unwrap();
    assert_eq!(f.store.verify(Depth::Quick).unwrap().problems, []);
    let manifest: imgc_image::Manifest =
        serde_json::from_slice(&f.store.read_document(&image.digest, 10_000).unwrap()).unwrap();
    let path = f.at("blobs/sha256").join(manifest.layers[0].digest.hex());
    tear(&path, 5);
    let report = f.store.verify(Depth::Quick).unwrap();
    let classes: Vec<_> = report.broken().map(|problem| problem.class).collect();
    assert_eq!(classes, [Class::Blobs, Class::Images]);
}
