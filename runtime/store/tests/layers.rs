//! Layers: import, unpacking, content, blobs made again.

use std::io::{Read, Write};

use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::path::ImagePath;
use imgc_image::Compression;
use imgc_image::compress::Compressor;
use imgc_image::source::Contents;
use imgc_store::{Import, StoreError};

use crate::support::*;

fn packed(tar: &[u8], compression: Compression) -> Vec<u8> {
    let mut compressor = Compressor::new(compression, Vec::new()).unwrap();
    compressor.write_all(tar).unwrap();
    compressor.finish().unwrap()
}

#[test]
fn import_in_one_pass() {
    let tar = layer_tar(&[("f", b"hello")]);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for tree in [false, true] {
            let f = Fixture::new();
            let blob = packed(&tar, compression);
            let import = Import {
                blob: Some((BlobDigest::of(&blob), blob.len() as u64)),
                diff_id: Some(DiffId::of(&tar)),
                tree,
                ..Import::default()
            };
            let layer = f.store.import_layer(blob.as_slice(), &import).unwrap();
            assert_eq!((layer.diff_id, layer.digest), (DiffId::of(&tar), BlobDigest::of(&blob)));
            assert_eq!(layer.media_type, compression.media_type());
            let store = f.again();
            assert_eq!(store.any_layer_blob(&layer.diff_id).unwrap(), Some(layer.clone()));
            assert_eq!(store.layer(&layer.diff_id).unwrap().unwrap().entries().len(), 3);
            assert_eq!(store.has_tree(&layer.diff_id), tree);
        }
    }
}

#[test]
fn a_plain_layer_is_compressed_on_the_way() {
    let tar = layer_tar(&[("f", b"hello")]);
    let f = Fixture::new();
    let layer = import(&f.store, &tar);
    assert_eq!(layer.digest, BlobDigest::of(&packed(&tar, Compression::Gzip)));
    assert_eq!(f.again().layer_blob(&layer.diff_id, gzip()).unwrap(), Some(layer));
}

#[test]
fn wrong_layers_are_refused_whole() {
    let tar = layer_tar(&[("f", b"hello")]);
    let blob = packed(&tar, Compression::Gzip);
    let right = Some((BlobDigest::of(&blob), blob.len() as u64));
    let f = Fixture::new();
    let mut longer = blob.clone();
    longer.push(0);
    let table: [(&[u8], Import); 4] = [
        (&blob, Import { diff_id: Some(DiffId::of(b"other")), ..Import::default() }),
        (&blob, Import { blob: Some((BlobDigest::of(b"other"), blob.len() as u64)), ..Import::default() }),
        (&blob[..blob.len() - 9], Import { blob: right, ..Import::default() }),
        (&longer, Import { blob: right, ..Import::default() }),
    ];
    for (at, (bytes, import)) in table.into_iter().enumerate() {
        assert!(f.store.import_layer(bytes, &import).is_err(), "{at}");
    }
    for class in ["blobs/sha256", "layers", "maps", "trees"] {
        assert_eq!(fs_err::read_dir(f.at(class)).unwrap().count(), 0, "{class}");
    }
}

#[test]
fn trees_and_contents_come_from_blobs_when_needed() {
    let f = Fixture::new();
    let layer = import(&f.store, &layer_tar(&[("f", b"hello"), ("g", b"")]));
    assert!(!f.store.has_tree(&layer.diff_id));
    let path = ImagePath::clean("d/f").unwrap();
    let mut text = String::new();
    Contents::open(&f.store, &layer.diff_id, &path).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    assert!(f.again().has_tree(&layer.diff_id));
    assert_eq!(fs_err::read_to_string(f.store.tree_path(&layer.diff_id).join("d/f")).unwrap(), "hello");
    let missing = Contents::open(&f.store, &DiffId::of(b"no"), &path).err().unwrap();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn an_index_comes_from_a_blob_when_needed() {
    let f = Fixture::new();
    let layer = import(&f.store, &layer_tar(&[("f", b"hello")]));
    let before = f.store.layer(&layer.diff_id).unwrap().unwrap();
    fs_err::remove_file(f.at("layers").join(layer.diff_id.hex())).unwrap();
    assert_eq!(f.again().ensure_layer(&layer.diff_id).unwrap(), before);
    assert!(f.at("layers").join(layer.diff_id.hex()).exists());
}

#[test]
fn a_blob_is_made_again_with_the_same_bytes() {
    let f = Fixture::new();
    let diff_id = run_step(&f.store, "hello");
    let tar = layer_tar(&[("f", b"hello")]);
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        assert_eq!(f.store.layer_blob(&diff_id, compression).unwrap(), None);
        // The first from the tree, the others from the first.
        let made = f.store.ensure_blob(&diff_id, compression).unwrap();
        assert_eq!(made.digest, BlobDigest::of(&packed(&tar, compression)));
        assert_eq!(f.again().ensure_blob(&diff_id, compression).unwrap(), made);
    }
}

