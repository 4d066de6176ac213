//! What needs no registry: names, filters, templates, archives, kept containers, the cache.

use crate::place;

#[test]
fn names_and_removal() {
    let place = place();
    if !place.with_busybox("names_and_removal") {
        return;
    }
    let digest =
        place.build("FROM busybox\nLABEL kind=test\nRUN echo 1 > /1\n", &["-t", "app", "-t", "app:2"]);
    let id = &digest["sha256:".len()..][..12];
    place.imgc(&["rm", id]).fails_with(1).says("has several names: app:2, app:latest");
    place
        .imgc(&["rm", "app:2", "nothing", "app"])
        .fails_with(1)
        .says("there is no image `nothing`")
        .prints("Untagged: app:latest");
    place.imgc(&["rm", "-f", "nothing"]).ok();
    place.build("FROM busybox\nRUN echo 1 > /1\n", &["-t", "app"]);
    place.imgc(&["rm", "-f", "app"]).ok();

    // Docker's long forms.
    assert_eq!(place.imgc(&["image", "ls", "-q"]).ok().stdout, place.imgc(&["images", "-q"]).ok().stdout);
    place.imgc(&["image", "frobnicate"]).fails_with(2).says("a similar subcommand exists: 'images'");

    // What lost its name is still there by its id until it is pruned.
    place.build("FROM busybox\nRUN echo 2 > /2\n", &["-t", "app"]);
    let kept = place.imgc(&["run", "--keep", "app", "sh", "-c", "echo 3 > /3"]).ok().stderr;
    let container = kept.split_whitespace().nth(2).unwrap().trim_end_matches(';').to_owned();
    place.build("FROM busybox\nRUN echo 4 > /4\n", &["-t", "app"]);
    place.imgc(&["cache", "prune", "--all"]).ok();
    place.imgc(&["commit", &container[..6], "late"]).ok();
    assert_eq!(place.imgc(&["run", "late", "cat", "/2", "/3"]).ok().stdout, "2\n3\n");
    place.imgc(&["commit", "nothing", "x"]).fails_with(1).says("imgc ps");
    place.imgc(&["run", "--keep", "--name", &container, "app", "true"]).fails_with(125).says("already");
    place.imgc(&["rm", &container]).ok();
    assert_eq!(place.imgc(&["ps", "-q"]).ok().stdout, "");
    place.imgc(&["store", "verify", "--full"]).ok();
}

#[test]
fn the_same_changes_give_the_same_image() {
    let place = place();
    if !place.with_busybox("the_same_changes_give_the_same_image") {
        return;
    }
    let mut digests = Vec::new();
    for name in ["one", "two"] {
        place
            .imgc(&[
                "run",
                "--keep",
                "--name",
                name,
                "busybox",
                "sh",
                "-c",
                "mkdir /d; echo a > /d/a; rm /etc/group",
            ])
            .ok();
        digests.push(place.imgc(&["commit", "-m", "same", name, "made"]).ok().stdout);
        digests.push(place.imgc(&["commit", "-m", "same", name, "made"]).ok().stdout);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
    let tar = place.command().args(["export", "made"]).output().unwrap();
    assert!(tar.status.success());
    let names: Vec<String> = tar::Archive::new(tar.stdout.as_slice())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(names.iter().any(|name| name == "d/a"), "{names:?}");
    assert!(
        !names.iter().any(|name| name == "etc/group" || name.starts_with("proc") || name.contains(".wh.")),
        "{names:?}"
    );
    let same = place.command().args(["export", "two"]).output().unwrap();
    assert_eq!(same.stdout, tar.stdout, "a kept container is exported like the image made of it");
}

#[test]
fn lists_filters_and_templates() {
    let place = place();
    if !place.with_busybox("lists_filters_and_templates") {
        return;
    }
    place.build("FROM busybox\nLABEL kind=test\nRUN echo 1 > /1\n", &["-t", "team/app:1"]);
    let list = |args: &[&str]| {
        let all: Vec<&str> =
            ["images", "--format", "{{.Repository}}:{{.Tag}}"].iter().chain(args).copied().collect();
        place.imgc(&all).ok().stdout
    };
    assert_eq!(list(&[]), "busybox:latest\nteam/app:1\n");
    assert_eq!(list(&["team/*"]), "team/app:1\n");
    assert_eq!(list(&["-f", "label=kind"]), "team/app:1\n");
    assert_eq!(list(&["-f", "label=kind=other"]), "");
    assert_eq!(list(&["-f", "reference=busy*", "-f", "reference=team/app:2"]), "busybox:latest\n");
    assert_eq!(list(&["-f", "dangling=true"]), "");
    place.imgc(&["images", "-f", "refrence=x"]).fails_with(2).says("did you mean `reference`?");
    let json = place.imgc(&["images", "--format", "json"]).ok().stdout;
    for line in json.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            line["UniqueBytes"].as_u64().unwrap() + line["SharedBytes"].as_u64().unwrap(),
            line["SizeBytes"].as_u64().unwrap()
        );
    }
    // Two images, one that is not there: what is there is shown.
    let done = place.imgc(&["inspect", "busybox", "nothing", "team/app:1"]).fails_with(1).says("nothing");
    let found: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2);
    place
        .imgc(&["inspect", "-f", "{{range .RootFS.Layers}}{{println .}}{{end}}", "busybox"])
        .ok()
        .prints("sha256:");
    place.imgc(&["inspect", "-f", "{{.Id", "busybox"]).fails_with(2).says("does not read");
    place.imgc(&["inspect", "--type", "container", "busybox"]).fails_with(1).says("no container");
    place
        .imgc(&["history", "--format", "{{.CreatedBy}}|{{.Size}}", "--human=false", "team/app:1"])
        .ok()
        .prints("LABEL kind=test|0\n");
    place.imgc(&["history", "-q", "team/app:1"]).ok().prints("<none>");
}

