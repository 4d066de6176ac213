//! What makes images differ, row by row: the raw tool gives other bytes when it runs again elsewhere, the layer does not.
//!
//! Each row is a command, with the level that makes it the same: **A** the writer of layers, **E** what commands find,
//! **N** a rule for bytes inside files. `spec/reproducibility.md` lists the rows with what is not covered. Of what a
//! single machine cannot show (attributes, whiteouts, owners) the tests are in `runtime/image` and `same_bits.rs`.

use std::fmt::Write as _;
use std::process::Command;

use imgc_testkit::{Done, Place, peer, root};

use crate::place;

/// How the bytes differ one level below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    /// The command itself gives other bytes, elsewhere and later.
    Output,
    /// Its files have other times, owners or modes: an archive of them differs.
    Files,
    /// It gives facts of the machine, which are not those of the layer.
    Machine,
}

/// A row: name, level, how it differs raw, and the command, which works in a directory of its own.
struct Row(&'static str, char, Raw, &'static str);

const ROWS: &[Row] = &[
    Row("times", 'A', Raw::Files, "echo a > f; mkdir d; ln -s f l; mkfifo p"),
    Row(
        "order-and-long-names",
        'A',
        Raw::Files,
        "for n in b a c a-b a.b $(printf 'n%0120d' 7); do echo $n > $n; done",
    ),
    Row("hard-links", 'A', Raw::Files, "echo x > b; ln b a; mkdir d; ln b d/c"),
    Row("owners-and-modes", 'A', Raw::Files, "mkdir d; echo > d/f; chmod 4755 d/f"),
    Row("parents", 'A', Raw::Files, "mkdir -p deep/er; touch deep/er/f; rm deep/er/f"),
    Row("sparse", 'A', Raw::Files, "dd if=/dev/zero of=s bs=1 count=1 seek=9999 2>/dev/null"),
    Row("hosts", 'E', Raw::Machine, "cat /etc/hosts > hosts"),
    Row("addresses", 'E', Raw::Output, "grep -E 'stack|heap|vdso' /proc/self/maps > maps"),
    Row("process-numbers", 'E', Raw::Output, "echo $$ > pid; sh -c 'echo $$; echo $PPID' > child"),
    Row("processors", 'E', Raw::Output, "nproc > n; seq $(nproc) > jobs"),
    Row(
        "cpuinfo",
        'E',
        Raw::Machine,
        "cat /proc/cpuinfo > cpuinfo; cat /sys/devices/system/cpu/online > online",
    ),
    Row("memory", 'E', Raw::Machine, "cat /proc/meminfo > meminfo; free > free"),
    Row("load", 'E', Raw::Machine, "cat /proc/loadavg > load"),
    Row(
        "kernel",
        'E',
        Raw::Machine,
        "uname -a > uname; cat /proc/version /proc/sys/kernel/osrelease > version",
    ),
    Row("boot", 'E', Raw::Machine, "cat /proc/sys/kernel/random/boot_id > boot"),
    Row("uptime", 'E', Raw::Output, "cat /proc/uptime /proc/stat > up; uptime | sed 's/.*up//' >> up"),
    Row("host-name", 'E', Raw::Machine, "hostname > name; cat /proc/sys/kernel/hostname > proc"),
    Row("umask", 'E', Raw::Output, "umask > mask"),
    Row("environment", 'E', Raw::Output, "env | sort | grep -v -E '^(PWD|OLDPWD|SHLVL|OUT)=' > env"),
    Row("time-zone", 'E', Raw::Output, "date -d @0 > zone"),
    Row("limits", 'E', Raw::Output, "ulimit -n > limit"),
];

/// Rows with tools that busybox does not have; what they leave is looked at raw with `imgc run`.
const DEBIAN: &[Row] = &[
    Row(
        "gzip-time",
        'N',
        Raw::Output,
        "mkdir -p /var/log/app; seq 999 > /var/log/app/log; gzip /var/log/app/log",
    ),
    Row("git-state", 'N', Raw::Output, "git init -q .; echo 1 > f; git add f"),
    Row("log-times", 'N', Raw::Output, "update-alternatives --install /usr/bin/row row /bin/true 1"),
    Row("ldconfig-cache", 'N', Raw::Output, "cp /usr/lib/*/libz.so.1.* /usr/local/lib/; ldconfig"),
    Row("python-bytecode", 'N', Raw::Output, "echo 'x = 1' > m.py; python3 -c 'import m'"),
    Row("archive-times", 'N', Raw::Output, "seq 9 > m.o; ar rcU lib.a m.o; ar tvU lib.a > /dev/null"),
    Row("static-library", 'A', Raw::Files, "seq 9 > m.o; ar rc lib.a m.o"),
];

/// One `RUN` for each row.
fn dockerfile(base: &str, rows: &[Row]) -> String {
    let mut text = format!("FROM {base} AS rows\nCOPY . /context\n");
    for Row(name, _, _, script) in rows {
        let _ = writeln!(text, "RUN mkdir -p /out/{name} && cd /out/{name}; {script}");
    }
    text
}

