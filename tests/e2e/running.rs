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
