//! Options of `docker buildx build`: each does what it says or is refused with what to use instead.

use imgc_testkit::{Place, peer};
use serde_json::Value;

use crate::place;

fn ready(test: &str) -> Option<Place> {
    let place = place();
    place.with_busybox(test).then_some(place)
}

#[test]
fn what_has_no_meaning_here_is_refused() {
    let place = place();
    place.write("ctx/Dockerfile", "FROM scratch\n");
    for option in [
        "--builder=x",
        "--cache-from=x",
        "--cache-to=type=inline",
        "--cgroup-parent=x",
        "--attest=type=sbom",
        "--provenance",
        "--provenance=mode=max",
        "--sbom",
        "--sbom=true",
        "--rm=false",
        "--memory=1g",
        "--memory-swap=1g",
        "--cpu-shares=1",
        "--cpu-period=1",
        "--cpu-quota=1",
        "--cpuset-cpus=0",
        "--cpuset-mems=0",
        "--security-opt=x",
        "--isolation=chroot",
        "--debug",
        "--policy=x",
        "--disable-content-trust",
    ] {
        let name = if option == "--rm=false" { option } else { option.split('=').next().unwrap() };
        let done = place.imgc(&["build", option, "ctx"]).fails_with(2);
        let done = done.says(&format!("`{name}` is not supported"));
        assert!(done.stderr.contains("help"), "{option}: {}", done.stderr);
    }
    // What asks for nothing is fine.
    place.imgc(&["build", "--provenance=false", "--sbom=false", "--call=build", "--load", "ctx"]).ok();
    place
        .imgc(&[
            "build",
            "--rm",
            "--force-rm",
            "--load=true",
            "--push=false",
            "--pull=0",
            "--squash=false",
            "ctx",
        ])
        .ok();
    for (option, says) in [
        ("--allow=device", "--allow device"),
        ("--network=container:x", "--network container:x"),
        ("--shm-size=big", "--shm-size"),
        ("--ca-bundle=ctx/Dockerfile", "no bundle of certificates"),
        ("--ca-bundle=nothing.pem", "nothing.pem"),
        ("--ulimit=nofile", "--ulimit nofile"),
        ("--ulimit=nofiles=1", "no limit `nofiles`"),
        ("--ulimit=nofile=2:1", "above the hard one"),
        ("--build-arg==x", "has no name"),
        ("--add-host=x", "HOST:IP"),
        ("--add-host=x:y", "not an IP address"),
        ("--label==x", "NAME=VALUE"),
        ("--annotation==y", "NAME=VALUE"),
        ("--annotation=index:a=b", "one platform gives no index"),
        ("--annotation=index-descriptor:a=b", "is not supported"),
        ("--output=type=image,dest=x", "do not go together"),
        ("--platform=linux/a/b/c", "linux/a/b/c"),
        ("--output=type=nothing", "nothing"),
        ("--output=type=image,compression=zstd,compression-level=9", "part of the format"),
        ("--compress=gzip:9", "part of the format"),
        ("--output=type=image,compression=br", "--compress br"),
        ("--secret=src=x", "id="),
        ("--call=nothing", "--call nothing"),
        ("--no-such-option", "--no-such-option"),
    ] {
        place.imgc(&["build", option, "ctx"]).fails_with(2).says(says);
    }
    for command in ["plan", "graph", "verify"] {
        place.imgc(&[command, "--check", "ctx"]).fails_with(2).says("`imgc build` alone");
    }
}

