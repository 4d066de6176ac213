//! Skopeo takes what we push, and we take what skopeo pushes: indexes, gzip, zstd, docker's formats.

use super::{Live, image, installed, pull_all, run};
use crate::{Client, Config};

#[test]
fn with_skopeo() {
    if !installed("skopeo") {
        return;
    }
    let Some(live) = Live::start(|_| String::new()) else { return };
    let client = Client::new(Config::empty(live.dir.path()));
    let (blobs, root) = image();
    let ours = live.reference("ours/app:1");
    client.push(&ours, &root, &blobs, &[]).unwrap();

    let layout = format!("oci:{}:1", live.dir.path().join("layout").display());
    run("skopeo", &["copy", "--all", "--src-tls-verify=false", &format!("docker://{ours}"), &layout]);
    let theirs = live.reference("theirs/app:1");
    run("skopeo", &["copy", "--all", "--dest-tls-verify=false", &layout, &format!("docker://{theirs}")]);
    assert_eq!(pull_all(&client, &theirs, &blobs), root);

    // One platform in docker's own format.
    let docker = live.reference("docker/app:1");
    run(
        "skopeo",
        &[
            "copy",
            "--format",
            "v2s2",
            "--override-arch",
            "amd64",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            &format!("docker://{ours}"),
            &format!("docker://{docker}"),
        ],
    );
    let (descriptor, bytes) = client.manifest(&docker).unwrap();
    assert_eq!(descriptor.media_type, imgc_image::manifest::media::DOCKER_MANIFEST);
    let manifest: imgc_image::Manifest = serde_json::from_slice(&bytes).unwrap();
    let config = client.document(&docker, &manifest.config, 1 << 20).unwrap();
    assert_eq!(imgc_base::digest::BlobDigest::of(&config), manifest.config.digest);
    for layer in &manifest.layers {
        let mut sink = crate::client::blob::Buffer::default();
        client.blob(&docker, layer, &mut sink).unwrap();
    }
}

#[test]
fn from_registry_to_registry() {
    let (Some(one), Some(other)) = (Live::start(|_| String::new()), Live::start(|_| String::new())) else {
        return;
    };
    let client = Client::new(Config::empty(one.dir.path()));
    let (blobs, root) = image();
    let from = one.reference("team/app:1");
    client.push(&from, &root, &blobs, &[]).unwrap();
    let to = other.reference("copy/app:2");
    let report = client.copy(&from, &to).unwrap();
    assert_eq!((report.sent, report.mounted), (4, 0));
    assert_eq!(pull_all(&client, &to, &blobs), root);
    let near = one.reference("copy/app:2");
    let report = client.copy(&from, &near).unwrap();
    assert_eq!((report.sent, report.mounted), (0, 4));
    assert_eq!(pull_all(&client, &near, &blobs), root);
}
