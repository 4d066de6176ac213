//! Owners and users, the same with one id as with many, as far as that can be.

use imgc_sandbox::{MountSpec, Status, What};

use crate::Test;
use crate::bed::{Bed, path};
use crate::probe;

pub(crate) const TESTS: &[Test] = &[
    ("owners_are_kept", owners_are_kept),
    ("users_are_believed", users_are_believed),
    ("a_user_is_given_up_before_its_groups", a_user_is_given_up_before_its_groups),
    ("what_users_make_is_theirs", what_users_make_is_theirs),
    ("owners_are_told", owners_are_told),
    ("owners_stay_inside", owners_stay_inside),
];

/// The owner that a scan of the upper directory will find.
pub(crate) fn owner(path: &std::path::Path) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt as _;
    let mut value = [0; 64];
    if let Ok(length) = rustix::fs::getxattr(path, "user.imgc.owner", &mut value) {
        let text = std::str::from_utf8(&value[..length]).unwrap();
        let (uid, gid) = text.split_once(':').unwrap();
        return (uid.parse().unwrap(), gid.parse().unwrap());
    }
    let stat = fs_err::metadata(path).unwrap();
    (stat.uid(), stat.gid())
}

fn owners_are_kept(bed: &Bed) {
    let outcome = bed.run(
        "cd /tmp && mkdir d && touch a b c e && chown 42:43 a && chown 44:43 a && chown -R 7:8 d && chown 5:5 b && \
         chown 0:0 b && ln -s c l && chown 9:9 l && ln -s c m && chown -h 3:3 m && chmod 4755 e && chown 1:1 e && \
         chmod 4755 c && chown 11:12 /data/file && touch d/in && chown 0:77 d/in",
    );
    assert_eq!(outcome.status, Status::Code(0), "{}", outcome.stderr);
    for (name, want) in [
        ("tmp/a", (44, 43)),
        ("tmp/d", (7, 8)),
        ("tmp/b", (0, 0)),
        ("tmp/c", (9, 9)),
        ("tmp/e", (1, 1)),
        ("tmp/d/in", (0, 77)),
        ("data/file", (11, 12)),
    ] {
        assert_eq!(owner(&outcome.upper().join(name)), want, "{name}");
    }
    // As in the kernel, giving a program away takes its set-id bit.
    let mode = |name: &str| {
        std::os::unix::fs::PermissionsExt::mode(
            &fs_err::metadata(outcome.upper().join(name)).unwrap().permissions(),
        )
    };
    assert_eq!((mode("tmp/e") & 0o7777, mode("tmp/c") & 0o7777), (0o755, 0o4755));
    if bed.is_single() {
        let note = "`/tmp/m` belongs to root here, not to 3:3; give this user subordinate ids";
        assert_eq!(outcome.notes, [note]);
    } else {
        assert_eq!(outcome.notes, [""; 0]);
    }
    let outcome = bed.run("chown 1:1 /nosuch");
    assert!(outcome.stderr.contains("No such file"), "{}", outcome.stderr);
    let outcome = bed.run("chown 1:1 /proc/sys/kernel/hostname /etc/hosts");
    assert_ne!(outcome.status, Status::Code(0));
}

fn users_are_believed(bed: &Bed) {
    let layer = bed.fresh();
    fs_err::create_dir(layer.path().join("etc")).unwrap();
    fs_err::write(layer.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:42:43::/:/bin/sh\n")
        .unwrap();
    fs_err::write(layer.path().join("etc/group"), "root:x:0:\napp:x:43:\nmore:x:50:app\n").unwrap();
    let mut command = Bed::shell(
        "id; su app -c 'id; id -u; sh -c id; setpriv --help >/dev/null 2>&1; su root -c id </dev/null'; id -u",
    );
    command.lower = vec![layer.path().to_path_buf()];
    let outcome = bed.run_command(command);
    let app = "uid=42(app) gid=43(app) groups=43(app),50(more)";
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("uid=0(root) gid=0(root)"), "{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(lines[1..4], [app, "42", app], "{}", outcome.stderr);
    assert_eq!(lines.last(), Some(&"0"));
    // Who gave up being root cannot become it again by asking.
    assert_eq!(lines.len(), 5, "{}", outcome.stdout);
    assert_eq!(outcome.notes, [""; 0]);
}

/// `setpriv` of util-linux keeps capabilities over the change of the user, to change the groups after it.
fn a_user_is_given_up_before_its_groups(bed: &Bed) {
    let program = std::path::Path::new("/usr/bin/setpriv");
    if !program.exists() {
        eprintln!("SKIPPED: a_user_is_given_up_before_its_groups: `setpriv` is not installed");
        return;
    }
    let mut command = probe::command("", "");
    let what = What::Bind { source: program.to_path_buf(), readonly: true };
    command.mounts.push(MountSpec { target: path("setpriv"), what });
    let script = "id -u; id -g; id -G; touch /tmp/mine; su root -c id </dev/null 2>/dev/null || echo final; /setpriv --regid 0 true 2>/dev/null || echo gone";
    command.args =
        ["/setpriv", "--reuid", "42", "--regid", "43", "--groups", "50,44", "--", "/bin/sh", "-c", script]
            .map(str::to_owned)
            .to_vec();
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "42\n43\n43 44 50\nfinal\ngone\n", "{}", outcome.stderr);
    assert_eq!(owner(&outcome.upper().join("tmp/mine")), (42, 43));
}

