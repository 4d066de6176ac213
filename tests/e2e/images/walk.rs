//! The beginner's walk, command by command, against a registry with passwords and a certificate of its own.

use std::path::Path;

use imgc_testkit::Place;

use super::server::{ENCODED, PASSWORD, Server};
use crate::place;

/// Every file below a directory that holds a text.
fn holders(dir: &Path, text: &[u8], found: &mut Vec<String>) {
    for item in fs_err::read_dir(dir).into_iter().flatten().flatten() {
        let path = item.path();
        let kind = item.file_type().expect("a kind");
        if kind.is_dir() {
            holders(&path, text, found);
        } else if kind.is_file() {
            let bytes = fs_err::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text) {
                found.push(path.display().to_string());
            }
        }
    }
}

#[test]
fn the_beginners_walk() {
    let test = "the_beginners_walk";
    let place = place();
    if !place.with_busybox(test) {
        return;
    }
    let Some(server) = Server::closed(test, &place) else { return };
    let image = format!("{}/team/app:1", server.name);
    let image = image.as_str();
    let mut all = String::new();
    let mut imgc = |args: &[&str], input: &str| {
        let done = place.imgc_with(args, input.as_bytes());
        all.push_str(&done.stdout);
        all.push_str(&done.stderr);
        done
    };

    // build
    place.write(
        "ctx/Dockerfile",
        "FROM busybox\nRUN echo hello > /greeting\nENV LANG=C\nCMD [\"cat\", \"/greeting\"]\n",
    );
    let built = imgc(&["build", "-q", "-t", "app", "ctx"], "").ok().stdout;
    let digest = built.trim();
    // tag
    imgc(&["tag", "app", image], "").ok();
    imgc(&["images"], "").ok().prints("app:latest").prints(image);
    // a push without an account
    imgc(&["push", image], "").fails_with(8).says("imgc login");
    // login
    imgc(&["login", "-u", "me", "--password-stdin", &server.name], "wrong").fails_with(8);
    assert!(!place.path("home/.docker/config.json").exists(), "a wrong password is not kept");
    imgc(&["login", "-u", "me", "--password-stdin", &server.name], &format!("{PASSWORD}\n"))
        .ok()
        .prints("Login Succeeded");
    // push, twice: the second sends nothing
    imgc(&["push", image], "").ok().prints(&format!("{image}@{digest}"));
    imgc(&["push", image], "").ok().says("0 B sent in 0 blobs");
    let report = imgc(&["--json", "push", image], "").ok().stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&report).unwrap()["pushed"][0]["sent"], 0);
    // remove: all names, and the space
    imgc(&["rmi", "app", image], "").ok().prints("Deleted: sha256:");
    imgc(&["cache", "prune", "--all"], "").ok().prints("freed");
    imgc(&["run", image], "").fails_with(125).says("there is no image");
    // pull
    imgc(&["pull", image], "").ok().prints(image);
    imgc(&["pull", "-q", image], "").ok().prints(image);
    // history
    imgc(&["history", image], "").ok().prints("RUN /bin/sh -c echo hello > /greeting");
    // inspect
    imgc(&["inspect", "-f", "{{.Digest}} {{index .config.env 1}}", image], "")
        .ok()
        .prints(&format!("{digest} LANG=C"));
    imgc(&["inspect", "-f", "{{.Confg}}", image], "").fails_with(1).says("did you mean `.Config`?");
    // save and load
    imgc(&["save", "-o", "app.tar", image], "").ok();
    imgc(&["rm", image], "").ok();
    imgc(&["load", "-i", "app.tar"], "").ok().prints(&format!("Loaded image: {image}"));
    imgc(&["inspect", "-f", "{{.Digest}}", image], "").ok().prints(digest);
    // run
    let done = imgc(&["run", image], "").ok();
    assert_eq!(done.stdout, "hello\n");
    // commit
    imgc(&["run", "--keep", "--name", "trial", image, "sh", "-c", "echo more >> /greeting; exit 3"], "")
        .fails_with(3);
    imgc(&["ps"], "").ok().prints("trial").prints("exited (3)");
    imgc(&["rm", image], "").fails_with(1).says("trial");
    imgc(&["commit", "-a", "me", "-m", "more words", "-c", "ENV LANG=D", "trial", "app:2"], "")
        .ok()
        .prints("sha256:");
    assert_eq!(imgc(&["run", "app:2"], "").ok().stdout, "hello\nmore\n");
    imgc(&["inspect", "-f", "{{.Author}} {{index .Config.Env 1}} {{len .RootFS.Layers}}", "app:2"], "")
        .ok()
        .prints("me LANG=D 3");
    imgc(&["history", "app:2"], "").ok().prints("more words");
    imgc(&["rm", "trial"], "").ok();
    // search
    imgc(&["search", &format!("{}/app", server.name)], "").ok().prints("team/app");
    imgc(&["search", "--list-tags", &format!("{}/team/app", server.name)], "").ok().prints("1");
    // logout
    imgc(&["logout", &server.name], "").ok().prints("Removed the login");
    imgc(&["push", image], "").fails_with(8);
    imgc(&["store", "verify", "--full"], "").ok();

    no_credential_is_left(&place, &all);
}

/// The password and its encoded form are in no output, in no file of the store, and after logout in no file at all.
fn no_credential_is_left(place: &Place, said: &str) {
    for secret in [PASSWORD, ENCODED] {
        assert!(!said.contains(secret), "the program said the password");
        let mut found = Vec::new();
        holders(&place.path(""), secret.as_bytes(), &mut found);
        assert!(found.is_empty(), "`{secret}` is in {found:?}");
    }
}

#[test]
fn a_login_is_in_one_file_only() {
    let test = "a_login_is_in_one_file_only";
    let place = place();
    let Some(server) = Server::closed(test, &place) else { return };
    place.imgc_with(&["login", "-u", "me", "--password-stdin", &server.name], PASSWORD.as_bytes()).ok();
    let mut found = Vec::new();
    holders(&place.path(""), ENCODED.as_bytes(), &mut found);
    assert_eq!(found, [place.path("home/.docker/config.json").display().to_string()]);
    // Without a terminal nobody is asked.
    place.imgc(&["login", &server.name]).fails_with(2).says("--password-stdin");
    place.imgc(&["login", "-u", "me", &server.name]).fails_with(2).says("--password-stdin");
    place.imgc(&["login", "--password-stdin", &server.name]).fails_with(2).says("-u USER");
    place.imgc(&["logout", "localhost:1"]).ok().says("not logged in");
}

#[test]
fn names_are_filled_in_aloud() {
    let place = place();
    if !place.with_busybox("names_are_filled_in_aloud") {
        return;
    }
    let done = place.imgc(&["tag", "busybox", "mine"]).ok();
    assert_eq!(
        done.stderr,
        "`mine` is docker.io/library/mine:latest: the registry and the tag `latest` are implied\n"
    );
    let done = place.imgc(&["tag", "busybox", "docker.io/library/mine:1"]).ok();
    assert_eq!(done.stderr, "");
    place.imgc(&["--offline", "push", "mine"]).fails_with(8);
    place.imgc(&["push", "busibox"]).fails_with(1).says("did you mean `busybox`?");
}
