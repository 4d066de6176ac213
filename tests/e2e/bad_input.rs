//! Bad input: a clear error, the right exit code, nothing lost, nothing left mounted or running.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgc_testkit::{Done, peer};

use crate::place;

#[test]
fn errors_say_where_and_what_to_do() {
    let place = place();
    if !place.with_busybox("errors_say_where_and_what_to_do") {
        return;
    }
    place.write("ctx/here.txt", "x");
    let table: [(&str, i32, &[&str]); 12] = [
        ("FORM busybox\n", 3, &["unknown instruction: FORM", "Dockerfile:1:1", "did you mean FROM?"]),
        (
            "FROM busybox\nCOPY her.txt /\n",
            1,
            &["`/her.txt` not found in the build context", "Dockerfile:2:1"],
        ),
        ("FROM busybox\nRUN exit 9\n", 1, &["step failed with exit code 9", "Dockerfile:2:1", "^^^^^^^^^^"]),
        ("FROM busybox\nRUN catt x\n", 1, &["exit code 127", "did you mean `cat`?"]),
        ("FROM busybox\nRUN ./no/such\n", 1, &["exit code 127", "there is no `./no/such`"]),
        (
            "FROM busybox\nADD https://127.0.0.1:1/a /\n",
            8,
            &["`https://127.0.0.1:1/a` is not here", "Dockerfile:2:5"],
        ),
        ("FROM busybox AS build\nFROM busybox\nCOPY --from=9 /a /b\n", 3, &["Dockerfile:3"]),
        ("FROM busybox\nUSER nobody-here\nRUN true\n", 1, &["nobody-here"]),
        (
            "FROM busybox\nRUN --mount=type=secret,id=s,required=true cat /run/secrets/s\n",
            7,
            &["secret `s` was not given", "--secret id=s"],
        ),
        ("FROM busybox\nCOPY --chmod=9z here.txt /\n", 3, &["chmod"]),
        ("FROM busybox\nRUN --security=insecure true\n", 7, &["security.insecure"]),
        ("", 3, &[]),
    ];
    for (dockerfile, code, says) in table {
        place.write("ctx/Dockerfile", dockerfile);
        let done = place.imgc(&["--offline", "build", "ctx"]).fails_with(code);
        for text in says {
            assert!(
                done.stderr.contains(text),
                "`{text}` is not in the errors of\n{dockerfile}\n{}",
                done.stderr
            );
        }
    }
    place.write("ctx/Dockerfile", "FROM busybox AS build\n");
    place
        .imgc(&["--offline", "build", "--target", "bulid", "ctx"])
        .fails_with(3)
        .says("did you mean `build`?");
    place.imgc(&["--offline", "build", "nowhere"]).fails_with(2).says("there is no context `nowhere`");
    place.write("ctx/Dockerfile", "FROM nothing-of-this-name\n");
    place.imgc(&["--offline", "build", "ctx"]).fails_with(3).says("is not in the store");
    place.imgc(&["store", "verify", "--full"]).ok();
}

#[test]
fn broken_archives_are_refused() {
    let place = place();
    place.write("text.tar", "this is no archive");
    place.imgc(&["load", "-i", "text.tar"]).fails_with(1);
    place.write("empty.tar", [0; 1024]);
    place.imgc(&["load", "-i", "empty.tar"]).fails_with(1);
    if place.with_busybox("broken_archives_are_refused") {
        place.imgc(&["save", "-o", "good.tar", "busybox"]).ok();
        let good = fs_err::read(place.path("good.tar")).unwrap();
        place.write("cut.tar", &good[..good.len() / 2]);
        place.imgc(&["load", "-i", "cut.tar"]).fails_with(1);
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        place.write("flipped.tar", flipped);
        place.imgc(&["--store", "other", "load", "-i", "flipped.tar"]).fails_with(1);
        place.imgc(&["load", "-i", "good.tar"]).ok();
    }
    place.imgc(&["store", "verify", "--full"]).ok();
}

/// A process in a step that would run for long is gone when the program was told to stop, by any means.
#[test]
fn interrupted_builds_leave_nothing() {
    let place = place();
    if !place.with_busybox("interrupted_builds_leave_nothing") {
        return;
    }
    for (signal, code) in [("INT", 130), ("TERM", 130), ("KILL", 137)] {
        // A number that names this run's sleep in the machine's list of processes.
        let mark = format!("1{}{code}", std::process::id());
        place.write("ctx/Dockerfile", format!("FROM busybox\nRUN echo started; sleep {mark}\n"));
        let mut child = place
            .command()
            .args(["build", "--no-cache", "ctx"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(|| running(&mark), "the step starts");
        peer::run(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]));
        let asked = Instant::now();
        let output = {
            let stderr = child.stderr.take();
            drop(stderr);
            child.wait_with_output().unwrap()
        };
        assert_eq!(Done::of(&output).code, code, "{signal}");
        assert!(asked.elapsed() < Duration::from_secs(20), "{signal} took {:?}", asked.elapsed());
        wait_for(|| !running(&mark), "the step is gone");
    }
    // The next command clears what the killed one left, and the store is whole.
    place.imgc(&["store", "verify", "--full"]).ok();
    let left: Vec<_> = std::fs::read_dir(place.store().join("tmp")).unwrap().collect();
    assert!(left.len() <= 1, "left in tmp: {left:?}");
    let mounts = fs_err::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&*place.store().to_string_lossy()), "something is still mounted");
}

