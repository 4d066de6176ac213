//! Looking at builds and images: graph, why, verify, size, files, cat, diff, squash, `--prove`.

use imgc_testkit::Place;
use serde_json::Value;

use crate::place;

/// Steps that waste bytes: a file that is deleted, and one whose mode changes.
const WASTEFUL: &str = "FROM busybox\nWORKDIR /srv\nCOPY hello.txt .\n\
    RUN cat hello.txt > copy && dd if=/dev/zero of=/big bs=1024 count=100 2>/dev/null\nRUN rm /big && chmod 600 copy\n";

fn ready(test: &str) -> Option<Place> {
    let place = place();
    if !place.with_busybox(test) {
        return None;
    }
    place.write("ctx/hello.txt", "hello\n");
    Some(place)
}

fn json(place: &Place, args: &[&str], code: i32) -> Value {
    let all: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
    let done = place.imgc(&all).fails_with(code);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", done.stdout))
}

#[test]
fn sizes_name_wasted_bytes_and_their_layers() {
    let Some(place) = ready("sizes_name_wasted_bytes_and_their_layers") else { return };
    place.build(WASTEFUL, &["-O0", "-t", "app:0"]);
    let plain = json(&place, &["size", "app:0"], 0);
    let big = &plain["wasted"][0];
    assert_eq!(
        (&big["path"], &big["bytes"], &big["how"]),
        (&"/big".into(), &102_400.into(), &"deleted".into())
    );
    assert_eq!(big["hiddenBy"].as_u64(), big["layer"].as_u64().map(|layer| layer + 1));
    assert_eq!(plain["wasted"][1]["how"], "attributes");
    assert!(plain["files"].as_array().unwrap().iter().any(|file| file["path"] == "/srv/copy"));
    place.imgc(&["size", "app:0"]).ok().prints("102 kB wasted").prints("RUN /bin/sh -c rm /big");
    place.imgc(&["size", "app:0", "--html", "size.html"]).ok();
    let page = fs_err::read_to_string(place.path("size.html")).unwrap();
    assert!(page.contains("<h2>Wasted</h2>") && !page.contains("http://") && !page.contains("https://"));

    // The same at -O1 wastes nothing, and so does what is squashed.
    place.build(WASTEFUL, &["-t", "app:1"]);
    assert_eq!(json(&place, &["size", "app:1"], 0)["waste"]["bytes"], 0);
    place.imgc(&["squash", "app:0", "-t", "app:flat"]).ok();
    let flat = json(&place, &["size", "app:flat"], 0);
    assert_eq!((flat["layers"].as_array().unwrap().len(), &flat["waste"]["files"]), (1, &0.into()));
    place.imgc(&["squash", "app:0", "--from", "99", "-t", "x"]).fails_with(2);

    // Three forms of one image: different layers, equal files and config.
    for other in ["app:1", "app:flat"] {
        place.imgc(&["diff", "--semantic", "app:0", other]).ok().prints("equal");
        let found = json(&place, &["diff", "app:0", other], 6);
        assert_eq!((&found["same"], &found["files"]), (&false.into(), &Value::Array(Vec::new())));
        assert!(!found["layers"].as_array().unwrap().is_empty());
    }
    place.imgc(&["run", "app:flat", "cat", "/srv/copy"]).ok().prints("hello");
}

