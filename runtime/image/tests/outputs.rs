//! Images and root file systems written out and read back.

use imgc_base::digest::BlobDigest;
use imgc_image::archive::Archive;
use imgc_image::compress::{Compression, reader};
use imgc_image::docker_archive::DockerArchive;
use imgc_image::layout::{Layout, blob_path};
use imgc_image::manifest::{Descriptor, Document, Index, media};
use imgc_image::output::{
    DockerImage, LeftOut, write_docker_archive, write_layout, write_layout_archive, write_root_dir,
    write_root_tar,
};
use imgc_image::tree::Tree;
use imgc_image::unpack::unpack;
use imgc_image::{ImageError, Layer, Root, flatten, merge};

use crate::support::{Memory, listing, read};

/// Two layers, the second of which takes back some of the first.
pub(crate) fn image(memory: &mut Memory) -> (Descriptor, Vec<Layer>) {
    let layers = [
        memory.layer(
            &["d dir", "f dir/a hello", "f dir/gone x", "h dir/z dir/a", "l link dir/a", "d tmp - 1777"],
            Compression::Gzip,
        ),
        memory.layer(&["d dir", "f dir/b world 4755", "w dir/gone", "p pipe"], Compression::Zstd),
    ];
    let descriptor = memory.image(&layers);
    (descriptor, layers.into_iter().map(|(layer, _)| layer).collect())
}

fn archive_of(bytes: &[u8]) -> Archive {
    use std::io::Write;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Archive::open(file, tempfile::tempfile).unwrap()
}

#[test]
fn layout_is_made_and_added_to() {
    let mut memory = Memory::default();
    let (one, _) = image(&mut memory);
    let layer = memory.layer(&["f other 1"], Compression::None);
    let two = memory.image(&[layer]);
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("new/layout");
    write_layout(&at, &[(Some("v1".into()), one.clone())], &memory).unwrap();
    let first = listing(&at).len();
    write_layout(&at, &[(Some("v2".into()), two.clone()), (None, one.clone())], &memory).unwrap();
    let roots: Vec<_> = Layout::open(&at).unwrap().roots().into_iter().map(|(n, d)| (n, d.digest)).collect();
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(roots, [(name("v1"), one.digest), (name("v2"), two.digest), (None, one.digest)]);

    // A name moves on; blobs that were there are not written again, broken ones are.
    let broken = at.join(blob_path(&one.digest));
    fs_err::write(&broken, vec![b' '; one.size as usize]).unwrap();
    write_layout(&at, &[(name("v1"), two.clone()), (None, one.clone())], &memory).unwrap();
    let layout = Layout::open(&at).unwrap();
    assert_eq!(layout.find(Some("v1")).unwrap().digest, two.digest);
    assert_eq!(layout.roots().len(), 3);
    assert!(layout.manifest(&one).is_ok());
    assert_eq!(listing(&at).len(), first + 3, "one manifest, one config, one layer more; nothing temporary");
}

#[test]
fn layout_is_not_put_into_other_directories() {
    let mut memory = Memory::default();
    let (one, _) = image(&mut memory);
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("mine"), "1").unwrap();
    assert!(matches!(write_layout(dir.path(), &[(None, one)], &memory), Err(ImageError::Layout(_))));
    assert_eq!(listing(dir.path()).len(), 1);
}