fn running(mark: &str) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.filter_map(Result::ok).any(|process| {
        let line = fs_err::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|word| word == mark.as_bytes())
            && line.split(|&byte| byte == 0).count() <= 4
    })
}

fn wait_for(what: impl Fn() -> bool, name: &str) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited in vain: {name}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let test = "a_full_disk_is_said_and_nothing_is_lost";
    if !peer::is_root() {
        peer::skipped(test, "only root can mount a small disk");
        return;
    }
    let place = place();
    let disk = place.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "none"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        peer::skipped(test, "mounting is not allowed here");
        return;
    }
    let Some(tar) = imgc_testkit::root::busybox(test) else { return };
    place.write("busybox.tar", tar);
    let store = ["--store", "disk/store"];
    let run = |args: &[&str]| place.imgc(&[&store[..], args].concat());
    run(&["import", "busybox.tar", "busybox", "--env", "PATH=/bin"]).ok();
    place.write("ctx/Dockerfile", "FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1M count=40\n");
    let step = run(&["build", "ctx"]).fails_with(1);
    assert!(step.stderr.contains("No space left"), "{}", step.stderr);
    // Bytes that no compressor makes smaller (Marsaglia's xorshift).
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(2_500_000)
    .flatten()
    .collect();
    place.write("ctx/big", noise);
    place.write("ctx/Dockerfile", "FROM busybox\nCOPY big /\n");
    let copy = run(&["build", "ctx"]).fails_with(9);
    assert!(copy.stderr.contains("prune"), "{}", copy.stderr);
    run(&["store", "verify", "--full"]).ok();
    place.write("ctx/Dockerfile", "FROM busybox\nRUN echo fits > /small\n");
    run(&["build", "ctx"]).ok();
    peer::run(Command::new("umount").arg(&disk));
}

#[test]
fn nothing_is_said_to_a_reader_that_went_away() {
    let place = place();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done = place.command().args(["check", "--rules"]).stdout(writer).output().unwrap();
    let done = Done::of(&done).fails_with(141);
    assert_eq!(done.stderr, "");
}

/// A graph file that says of its base what is not so: keys are made of it, so it is refused before anything runs.
#[test]
fn a_graph_that_lies_about_its_base() {
    let place = place();
    if !place.with_busybox("a_graph_that_lies_about_its_base") {
        return;
    }
    place.write("ctx/Dockerfile", "FROM busybox\nRUN echo 1 > /one\n");
    let graph = place.imgc(&["plan", "--format", "graph", "ctx"]).ok().stdout;
    place.write("true.graph", &graph);
    place.imgc(&["build", "-q", "--graph", "true.graph", "ctx"]).ok();
    for (what, lie) in
        [("  layer sha256:", "has not the layers of"), ("  digest sha256:", "is not the image")]
    {
        let at = graph.find(what).unwrap() + what.len();
        let other = if graph[at..].starts_with('0') { "1" } else { "0" };
        place.write("lie.graph", format!("{}{other}{}", &graph[..at], &graph[at + 1..]));
        for command in ["plan", "build"] {
            let done = place.imgc(&[command, "--graph", "lie.graph", "ctx"]);
            assert!(done.fails_with(3).stderr.contains(lie), "{command} {what}");
        }
    }
}

/// A file of an unpacked layer has other bytes: no image is made of them, and the message says what makes it whole again.
#[test]
fn a_damaged_tree_is_never_copied_from() {
    let place = place();
    if !place.with_busybox("a_damaged_tree_is_never_copied_from") {
        return;
    }
    let first = "FROM busybox AS a\nRUN echo right > /word\n";
    place.build(first, &[]);
    let second = format!("{first}RUN ls -l /word > /list\nFROM busybox\nCOPY --from=a /word /\n");
    place.write("ctx/Dockerfile", &second);
    let trees = fs_err::read_dir(place.store().join("trees")).unwrap();
    let words: Vec<_> =
        trees.map(|tree| tree.unwrap().path().join("word")).filter(|word| word.exists()).collect();
    assert_eq!(words.len(), 1);
    let modified = fs_err::metadata(&words[0]).unwrap().modified().unwrap();
    fs_err::write(&words[0], "wrong\n").unwrap();
    fs_err::OpenOptions::new().write(true).open(&words[0]).unwrap().file().set_modified(modified).unwrap();
    let refused = place.imgc(&["build", "-q", "ctx"]).fails_with(1);
    assert!(refused.stderr.contains("store verify --full --repair"), "{}", refused.stderr);
    place.imgc(&["store", "verify", "--full", "--repair"]).ok();
    let healed = place.imgc(&["build", "-q", "-t", "app", "ctx"]).ok();
    assert_eq!(place.imgc(&["cat", "app", "/word"]).ok().stdout, "right\n");
    assert_eq!(healed.stdout, place.imgc(&["build", "-q", "--no-cache", "ctx"]).ok().stdout);
}
