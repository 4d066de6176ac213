//! The same input gives the same bits: cold store, other directory, umask, time zone, user, number of jobs.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use imgc_testkit::{Done, Place, peer, root};

use crate::place;

const DOCKERFILE: &str = r#"FROM busybox AS build
WORKDIR /src
COPY . .
RUN mkdir -p out/deep && cat a/*.txt > out/all && touch -d '2001-02-03 04:05:06' out/old && ln out/all out/deep/again
RUN --mount=type=cache,target=/cache echo x >> /cache/log; find . -type f | sort > list; chmod 600 list

FROM busybox
ARG NAME=app
RUN adduser -D -u 5000 -s /bin/sh $NAME 2>/dev/null || true
COPY --from=build --chown=1000:50 /src/out /opt/out
COPY --chmod=640 a/1.txt /etc/one
RUN rm -r /var/www && mkdir /var/www && echo new > /var/www/index.html
RUN umask > /umask; id > /id; hostname > /host; env | sort > /env; nproc > /cpus; cat /proc/sys/kernel/randomize_va_space > /aslr
RUN --mount=from=build,source=/src/a,target=/made/for/mount touch /made/beside
RUN --mount=type=bind,target=/ctx --mount=type=bind,from=build,target=/b,rw ls -ld / /ctx /b | cut -c1-10 > /modes
USER 1000
RUN --mount=from=build,target=/mnt,rw ls /mnt > /tmp/list && id > /tmp/who
ENV A=1 B="two words"
HEALTHCHECK --interval=5s CMD true
CMD ["sh"]
"#;

fn context(place: &Place) {
    for number in 1..30 {
        place.write(&format!("ctx/a/{number}.txt"), format!("file {number}\n"));
    }
    place.write("ctx/Dockerfile", DOCKERFILE);
    place.write("ctx/.dockerignore", "*.log\n");
    place.write("ctx/x.log", "noise");
    std::os::unix::fs::symlink("a/1.txt", place.path("ctx/link")).unwrap();
    std::fs::set_permissions(place.path("ctx/a/2.txt"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn digest(output: &std::process::Output) -> String {
    let done = Done::of(output).ok();
    let digest = done.stdout.trim().to_owned();
    assert!(digest.starts_with("sha256:"), "{digest}");
    digest
}

#[test]
fn whoever_builds_wherever_and_whenever() {
    let test = "whoever_builds_wherever_and_whenever";
    let Some(tar) = root::busybox(test) else { return };
    let fresh = || {
        let place = place();
        context(&place);
        place.write("busybox.tar", &tar);
        place.imgc(&["import", "busybox.tar", "busybox", "--env", "PATH=/bin:/usr/bin"]).ok();
        place
    };
    let first = fresh();
    let build = |place: &Place| {
        let mut command = place.command();
        command.args(["build", "-q", "ctx"]);
        command
    };
    let expected = digest(&build(&first).output().unwrap());
    assert_eq!(expected, digest(&build(&first).output().unwrap()), "the same store again");
    assert_eq!(expected, digest(&build(&first).arg("--no-cache").output().unwrap()), "without the cache");
    for level in ["-O0", "-O2"] {
        // Another level gives another manifest, and the same one each time.
        let once = digest(&build(&first).arg(level).output().unwrap());
        assert_eq!(once, digest(&build(&fresh()).arg(level).output().unwrap()), "{level}");
    }

    for (name, value) in [("TZ", "Pacific/Kiritimati"), ("LANG", "tr_TR.UTF-8"), ("LC_ALL", "C")] {
        assert_eq!(expected, digest(&build(&fresh()).env(name, value).output().unwrap()), "{name}={value}");
    }
    for jobs in ["1", "7"] {
        assert_eq!(expected, digest(&build(&fresh()).args(["-j", jobs]).output().unwrap()), "-j {jobs}");
    }
    for umask in ["000", "077"] {
        let place = fresh();
        let mut shell = Command::new("sh");
        let command = build(&place);
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(place.path("")).args(["-c", &format!("umask {umask}; exec \"$0\" build -q ctx")]);
        shell.arg(command.get_program());
        assert_eq!(expected, digest(&shell.output().unwrap()), "umask {umask}");
    }
    as_another_user(
        test,
        &first,
        &fresh(),
        &["import", "busybox.tar", "busybox", "--env", "PATH=/bin:/usr/bin"],
        &expected,
    );
}

/// Packages that ask about users, groups and times when they are installed, and users made in a step.
const PACKAGES: &str = "FROM debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends cron git man-db openssh-client python3-minimal
RUN git init -q /src && cd /src && git config user.email a@b && git config user.name a && touch f && git add f
RUN adduser --quiet --system --group --home /srv/app app && su -s /bin/sh app -c 'id > /srv/app/who' && python3 -c 'import ast, os; print(os.stat(ast.__cached__).st_mtime)' > /pyc
RUN setpriv --reuid man --regid man --init-groups sh -c 'id > /tmp/id; ! setpriv --regid root true'
RUN find / -xdev -newer /srv/app/who | sort > /newer
";

#[test]
fn packages_are_installed_the_same_by_everybody() {
    let test = "packages_are_installed_the_same_by_everybody";
    let Some(debian) = root::debian(test) else { return };
    let place = || {
        let place = place();
        place.write("ctx/Dockerfile", PACKAGES);
        fs_err::copy(&debian, place.path("debian.tar")).unwrap();
        place
    };
    let first = place();
    first.imgc(&["import", "debian.tar", "debian:bookworm"]).ok();
    let built = first.imgc(&["build", "-q", "ctx"]);
    if peer::unreachable(test, &built) {
        return;
    }
    let expected = built.ok().stdout.trim().to_owned();
    as_another_user(test, &first, &place(), &["import", "debian.tar", "debian:bookworm"], &expected);
}

/// Without root: this user's range of ids if there is one, else a single id.
fn as_another_user(test: &str, first: &Place, place: &Place, import: &[&str], expected: &str) {
    let Some([setpriv]) = peer::need(test, ["setpriv"]) else { return };
    if !peer::is_root() {
        peer::skipped(test, "not root, so no other user can be tried");
        return;
    }
    let nobody = "65534";
    fs_err::remove_dir_all(place.store()).ok();
    peer::run(Command::new("chown").args(["-R", &format!("{nobody}:{nobody}")]).arg(place.path("")));
    // The way to the program must be open to that user.
    let program = place.path("imgc");
    std::fs::copy(place.command().get_program(), &program).unwrap();
    let run = |args: &[&str]| {
        let plain = place.command();
        let mut command = Command::new(&setpriv);
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["--reuid", nobody, "--regid", nobody, "--clear-groups"]).arg(&program).args(args);
        command.current_dir(place.path("")).output().unwrap()
    };
    let import = run(import);
    if import.status.code() == Some(9) {
        peer::skipped(test, &format!("no user namespaces: {}", String::from_utf8_lossy(&import.stderr)));
        return;
    }
    drop(Done::of(&import).ok());
    let found = digest(&run(&["build", "-q", "-t", "other", "ctx"]));
    if found != expected {
        drop(Done::of(&run(&["save", "--format", "oci", "-o", "other.tar", "other"])).ok());
        let other = format!("archive:{}", place.path("other.tar").display());
        first.imgc(&["copy", &other, "other:1"]).ok();
        let difference = first.imgc(&["diff", expected, "other:1"]).stdout;
        panic!("{found} as another user, without root, {expected} before:\n{difference}");
    }
}
