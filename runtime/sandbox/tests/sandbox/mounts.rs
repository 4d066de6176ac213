//! Mounts, and what is left of them.

use imgc_sandbox::{MountSpec, SandboxError, Status, What};

use crate::bed::{Bed, path};
use crate::{Test, probe};

pub(crate) const TESTS: &[Test] = &[
    ("only_changes_reach_the_upper_directory", only_changes_reach_the_upper_directory),
    ("a_root_without_anything", a_root_without_anything),
    ("hidden_mount_points", hidden_mount_points),
    ("links_into_nothing", links_into_nothing),
    ("binds", binds),
    ("overlays", overlays),
    ("memory", memory),
    ("secrets_never_touch_a_disk", secrets_never_touch_a_disk),
    ("lent_files_have_their_owners", lent_files_have_their_owners),
    ("an_agents_socket", an_agents_socket),
    ("outer_targets_first", outer_targets_first),
    ("wrong_shapes", wrong_shapes),
    ("many_layers", many_layers),
    ("read_only_root", read_only_root),
];

fn mount(target: &str, what: What) -> MountSpec {
    MountSpec { target: path(target), what }
}

fn only_changes_reach_the_upper_directory(bed: &Bed) {
    assert_eq!(bed.run("true").changes(), [""; 0]);
    let outcome =
        bed.run("echo a > /tmp/new; rm /data/file; mkdir /d; ln -s x /d/l; cat /etc/hosts >/dev/null");
    assert_eq!(
        outcome.changes(),
        ["dir d", "dir data", "dir tmp", "file tmp/new", "link d/l", "whiteout data/file"]
    );
    // What a command puts beside a mount point is its own.
    assert_eq!(bed.run("echo a > /etc/new").changes(), ["dir etc", "file etc/new"]);
}

/// `FROM scratch`: every mount point is missing.
fn a_root_without_anything(bed: &Bed) {
    let busybox = bed.fresh();
    fs_err::copy(bed.root.join("bin/busybox"), busybox.path().join("busybox")).unwrap();
    let mut command = Bed::shell("");
    command.args = ["/busybox", "ls", "/", "/etc"].map(str::to_owned).to_vec();
    let empty = imgc_sandbox::Command { lower: vec![busybox.path().to_path_buf()], ..command };
    let work = bed.fresh();
    let (upper, work) = (work.path().join("upper"), work.path().join("work"));
    fs_err::create_dir(&upper).unwrap();
    fs_err::create_dir(&work).unwrap();
    let command = imgc_sandbox::Command { upper: upper.clone(), work, ..empty };
    let mut said = Vec::new();
    imgc_sandbox::run(&command, &mut |_, bytes| said.extend_from_slice(bytes), &imgc_base::Cancel::new())
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said),
        "/:\nbusybox\ndev\netc\nproc\nsys\n\n/etc:\nhosts\nresolv.conf\n"
    );
    assert_eq!(fs_err::read_dir(upper).unwrap().count(), 0);
}

/// A whiteout or an opaque directory hides the stand-in: the mount point is made and removed again.
fn hidden_mount_points(bed: &Bed) {
    use std::os::unix::fs::MetadataExt as _;
    let layer = bed.fresh();
    fs_err::create_dir(layer.path().join("etc")).unwrap();
    let etc = fs_err::File::open(layer.path().join("etc")).unwrap();
    let file: &std::fs::File = etc.file();
    let device = rustix::fs::mknodat(
        file,
        "hosts",
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::empty(),
        rustix::fs::makedev(0, 0),
    );
    device.unwrap();
    rustix::fs::fsetxattr(file, "user.overlay.opaque", b"y", rustix::fs::XattrFlags::empty()).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    file.set_modified(old).unwrap();
    for (script, left) in [
        ("cat /etc/hosts | wc -l; test -e /etc/resolv.conf && echo there", &["dir etc"][..]),
        ("wc -l < /etc/hosts; echo there; touch /etc/new", &["dir etc", "file etc/new"]),
    ] {
        let mut command = Bed::shell(script);
        command.lower = vec![layer.path().to_path_buf()];
        let outcome = bed.run_command(command);
        assert_eq!(outcome.stdout, "2\nthere\n", "{}", outcome.stderr);
        // The directory was copied up, equal to the one below; scanning drops it.
        assert_eq!(outcome.changes(), left);
        let time = fs_err::metadata(outcome.upper().join("etc")).unwrap().mtime();
        assert_eq!(time == 1_000_000, left.len() == 1, "{time}");
    }
}

