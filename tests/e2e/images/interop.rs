//! With `skopeo` and `buildah`, both ways: through a registry, through archives and layouts.

use std::process::Command;

use imgc_image::layout::Layout;
use imgc_testkit::buildah::Buildah;
use imgc_testkit::{Place, peer};

use super::server::Server;
use crate::place;

fn skopeo(place: &Place, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "--tmpdir"]).arg(place.path("")).args(args);
    peer::run(command.env("HOME", place.path("home")).current_dir(place.path("")))
}

fn digest_of(place: &Place, name: &str) -> String {
    place.imgc(&["inspect", "-f", "{{.Digest}}", name]).ok().stdout.trim().to_owned()
}

#[test]
fn skopeo_reads_and_writes_the_same() {
    let test = "skopeo_reads_and_writes_the_same";
    if peer::need(test, ["skopeo"]).is_none() {
        return;
    }
    let place = place();
    if !place.with_busybox(test) {
        return;
    }
    let Some(server) = Server::plain(test, &place) else { return };
    let digest = place.build("FROM busybox\nRUN echo 1 > /one\nCMD [\"cat\", \"/one\"]\n", &["-t", "app:1"]);
    let at = |name: &str| format!("docker://{}/{name}", server.name);
    let raw = |place: &Place, name: &str| place.imgc(&["inspect", "--raw", name]).ok().stdout;

    // To a registry and from there; the manifest's bytes stay.
    place.imgc(&["copy", "app:1", &at("a:1")]).ok().prints(&digest);
    let seen = skopeo(&place, &["inspect", "--tls-verify=false", "--raw", &at("a:1")]);
    assert_eq!(String::from_utf8(seen).unwrap(), raw(&place, "app:1"));
    skopeo(&place, &["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &at("a:1"), &at("b:1")]);
    place.imgc(&["copy", &at("b:1"), "back:1"]).ok().prints(&digest);

    // Archives and layouts that this program writes.
    place.imgc(&["save", "-o", "docker.tar", "app:1"]).ok();
    place.imgc(&["save", "--format", "oci", "-o", "oci.tar", "app:1"]).ok();
    place.imgc(&["copy", "app:1", "oci:layout:1"]).ok();
    place.imgc(&["copy", "app:1", "docker-archive:plain.tar:app:1"]).ok();
    for source in
        ["docker-archive:docker.tar", "oci-archive:oci.tar", "oci:layout:1", "docker-archive:plain.tar"]
    {
        skopeo(&place, &["copy", source, "oci:seen:x"]);
        fs_err::remove_dir_all(place.path("seen")).unwrap();
    }

    // And those that skopeo writes: a docker archive has other bytes of manifest, the rest stays.
    skopeo(&place, &["copy", "--src-tls-verify=false", &at("a:1"), "docker-archive:theirs.tar:theirs:1"]);
    place.imgc(&["load", "-i", "theirs.tar"]).ok().prints("theirs:1");
    assert_eq!(place.imgc(&["run", "theirs:1"]).ok().stdout, "1\n");
    skopeo(&place, &["copy", "--src-tls-verify=false", &at("a:1"), "oci-archive:theirs2.tar:theirs:2"]);
    place.imgc(&["copy", "archive:theirs2.tar", "theirs:2"]).ok().prints(&digest);
    skopeo(&place, &["copy", "--src-tls-verify=false", &at("a:1"), "oci:theirs:3"]);
    place.imgc(&["copy", "oci:theirs:3", "theirs:3"]).ok().prints(&digest);
    place.imgc(&["copy", "oci:theirs:4", "x"]).fails_with(1).says("has no image `4`");
    place.imgc(&["copy", "docker-archive:theirs.tar", &at("c:1")]).ok();
    skopeo(&place, &["inspect", "--tls-verify=false", &at("c:1")]);

    // zstd, and docker's own manifest format.
    skopeo(
        &place,
        &["copy", "--dest-compress-format", "zstd", "--dest-compress", "oci:layout:1", "oci:zstd:1"],
    );
    place.imgc(&["copy", "oci:zstd:1", "zstd:1"]).ok();
    assert_eq!(place.imgc(&["run", "zstd:1"]).ok().stdout, "1\n");
    skopeo(&place, &["copy", "--format", "v2s2", "--dest-tls-verify=false", "oci:layout:1", &at("v2:1")]);
    let name = format!("{}/v2:1", server.name);
    place.imgc(&["pull", &name]).ok();
    assert!(raw(&place, &name).contains("vnd.docker.distribution.manifest.v2"), "its bytes are kept");
    assert_eq!(place.imgc(&["run", &name]).ok().stdout, "1\n");
    place.imgc(&["store", "verify", "--full"]).ok();
}

#[test]
fn buildah_reads_and_writes_the_same() {
    let test = "buildah_reads_and_writes_the_same";
    let place = place();
    let Some(buildah) = Buildah::new(test, &place) else { return };
    if !place.with_busybox(test) {
        return;
    }
    let Some(server) = Server::plain(test, &place) else { return };
    let name = |of: &str| format!("{}/{of}", server.name);
    let digest =
        place.build("FROM busybox\nRUN echo 1 > /one\nCMD [\"cat\", \"/one\"]\n", &["-t", &name("app:1")]);
    place.imgc(&["push", &name("app:1")]).ok();

    place.build(
        "FROM busybox\nRUN echo 1 > /one\nCMD [\"cat\", \"/one\"]\n",
        &["-t", &name("zstd:1"), "--compress", "zstd"],
    );
    place.imgc(&["push", &name("zstd:1")]).ok();

    // It takes our images, runs them, and makes an index of both.
    for image in ["app:1", "zstd:1"] {
        buildah.run(&["pull", "--tls-verify=false", &name(image)]);
        let container = buildah.run(&["from", "--pull-never", &name(image)]);
        assert_eq!(buildah.run(&["run", "--isolation", "chroot", &container, "cat", "/one"]), "1");
    }
    let to = |of: &str| format!("docker://{}", name(of));
    buildah.run(&["manifest", "create", "multi"]);
    buildah.run(&["manifest", "add", "--tls-verify=false", "multi", &to("app:1")]);
    buildah.run(&["manifest", "add", "--tls-verify=false", "--arch", "arm64", "multi", &to("zstd:1")]);
    buildah.run(&["manifest", "push", "--tls-verify=false", "--all", "multi", &to("multi:1")]);

    // And back.
    let other = Place::new(env!("CARGO_BIN_EXE_imgc"));
    for image in ["zstd:1", "multi:1"] {
        let image = name(image);
        other.imgc(&["pull", &image]).ok();
        assert_eq!(other.imgc(&["run", &image]).ok().stdout, "1\n", "{image}");
    }
    let zstd = other.imgc(&["inspect", "--raw", &name("zstd:1")]).ok().stdout;
    assert!(zstd.contains("tar+zstd"), "{zstd}");
    assert!(other.imgc(&["inspect", "--raw", &name("multi:1")]).ok().stdout.contains(&digest));

    // An index of ours, with both.
    for (arch, tag) in [("amd64", "one:1"), ("arm64", "two:1")] {
        let tar = place.path("busybox.tar").display().to_string();
        place.imgc(&["import", &tar, tag, "--platform", &format!("linux/{arch}")]).ok();
    }
    place.imgc(&["index", "create", &name("ours:1"), "one:1", "two:1"]).ok();
    place.imgc(&["push", &name("ours:1")]).ok();
    buildah.run(&["pull", "--tls-verify=false", "--arch", "arm64", &name("ours:1")]);
    let arch = buildah.run(&["inspect", "--type", "image", "-f", "{{.OCIv1.Architecture}}", &name("ours:1")]);
    assert_eq!(arch, "arm64");
    other.imgc(&["store", "verify", "--full"]).ok();
}

#[test]
fn indexes_stay_whole() {
    let test = "indexes_stay_whole";
    let place = place();
    if !place.with_busybox(test) {
        return;
    }
    let Some(server) = Server::plain(test, &place) else { return };
    let name = format!("{}/team/multi:1", server.name);
    let name = name.as_str();
    let tar = place.path("busybox.tar").display().to_string();
    for arch in ["amd64", "arm64"] {
        let target = format!("one:{arch}");
        place.imgc(&["import", &tar, &target, "--platform", &format!("linux/{arch}"), "-m", arch]).ok();
    }
    place.imgc(&["index", "create", name, "one:amd64", "one:arm64", "--annotation", "a=b"]).ok();
    place.imgc(&["index", "create", name, "one:amd64"]).fails_with(1).says("already");
    place.imgc(&["index", "create", "two", "one:amd64", "one:amd64"]).ok();
    place.imgc(&["index", "create", "bad", "one:amd64", "busybox"]).fails_with(2).says("linux/amd64");
    place.imgc(&["index", "annotate", name, "linux/arm64", "--variant", "v8", "--annotation", "x=y"]).ok();
    let index = place.imgc(&["inspect", "--raw", name]).ok().stdout;
    assert!(index.contains(r#""annotations":{"x":"y"}"#) && index.contains(r#""variant":"v8""#), "{index}");
    place.imgc(&["push", name]).ok();
    let digest = digest_of(&place, "one:arm64");

    // One platform comes, the index stays as it is, and can be pushed on.
    let other = Place::new(env!("CARGO_BIN_EXE_imgc"));
    other.imgc(&["pull", "--platform", "linux/arm64", name]).ok();
    assert_eq!(other.imgc(&["inspect", "--raw", name]).ok().stdout, index);
    other.imgc(&["images"]).ok().prints("linux/arm64");
    let only: Vec<String> = fs_err::read_dir(other.store().join("blobs/sha256"))
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(only.contains(&digest["sha256:".len()..].to_owned()));
    assert!(
        !only.contains(&digest_of(&place, "one:amd64")["sha256:".len()..].to_owned()),
        "the other image came too"
    );
    let again = format!("{}/team/multi:2", server.name);
    other.imgc(&["tag", name, &again]).ok();
    // The rest of the index is in the same repository already.
    other.imgc(&["push", &again]).ok();
    other.imgc(&["copy", "--all", name, &format!("docker://{}/elsewhere:1", server.name)]).fails_with(8);
    other.imgc(&["save", "--format", "oci", "-o", "one.tar", name]).ok();

    // All of it.
    other.imgc(&["pull", "--platform", "all", name]).ok();
    other.imgc(&["push", &again]).ok();
    other.imgc(&["pull", "--platform", "linux/s390x", name]).fails_with(1).says("linux/amd64, linux/arm64");
    other.imgc(&["save", "--format", "oci", "-o", "all.tar", name]).ok();
    other.imgc(&["copy", "--all", "archive:all.tar", "oci:all"]).ok();
    assert_eq!(
        Layout::open(&other.path("all")).unwrap().roots()[0].1.digest.to_string(),
        digest_of_raw(&index)
    );
    other
        .imgc(&["copy", "--all", &format!("docker://{name}"), &format!("docker://{}/moved:1", server.name)])
        .ok();
    other.imgc(&["copy", "--platform", "linux/arm64", "archive:all.tar", "single:1"]).ok().prints(&digest);
    other
        .imgc(&["pull", "-a", &format!("{}/team/multi", server.name)])
        .ok()
        .prints("multi:1")
        .prints("multi:2");
    other.imgc(&["store", "verify", "--full"]).ok();
}

#[test]
fn a_part_of_an_index_is_pushed_by_its_digest() {
    let test = "a_part_of_an_index_is_pushed_by_its_digest";
    let place = place();
    if !place.with_busybox(test) {
        return;
    }
    let Some(server) = Server::plain(test, &place) else { return };
    let repository = format!("{}/team/part", server.name);
    let output = format!("type=image,name={repository},push-by-digest=true,name-canonical=true,push=true");
    let digest = place.build("FROM busybox\nRUN echo 1 > /1\n", &["-o", &output]);
    let other = Place::new(env!("CARGO_BIN_EXE_imgc"));
    other.imgc(&["pull", &format!("{repository}:latest")]).fails_with(8);
    other.imgc(&["pull", &format!("{repository}@{digest}")]).ok();
    assert_eq!(place.imgc(&["images", "--filter", "reference=*part*", "-q"]).ok().stdout, "");

    // Whoever has the digests puts the index together.
    let third = Place::new(env!("CARGO_BIN_EXE_imgc"));
    let name = format!("{repository}:1");
    third.imgc(&["index", "create", &name, &format!("{repository}@{digest}")]).fails_with(1);
    third.imgc(&["index", "create", &name, &format!("docker://{repository}@{digest}")]).ok();
    third.imgc(&["push", &name]).ok().says("0 B sent in 0 blobs");
    other.imgc(&["pull", &name]).ok();
    assert_eq!(other.imgc(&["run", &name, "cat", "/1"]).ok().stdout, "1\n");
}

fn digest_of_raw(text: &str) -> String {
    imgc_base::BlobDigest::of(text.as_bytes()).to_string()
}
