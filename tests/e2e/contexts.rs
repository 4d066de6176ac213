//! Where a build's files may come from: archives on stdin and from web servers, git repositories, named contexts; and the
//! secrets that servers are shown.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use imgc_testkit::web::{Answer, Web};
use imgc_testkit::{Place, leak, peer};

use crate::place;

/// What a server wants to see; nothing else holds it.
const TOKEN: &str = "T0ken-for-one-server-8dK2m";
/// Shows what of a context arrived.
const LIST: &str = "FROM busybox\nCOPY . /ctx/\n";

fn ready(test: &str) -> Option<Place> {
    let place = place();
    place.with_busybox(test).then_some(place)
}

/// An archive with a Dockerfile, an ignore file and a few others.
fn archive(dockerfile: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, mode, text) in [
        ("Dockerfile", 0o644, dockerfile),
        ("other/Dockerfile.two", 0o644, "FROM busybox\nCOPY a /two\n"),
        (".dockerignore", 0o644, "ignored\n"),
        ("ignored", 0o644, "x"),
        ("a", 0o640, "content of a"),
        ("dir/run", 0o755, "#!"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_uid(1234);
        header.set_gid(1234);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    tar.append_link(&mut header, "dir/Link", "/other/../../other/Dockerfile.two").unwrap();
    tar.into_inner().unwrap()
}

/// Bytes through a program that compresses.
fn through(program: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[track_caller]
fn cat(place: &Place, image: &str, path: &str) -> String {
    place.imgc(&["cat", image, path]).ok().stdout
}

/// Paths below `/ctx` of an image, with mode and owner.
#[track_caller]
fn listed(place: &Place, image: &str) -> Vec<String> {
    let done = place.imgc(&["--json", "files", image, "-R", "/ctx"]).ok();
    let all: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let show = |file: &serde_json::Value| {
        let path = file["path"].as_str().unwrap().trim_start_matches("/ctx/").to_owned();
        format!("{path} {} {}:{}", file["mode"].as_str().unwrap_or_default(), file["uid"], file["gid"])
    };
    all["files"].as_array().unwrap().iter().filter(|file| file["kind"] == "file").map(show).collect()
}

#[test]
fn an_archive_on_stdin_in_every_compression() {
    let test = "an_archive_on_stdin_in_every_compression";
    let Some(place) = ready(test) else { return };
    let plain = archive(LIST);
    let first = place.imgc_with(&["build", "-q", "-t", "app", "-"], &plain).ok().stdout;
    let files = listed(&place, "app");
    // The ignore file is for what is sent; this is here already.
    assert_eq!(files.len(), 6, "{files:?}");
    assert!(files.iter().all(|line| line.ends_with(" 0:0")), "{files:?}");
    assert_eq!(cat(&place, "app", "/ctx/a"), "content of a");
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let Some([program]) = peer::need(test, [program]) else { continue };
        let packed = through(&program, &plain);
        let digest = place.imgc_with(&["build", "-q", "-"], &packed).ok().stdout;
        assert_eq!(digest, first, "{}", program.display());
    }
    // Another build file of the archive.
    for name in ["other/Dockerfile.two", "dir/Link"] {
        place.imgc_with(&["build", "-q", "-t", "two", "-f", name, "-"], &plain).ok();
        assert_eq!(cat(&place, "two", "/two"), "content of a");
    }
    place.imgc_with(&["build", "-f", "none", "-"], &plain).fails_with(3).says("there is no `none`");
    place.imgc_with(&["build", "-"], &plain[..700]).fails_with(8).says("stdin");
}

#[test]
fn a_dockerfile_on_stdin() {
    let Some(place) = ready("a_dockerfile_on_stdin") else { return };
    // Without a context; a byte order mark and line ends of Windows are fine.
    let text = b"\xef\xbb\xbfFROM busybox\r\nRUN echo hello > /hello\r\n";
    place.imgc_with(&["build", "-q", "-t", "app", "-"], text).ok();
    assert_eq!(cat(&place, "app", "/hello"), "hello\n");
    place.imgc_with(&["build", "-"], b"FROM busybox\nCOPY a /\n").fails_with(7).says("no context");
    // With a directory, whose own Dockerfile is left alone.
    place.write("ctx/Dockerfile", "FROM nothing\n");
    place.write("ctx/a", "from the directory");
    place.write("ctx/.dockerignore", "b\n");
    place.write("ctx/b", "");
    place.imgc_with(&["build", "-q", "-t", "app", "-f", "-", "ctx"], LIST.as_bytes()).ok();
    assert_eq!(cat(&place, "app", "/ctx/a"), "from the directory");
    place.imgc(&["cat", "app", "/ctx/b"]).fails_with(1);
    let errors = place.imgc_with(&["build", "-f", "-", "ctx"], b"FROM busybox\nNOPE\n").fails_with(3);
    assert!(errors.stderr.contains("stdin:2:1"), "{}", errors.stderr);
    place.imgc_with(&["build", "-f", "-", "-"], LIST.as_bytes()).fails_with(2).says("stdin cannot be both");
    place.imgc_with(&["build", "-"], b"").fails_with(3);
}

#[test]
fn archives_and_dockerfiles_from_a_web_server() {
    let test = "archives_and_dockerfiles_from_a_web_server";
    let Some(place) = ready(test) else { return };
    let web = Web::new(
        &[
            ("/plain", Answer::Body(archive(LIST))),
            ("/Dockerfile", Answer::Body(b"FROM busybox\nRUN echo web > /web\n".to_vec())),
            ("/list", Answer::Body(LIST.as_bytes().to_vec())),
            ("/moved", Answer::Redirect("/plain".to_owned())),
        ],
        None,
    );
    let at = |path: &str| format!("{}{path}", web.url);
    place.imgc(&["build", "-q", "-t", "app", &at("/plain")]).ok();
    assert_eq!(cat(&place, "app", "/ctx/a"), "content of a");
    place.imgc(&["build", "-q", "-t", "two", "-f", "other/Dockerfile.two", &at("/moved")]).ok();
    assert_eq!(cat(&place, "two", "/two"), "content of a");
    place.imgc(&["build", "-q", "-t", "web", &at("/Dockerfile")]).ok();
    // The Dockerfile alone from there.
    place.write("side/a", "of the directory");
    place.write("side/.dockerignore", "b\n");
    place.imgc(&["build", "-q", "-t", "side", "-f", &at("/list"), "side"]).ok();
    assert_eq!(cat(&place, "side", "/ctx/a"), "of the directory");
    place.imgc(&["build", "-q", "-t", "side", "-f", &at("/list"), &at("/plain")]).ok();
    assert_eq!(cat(&place, "side", "/ctx/a"), "content of a");
    place.imgc(&["build", "-f", &at("/nothing"), "side"]).fails_with(8).says("404");
    assert_eq!(cat(&place, "web", "/web"), "web\n");
    place.imgc(&["build", &at("/none")]).fails_with(8).says("404");
    place.imgc(&["--offline", "build", &at("/plain")]).fails_with(8).says("--offline");
}

/// Runs git with nothing of the machine's configuration.
fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("HOME", dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=n", "-c", "user.email=e@x", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments);
    String::from_utf8_lossy(&peer::run(&mut command)).trim().to_owned()
}

/// Two repositories, as a web server can serve them as files: `app.git` has `lib.git` as a submodule. `None`, aloud,
/// without git; else the commit of the tag `v1`.
fn repositories(test: &str, place: &Place) -> Option<String> {
    peer::need(test, ["git"])?;
    let work = place.path("work");
    fs_err::create_dir_all(work.join("lib")).unwrap();
    git(&work.join("lib"), &["init", "--quiet"]);
    place.write("work/lib/lib.txt", "library");
    git(&work.join("lib"), &["add", "."]);
    git(&work.join("lib"), &["commit", "--quiet", "-m", "lib"]);
    fs_err::create_dir_all(work.join("app")).unwrap();
    let app = work.join("app");
    git(&app, &["init", "--quiet"]);
    place.write("work/app/Dockerfile", LIST);
    place.write("work/app/version", "one");
    place.write("work/app/sub/Dockerfile", "FROM busybox\nCOPY . /sub/\n");
    place.write("work/app/sub/only", "sub");
    git(&app, &["add", "."]);
    git(&app, &["commit", "--quiet", "-m", "one"]);
    git(&app, &["tag", "-a", "v1", "-m", "v1"]);
    let first = git(&app, &["rev-parse", "HEAD"]);
    place.write("work/app/version", "two");
    git(&app, &["commit", "--quiet", "-am", "two"]);
    git(&app, &["checkout", "--quiet", "-b", "dev"]);
    place.write("work/app/version", "dev");
    git(&app, &["submodule", "--quiet", "add", "../lib", "vendor/lib"]);
    git(&app, &["commit", "--quiet", "-am", "dev"]);
    // The address as it is on the server.
    git(&app, &["config", "-f", ".gitmodules", "submodule.vendor/lib.url", "../lib.git"]);
    git(&app, &["commit", "--quiet", "-am", "address"]);
    git(&app, &["checkout", "--quiet", "main"]);
    for name in ["app", "lib"] {
        let bare = place.path(format!("web/{name}.git"));
        git(&work, &["clone", "--quiet", "--bare", name, &bare.display().to_string()]);
        git(&bare, &["update-server-info"]);
    }
    Some(first)
}

#[test]
fn a_git_repository_with_its_references() {
    let test = "a_git_repository_with_its_references";
    let Some(place) = ready(test) else { return };
    let Some(first) = repositories(test, &place) else { return };
    let web = Web::new(&[], Some(&place.path("web")));
    let build = |address: &str, more: &[&str]| {
        let address = format!("{}/app.git{address}", web.url);
        let all = [&["build", "-q", "-t", "app"][..], more, &[&address]].concat();
        place.imgc(&all)
    };
    for (address, version) in [
        ("", "two"),
        ("#main", "two"),
        ("#dev", "dev"),
        ("#v1", "one"),
        ("#refs/tags/v1", "one"),
        ("?branch=dev", "dev"),
        ("?tag=v1", "one"),
        (&format!("#{first}"), "one"),
        (&format!("?ref=v1&checksum={}", &first[..12]), "one"),
    ] {
        build(address, &[]).ok();
        assert_eq!(cat(&place, "app", "/ctx/version"), version, "{address}");
        place.imgc(&["files", "app", "/ctx/.git"]).fails_with(1);
    }
    // A directory of it.
    for address in ["#dev:sub", "#:sub", "?subdir=sub"] {
        build(address, &[]).ok();
        assert_eq!(cat(&place, "app", "/sub/only"), "sub", "{address}");
    }
    // The repository itself.
    for (address, more) in
        [("?keep-git-dir=true", &[][..]), ("", &["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"])]
    {
        build(address, more).ok();
        place.imgc(&["files", "app", "/ctx/.git"]).ok().prints("HEAD");
    }
    // Submodules are there unless they are not wanted.
    build("#dev", &[]).ok();
    assert_eq!(cat(&place, "app", "/ctx/vendor/lib/lib.txt"), "library");
    build("?ref=dev&submodules=false", &[]).ok();
    place.imgc(&["cat", "app", "/ctx/vendor/lib/lib.txt"]).fails_with(1);
    // As the source of ADD.
    let add = format!(
        "FROM busybox\nADD {url}/app.git#dev /dev/\nADD --keep-git-dir=true {url}/app.git?subdir=/&tag=v1 /v1/\n\
         ADD --checksum={first} {url}/app.git#v1:sub /sub/\n",
        url = web.url
    );
    place.build(&add, &["-t", "add"]);
    assert_eq!(cat(&place, "add", "/dev/vendor/lib/lib.txt"), "library");
    assert_eq!(cat(&place, "add", "/v1/version"), "one");
    assert_eq!(cat(&place, "add", "/sub/only"), "sub");
    place.imgc(&["files", "add", "/v1/.git"]).ok();
    place.imgc(&["files", "add", "/dev/.git"]).fails_with(1);

    build("#nothing", &[]).fails_with(8).says("app.git");
    build("#:nothing", &[]).fails_with(8).says("`nothing` is not a directory");
    build("?checksum=0123456789&ref=v1", &[]).fails_with(8).says("digest mismatch");
    build("?reff=v1", &[]).fails_with(2).says("reff");
    place.imgc(&["--offline", "build", &format!("{}/app.git", web.url)]).fails_with(8).says("--offline");
}

#[test]
fn named_contexts_of_every_kind() {
    let test = "named_contexts_of_every_kind";
    let Some(place) = ready(test) else { return };
    let repositories = repositories(test, &place);
    let web = Web::new(
        &[("/src.tar", Answer::Body(archive(LIST))), ("/a", Answer::Body(b"one file\n".to_vec()))],
        Some(&place.path("web")),
    );
    place.write("side/a", "side");
    place.write("side/skipped", "x");
    place.write("side/.dockerignore", "skipped\n");
    let digest = place.build(
        "FROM busybox\nRUN echo image > /a\nENV FROM_IMAGE=1\n",
        &["-t", "one", "-o", "type=oci,dest=one"],
    );
    let mut kinds = vec![
        ("side".to_owned(), "side\n"),
        ("docker-image://one".to_owned(), "image\n"),
        ("oci-layout://one".to_owned(), "image\n"),
        ("oci-layout://one:latest".to_owned(), "image\n"),
        (format!("oci-layout://one@{digest}"), "image\n"),
        (format!("oci-layout://one:latest@{digest}"), "image\n"),
        (format!("{}/src.tar", web.url), "content of a\n"),
        (format!("{}/a", web.url), "one file\n"),
    ];
    if repositories.is_some() {
        kinds.push((format!("{}/app.git#dev:vendor", web.url), "library\n"));
    }
    for (value, content) in &kinds {
        let path = if value.contains(".git") { "lib/lib.txt" } else { "a" };
        let dockerfile = format!(
            "FROM busybox\nCOPY --from=src /{path} /copied\n\
             RUN --mount=type=bind,from=src,target=/m cp /m/{path} /mounted && test ! -e /m/skipped\n"
        );
        place.build(&dockerfile, &["-t", "app", "--build-context", &format!("src={value}")]);
        for path in ["/copied", "/mounted"] {
            assert_eq!(cat(&place, "app", path).trim_end(), content.trim_end(), "{value}");
        }
    }
    place
        .build("FROM busybox\nCOPY --from=none / /x/\n", &["--build-context", "none=docker-image://scratch"]);

    // In place of an image, with and without `latest`, and of a whole stage, whatever that stands on.
    let over = ["-t", "app", "--build-context", "name=docker-image://one"];
    place.build("FROM name:latest\nRUN cp /a /seen\n", &over);
    assert_eq!(cat(&place, "app", "/seen"), "image\n");
    place.imgc(&["inspect", "app"]).ok().prints("FROM_IMAGE=1");
    place.build("FROM not-there AS Name\nRUN exit 1\nFROM name\nRUN cp /a /seen\n", &over);
    assert_eq!(cat(&place, "app", "/seen"), "image\n");
    place.build("FROM not-there AS name\nFROM busybox\nCOPY --from=name /a /seen\n", &over);
    assert_eq!(cat(&place, "app", "/seen"), "image\n");
    place.build(
        "FROM busybox AS name\nFROM busybox\nCOPY --from=name /a /seen\n",
        &["-t", "app", "--build-context", "name=side"],
    );
    assert_eq!(cat(&place, "app", "/seen"), "side");
    // A directory as a root of its own.
    place.build(
        "FROM name AS base\nFROM scratch\nCOPY --from=base / /\n",
        &["-t", "app", "--build-context", "name=side"],
    );
    assert_eq!(cat(&place, "app", "/a"), "side");
    place.imgc(&["files", "app", "/skipped"]).fails_with(1);

    // What is not used is not fetched.
    let before = web.asked().len();
    let tar = format!("unused={}/src.tar", web.url);
    let repository = format!("also={}/app.git", web.url);
    place.build("FROM busybox\nRUN true\n", &["--build-context", &tar, "--build-context", &repository]);
    assert_eq!(web.asked().len(), before);

    for (value, code, says) in [
        ("x=nowhere", 2, "is not a directory"),
        ("x", 2, "NAME=VALUE"),
        ("x=oci-layout://nowhere", 3, "is no OCI image layout"),
        ("x=docker-image://not-there", 3, "not in the store"),
        ("x=target:other", 3, "bake"),
    ] {
        place.write("ctx/Dockerfile", "FROM busybox\nCOPY --from=x /a /\n");
        place.imgc(&["--offline", "build", "--build-context", value, "ctx"]).fails_with(code).says(says);
    }
}

#[test]
fn servers_are_shown_their_secrets_alone() {
    let test = "servers_are_shown_their_secrets_alone";
    let Some(place) = ready(test) else { return };
    let elsewhere = Web::new(&[("/file", Answer::Body(b"elsewhere".to_vec()))], None);
    let bearer = format!("authorization: Bearer {TOKEN}");
    let web = Web::new(
        &[
            ("/ctx.tar", Answer::Private(bearer.clone(), archive(LIST))),
            ("/file", Answer::Private(bearer.clone(), b"private".to_vec())),
            ("/away", Answer::Redirect(format!("{}/file", elsewhere.url))),
        ],
        None,
    );
    place.write("token", TOKEN);
    let secret = format!("id=HTTP_AUTH_TOKEN_{},src=token", web.host());
    let add = format!("FROM busybox\nADD {url}/file /private\nADD {url}/away /away\n", url = web.url);
    place.imgc(&["build", "-q", "-t", "tar", "--secret", &secret, &format!("{}/ctx.tar", web.url)]).ok();
    assert_eq!(cat(&place, "tar", "/ctx/a"), "content of a");
    place.build(&add, &["-t", "app", "--secret", &secret]);
    assert_eq!(cat(&place, "app", "/private"), "private");
    assert_eq!(cat(&place, "app", "/away"), "elsewhere");
    assert!(
        elsewhere.asked()[0].1.iter().all(|line| !line.starts_with("authorization")),
        "the token was sent on"
    );
    let denied = place.imgc(&["build", "ctx"]).fails_with(8).says("401");
    assert!(denied.stderr.contains(&format!("HTTP_AUTH_TOKEN_{}", web.host())), "{}", denied.stderr);
    // The whole value of the header; a host without its port.
    place.write("header", format!("Bearer {TOKEN}"));
    place.imgc(&["build", "--secret", "id=HTTP_AUTH_HEADER_127.0.0.1,src=header", "ctx"]).ok();
    // What was fetched once is known without a server, not without its checksum.
    place.imgc(&["--offline", "build", "ctx"]).ok();
    assert_eq!(leak::in_dir(&place.path(""), &["token", "header"], TOKEN.as_bytes()), [""; 0]);
}

#[test]
fn repositories_are_shown_their_tokens_alone() {
    let test = "repositories_are_shown_their_tokens_alone";
    let Some(place) = ready(test) else { return };
    let Some(_) = repositories(test, &place) else { return };
    // The submodule's repository is elsewhere, and public.
    let public = Web::new(&[], Some(&place.path("web")));
    git(&place.path("work/app"), &["checkout", "--quiet", "dev"]);
    git(
        &place.path("work/app"),
        &["config", "-f", ".gitmodules", "submodule.vendor/lib.url", &format!("{}/lib.git", public.url)],
    );
    git(&place.path("work/app"), &["commit", "--quiet", "-am", "elsewhere"]);
    let bare = place.path("web/app.git");
    git(&place.path("work/app"), &["push", "--quiet", &bare.display().to_string(), "dev"]);
    git(&bare, &["update-server-info"]);
    let pair = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"))
    };
    let header = format!("authorization: basic {pair}");
    let mut answers = Vec::new();
    for path in walk(&bare) {
        let below = format!("/app.git/{}", path.strip_prefix(&bare).unwrap().display());
        answers.push((below, fs_err::read(&path).unwrap()));
    }
    let mut served: Vec<(String, Answer)> = Vec::new();
    for (path, body) in answers {
        let asked =
            if path.ends_with("/info/refs") { format!("{path}?service=git-upload-pack") } else { path };
        served.push((asked, Answer::Private(header.clone(), body)));
    }
    // A repository that has moved to another server, which anyone may read.
    let moved = "/moved.git/info/refs?service=git-upload-pack".to_owned();
    served
        .push((moved, Answer::Redirect(format!("{}/app.git/info/refs?service=git-upload-pack", public.url))));
    let served: Vec<(&str, Answer)> =
        served.iter().map(|(path, answer)| (path.as_str(), answer.clone())).collect();
    let private = Web::new(&served, None);
    let context = format!("{}/app.git#dev", private.url);
    place.write("token", TOKEN);
    let named = format!("id=GIT_AUTH_TOKEN.{},src=token", private.host());
    place.imgc(&["build", "-q", "-t", "app", "--secret", &named, &context]).ok();
    assert_eq!(cat(&place, "app", "/ctx/vendor/lib/lib.txt"), "library");
    assert!(
        public.asked().iter().all(|(_, lines)| lines.iter().all(|line| !line.starts_with("authorization")))
    );
    // A redirect is followed without a token, not with one.
    let moved = format!("{}/moved.git#main", private.url);
    place.imgc(&["build", "-q", &moved]).ok();
    let before = public.asked().len();
    place.imgc(&["build", "--secret", &named, &moved]).fails_with(8);
    assert_eq!(public.asked().len(), before, "the redirect was followed");
    // Over http only with the host's name; and without any there is help.
    let general = place.imgc(&["build", "--secret", "id=GIT_AUTH_TOKEN,src=token", &context]).fails_with(8);
    general.says(&format!("GIT_AUTH_TOKEN.{}", private.host()));
    assert_eq!(leak::in_dir(&place.path(""), &["token"], TOKEN.as_bytes()), [""; 0]);
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