/// A layout whose `blobs` is a link elsewhere does not make us write there.
#[test]
fn hostile_layout_is_not_written_through() {
    let mut memory = Memory::default();
    let (one, _) = image(&mut memory);
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_layout(dir.path(), &[], &memory).unwrap();
    fs_err::remove_dir_all(dir.path().join("blobs")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("blobs")).unwrap();
    assert!(write_layout(dir.path(), &[(None, one)], &memory).is_err());
    assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn missing_and_broken_blobs_stop_an_output() {
    let mut memory = Memory::default();
    let (one, layers) = image(&mut memory);
    let all: Vec<BlobDigest> = memory.blobs.keys().copied().collect();
    for digest in all {
        let kept = memory.blobs.remove(&digest).unwrap();
        let error = write_layout_archive(std::io::sink(), &[(None, one.clone())], &memory).unwrap_err();
        assert!(matches!(error, ImageError::Missing(_)), "{error}");
        let mut other = kept.clone();
        other[0] ^= 1;
        memory.blobs.insert(digest, other);
        assert!(write_layout_archive(std::io::sink(), &[(None, one.clone())], &memory).is_err());
        let dir = tempfile::tempdir().unwrap();
        assert!(write_layout(dir.path(), &[(None, one.clone())], &memory).is_err());
        assert!(!dir.path().join("index.json").exists(), "no list before all is there");
        memory.blobs.insert(digest, kept);
    }
    let nothing = Memory::default();
    let error = write_root_tar(&Tree::new(layers), &nothing, std::io::sink()).unwrap_err();
    assert!(matches!(error, ImageError::Missing(_)), "{error}");
}

#[test]
fn layout_archive_reads_back_and_is_the_same_twice() {
    let mut memory = Memory::default();
    let (one, _) = image(&mut memory);
    let index = Index { manifests: vec![one.clone()], ..imgc_image::layout::empty_index() };
    let index = serde_json::to_vec(&index).unwrap();
    let top = Descriptor::of(media::INDEX, &index);
    memory.put(index);
    let write = || {
        let mut out = Vec::new();
        write_layout_archive(&mut out, &[(Some("latest".into()), top.clone())], &memory).unwrap();
        out
    };
    let bytes = write();
    assert_eq!(bytes, write());
    let layout = Layout::open_archive(archive_of(&bytes)).unwrap();
    let Document::Index(index) = layout.manifest(layout.find(None).unwrap()).unwrap().0 else { panic!() };
    let Document::Manifest(manifest) = layout.manifest(&index.manifests[0]).unwrap().0 else { panic!() };
    for layer in &manifest.layers {
        assert_eq!(read(layout.blob(&layer.digest).unwrap()), memory.blobs[&layer.digest]);
    }
    let error =
        write_docker_archive(std::io::sink(), &[DockerImage { manifest: top, tags: vec![] }], &memory);
    assert!(error.unwrap_err().to_string().contains("several platforms"));
}

#[test]
fn docker_archive_reads_back_in_both_ways() {
    let mut memory = Memory::default();
    let (one, layers) = image(&mut memory);
    let images =
        [DockerImage { manifest: one.clone(), tags: vec!["app".into(), "localhost:5000/x/app:2".into()] }];
    let mut bytes = Vec::new();
    write_docker_archive(&mut bytes, &images, &memory).unwrap();
    let docker = DockerArchive::open(archive_of(&bytes)).unwrap();
    let [image] = docker.images() else { panic!("one image") };
    assert_eq!(image.tags, ["app:latest", "localhost:5000/x/app:2"]);
    for (member, layer) in image.layers.iter().zip(&layers) {
        let index = unpack(reader(docker.layer(member).unwrap()).unwrap(), None).unwrap();
        assert_eq!(index, *layer.index);
    }
    let layout = Layout::open_archive(archive_of(&bytes)).unwrap();
    assert_eq!(layout.find(Some("docker.io/library/app:latest")).unwrap().digest, one.digest);
    assert_eq!(layout.find(Some("2")).unwrap().digest, one.digest);
    let bad = [DockerImage { manifest: one, tags: vec!["Not A Name".into()] }];
    assert!(write_docker_archive(std::io::sink(), &bad, &memory).is_err());
}

#[test]
fn root_tar_is_the_flattened_file_system() {
    let mut memory = Memory::default();
    let (_, layers) = image(&mut memory);
    let tree = Tree::new(layers);
    let mut bytes = Vec::new();
    write_root_tar(&tree, &memory, &mut bytes).unwrap();
    let index = unpack(bytes.as_slice(), None).unwrap();
    assert_eq!(flatten::certificate([&index].into_iter()), flatten::live(&tree));
    assert_eq!(index, merge::merge(&Tree::default(), tree.layers()).unwrap().index());
}

#[test]
fn root_directory() {
    let mut memory = Memory::default();
    let (_, layers) = image(&mut memory);
    let tree = Tree::new(layers);
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs_err::write(outside.path().join("a"), "safe").unwrap();
    // What stands in the way: a link elsewhere where a directory goes, a directory where a file goes.
    std::os::unix::fs::symlink(outside.path(), dir.path().join("dir")).unwrap();
    fs_err::create_dir_all(dir.path().join("pipe/x")).unwrap();
    fs_err::write(dir.path().join("mine"), "stays").unwrap();
    let left_out = write_root_dir(&tree, &memory, &Root::open(dir.path()).unwrap()).unwrap();
    let lines: Vec<String> = listing(dir.path())
        .iter()
        .filter(|line| !line.starts_with("mine"))
        .map(|line| {
            line.split(' ')
                .enumerate()
                .filter(|(at, _)| *at != 2)
                .map(|(_, w)| w)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        lines,
        [
            "dir 755 1000000 dir",
            "dir/a 644 1000000 file \"hello\" 2",
            "dir/b 4755 1000000 file \"world\" 1",
            "dir/z 644 1000000 file \"hello\" 2",
            "link 777 1000000 -> dir/a",
            "pipe 622 1000000 pipe",
            "tmp 1777 1000000 dir",
        ]
    );
    assert_eq!(fs_err::read_to_string(outside.path().join("a")).unwrap(), "safe");
    assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 1);
    if rustix::process::geteuid().is_root() {
        assert_eq!(left_out, LeftOut::default());
    }
    // Once more over itself gives the same.
    let before = listing(dir.path());
    write_root_dir(&tree, &memory, &Root::open(dir.path()).unwrap()).unwrap();
    assert_eq!(listing(dir.path()), before);
}