#[test]
fn files_are_listed_and_printed_and_compared() {
    let Some(place) = ready("files_are_listed_and_printed_and_compared") else { return };
    let status = "RUN mkdir -p /var/lib/dpkg && printf 'Package: tar\\nStatus: install ok installed\\nVersion: 1.0\\n' > /var/lib/dpkg/status\n";
    let file = format!("{WASTEFUL}{status}RUN ln -s /srv/copy /link\n");
    place.build(&file, &["-t", "app:1"]);
    place.imgc(&["files", "app:1", "/srv"]).ok().prints("-rw-------").prints("/srv/copy");
    let all = json(&place, &["files", "app:1", "-R"], 0);
    let link = all["files"].as_array().unwrap().iter().find(|file| file["path"] == "/link").unwrap();
    assert_eq!(link["target"], "/srv/copy");
    assert_eq!(place.imgc(&["cat", "app:1", "/link"]).ok().stdout, "hello\n");
    place.imgc(&["cat", "app:1", "/srv"]).fails_with(1).says("is a directory");
    place.imgc(&["cat", "app:1", "/no"]).fails_with(1).says("there is no `/no`");
    place.imgc(&["files", "app:1", "/no"]).fails_with(1);

    place.write("ctx/hello.txt", "hello, you\n");
    place.build(&file.replace("1.0", "1.1").replace("600", "640"), &["-t", "app:2", "--label", "a=b"]);
    let found = json(&place, &["diff", "app:1", "app:2"], 6);
    assert_eq!(found["packages"][0]["before"], "1.0");
    assert_eq!(found["packages"][0]["after"], "1.1");
    let config: Vec<&str> =
        found["config"].as_array().unwrap().iter().filter_map(|part| part["name"].as_str()).collect();
    assert!(config.contains(&"config.Labels.a"), "{config:?}");
    let only = place.imgc(&["diff", "--only", "files", "app:1", "app:2"]).fails_with(6);
    let only = only.prints("M /srv/copy  6 -> 11 bytes, mode 0600 -> 0640");
    assert!(!only.stdout.contains("packages"), "{}", only.stdout);
    place.imgc(&["diff", "app:1", "app:1"]).ok().prints("the same");
}

#[test]
fn graphs_are_drawn_in_every_form() {
    let Some(place) = ready("graphs_are_drawn_in_every_form") else { return };
    place.write("ctx/Dockerfile", WASTEFUL);
    for (format, text) in [
        ("html", "<!doctype html>"),
        ("svg", "<svg"),
        ("dot", "digraph"),
        ("mermaid", "flowchart"),
        ("json", "{"),
        ("text", "RUN rm /big"),
    ] {
        place.imgc(&["graph", "ctx", "-o", format]).ok().prints(text);
    }
    place.imgc(&["graph", "-o", "html", "--output", "plan.page", "ctx"]).ok();
    let page = fs_err::read_to_string(place.path("plan.page")).unwrap();
    assert!(page.contains("Before") && page.contains("After") && page.contains("layer 2"));
    place.imgc(&["graph", "-o", "plan.svg", "ctx"]).ok();
    assert!(fs_err::read_to_string(place.path("plan.svg")).unwrap().starts_with("<svg"));
    place.imgc(&["graph", "-o", "nonsense", "ctx"]).fails_with(2);
}

#[test]
fn why_names_the_part_of_the_key_that_changed() {
    let Some(place) = ready("why_names_the_part_of_the_key_that_changed") else { return };
    place.imgc(&["why", "all", "ctx"]).fails_with(1).says("no build of");
    place.build(WASTEFUL, &[]);
    place.imgc(&["why", "#3", "ctx"]).ok().prints("no earlier build had it");

    place.write("ctx/hello.txt", "changed\n");
    place.build(WASTEFUL, &[]);
    // A build that does nothing does not hide the change.
    place.build(WASTEFUL, &[]);
    let copy = json(&place, &["why", "#3", "ctx"], 0);
    let copy = &copy["steps"][0];
    assert_eq!(
        (&copy["verdict"], &copy["changed"][0]["name"]),
        (&"rebuilt".into(), &"source `hello.txt`".into())
    );
    assert_eq!(copy["followers"].as_array().unwrap().len(), 2);
    let context = place.path("ctx").display().to_string();
    place.imgc(&["-C", &context, "why"]).ok().prints("why Dockerfile#3 ").prints("why Dockerfile#4 ");
    let run = place.imgc(&["why", "#4", "ctx"]).ok().prints("root").prints("since  Dockerfile#3");
    assert!(!run.stdout.contains("network  changed"), "{}", run.stdout);

    // Lines move, and one command changes.
    let edited = WASTEFUL.replace("WORKDIR", "# a remark\nWORKDIR").replace("chmod 600", "chmod 640");
    place.build(&edited, &[]);
    let all = json(&place, &["why", "all", "ctx"], 0);
    let steps = all["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(
        (&steps[0]["step"], &steps[0]["changed"][0]["name"]),
        (&"Dockerfile#6".into(), &"args".into())
    );
    place.imgc(&["why", "#99", "ctx"]).fails_with(2).says("had no step");
}