fn links_into_nothing(bed: &Bed) {
    let layer = bed.fresh();
    fs_err::create_dir(layer.path().join("etc")).unwrap();
    std::os::unix::fs::symlink("../run/resolve/stub.conf", layer.path().join("etc/resolv.conf")).unwrap();
    std::os::unix::fs::symlink("loop", layer.path().join("etc/loop")).unwrap();
    let mut command = Bed::shell("cat /etc/resolv.conf /run/resolve/stub.conf");
    command.lower = vec![layer.path().to_path_buf()];
    command.resolv_conf = Some("nameserver 192.0.2.1\n".to_owned());
    let outcome = bed.run_command(command.clone());
    assert_eq!(outcome.stdout, "nameserver 192.0.2.1\nnameserver 192.0.2.1\n", "{}", outcome.stderr);
    assert_eq!(outcome.changes(), [""; 0]);
    command.mounts = vec![mount("etc/loop", What::Tmpfs { size: None, mode: 0o755 })];
    assert!(bed.try_run(command, &imgc_base::Cancel::new()).is_err());
}

fn binds(bed: &Bed) {
    let lent = bed.fresh();
    fs_err::write(lent.path().join("f"), "lent").unwrap();
    let bind = |target: &str, name: &str, readonly| {
        mount(target, What::Bind { source: lent.path().join(name), readonly })
    };
    let mut command =
        Bed::shell("cat /ro/f /one; echo x > /ro/new; echo x > /one; echo y > /rw/new; cat /rw/new");
    command.mounts = vec![bind("ro", "", true), bind("one", "f", true), bind("rw", "", false)];
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "lentlenty\n");
    assert_eq!(outcome.stderr.matches("Read-only file system").count(), 2, "{}", outcome.stderr);
    assert_eq!(fs_err::read_to_string(lent.path().join("new")).unwrap(), "y\n");
    assert_eq!(fs_err::read_to_string(lent.path().join("f")).unwrap(), "lent");
    assert_eq!(outcome.changes(), [""; 0]);
}

fn overlays(bed: &Bed) {
    let (one, two, own) = (bed.fresh(), bed.fresh(), bed.fresh());
    fs_err::create_dir_all(one.path().join("src/a")).unwrap();
    fs_err::write(one.path().join("src/a/f"), "one").unwrap();
    fs_err::create_dir_all(two.path().join("src/a")).unwrap();
    fs_err::write(two.path().join("src/a/g"), "two").unwrap();
    std::os::unix::fs::symlink("/src", two.path().join("link")).unwrap();
    let overlay = |name: &str, source: &str, readonly| {
        let (upper, work) =
            (own.path().join(format!("{name}-upper")), own.path().join(format!("{name}-work")));
        fs_err::create_dir_all(&upper).unwrap();
        fs_err::create_dir_all(&work).unwrap();
        let lower = vec![one.path().to_path_buf(), two.path().to_path_buf()];
        mount(name, What::Overlay { lower, upper, work, source: path(source), readonly })
    };
    let mut command =
        Bed::shell("cat /w/a/f /w/a/g; echo x > /w/a/f; cat /w/a/f /r/f; echo y > /r/f; cat /whole/src/a/g");
    command.mounts =
        vec![overlay("w", "link", false), overlay("r", "src/a", true), overlay("whole", "", false)];
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "onetwox\nonetwo");
    assert!(outcome.stderr.contains("Read-only file system"), "{}", outcome.stderr);
    assert_eq!(fs_err::read_to_string(one.path().join("src/a/f")).unwrap(), "one");
    assert_eq!(outcome.changes(), [""; 0]);
}

fn memory(bed: &Bed) {
    let mut command =
        Bed::shell("head -c 2000000 /dev/zero > /m/f; stat -c %a /m; stat -c %s /m/f; stat -f -c %T /m");
    command.mounts = vec![mount("m", What::Tmpfs { size: Some(1 << 20), mode: 0o1777 })];
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "1777\n1048576\ntmpfs\n", "{}", outcome.stderr);
    assert_eq!(outcome.changes(), [""; 0]);
}