fn what_users_make_is_theirs(bed: &Bed) {
    let layer = bed.fresh();
    fs_err::create_dir(layer.path().join("etc")).unwrap();
    fs_err::write(layer.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:42:43::/:/bin/sh\n")
        .unwrap();
    let mut command = Bed::shell(
        "mkdir -m 2775 /shared && chown 0:50 /shared && chmod 2777 /shared && echo root > /shared/by-root
         su app -c 'set -e; cd /tmp; echo one > a; echo two >> a; mkdir -p d/e; umask 077; echo x > b; (set -C; echo y > c)
           cp a d/e/copy; mktemp m.XXXXXX; ln -s a l; mkdir /shared/sub; echo z > /shared/f; echo z > /dev/null
           chown 42:43 a; if chown 0:0 a 2>/dev/null; then echo gave; fi; mv a a2; cat a2 d/e/copy c; tar -cf t a2; ls t'",
    );
    command.lower = vec![layer.path().to_path_buf()];
    let outcome = bed.run_command(command);
    assert_eq!(outcome.status, Status::Code(0), "{}", outcome.stderr);
    assert!(outcome.stdout.ends_with("one\ntwo\none\ntwo\ny\nt\n"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("gave"));
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::metadata(outcome.upper().join(name)).unwrap().permissions().mode() & 0o7777
    };
    for (name, want, bits) in [
        ("tmp/a2", (42, 43), 0o644),
        ("tmp/d", (42, 43), 0o755),
        ("tmp/d/e", (42, 43), 0o755),
        ("tmp/d/e/copy", (42, 43), 0o600),
        ("tmp/b", (42, 43), 0o600),
        ("tmp/c", (42, 43), 0o600),
        ("tmp/t", (42, 43), 0o600),
        ("shared/sub", (42, 50), 0o2700),
        ("shared/f", (42, 50), 0o600),
        ("shared/by-root", (0, 50), 0o644),
    ] {
        assert_eq!((owner(&outcome.upper().join(name)), mode(name)), (want, bits), "{name}");
    }
    let made = fs_err::read_dir(outcome.upper().join("tmp")).unwrap().map(|item| item.unwrap().path());
    for path in made.filter(|path| path.to_str().unwrap().contains("/m.")) {
        assert_eq!(owner(&path), (42, 43));
    }
    let note = "`/tmp/l` belongs to root here, not to 42:43; give this user subordinate ids";
    assert_eq!(outcome.notes, if bed.is_single() { vec![note.to_owned()] } else { Vec::new() });
}

/// What reads an owner and sets it back finds it as it was.
fn owners_are_told(bed: &Bed) {
    let outcome = bed.run(
        "cd /tmp && echo x > a && chown 42:43 a && ln -s a l && stat -c '%u %g %s %a' a && stat -L -c '%u' l && \
         stat -c '%u' l && chown 44 a && stat -c '%u %g' a && chgrp 45 a && cp -p a b && stat -c '%u %g' b && \
         mkdir d && chown 1:2 d && ls -ldn d | awk '{print $3, $4}' && find . -user 44 | sort && \
         cat < a && stat -c '%u' /etc/hosts",
    );
    let told = "42 43 2 644\n42\n0\n44 43\n44 45\n1 2\n./a\n./b\nx\n0\n";
    assert_eq!(outcome.stdout, told, "{}", outcome.stderr);
    assert_eq!(owner(&outcome.upper().join("tmp/a")), (44, 45));
    assert_eq!(owner(&outcome.upper().join("tmp/b")), (44, 45));
}

/// What the helper changes for a process is inside the root that the process sees.
fn owners_stay_inside(bed: &Bed) {
    let outside = bed.fresh();
    let file = outside.path().join("file");
    fs_err::write(&file, "").unwrap();
    let before = owner(&file);
    let name = file.to_str().unwrap();
    let outcome = bed.run(&format!(
        "chown 5:5 {name}; chown 5:5 ../../../../../..{name}; ln -s {name} /tmp/l; chown 5:5 /tmp/l; \
         chown 5:5 /proc/1/root{name}; chown 5:5 /proc/self/root/proc/1/root{name}; chown 5:5 /proc/1/fd/*; true"
    ));
    assert_eq!(outcome.status, Status::Code(0));
    assert_eq!(owner(&file), before);
}
