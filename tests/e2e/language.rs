//! The edge cases of the language: what only the whole program shows, and that every one of the list has its test.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use imgc_testkit::Place;
use serde_json::Value;

use crate::place;

fn ready(test: &str) -> Option<Place> {
    let place = place();
    place.with_busybox(test).then_some(place)
}

fn json(place: &Place, args: &[&str]) -> Value {
    let done = place.imgc(&[&["--json"], args].concat()).ok();
    serde_json::from_str(&done.stdout).unwrap()
}

/// How many layers an image has.
fn layers(place: &Place, image: &str) -> Vec<String> {
    let found = json(place, &["inspect", image]);
    let list = found[0]["RootFS"]["Layers"].as_array().unwrap_or_else(|| panic!("{found}"));
    list.iter().map(|layer| layer.as_str().unwrap().to_owned()).collect()
}

/// `/etc/hosts` and mount points are made for a command and taken away; the times of their directories are as before.
#[test]
fn what_is_mounted_for_a_command_leaves_no_trace() {
    let Some(place) = ready("what_is_mounted_for_a_command_leaves_no_trace") else { return };
    place.write("ctx/file", "x");
    let dockerfile = "FROM busybox\n\
        RUN grep -q localhost /etc/hosts\n\
        RUN --mount=target=/etc/m --mount=type=tmpfs,target=/var/www/deep/t --mount=type=cache,target=/home/app/c \\\n\
          --mount=type=bind,source=file,target=/root/f test -e /root/f\n\
        RUN --mount=type=tmpfs,target=/etc true\n";
    place.build(dockerfile, &["-O0", "-t", "app"]);
    assert_eq!(layers(&place, "app"), layers(&place, "busybox"));
    // A file beside a mount point is a change, the mount point is none.
    place.build("FROM busybox\nRUN --mount=target=/etc/m touch /etc/new\n", &["-O0", "-t", "app"]);
    let files = json(&place, &["files", "app", "-R", "/etc"]);
    let names: Vec<&str> =
        files["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(names, ["/etc/group", "/etc/new", "/etc/os-release", "/etc/passwd"]);
}

/// What counts of a context is names, modes and content; not the time.
#[test]
fn the_time_of_a_context_file_runs_nothing_again() {
    let Some(place) = ready("the_time_of_a_context_file_runs_nothing_again") else { return };
    let file = place.write("ctx/dir/file", "x");
    let dockerfile = "FROM busybox\nCOPY dir /d/\nRUN head -c 8 /dev/urandom > /r\n";
    let first = place.build(dockerfile, &[]);
    let times = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    let open = |path: &Path| std::fs::File::options().write(true).open(path).unwrap();
    open(&file).set_times(times).unwrap();
    assert_eq!(place.build(dockerfile, &[]), first);
    // Written again with the same bytes, in another file.
    fs_err::remove_file(&file).unwrap();
    place.write("ctx/dir/file", "x");
    assert_eq!(place.build(dockerfile, &[]), first);
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_ne!(place.build(dockerfile, &[]), first);
}

/// A layer of `--link` stands on nothing: another base takes it as it is.
#[test]
fn a_linked_layer_outlives_its_base() {
    let Some(place) = ready("a_linked_layer_outlives_its_base") else { return };
    place.write("ctx/file", "x");
    let dockerfile =
        |base: &str| format!("FROM busybox AS base\nRUN {base}\nFROM base\nCOPY --link file /etc/new/\n");
    place.build(&dockerfile("echo 1 > /one"), &["-O0", "-t", "one"]);
    place.write("ctx/Dockerfile", dockerfile("echo 2 > /two && chmod 700 /etc"));
    let done = place.imgc(&["build", "-O0", "-t", "two", "ctx"]).ok();
    assert!(done.stderr.contains("1 cached"), "{}", done.stderr);
    let (one, two) = (layers(&place, "one"), layers(&place, "two"));
    assert_eq!((one.len(), one.last()), (3, two.last()));
    assert_ne!(one[1], two[1]);
}

/// Where a test lies: `FILE::FUNCTION`, `differential/AREA/CASE` or `corpus/FOLDER/NAME`.
fn is_there(root: &Path, name: &str) -> bool {
    if let Some(rest) = name.strip_prefix("differential/") {
        let Some((area, case)) = rest.split_once('/') else { return false };
        let table = root.join(format!("tests/corpus/differential/{area}.cases"));
        let head = format!("%% {case}");
        return fs_err::read_to_string(table).is_ok_and(|text| text.lines().any(|line| line == head));
    }
    if let Some(rest) = name.strip_prefix("corpus/") {
        return root.join(format!("compiler/syntax/corpus/{rest}.snap")).exists();
    }
    let Some((file, function)) = name.split_once("::") else { return false };
    let head = format!("fn {function}(");
    fs_err::read_to_string(root.join(file)).is_ok_and(|text| text.contains(&head))
}

/// The list of edge cases that implementations get wrong names a test for each, and the tests exist.
#[test]
fn every_edge_case_has_its_test() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs_err::read_to_string(root.join("tests/corpus/edge-cases.table")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        count += 1;
        let tests = line.rsplit('|').next().unwrap_or_default();
        let tests: Vec<&str> = tests.split(',').map(str::trim).filter(|test| !test.is_empty()).collect();
        if tests.is_empty() {
            wrong.push(format!("no test: {line}"));
        }
        wrong
            .extend(tests.iter().filter(|test| !is_there(&root, test)).map(|test| format!("{test}: {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "{count}");
}