#[test]
fn what_a_step_sees_of_them() {
    let Some(place) = ready("what_a_step_sees_of_them") else { return };
    let dockerfile = "FROM busybox\n\
        RUN df -k /dev/shm | tail -n 1 | awk '{print $2}' > /shm; ulimit -n > /files; grep -E 'ex[123]' /etc/hosts > /hosts; \\\n\
        test ! -s /etc/nothing\n\
        RUN cat $SSL_CERT_FILE > /bundle; grep -o /dev/imgc/ca-bundle.crt $APT_CONFIG > /apt\n";
    fs_err::write(place.path("ca.pem"), "-----BEGIN CERTIFICATE-----\nx\n").unwrap();
    let args = [
        "-t",
        "app",
        "--shm-size=2m",
        "--ulimit",
        "nofile=100:200",
        "--add-host",
        "ex1:10.1.2.3",
        "--add-host",
        "ex2=[fd00::1]",
        "--add-host=ex3:host-gateway",
        "--allow",
        "network.host",
        "--ca-bundle=ca.pem",
        "--annotation",
        "org.example.a=b c",
        "--annotation=manifest:org.example.b=x:y=z",
        "--annotation=manifest[linux/s390x]:org.example.c=elsewhere",
        "-o",
        "type=oci,dest=layout",
        "-o",
        "type=image,name=team/other:2",
        "--label",
        "l=1",
        "--metadata-file",
        "meta.json",
        "--iidfile",
        "iid",
    ];
    place.build(dockerfile, &args);
    let cat = |path: &str| place.imgc(&["cat", "app", path]).ok().stdout;
    assert_eq!(cat("/shm"), "2048\n");
    assert_eq!(cat("/files"), "100\n");
    assert_eq!(cat("/bundle"), "-----BEGIN CERTIFICATE-----\nx\n");
    assert_eq!(cat("/apt"), "/dev/imgc/ca-bundle.crt\n");
    let files = place.imgc(&["files", "app"]).ok().stdout;
    assert!(!files.contains("imgc"), "{files}");
    let hosts = cat("/hosts");
    for address in ["10.1.2.3", "fd00::1", "127.0.0.1"] {
        assert!(hosts.contains(address), "{hosts}");
    }
    let meta: Value =
        serde_json::from_str(&fs_err::read_to_string(place.path("meta.json")).unwrap()).unwrap();
    assert_eq!(
        meta["containerimage.config.digest"].as_str().unwrap(),
        fs_err::read_to_string(place.path("iid")).unwrap().trim()
    );
    place.imgc(&["inspect", "app"]).ok().prints("\"l\": \"1\"");
    place.imgc(&["inspect", "team/other:2"]).ok().prints("\"l\": \"1\"");
    let digest = meta["containerimage.digest"].as_str().unwrap().replace("sha256:", "layout/blobs/sha256/");
    let manifest: Value = serde_json::from_slice(&fs_err::read(place.path(digest)).unwrap()).unwrap();
    let annotations = &manifest["annotations"];
    assert_eq!(
        (&annotations["org.example.a"], &annotations["org.example.b"]),
        (&"b c".into(), &"x:y=z".into())
    );
}

/// Only the steps of the stages that are named run again.
#[test]
fn remarks_go_where_they_are_said_to_go() {
    let place = place();
    let args = [
        "--platform=linux/amd64,linux/arm64",
        "--annotation=index,manifest:both=1",
        "--annotation=manifest[linux/arm64]:one=2",
        "--annotation=manifest-descriptor[linux/amd64]:entry=3",
        "-t=multi",
        "-o=type=oci,dest=layout",
    ];
    let digest = place.build("FROM scratch\nCOPY Dockerfile /\n", &args);
    let read = |digest: &str| -> Value {
        let path = place.path(digest.replace("sha256:", "layout/blobs/sha256/"));
        serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
    };
    let index = read(&digest);
    assert_eq!(index["annotations"], serde_json::json!({"both": "1"}));
    let remarks: Vec<(Value, Value)> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let manifest = read(entry["digest"].as_str().unwrap());
            (entry["annotations"]["entry"].clone(), manifest["annotations"].clone())
        })
        .collect();
    assert_eq!(
        remarks,
        [
            ("3".into(), serde_json::json!({"both": "1"})),
            (Value::Null, serde_json::json!({"both": "1", "one": "2"}))
        ]
    );
    place.imgc(&["inspect", "--raw", "multi"]).ok().prints("\"both\":\"1\"");
    place.imgc(&["store", "verify", "--full"]).ok();
}

