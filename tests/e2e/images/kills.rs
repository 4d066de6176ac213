//! `kill -9` at any time during a pull or a push: the next one goes on, and the store stays whole.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgc_testkit::{Done, Place, peer};

use super::server::Server;
use crate::place;

/// Starts the program and kills it after a while; true if it had ended by then.
fn killed_after(place: &Place, args: &[&str], wait: Duration) -> bool {
    let mut child = place
        .command()
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let started = Instant::now();
    while started.elapsed() < wait {
        if child.try_wait().expect("a child").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    false
}

/// An image with layers of bytes that do not compress.
fn large(place: &Place, name: &str) {
    let mut state = 1_u64;
    let mut dockerfile = "FROM busybox\n".to_owned();
    for number in 0..4 {
        let bytes: Vec<u8> = (0..3 << 20)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        place.write(&format!("ctx/{number}"), bytes);
        writeln!(dockerfile, "COPY {number} /{number}").expect("a text");
    }
    place.build(&dockerfile, &["-t", name]);
}

#[test]
fn pulls_and_pushes_survive_a_kill() {
    let test = "pulls_and_pushes_survive_a_kill";
    let place = place();
    if !place.with_busybox(test) {
        return;
    }
    let Some(server) = Server::plain(test, &place) else { return };
    let name = format!("{}/big:1", server.name);
    let name = name.as_str();
    large(&place, name);

    let mut wait = Duration::from_millis(20);
    while !killed_after(&place, &["push", name], wait) {
        place.imgc(&["store", "verify"]).ok();
        wait *= 2;
    }
    place.imgc(&["push", name]).ok().says("0 B sent in 0 blobs");

    let other = Place::new(env!("CARGO_BIN_EXE_imgc"));
    let mut kills = 0;
    let mut wait = Duration::from_millis(20);
    while !killed_after(&other, &["pull", name], wait) {
        kills += 1;
        if other.store().exists() {
            other.imgc(&["store", "verify"]).ok();
        }
        wait = wait * 3 / 2;
    }
    assert!(kills > 0, "the first pull was faster than the kill");
    other.imgc(&["pull", name]).ok().says("is up to date");
    other.imgc(&["store", "verify", "--full"]).ok();
    other.imgc(&["run", name, "ls", "/3"]).ok();
    let partial = fs_err::read_dir(other.store().join("partial")).unwrap().count();
    assert_eq!(partial, 0, "what was continued is no longer partial");
}

/// Ctrl-C while a server is silent ends at once, with the code of an interruption.
#[test]
fn an_interrupted_pull_says_so() {
    let place = place();
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let name = format!("{}/app:1", listener.local_addr().expect("an address"));
    place.write("ctx/Dockerfile", format!("FROM {name}\n"));
    for args in [&["pull", &name][..], &["build", "ctx"]] {
        let child =
            place.command().args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a child");
        // It has asked; nobody answers.
        let asked = listener.accept().expect("a request");
        peer::run(Command::new("kill").args(["-INT", &child.id().to_string()]));
        let done = Done::of(&child.wait_with_output().expect("an end"));
        assert_eq!(done.code, 130, "{args:?}: {}", done.stderr);
        drop(asked);
    }
}

#[test]
fn a_full_disk_while_pulling() {
    let test = "a_full_disk_while_pulling";
    if !peer::is_root() {
        peer::skipped(test, "only root can mount a small disk");
        return;
    }
    let place = place();
    if !place.with_busybox(test) {
        return;
    }
    let Some(server) = Server::plain(test, &place) else { return };
    let name = format!("{}/big:1", server.name);
    large(&place, &name);
    place.imgc(&["push", &name]).ok();
    let disk = place.path("disk");
    fs_err::create_dir(&disk).expect("a directory");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "none"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        peer::skipped(test, "mounting is not allowed here");
        return;
    }
    place
        .imgc(&["--store", "disk/store", "pull", &name])
        .fails_with(9)
        .says("No space left")
        .says("imgc cache prune");
    place.imgc(&["--store", "disk/store", "store", "verify", "--full"]).ok();
    peer::run(Command::new("umount").arg(&disk));
}