fn secrets_never_touch_a_disk(bed: &Bed) {
    let secret = "correct-horse-battery";
    let mut command = Bed::shell(
        "cat /run/secrets/a; stat -c '%a %u %g' /run/secrets/a; stat -f -c %T /run/secrets/a; stat -c %a /dev/pipes/script; /dev/pipes/script",
    );
    let file = |bytes: &[u8], mode| What::File { bytes: bytes.to_vec(), mode, uid: 0, gid: 0 };
    command.mounts = vec![
        mount("run/secrets/a", file(secret.as_bytes(), 0o400)),
        mount("dev/pipes/script", file(b"#!/bin/sh\necho script", 0o755)),
    ];
    assert!(!format!("{command:?}").contains(secret));
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, format!("{secret}400 0 0\nramfs\n755\nscript\n"), "{}", outcome.stderr);
    assert_eq!(outcome.changes(), [""; 0]);
}

fn lent_files_have_their_owners(bed: &Bed) {
    let mut command = Bed::shell(
        "stat -c '%a %u:%g' /run/secrets/a /run/secrets/b /home/key; test -r /home/key && cat /home/key",
    );
    (command.uid, command.gid) = (1000, 50);
    let file =
        |owner: (u32, u32)| What::File { bytes: b"key".to_vec(), mode: 0o400, uid: owner.0, gid: owner.1 };
    command.mounts = vec![
        mount("run/secrets/a", file((0, 0))),
        mount("run/secrets/b", file((7, 8))),
        mount("home/key", file((1000, 50))),
    ];
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "400 0:0\n400 7:8\n400 1000:50\nkey", "{}", outcome.stderr);
}

fn an_agents_socket(bed: &Bed) {
    use std::io::{Read as _, Write as _};
    let dir = bed.fresh();
    let agent = dir.path().join("agent");
    let listener = std::os::unix::net::UnixListener::bind(&agent).unwrap();
    let answer = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut caller, _) = listener.accept().unwrap();
            let mut said = String::new();
            caller.read_to_string(&mut said).unwrap();
            caller.write_all(said.to_uppercase().as_bytes()).unwrap();
        }
    });
    let mut command = probe::command(probe::TALK, "/run/agent.1");
    command.mounts.push(mount("run/agent.1", What::Socket { path: agent, mode: 0o600, uid: 0, gid: 0 }));
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "mode 600 owner 0\nHELLO 1\nHELLO 2\n", "{}", outcome.stderr);
    assert_eq!(outcome.changes(), [""; 0]);
    answer.join().unwrap();
}

fn outer_targets_first(bed: &Bed) {
    let mut command = Bed::shell("cat /m/in/f; ls /m");
    let file = What::File { bytes: b"deep\n".to_vec(), mode: 0o444, uid: 0, gid: 0 };
    command.mounts = vec![mount("m/in/f", file), mount("m", What::Tmpfs { size: None, mode: 0o755 })];
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "deep\nin\n", "{}", outcome.stderr);
}

fn wrong_shapes(bed: &Bed) {
    let refuse = |spec: MountSpec| {
        let mut command = Bed::shell("true");
        command.mounts = vec![spec];
        match bed.try_run(command, &imgc_base::Cancel::new()) {
            Err(SandboxError::Command(text)) => text,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it ran"),
        }
    };
    let tmpfs = || What::Tmpfs { size: None, mode: 0o755 };
    assert_eq!(refuse(mount("data/file", tmpfs())), "cannot mount a directory on `/data/file`: it is a file");
    let file = What::File { bytes: Vec::new(), mode: 0o400, uid: 0, gid: 0 };
    assert_eq!(refuse(mount("data", file)), "cannot mount a file on `/data`: it is a directory");
    assert_eq!(refuse(mount("", tmpfs())), "cannot mount on `/`");
}

fn many_layers(bed: &Bed) {
    let dir = bed.fresh();
    let mut command = Bed::shell("ls /many | wc -l; cat /many/top");
    for number in 0..300 {
        let layer = dir.path().join(format!("a-long-name-so-that-one-page-would-not-do-for-all-{number}"));
        fs_err::create_dir_all(layer.join("many")).unwrap();
        fs_err::write(layer.join(format!("many/{number}")), "").unwrap();
        fs_err::write(layer.join("many/top"), number.to_string()).unwrap();
        command.lower.push(layer);
    }
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "301\n299", "{}", outcome.stderr);
}

fn read_only_root(bed: &Bed) {
    let mut command = Bed::shell("touch /tmp/x; touch /m/x && echo memory");
    command.readonly_root = true;
    command.mounts = vec![mount("m", What::Tmpfs { size: None, mode: 0o755 })];
    let outcome = bed.run_command(command);
    assert_eq!((outcome.stdout.as_str(), outcome.status), ("memory\n", Status::Code(0)));
    assert!(outcome.stderr.contains("Read-only file system"), "{}", outcome.stderr);
}