#[test]
fn verifying_names_the_first_step_that_differs() {
    let Some(place) = ready("verifying_names_the_first_step_that_differs") else { return };
    place.write("ctx/Dockerfile", WASTEFUL);
    let same = json(&place, &["verify", "ctx"], 0);
    assert_eq!((&same["same"], same["builds"].as_array().unwrap().len()), (&true.into(), 2));
    assert_eq!(same["builds"][0]["digest"], place.build(WASTEFUL, &[]));

    let text = "FROM busybox\nRUN echo fixed > /fixed\n\
        RUN date +%s > /now; head -c 16 /dev/urandom > /random; echo same > /same\nRUN cat /now > /later\n";
    place.write("ctx/Dockerfile", text);
    let found = json(&place, &["verify", "--vary", "time", "ctx"], 6);
    let difference = &found["difference"];
    assert_eq!((&difference["step"], &difference["same"]), (&"Dockerfile#3".into(), &1.into()));
    assert_eq!(difference["followers"][0], "Dockerfile#4");
    let files: Vec<(&str, &str)> = difference["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap(), file["bytes"]["meaning"].as_str().unwrap()))
        .collect();
    assert_eq!(files, [("/now", "time"), ("/random", "random")]);
    place.write("ctx/Dockerfile", "FROM busybox\nRUN exit 3\n");
    place.imgc(&["verify", "ctx"]).fails_with(1).says("build 1 failed");
}

#[test]
fn a_build_is_proved_against_level_0() {
    let Some(place) = ready("a_build_is_proved_against_level_0") else { return };
    place.write("ctx/Dockerfile", WASTEFUL);
    place.imgc(&["build", "--prove", "ctx"]).ok().says("proved for linux/");
    place.imgc(&["build", "--prove", "--squash", "ctx"]).ok().says("proved for linux/");
    place.imgc(&["build", "--prove", "-O2", "ctx"]).ok().says("but for the paths of -O2's rules");
}

#[test]
fn what_level_2_drops_is_named_each_time_and_the_rest_is_certified() {
    let test = "what_level_2_drops_is_named_each_time_and_the_rest_is_certified";
    let Some(place) = ready(test) else { return };
    let file = "FROM busybox\nRUN mkdir -p /var/lib/apt/lists /root/.cache/pip && echo abc > /var/lib/apt/lists/a && echo 12 > /root/.cache/pip/w && ln /root/.cache/pip/w /kept\n";
    place.write("ctx/Dockerfile", file);
    let plain = json(&place, &["build", "-t", "app:1", "ctx"], 0);
    assert_eq!(plain["root"].as_str().map(str::len), Some("sha256:".len() + 64));
    for round in ["cold", "warm"] {
        let done =
            place.imgc(&["--progress", "plain", "-v", "build", "--prove", "-O2", "-t", "app:2", "ctx"]).ok();
        let done =
            done.says("-O2 apt-lists: /var/lib/apt/lists/a 4 B").says("-O2 apt-lists: 1 path, 4 bytes");
        done.says("-O2 pip-cache: /root/.cache/pip/w").says("certified: root sha256:").says("proved for");
        let kept = json(&place, &["files", "app:2", "-R"], 0)["files"].clone();
        let has = |path: &str| kept.as_array().unwrap().iter().any(|file| file["path"] == path);
        assert!(has("/kept") && has("/var/lib/apt/lists") && !has("/root/.cache/pip/w"), "{round}: {kept}");
    }
    let kept = ["--progress", "plain", "build", "-O2", "--keep-garbage", "apt-lists", "-t", "app:3", "ctx"];
    let said = place.imgc(&kept).ok().stderr;
    assert!(said.contains("-O2 pip-cache") && !said.contains("apt-lists"), "{said}");
    assert_eq!(place.imgc(&["run", "app:3", "cat", "/var/lib/apt/lists/a"]).ok().stdout, "abc\n");
}

/// Names of files are bytes, also on the command line.
#[test]
fn names_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = place();
    if !place.with_busybox("names_that_are_no_text") {
        return;
    }
    place.build("FROM busybox\nRUN echo there > \"/$(printf 'a\\377b')\"\n", &["-t", "app"]);
    let name = std::ffi::OsStr::from_bytes(b"/a\xffb");
    for (command, want) in [("cat", "there\n"), ("files", "/a\u{fffd}b\n")] {
        let done =
            imgc_testkit::Done::of(&place.command().args([command, "app"]).arg(name).output().unwrap()).ok();
        assert!(done.stdout.ends_with(want), "{}", done.stdout);
    }
}
