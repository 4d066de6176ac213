//! `RUN --mount=type=cache`: directories that outlive builds, are shared or kept apart as asked, and are in no image.
//!
//! What runs at the same time is proved by the order in which the commands write into the cache itself, never by clocks.

use std::process::{Child, Stdio};

use imgc_testkit::{Done, Place};

use crate::place;

fn ready(test: &str) -> Option<Place> {
    let place = place();
    place.with_busybox(test).then_some(place)
}

/// Starts a build of its own Dockerfile without waiting for it.
fn start(place: &Place, name: &str, dockerfile: &str) -> Child {
    let file = place.write(&format!("{name}.Dockerfile"), dockerfile);
    place
        .command()
        .args(["build", "-o", name, "-f"])
        .arg(file)
        .arg("ctx")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn end(child: Child) -> Done {
    Done::of(&child.wait_with_output().expect("the program ends"))
}

/// What a cache holds, as the next build sees it.
fn seen(place: &Place, mount: &str, command: &str) -> String {
    let dockerfile = format!("FROM busybox\nRUN --mount=type=cache,{mount} {command} > /seen\n");
    place.write("ctx/Dockerfile", dockerfile);
    place.imgc(&["build", "-q", "--no-cache", "-t", "seen", "ctx"]).ok();
    place.imgc(&["cat", "seen", "/seen"]).ok().stdout
}

#[test]
fn content_outlives_builds_and_is_in_no_image() {
    let Some(place) = ready("content_outlives_builds_and_is_in_no_image") else { return };
    let run = "RUN --mount=type=cache,target=/cache echo $N >> /cache/log && cp /cache/log /log";
    place.write("ctx/Dockerfile", format!("FROM busybox\nARG N\n{run}\n"));
    for n in ["1", "2", "3"] {
        place.imgc(&["build", "-q", "-t", "app", "--build-arg", &format!("N={n}"), "ctx"]).ok();
    }
    assert_eq!(place.imgc(&["cat", "app", "/log"]).ok().stdout, "1\n2\n3\n");
    let all = place.imgc(&["files", "app", "-R"]).ok().stdout;
    assert!(!all.contains("/cache"), "{all}");
    // The content is in no key: the last build is known although the cache has changed since.
    let again = place.imgc(&["build", "-t", "app", "--build-arg", "N=1", "ctx"]).ok();
    assert!(again.stderr.contains("cached"), "{}", again.stderr);
    assert_eq!(place.imgc(&["cat", "app", "/log"]).ok().stdout, "1\n");
}

/// Each of two builds waits until it sees the other in the cache: they end only if both have it at once.
#[test]
fn a_shared_cache_is_used_by_two_builds_at_once() {
    let Some(place) = ready("a_shared_cache_is_used_by_two_builds_at_once") else { return };
    for sharing in ["", ",sharing=shared"] {
        let build = |mine: &str, other: &str| {
            format!(
                "FROM busybox\nRUN --mount=type=cache,target=/c,id=meet{sharing} touch /c/{mine} && \\\n\
                 n=0; until test -e /c/{other}; do n=$((n+1)); test $n -lt 600 || exit 9; sleep 0.1; done; echo {mine} > /{mine}\n"
            )
        };
        let one = start(&place, "one", &build("a", "b"));
        let two = start(&place, "two", &build("b", "a"));
        end(one).ok();
        end(two).ok();
        assert!(place.path("one/a").exists() && place.path("two/b").exists());
        seen(&place, "target=/c,id=meet", "rm -f /c/a /c/b; ls /c");
        for dir in ["one", "two"] {
            fs_err::remove_dir_all(place.path(dir)).unwrap();
        }
    }
}

/// Each command opens a directory that only one can make, stays a while, and closes it: any overlap fails.
#[test]
fn a_locked_cache_is_used_by_one_at_a_time() {
    let Some(place) = ready("a_locked_cache_is_used_by_one_at_a_time") else { return };
    let step = |name: &str| {
        format!(
            "RUN --mount=type=cache,target=/c,id=lock,sharing=locked mkdir /c/held && echo begin {name} >> /c/log && \\\n\
             sleep 0.5 && echo end {name} >> /c/log && rmdir /c/held && echo {name} > /done-{name}\n"
        )
    };
    // Two steps of one build that could run at once, and two builds.
    let both = format!(
        "FROM busybox AS a\n{}FROM busybox AS b\n{}FROM scratch\nCOPY --from=a /done-a /\nCOPY --from=b /done-b /\n",
        step("a"),
        step("b")
    );
    let one = start(&place, "one", &both);
    let two = start(&place, "two", &format!("FROM busybox\n{}", step("c")));
    end(one).ok();
    end(two).ok();
    let log = seen(&place, "target=/c,id=lock", "cat /c/log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 6, "{log}");
    for pair in lines.chunks(2) {
        assert_eq!(pair[0].replace("begin", "end"), pair[1], "{log}");
    }
}

/// Two builds that hold a private cache at once have two directories; each waits, outside of the cache, for the other.
#[test]
fn a_private_cache_is_never_shared() {
    let Some(place) = ready("a_private_cache_is_never_shared") else { return };
    let build = |mine: &str, other: &str| {
        format!(
            "FROM busybox\nRUN --mount=type=cache,target=/c,id=own,sharing=private --mount=type=cache,target=/meet \\\n\
             touch /c/{mine} /meet/{mine} && \\\n\
             n=0; until test -e /meet/{other}; do n=$((n+1)); test $n -lt 600 || exit 9; sleep 0.1; done; \\\n\
             test ! -e /c/{other} && echo {mine} > /{mine}\n"
        )
    };
    let one = start(&place, "one", &build("a", "b"));
    let two = start(&place, "two", &build("b", "a"));
    end(one).ok();
    end(two).ok();
    // One after the other they may have the same.
    let kept = seen(&place, "target=/c,id=own,sharing=private", "ls /c");
    assert!(["a\n", "b\n"].contains(&kept.as_str()), "{kept}");
}

#[test]
fn names_modes_owners_and_first_contents() {
    let Some(place) = ready("names_modes_owners_and_first_contents") else { return };
    // The name is the target unless there is an id; a target without `/` at its end or with one is the same.
    assert_eq!(seen(&place, "target=/c", "sh -c 'ls /c; touch /c/by-target'"), "");
    assert_eq!(seen(&place, "target=/c/", "ls /c"), "by-target\n");
    assert_eq!(seen(&place, "target=/elsewhere,id=/c", "ls /elsewhere"), "by-target\n");
    assert_eq!(seen(&place, "target=/c,id=other", "ls /c"), "");
    // Mode and owner are the directory's; another mode is another cache.
    let stat = "sh -c 'stat -c \"%a %u:%g\" /c; ls /c; touch /c/x'";
    assert_eq!(seen(&place, "target=/c,id=m", stat), "755 0:0\n");
    assert_eq!(seen(&place, "target=/c,id=m,mode=1777,uid=1000,gid=50", stat), "1777 1000:50\n");
    assert_eq!(seen(&place, "target=/c,id=m,mode=0700", stat), "700 0:0\n");
    assert_eq!(seen(&place, "target=/c,id=m", stat), "755 0:0\nx\n");
    // A user can write into a cache of its own.
    place.write(
        "ctx/Dockerfile",
        "FROM busybox\nUSER app\nRUN --mount=type=cache,target=/home/app/.cache,uid=1000,gid=1000 touch /home/app/.cache/mine\n",
    );
    place.imgc(&["build", "-q", "ctx"]).ok();
    // Read-only.
    place.write(
        "ctx/Dockerfile",
        "FROM busybox\nRUN --mount=type=cache,target=/c,ro ls /c/by-target && ! touch /c/more 2>/dev/null\n",
    );
    place.imgc(&["build", "-q", "ctx"]).ok();
    // A relative target is below the working directory.
    place.write(
        "ctx/Dockerfile",
        "FROM busybox\nWORKDIR /w\nRUN --mount=type=cache,target=sub touch /w/sub/x\nRUN test ! -e /w/sub/x\n",
    );
    place.imgc(&["build", "-q", "ctx"]).ok();
}

#[test]
fn a_cache_begins_with_what_from_names() {
    let Some(place) = ready("a_cache_begins_with_what_from_names") else { return };
    let dockerfile = |command: &str| {
        format!(
            "FROM busybox AS seed\nRUN mkdir -p /seed/sub && echo first > /seed/sub/f && chown -R 1000:50 /seed\n\
             FROM busybox\nRUN --mount=type=cache,target=/c,from=seed,source=/seed {command}\n"
        )
    };
    place.write(
        "ctx/Dockerfile",
        dockerfile("stat -c '%u:%g' /c/sub/f | grep -q 1000:50 && echo more >> /c/sub/f"),
    );
    place.imgc(&["build", "-q", "ctx"]).ok();
    place.write("ctx/Dockerfile", dockerfile("cp /c/sub/f /f && chown 0:0 /f"));
    place.imgc(&["build", "-q", "-t", "app", "ctx"]).ok();
    assert_eq!(place.imgc(&["cat", "app", "/f"]).ok().stdout, "first\nmore\n");
    // Other first content, other cache.
    place.write("ctx/Dockerfile", dockerfile("cat /c/sub/f > /f").replace("first", "second"));
    place.imgc(&["build", "-q", "-t", "app", "ctx"]).ok();
    assert_eq!(place.imgc(&["cat", "app", "/f"]).ok().stdout, "second\n");
}

#[test]
fn a_name_space_keeps_caches_apart() {
    let Some(place) = ready("a_name_space_keeps_caches_apart") else { return };
    seen(&place, "target=/c", "touch /c/x");
    let dockerfile = "FROM busybox\nRUN --mount=type=cache,target=/c ls /c > /seen\n";
    place.build(dockerfile, &["-t", "app", "--build-arg", "BUILDKIT_CACHE_MOUNT_NS=project"]);
    assert_eq!(place.imgc(&["cat", "app", "/seen"]).ok().stdout, "");
}