#[test]
fn what_a_build_emits_does_not_depend_on_foreign_blobs() {
    let f = Fixture::new();
    let diff_id = run_step(&f.store, "hello");
    let tar = layer_tar(&[("f", b"hello")]);
    // Another tool's gzip: two members.
    let mut foreign = packed(&tar[..512], Compression::Gzip);
    foreign.extend(packed(&tar[512..], Compression::Gzip));
    let theirs = f.store.import_layer(foreign.as_slice(), &Import::default()).unwrap();
    assert_eq!(theirs.diff_id, diff_id);
    assert_eq!(f.store.layer_blob(&diff_id, gzip()).unwrap(), None);
    assert_eq!(f.store.any_layer_blob(&diff_id).unwrap(), Some(theirs.clone()));
    let ours = f.store.ensure_blob(&diff_id, gzip()).unwrap();
    assert_eq!(ours.digest, BlobDigest::of(&packed(&tar, Compression::Gzip)));
    assert_ne!(ours.digest, theirs.digest);
}

#[test]
fn a_foreign_layer_is_never_passed_off() {
    let f = Fixture::new();
    // Not canonical: the archive ends with more zero blocks than the writer makes.
    let mut tar = layer_tar(&[("f", b"hello")]);
    tar.resize(tar.len() + 8192, 0);
    let layer = import(&f.store, &tar);
    f.store.ensure_tree(&layer.diff_id).unwrap();
    // From its blob it can be compressed another way, exactly.
    let zstd = f.store.ensure_blob(&layer.diff_id, Compression::Zstd).unwrap();
    assert_eq!(zstd.digest, BlobDigest::of(&packed(&tar, Compression::Zstd)));
    for blob in [layer.digest, zstd.digest] {
        fs_err::remove_file(f.at("blobs/sha256").join(blob.hex())).unwrap();
    }
    let refused = f.again().ensure_blob(&layer.diff_id, gzip());
    assert!(matches!(refused, Err(StoreError::NotCanonical(id)) if id == layer.diff_id), "{refused:?}");
    assert_eq!(fs_err::read_dir(f.at("blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn a_damaged_blob_is_moved_away_when_unpacked() {
    let f = Fixture::new();
    let layer = import(&f.store, &layer_tar(&[("f", &bytes(3, 5000))]));
    let path = f.at("blobs/sha256").join(layer.digest.hex());
    let mut blob = fs_err::read(&path).unwrap();
    let middle = blob.len() / 2;
    blob[middle] ^= 1;
    fs_err::remove_file(&path).unwrap();
    fs_err::write(&path, blob).unwrap();
    let refused = f.again().ensure_tree(&layer.diff_id);
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert!(!path.exists());
    assert!(!f.store.has_tree(&layer.diff_id));
    assert!(matches!(f.again().ensure_tree(&layer.diff_id), Err(StoreError::Missing { .. })));
}

#[test]
fn long_work_can_be_cancelled() {
    let f = Fixture::new();
    let layer = import(&f.store, &layer_tar(&[("f", b"hello")]));
    let cancel = never();
    let store = f.store.cancelled_by(&cancel);
    cancel.cancel();
    assert!(matches!(store.ensure_tree(&layer.diff_id), Err(StoreError::Cancelled(_))));
    assert!(matches!(
        store.import_layer(layer_tar(&[]).as_slice(), &Import::default()),
        Err(StoreError::Cancelled(_))
    ));
    assert!(!f.store.has_tree(&layer.diff_id));
}
