//! Other tools beside us: what skopeo, umoci and GNU tar make of our outputs.

use std::path::Path;

use imgc_image::Root;
use imgc_image::output::{
    DockerImage, write_docker_archive, write_layout, write_layout_archive, write_root_dir, write_root_tar,
};
use imgc_image::tree::Tree;

use crate::outputs::image;
use crate::support::{Memory, installed, listing, run};

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn skopeo_copies_every_form() {
    if !installed("skopeo") {
        return;
    }
    let mut memory = Memory::default();
    let (descriptor, _) = image(&mut memory);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let roots = [(Some("v1".to_owned()), descriptor.clone())];
    write_layout(&at("layout"), &roots, &memory).unwrap();
    write_layout_archive(fs_err::File::create(at("oci.tar")).unwrap(), &roots, &memory).unwrap();
    let images = [DockerImage { manifest: descriptor.clone(), tags: vec!["app:v1".to_owned()] }];
    write_docker_archive(fs_err::File::create(at("docker.tar")).unwrap(), &images, &memory).unwrap();
    for (number, from) in [
        format!("oci:{}:v1", text(&at("layout"))),
        format!("oci-archive:{}:v1", text(&at("oci.tar"))),
        format!("docker-archive:{}:app:v1", text(&at("docker.tar"))),
        format!("oci-archive:{}:v1", text(&at("docker.tar"))),
    ]
    .iter()
    .enumerate()
    {
        let to = format!("dir:{}", text(&at(&format!("copy{number}"))));
        run("skopeo", &["--insecure-policy", "copy", from, &to]).unwrap();
        let manifest = fs_err::read(at(&format!("copy{number}/manifest.json"))).unwrap();
        if !from.starts_with("docker-archive") {
            assert_eq!(manifest, memory.blobs[&descriptor.digest], "{from}");
        }
    }
}

#[test]
fn umoci_unpacks_what_we_flatten() {
    if !installed("umoci") {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: unpacking with owners needs root");
        return;
    }
    let mut memory = Memory::default();
    let lower = memory.layer(
        &[
            "c dev",
            "d dir",
            "f dir/a 1",
            "d dir/deep",
            "f dir/deep/x 2",
            "d dir2",
            "f dir2/old 3",
            "f file 4",
            "f first 5 4711",
            "h second first 4711",
        ],
        imgc_image::Compression::Gzip,
    );
    let upper = memory.layer(
        &["d dir", "w dir/deep", "o dir2", "f dir2/new 6", "d file", "f file/inside 7", "w first", "p pipe"],
        imgc_image::Compression::Gzip,
    );
    let tree = Tree::new(vec![lower.0.clone(), upper.0.clone()]);
    let descriptor = memory.image(&[lower, upper]);
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    write_layout(&layout, &[(Some("v1".to_owned()), descriptor)], &memory).unwrap();
    let bundle = dir.path().join("bundle");
    run("umoci", &["unpack", "--image", &format!("{}:v1", text(&layout)), &text(&bundle)]).unwrap();
    let ours = dir.path().join("ours");
    fs_err::create_dir(&ours).unwrap();
    write_root_dir(&tree, &memory, &Root::open(&ours).unwrap()).unwrap();
    assert_eq!(listing(&ours), listing(&bundle.join("rootfs")));
}

#[test]
fn gnu_tar_extracts_the_root() {
    if !installed("tar") {
        return;
    }
    let mut memory = Memory::default();
    let (_, layers) = image(&mut memory);
    let tree = Tree::new(layers);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_root_tar(&tree, &memory, fs_err::File::create(at("root.tar")).unwrap()).unwrap();
    for name in ["theirs", "ours"] {
        fs_err::create_dir(at(name)).unwrap();
    }
    run("tar", &["-xpf", &text(&at("root.tar")), "-C", &text(&at("theirs"))]).unwrap();
    write_root_dir(&tree, &memory, &Root::open(&at("ours")).unwrap()).unwrap();
    assert_eq!(listing(&at("theirs")), listing(&at("ours")));
}
