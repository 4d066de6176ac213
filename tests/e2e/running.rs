//! `imgc run`: what an image's program may count on.

use crate::place;

#[test]
fn volumes_begin_with_what_the_image_has() {
    let place = place();
    if !place.with_busybox("volumes_begin_with_what_the_image_has") {
        return;
    }
    place.build(
        "FROM busybox\nRUN mkdir -p /srv/data && echo first > /srv/data/seed && chown -R app:app /srv/data && \
         chmod 700 /srv/data && ln -s srv/data /link\nVOLUME /link /new\nUSER app\n",
        &["-t", "app"],
    );
    let script = "set -e; cat /srv/data/seed; stat -c '%U %a' /srv/data; echo more > /link/more; ls /srv/data; \
                  stat -c '%U %a' /new";
    let done = place.imgc(&["run", "--keep", "--name", "trial", "app", "sh", "-c", script]).ok();
    assert_eq!(done.stdout, "first\napp 700\nmore\nseed\nroot 755\n");
    // What is in a volume is no part of the container.
    place.imgc(&["commit", "trial", "app:2"]).ok();
    assert_eq!(place.imgc(&["run", "app:2", "ls", "/srv/data"]).ok().stdout, "seed\n");
    place.imgc(&["run", "--read-only", "app", "sh", "-c", "echo more > /srv/data/more"]).ok();
    place.imgc(&["rm", "trial"]).ok();
}

#[test]
fn the_program_reaps_what_its_children_leave() {
    let place = place();
    if !place.with_busybox("the_program_reaps_what_its_children_leave") {
        return;
    }
    let script = r"P=$(sh -c 'sleep 9 >/dev/null & echo $!'); cut -d' ' -f4 /proc/$P/stat; echo $$";
    let said = place.imgc(&["run", "busybox", "sh", "-c", script]).ok().stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], lines[1], "{said}");
}

#[test]
fn no_shell_reads_what_the_kernel_cannot_run() {
    let place = place();
    if !place.with_busybox("no_shell_reads_what_the_kernel_cannot_run") {
        return;
    }
    place.build(
        "FROM busybox\nRUN printf 'echo hi\\n' > /bin/script && chmod +x /bin/script\nENTRYPOINT [\"script\"]\n",
        &["-t", "app"],
    );
    place.imgc(&["run", "app"]).fails_with(126).says("a script without `#!`");
    place.write("ctx/Dockerfile", "FROM app\nRUN [\"/bin/script\"]\n");
    place.imgc(&["build", "ctx"]).fails_with(1).says("exit code 126").says("a script without `#!`");
    // A shell itself may do so.
    assert_eq!(place.imgc(&["run", "--entrypoint", "sh", "app", "-c", "script"]).ok().stdout, "hi\n");
}

#[test]
fn what_follows_the_image_is_the_programs() {
    let place = place();
    if !place.with_busybox("what_follows_the_image_is_the_programs") {
        return;
    }
    place.build("FROM busybox\nENTRYPOINT [\"echo\"]\n", &["-t", "app"]);
    let run = |args: &[&str]| place.imgc(&[&["run"], args].concat());
    assert_eq!(run(&["app", "--version", "-e", "--json"]).ok().stdout, "--version -e --json\n");
    assert_eq!(run(&["-e", "A=b", "app", "--", "--help"]).ok().stdout, "-- --help\n");
    assert_eq!(run(&["app"]).ok().stdout, "\n");
    run(&["--no-such-option", "app"]).fails_with(2).says("--no-such-option");
    run(&[]).fails_with(2);
    run(&["busybox"]).fails_with(125).says("the image names no program to run");
}

#[test]
fn options_that_make_no_sense_are_not_passed_over() {
    let place = place();
    if !place.with_busybox("options_that_make_no_sense_are_not_passed_over") {
        return;
    }
    for (option, said) in [
        (["-p", "web"], "is not PORT"),
        (["-p", "80:0"], "is not PORT"),
        (["-p", "70000"], "is not PORT"),
        (["-p", "80/http"], "is not PORT"),
        (["-p", "8080:80"], "reach it at port 80"),
        (["-v", "/:srv"], "not an absolute path"),
        (["-d", "--init"], "foreground"),
        (["--pull", "always"], "imgc pull"),
        (["--mount", "type=bind,src=/,dst=/m"], "use `-v SOURCE"),
        (["--memory", "1g"], "systemd-run"),
    ] {
        let args = ["run", option[0], option[1], "busybox", "true"];
        place.imgc(&args).fails_with(125).says(said);
    }
    for option in ["80", "80:80", "127.0.0.1:80:80/udp", "8000-8010:8000-8010", "127.0.0.1::80"] {
        place.imgc(&["run", "-p", option, "busybox", "true"]).ok();
    }
    assert_eq!(place.imgc(&["run", "-h", "here", "busybox", "hostname"]).ok().stdout, "here\n");
    place.imgc(&["run", "--help"]).ok().prints("--hostname");
}

/// Many images have an empty layer more than once; the kernel mounts none twice.
#[test]
fn an_image_with_one_layer_twice() {
    let place = place();
    if !place.with_busybox("an_image_with_one_layer_twice") {
        return;
    }
    place.imgc(&["export", "busybox", "-o", "root.tar"]).ok();
    let root = fs_err::read(place.path("root.tar")).unwrap();
    let small = tar(&[("a", b"small"), ("b", b"small")]);
    let diff_ids = [&root, &small, &root].map(|layer| imgc_base::digest::BlobDigest::of(layer).to_string());
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let manifest = r#"[{"Config":"config.json","RepoTags":["twice:1"],"Layers":["root","small","root"]}]"#;
    let archive = tar(&[
        ("config.json", config.to_string().as_bytes()),
        ("root", &root),
        ("small", &small),
        ("manifest.json", manifest.as_bytes()),
    ]);
    place.imgc_with(&["load"], &archive).ok();
    assert_eq!(place.imgc(&["run", "twice:1", "cat", "/a"]).ok().stdout, "small");
    place.build("FROM twice:1\nRUN cat /a /b > /c\n", &["--prove", "-t", "app"]);
    assert_eq!(place.imgc(&["run", "app", "cat", "/c"]).ok().stdout, "smallsmall");
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}