#[test]
fn results_that_must_not_be_used() {
    let Some(place) = ready("results_that_must_not_be_used") else { return };
    let dockerfile = "FROM busybox AS one\nRUN head -c 8 /dev/urandom | od -x > /one\n\
        FROM busybox AS two\nRUN head -c 8 /dev/urandom | od -x > /two\n\
        FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n";
    let build = |more: &[&str]| {
        place.build(dockerfile, &[&["-t", "app"], more].concat());
        (place.imgc(&["cat", "app", "/one"]).ok().stdout, place.imgc(&["cat", "app", "/two"]).ok().stdout)
    };
    let first = build(&[]);
    assert_eq!(build(&[]), first);
    let second = build(&["--no-cache-filter", "two"]);
    assert!(second.0 == first.0 && second.1 != first.1);
    assert_eq!(build(&[]), second, "what ran again is what is known from now on");
    let third = build(&["--no-cache-filter", "one,two"]);
    assert!(third.0 != second.0 && third.1 != second.1);
    let fourth = build(&["--no-cache=one"]);
    assert!(fourth.0 != third.0 && fourth.1 == third.1);
    let fifth = build(&["--no-cache"]);
    assert!(fifth.0 != fourth.0 && fifth.1 != fourth.1);
    // docker's form.
    assert_eq!(build(&["--no-cache=false"]), fifth);
    let sixth = build(&["--no-cache=true"]);
    assert!(sixth.0 != fifth.0 && sixth.1 != fifth.1);
    place.imgc(&["build", "--no-cache=oen", "ctx"]).ok().says("`oen` of `--no-cache`");
}

const OFFERS: &str = "# VERSION of all\nARG VERSION=1\n# build makes it\nFROM busybox AS build\nARG VERSION\n\
    # MODE how\nARG MODE=fast-$VERSION\nRUN --mount=type=secret,id=token,required true\n\
    # run runs it\nFROM busybox AS run\nARG PORT\nCOPY --from=build /x /\nRUN --mount=type=ssh true\n";