/// The same command where what should not matter is different.
fn elsewhere(command: &Command) -> Command {
    let mut script = "umask 077; ulimit -S -n 256; ".to_owned();
    if peer::is_root() && peer::find("unshare").is_some() {
        script.push_str("exec unshare --uts sh -c 'hostname elsewhere; exec \"$0\" \"$@\"' ");
    } else {
        script.push_str("exec ");
    }
    if peer::find("taskset").is_some() {
        script.push_str("taskset 1 ");
    }
    script.push_str("\"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("TZ", "XST-13").env("LANG", "tr_TR.UTF-8").env("USER", "else").env("NOISE", "1");
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    shell
}

/// The next second has begun: every time differs.
fn a_second_later() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

/// What a row's command leaves when this machine runs it.
fn on_the_machine(place: &Place, Row(name, _, raw, script): &Row, again: bool) -> Vec<u8> {
    let dir = place.path(format!("raw-{again}/{name}"));
    fs_err::create_dir_all(&dir).unwrap();
    let show = match raw {
        Raw::Files => "tar -c .",
        Raw::Output | Raw::Machine => "cat *",
    };
    let mut plain = Command::new("busybox");
    plain.args(["sh", "-c", &format!("{{ {script}; }} >&2; {show}")]);
    plain.env_clear().env("PATH", "/bin:/usr/bin").current_dir(&dir);
    // Busybox finds its own applets first where it was built so; links to it make sure.
    plain.env("PATH", format!("{}:/bin:/usr/bin", place.path("applets").display()));
    peer::run(&mut if again { elsewhere(&plain) } else { plain })
}

/// Links to the applets of this machine's busybox.
fn applets(place: &Place, busybox: &std::path::Path) {
    let dir = place.path("applets");
    fs_err::create_dir(&dir).unwrap();
    let list = peer::run(Command::new(busybox).arg("--list"));
    for name in String::from_utf8_lossy(&list).lines() {
        std::os::unix::fs::symlink(busybox, dir.join(name)).unwrap();
    }
}

#[test]
fn every_row_fails_below_its_level_and_holds_at_it() {
    let test = "every_row_fails_below_its_level_and_holds_at_it";
    let Some([busybox]) = peer::need(test, ["busybox"]) else { return };
    let context = |place: &Place, names: [&str; 3]| {
        // Copied files have neither the time nor the order of the context.
        for name in names {
            place.write(&format!("ctx/files/{name}"), name);
        }
        place.write("ctx/Dockerfile", dockerfile("busybox", ROWS));
    };
    let (one, two) = (place(), place());
    let args = ["build", "-q", "--network", "none", "-t", "rows", "ctx"];
    for (place, names) in [(&one, ["a", "b", "c"]), (&two, ["c", "a", "b"])] {
        if !place.with_busybox(test) {
            return;
        }
        context(place, names);
        applets(place, &busybox);
    }
    let here = Done::of(&one.command().args(args).output().unwrap()).ok();
    let raw: Vec<_> = ROWS.iter().map(|row| on_the_machine(&one, row, false)).collect();
    a_second_later();
    let there = Done::of(&elsewhere(two.command().args(args)).output().unwrap()).ok();
    for (row, first) in ROWS.iter().zip(raw) {
        let Row(name, level, kind, _) = row;
        let second = on_the_machine(&one, row, true);
        match kind {
            Raw::Output | Raw::Files => {
                assert!(first != second, "{name} ({level}) is no source of differences");
            }
            Raw::Machine => {
                let files = one.imgc(&["--json", "files", "rows", &format!("/out/{name}")]).ok().stdout;
                let files: serde_json::Value = serde_json::from_str(&files).unwrap();
                let mut told = String::new();
                for file in files["files"].as_array().unwrap() {
                    told.push_str(&one.imgc(&["cat", "rows", file["path"].as_str().unwrap()]).ok().stdout);
                }
                assert!(!told.is_empty(), "{name}");
                assert_ne!(String::from_utf8_lossy(&first), told, "{name} ({level}): the machine shows");
            }
        }
    }
    // All rows at once; the message of a difference names the first step and file.
    if here.stdout != there.stdout {
        let archive = two.path("two.tar").display().to_string();
        two.imgc(&["save", "rows", "-o", &archive]).ok();
        one.imgc(&["tag", "rows", "rows:one"]).ok();
        one.imgc(&["load", "-i", &archive]).ok();
        panic!("{}", one.imgc(&["diff", "rows:one", "rows"]).stdout);
    }
}

/// The number is part of what a step is: another one runs it again, the same one elsewhere gives the same bits.
#[test]
fn the_number_of_processors_is_an_input() {
    let place = place();
    if !place.with_busybox("the_number_of_processors_is_an_input") {
        return;
    }
    let text = "FROM busybox\nRUN nproc > /n; grep -c ^processor /proc/cpuinfo >> /n\n";
    let four = place.build(text, &["-t", "app"]);
    assert_eq!(place.imgc(&["cat", "app", "/n"]).ok().stdout, "4\n4\n");
    let seven = place.build(text, &["--cpus", "7", "-t", "app"]);
    assert_eq!(place.imgc(&["cat", "app", "/n"]).ok().stdout, "7\n7\n");
    assert_ne!(four, seven);
    place.imgc(&["why", "#2", "ctx"]).ok().prints("cpus  changed  4 -> 7");
    let mut command = place.command();
    let again =
        elsewhere(command.args(["build", "-q", "--no-cache", "--cpus", "7", "ctx"])).output().unwrap();
    assert_eq!(Done::of(&again).ok().stdout.trim(), seven);
    // What verifies builds with the same number.
    place
        .imgc(&["verify", "--cpus", "7", "--vary", "cpus,jobs", "--against", "app", "--times", "2", "ctx"])
        .ok();
    place.imgc(&["build", "--cpus", "0", "ctx"]).fails_with(2);
}

#[test]
fn rules_for_bytes_inside_files() {
    let test = "rules_for_bytes_inside_files";
    let Some(debian) = root::debian(test) else { return };
    let place = place();
    place.imgc(&["import", &debian.to_string_lossy(), "debian:bookworm", "--cmd", "bash"]).ok();
    let tools = "FROM debian:bookworm\nRUN apt-get update && apt-get install -y --no-install-recommends \
                 python3-minimal binutils git && rm -rf /var/lib/apt/lists/*\n";
    place.write("tools/Dockerfile", tools);
    let built = place.imgc(&["build", "-t", "tools", "tools"]);
    if built.code == 1
        && ["Temporary failure", "Failed to fetch", "Unable to connect"]
            .iter()
            .any(|sign| built.stderr.contains(sign))
    {
        peer::skipped(test, "the package archive cannot be reached");
        return;
    }
    // What its own postinst left is left out as well.
    built.ok();
    place.imgc(&["files", "tools", "/var/cache/ldconfig/aux-cache"]).fails_with(1);
    place.imgc(&["files", "tools", "/var/cache/apt/pkgcache.bin"]).fails_with(1);

    place.write("ctx/Dockerfile", dockerfile("tools", DEBIAN));
    let args = ["--progress", "plain", "build", "-q", "--network", "none", "--no-cache", "-t", "rows", "ctx"];
    let one = Done::of(&place.command().args(args).output().unwrap()).ok();
    place.imgc(&["tag", "rows", "rows:one"]).ok();
    a_second_later();
    let two = Done::of(&elsewhere(place.command().args(args)).output().unwrap()).ok();
    assert_eq!(one.stdout, two.stdout, "{}", place.imgc(&["diff", "rows:one", "rows"]).stdout);
    for Row(name, level, ..) in DEBIAN.iter().filter(|Row(_, level, ..)| *level == 'N') {
        assert!(
            one.stderr.contains(&format!(" {name}: /")),
            "{name} ({level}) is not reported:\n{}",
            one.stderr
        );
    }

    // Raw, as a program in the same image leaves it.
    for Row(name, level, kind, script) in DEBIAN {
        let show = match (*name, kind) {
            ("gzip-time", _) => "cat /var/log/app/log.gz",
            ("log-times", _) => "cat /var/log/alternatives.log",
            ("ldconfig-cache", _) => "cat /var/cache/ldconfig/aux-cache",
            (_, Raw::Files) => "tar -c . | cat",
            _ => "cat $(find . -type f)",
        };
        let run = || {
            let script = format!("mkdir /row && cd /row; {script}; {show} | sha256sum");
            place.imgc(&["run", "tools", "sh", "-c", &script]).ok().stdout
        };
        let first = run();
        a_second_later();
        assert_ne!(first, run(), "{name} ({level}) is no source of differences");
    }

    // What reads these files finds them in order.
    place
        .imgc(&["run", "rows", "sh", "-c", "cd /var/log/app && gzip -t log.gz && zcat log.gz | tail -1"])
        .ok()
        .prints("999");
    place
        .imgc(&["run", "rows", "sh", "-c", "cd /out/archive-times && ar t lib.a && ar p lib.a"])
        .ok()
        .prints("m.o\n1\n2");
    place
        .imgc(&["run", "rows", "sh", "-c", "cd /out/git-state && git fsck && git status --porcelain"])
        .ok()
        .prints("A  f");
    let check = "import importlib.util as u, os, struct; c = u.cache_from_source('/out/python-bytecode/m.py'); \
                 held = struct.unpack('<I', open(c, 'rb').read()[8:12])[0]; \
                 print(held == int(os.stat('/out/python-bytecode/m.py').st_mtime))";
    place.imgc(&["run", "rows", "python3", "-c", check]).ok().prints("True");
}