/// Formats, fields and words that scripts written for docker use.
#[test]
fn scripts_written_for_docker() {
    let place = place();
    if !place.with_busybox("scripts_written_for_docker") {
        return;
    }
    let images = ["images", "--format"];
    let out = |args: &[&str]| place.imgc(args).ok().stdout;
    assert_eq!(out(&[images[0], images[1], r"{{.Repository}}\t{{.Tag}}"]), "busybox\tlatest\n");
    let table = out(&[images[0], images[1], r"table {{.Repository}}\t{{.Tag}}\t{{.CreatedSince}}"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["REPOSITORY", "TAG", "CREATED"]);
    assert!(lines[1].ends_with(&["ago"]) || lines[1].ends_with(&["N/A"]), "{table}");
    let history = out(&["history", "--format", r"table {{.ID}}\t{{.CreatedSince}}\t{{.Comment}}", "busybox"]);
    assert!(history.starts_with("ID "), "{history}");
    assert_eq!(out(&["inspect", "-f", "<{{.Comment}}{{.Parent}}{{.DockerVersion}}>", "busybox"]), "<>\n");

    assert_eq!(out(&["image", "ls", "-q"]), out(&["images", "-q"]));
    assert_eq!(out(&["image", "inspect", "-f", "{{.Os}}", "busybox"]), "linux\n");
    assert_eq!(out(&["container", "run", "busybox", "echo", "image", "ls"]), "image ls\n");

    // An image need not have a name.
    place.imgc(&["export", "busybox", "-o", "root.tar"]).ok();
    let said = out(&["import", "root.tar"]);
    let id = said.split("sha256:").nth(1).unwrap();
    assert_eq!(out(&["run", &id[..12], "echo", "1"]), "1\n");
    place.imgc(&["import", "https://example.test/root.tar", "x"]).fails_with(2).says("curl");
    let index = out(&["index", "create", "many", "busybox"]);
    let id = &index["sha256:".len()..][..12];
    place.imgc(&["index", "annotate", id, "--annotation", "a=b"]).fails_with(2).says("is an id");
    place.imgc(&["index", "annotate", "many", "--annotation", "a=b"]).ok();

    let digest = format!("x@sha256:{}", "0".repeat(64));
    for args in
        [&["import", "root.tar"][..], &["tag", "busybox"], &["copy", "busybox"], &["squash", "busybox", "-t"]]
    {
        let args = [args, &[digest.as_str()]].concat();
        place.imgc(&args).fails_with(2).says("a name cannot hold a digest");
    }
    place.imgc(&["copy", "oci:nowhere", "x"]).fails_with(2).says("No such file");
}

#[test]
fn archives_of_several_images() {
    let place = place();
    if !place.with_busybox("archives_of_several_images") {
        return;
    }
    let digest = place.build("FROM busybox\nRUN echo 1 > /1\n", &["-t", "app", "-t", "app:2"]);
    for (format, file) in [("docker", "docker.tar"), ("oci", "oci.tar")] {
        place.imgc(&["save", "--format", format, "-o", file, "app", "app:2", "busybox"]).ok();
        place.imgc(&["rm", "-f", "app", "app:2"]).ok();
        place.imgc(&["load", "-q", "-i", file]).ok();
        let listed = place.imgc(&["images", "--digests", "app:2"]).ok();
        assert!(listed.stdout.contains(&digest), "{format}: {}", listed.stdout);
    }
    let archive = fs_err::read(place.path("oci.tar")).unwrap();
    place.imgc_with(&["load"], &archive).ok().prints("Loaded image: app:latest");
    place.imgc_with(&["load"], &archive[..1000]).fails_with(1);
    place.imgc_with(&["load"], b"").fails_with(1);
    // An image without a name is kept by its digest.
    let id = place.imgc(&["images", "-q", "app"]).ok().stdout.trim().to_owned();
    place.imgc(&["rm", "-f", &id]).ok();
    // A name without its tag is the same name.
    place.imgc(&["copy", "docker-archive:docker.tar:busybox", "copied"]).ok();
    place.imgc(&["copy", "copied", "docker-archive:again.tar"]).ok();
    place.imgc(&["load", "-i", "again.tar"]).ok().prints("Loaded image: copied:latest");
    place.imgc(&["copy", "archive:docker.tar:app:2", "oci:lay"]).ok();
    place.imgc(&["load", "-i", "lay"]).ok();
    place.imgc(&["inspect", "-f", "{{.Digest}}", &id]).ok().prints(&digest);
    place.imgc(&["store", "verify", "--full"]).ok();
}

#[test]
fn space() {
    let place = place();
    if !place.with_busybox("space") {
        return;
    }
    place.build("FROM busybox\nRUN echo 1 > /1\n", &["-t", "app"]);
    place.imgc(&["cache", "du"]).ok().prints("images").prints("total");
    place.imgc(&["--json", "cache", "du"]).ok().prints("\"reclaimable\"");
    place.imgc(&["cache", "ls"]).ok().prints("steps");
    place.imgc(&["cache", "prune", "--dry-run"]).ok().prints("would free");
    place.imgc(&["cache", "prune", "--older-than", "14d"]).ok().prints("freed 0 B");
    place.imgc(&["cache", "gc"]).ok();
    place.imgc(&["cache", "prune"]).ok();
    assert_eq!(place.imgc(&["run", "app", "cat", "/1"]).ok().stdout, "1\n", "images stay whole");
    place.imgc(&["cache", "prune", "--max-size", "many"]).fails_with(2);
    place.imgc(&["store", "verify", "--full"]).ok();
}