#[test]
fn questions_instead_of_builds() {
    let place = place();
    place.write("ctx/Dockerfile", OFFERS);
    let outline = place.imgc(&["build", "--call=outline", "--build-arg", "PORT=80", "ctx"]).ok();
    assert_eq!(
        outline.stdout,
        "TARGET:       run\nDESCRIPTION:  runs it\n\n\
         BUILD ARG  VALUE   DESCRIPTION\nVERSION    1       of all\nMODE       fast-1  how\nPORT       80\n\n\
         SECRET  REQUIRED\ntoken   true\n\nSSH      REQUIRED\ndefault\n"
    );
    let targets = place.imgc(&["build", "--call=targets", "ctx"]).ok();
    assert_eq!(
        targets.stdout,
        "TARGET         DESCRIPTION\nbuild          makes it\nrun (default)  runs it\n"
    );

    let json = |args: &[&str]| -> Value {
        let done = place.imgc(&[&["build"], args, &["ctx"]].concat()).ok();
        serde_json::from_str(&done.stdout).unwrap()
    };
    let outline = json(&["--call=outline,format=json", "--target", "build"]);
    assert_eq!((&outline["name"], &outline["args"][1]["value"]), (&"build".into(), &"fast-1".into()));
    assert_eq!(outline["secrets"][0]["required"], true);
    assert_eq!(outline["args"][0]["location"]["ranges"][0]["start"]["line"], 2);
    assert!(outline.get("ssh").is_none());
    let targets = json(&["--call", "format=json,targets"]);
    assert_eq!(
        (&targets["targets"][1]["default"], &targets["targets"][0]["base"]),
        (&true.into(), &"busybox".into())
    );

    place.write("ctx/Dockerfile", "FROM scratch AS base\nWORKDIR rel\nCMD echo x\nFROM scratch AS other\n");
    let found = place.imgc(&["build", "--check", "ctx"]).fails_with(5);
    let found = found.prints("WorkdirRelativePath").prints("JSONArgsRecommended");
    assert!(found.stdout.contains("2 findings"), "{}", found.stdout);
    // Of what the target needs alone.
    place.imgc(&["build", "--call=lint", "--target", "other", "ctx"]).ok().prints("no findings");
    let done = place.imgc(&["build", "--call=check,format=json", "ctx"]).fails_with(5);
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(found["findings"].as_array().unwrap().len(), 2);
    // And as buildx has them.
    assert_eq!(found["warnings"][0]["ruleName"], "WorkdirRelativePath");
    let url = "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/";
    assert_eq!(found["warnings"][1]["url"], url);
    assert_eq!(found["warnings"][1]["location"]["ranges"][0]["start"]["line"], 3);
    assert!(found["buildError"].is_null() && found["sources"][0]["data"].is_string());
    place.imgc(&["build", "--check", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all", "ctx"]).ok();
    // What a build would fail at is an error.
    place.write("ctx/Dockerfile", "FROM scratch\nEXPOSE abc\nENV a b\n");
    let done = place.imgc(&["build", "--call=check,format=json", "ctx"]).fails_with(3);
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(found["buildError"]["location"]["ranges"][0]["start"]["line"], 2);
    assert_eq!(found["warnings"].as_array().unwrap().len(), 1);
    place.imgc(&["check", "ctx"]).fails_with(3).prints("E0213").prints("LegacyKeyValueFormat");
    // A directive that does not read is an error of the file, not a finding.
    place.write("ctx/Dockerfile", "# check=nonsense=true\nFROM scratch\n");
    place.imgc(&["build", "ctx"]).fails_with(3).says("E0223");
    place.write("ctx/Dockerfile", "# check=error=true\nFROM scratch\nCMD echo\n");
    place.imgc(&["build", "ctx"]).fails_with(5).says("JSONArgsRecommended");
    place.write("ctx/Dockerfile", "FROM scratch\nNOPE\n");
    for call in ["check", "outline", "targets"] {
        place.imgc(&["build", "--call", call, "ctx"]).fails_with(3);
    }
    // Nothing was built.
    assert_eq!(place.imgc(&["images", "-q"]).ok().stdout, "");
}

/// A root whose shell is made for another processor: its header is all that is looked at.
#[test]
fn a_program_for_another_processor() {
    let test = "a_program_for_another_processor";
    let foreign = if cfg!(target_arch = "aarch64") { ("amd64", 62_u8) } else { ("arm64", 183) };
    let emulated = std::fs::read_dir("/proc/sys/fs/binfmt_misc").is_ok_and(|mut all| {
        all.any(|one| one.is_ok_and(|one| one.file_name().to_string_lossy().contains("qemu")))
    });
    if emulated {
        peer::skipped(test, "this machine has emulators");
        return;
    }
    let place = place();
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    head.extend([foreign.1, 0]);
    head.resize(128, 0);
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [("bin/sh", head.as_slice()), ("bin/script", b"#!/bin/sh\necho\n")] {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).unwrap();
    }
    place.write("root.tar", tar.into_inner().unwrap());
    place.imgc(&["import", "root.tar", "foreign"]).ok();
    for run in ["RUN echo", "RUN [\"/bin/script\"]", "RUN [\"script\"]"] {
        place.write("ctx/Dockerfile", format!("FROM foreign\nENV PATH=/bin\n{run}\n"));
        let done = place.imgc(&["build", "ctx"]).fails_with(9).says("Dockerfile:3:1");
        let done = done.says(&format!("`/bin/sh` is made for {}", foreign.0)).says("qemu-user-static");
        assert!(done.stderr.contains("$BUILDPLATFORM"), "{}", done.stderr);
    }
    // What runs nothing of it is built.
    place.write("ctx/Dockerfile", "FROM foreign\nCOPY Dockerfile /\n");
    place.imgc(&["build", "--platform", &format!("linux/{}", foreign.0), "ctx"]).ok();
}

#[test]
fn a_label_without_a_value_and_proxies_in_one_spelling() {
    let Some(place) = ready("a_label_without_a_value_and_proxies_in_one_spelling") else { return };
    let text = "FROM busybox\nRUN [ \"$HTTP_PROXY $https_proxy\" = 'http://a http://b' ]\n";
    place.write("ctx/Dockerfile", text);
    let proxies = ["--build-arg", "http_proxy=http://a", "--build-arg", "HTTPS_PROXY=http://b"];
    let more = ["--label", "bare", "--label", "x=y=z", "-t", "one"];
    place.imgc(&[&["build", "ctx"], &proxies[..], &more[..]].concat()).ok();
    let labels = place.imgc(&["inspect", "-f", "{{json .Config.Labels}}", "one"]).ok().stdout;
    assert_eq!(labels.trim(), r#"{"bare":"","x":"y=z"}"#);
}

#[test]
fn outputs_of_several_platforms() {
    let place = place();
    place.write("ctx/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY <<EOF /arch\n$TARGETARCH\nEOF\n");
    let both = ["build", "ctx", "--platform", "linux/amd64,linux/arm/v7", "-o"];
    let with = |output: &'static str| [&both[..], &[output]].concat();
    place.imgc(&with("out")).ok();
    for (dir, arch) in [("linux_amd64", "amd64\n"), ("linux_arm_v7", "arm\n")] {
        let path = place.path("out").join(dir).join("arch");
        assert_eq!(fs_err::read_to_string(path).unwrap(), arch);
    }
    // What holds one image is refused before anything runs.
    let done = place.imgc(&with("type=docker,dest=x")).fails_with(2).says("several platforms");
    assert!(!done.stderr.contains("DONE"), "{}", done.stderr);
    place.imgc(&with("type=tar,dest=roots.tar")).ok();
    let mut tar = tar::Archive::new(fs_err::File::open(place.path("roots.tar")).unwrap());
    let names = tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    let names: Vec<String> = names.collect();
    assert_eq!(names, ["linux_amd64/", "linux_amd64/arch", "linux_arm_v7/", "linux_arm_v7/arch"]);
    // An archive or a directory, if one is asked for, whatever it is called.
    place.imgc(&with("type=oci,dest=file,tar=true")).ok();
    assert!(place.path("file").is_file());
    place.imgc(&with("type=oci,dest=dir.tar,tar=false")).ok();
    assert!(place.path("dir.tar/index.json").is_file());
    place.imgc(&with("type=cacheonly")).ok();
}

#[test]
fn when_an_image_says_it_was_made() {
    let place = place();
    place.write("plain/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    place.write("stated/Dockerfile", "ARG SOURCE_DATE_EPOCH=86400\nFROM scratch\nCOPY Dockerfile /\n");
    place.write("wrong/Dockerfile", "ARG SOURCE_DATE_EPOCH=never\nFROM scratch\n");
    let arg = ["--build-arg", "SOURCE_DATE_EPOCH=172800"];
    for (context, more, day) in [
        ("plain", &arg[..], "1970-01-03"),
        ("plain", &["--build-arg", "SOURCE_DATE_EPOCH=0", "--epoch", "86400"], "1970-01-02"),
        ("plain", &["--build-arg", "SOURCE_DATE_EPOCH=context"], "2026-01-01"),
        ("stated", &[], "1970-01-02"),
        ("stated", &arg, "1970-01-03"),
    ] {
        place.imgc(&[&["build", "-t", "app", context], more].concat()).ok();
        let created = place.imgc(&["inspect", "-f", "{{.Created}}", "app"]).ok().stdout;
        assert!(created.starts_with(day), "{context} {more:?}: {created}");
    }
    place.imgc(&["build", "wrong"]).fails_with(3).says("never");
    place
        .imgc(&["build", "plain", "--build-arg", "SOURCE_DATE_EPOCH=x"])
        .fails_with(2)
        .says("SOURCE_DATE_EPOCH");
}
