//! Checkouts of repositories made here.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use imgc_base::cancel::Cancel;
use imgc_base::path::ImagePath;

use super::super::git::fetch;
use super::super::{Accounts, FetchError, Git};
use super::{Place, place};
use crate::context::Context;
use crate::file::source::What;

fn run(dir: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(dir)
        .env("HOME", dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", "user.name=n", "-c", "user.email=e@x", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .output()
        .ok()?;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A repository with two commits, a tag and a branch; `None` without git.
fn repository(place: &Place) -> Option<String> {
    let dir = place.dir.path().join("origin");
    fs_err::create_dir_all(dir.join("sub")).unwrap();
    run(&dir, &["init", "--quiet"])?;
    fs_err::write(dir.join("a"), "1").unwrap();
    fs_err::write(dir.join("sub/run"), "#!").unwrap();
    fs_err::set_permissions(dir.join("sub/run"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("/etc", dir.join("link")).unwrap();
    run(&dir, &["add", "."])?;
    run(&dir, &["commit", "--quiet", "-m", "one"])?;
    run(&dir, &["tag", "-a", "v1", "-m", "v1"])?;
    fs_err::write(dir.join("a"), "2").unwrap();
    run(&dir, &["commit", "--quiet", "-am", "two"])?;
    run(&dir, &["branch", "dev"])?;
    run(&dir, &["config", "uploadpack.allowAnySHA1InWant", "true"])?;
    Some(format!("file://{}", dir.display()))
}

fn wanted<'a>(remote: &'a str, reference: &'a str) -> Git<'a> {
    Git { remote, reference, subdir: "", keep_git_dir: false, submodules: true, checksum: None }
}

/// Repositories on this disk are refused by `git`, the function; the tests allow them.
fn checkout(place: &Place, wanted: &Git<'_>) -> Result<Context, FetchError> {
    let path = std::env::split_paths("/usr/local/bin:/usr/bin:/bin");
    let path = std::env::join_paths(path).unwrap().into_string().unwrap();
    let none = BTreeMap::new();
    let env = [("PATH".to_owned(), path)];
    fetch(&place.store, wanted, Accounts::new(&none), &env, "file", &Cancel::new())
}

fn refused(place: &Place, wanted: &Git<'_>) -> FetchError {
    let none = BTreeMap::new();
    super::super::git(&place.store, wanted, Accounts::new(&none), &[], &Cancel::new()).unwrap_err()
}

fn names(context: &Context) -> Vec<String> {
    let items = context.below(1, &ImagePath::root()).unwrap();
    items.iter().map(|item| format!("{:o} {}", item.meta.mode, item.path)).collect()
}

fn content(context: &Context, name: &str) -> String {
    fs_err::read_to_string(context.dir().join(name)).unwrap()
}

#[test]
fn references_and_directories() {
    let place = place();
    let Some(remote) = repository(&place) else {
        eprintln!("SKIPPED: there is no git here");
        return;
    };
    let head = checkout(&place, &wanted(&remote, "")).unwrap();
    assert_eq!(names(&head), ["644 /a", "777 /link", "755 /sub", "755 /sub/run"]);
    assert_eq!(content(&head, "a"), "2");
    assert_eq!(content(&checkout(&place, &wanted(&remote, "v1")).unwrap(), "a"), "1");
    assert_eq!(content(&checkout(&place, &wanted(&remote, "refs/heads/dev")).unwrap(), "a"), "2");
    let origin = place.dir.path().join("origin");
    let first = run(&origin, &["rev-parse", "v1^{commit}"]).unwrap();
    assert_eq!(content(&checkout(&place, &wanted(&remote, &first)).unwrap(), "a"), "1");
    let sub = checkout(&place, &Git { subdir: "/sub/", ..wanted(&remote, "") }).unwrap();
    assert_eq!(names(&sub), ["755 /run"]);
}

#[test]
fn cve_2026_33748_and_44517_the_directory_does_not_leave() {
    let place = place();
    let Some(remote) = repository(&place) else { return };
    for subdir in ["link", "none", "a", "link/ssl"] {
        let error = checkout(&place, &Git { subdir, ..wanted(&remote, "") }).unwrap_err();
        assert!(matches!(error, FetchError::Subdir { .. }), "{subdir}: {error}");
    }
    // Above the checkout is the checkout.
    let clamped = checkout(&place, &Git { subdir: "../../sub", ..wanted(&remote, "") }).unwrap();
    assert_eq!(names(&clamped), ["755 /run"]);
}

#[test]
fn checksums() {
    let place = place();
    let Some(remote) = repository(&place) else { return };
    let origin = place.dir.path().join("origin");
    let (tag, commit) =
        (run(&origin, &["rev-parse", "v1"]).unwrap(), run(&origin, &["rev-parse", "v1^{commit}"]).unwrap());
    for checksum in [&tag, &commit, &commit[..12]] {
        checkout(&place, &Git { checksum: Some(checksum), ..wanted(&remote, "v1") }).unwrap();
    }
    // A beginning alone names the commit; only where it is asked for as such.
    let short = &commit[..8];
    checkout(&place, &Git { checksum: Some(short), ..wanted(&remote, short) }).unwrap();
    checkout(&place, &wanted(&remote, short)).unwrap_err();
    checkout(&place, &Git { checksum: Some("0123456789"), ..wanted(&remote, "0123456789") }).unwrap_err();
    let error = checkout(&place, &Git { checksum: Some("0123456789"), ..wanted(&remote, "v1") }).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
}

#[test]
fn the_repository_itself_is_kept_the_same() {
    let place = place();
    let Some(remote) = repository(&place) else { return };
    let keep = Git { keep_git_dir: true, ..wanted(&remote, "v1") };
    let (one, two) = (checkout(&place, &keep).unwrap(), checkout(&place, &keep).unwrap());
    assert!(run(one.dir(), &["rev-parse", "HEAD"]).is_some());
    let known = |context: &Context| -> Vec<String> {
        let items = context.below(1, &ImagePath::root()).unwrap();
        items
            .iter()
            .map(|item| match &item.what {
                What::File(_) => {
                    let name = item.path.to_absolute();
                    let bytes = fs_err::read(context.dir().join(&name[1..])).unwrap();
                    format!("{name} {}", imgc_base::FileDigest::of(&bytes))
                }
                _ => item.path.to_absolute(),
            })
            .collect()
    };
    assert_eq!(known(&one), known(&two));
}

#[test]
fn cve_2019_13139_and_2022_39253_hostile_arguments() {
    let place = place();
    for remote in [
        "--upload-pack=touch /tmp/x",
        "-x",
        "",
        "ext::sh -c id",
        "file:///etc",
        "/etc",
        "./here",
        "ssh://-oProxyCommand=id/x",
        "ssh://git@-oProxyCommand=id/x",
        "-oProxyCommand=id@host:x",
        "git@-host:x",
        "https://h/\nx",
        "fd::3",
    ] {
        let error = refused(&place, &wanted(remote, ""));
        assert!(matches!(error, FetchError::Address { .. }), "{remote}: {error}");
    }
    for reference in
        ["--upload-pack=x", "-f", "+main", "a..b", "a b", "a:b", "a^", "@{1}", "x.lock", "a\n", "*"]
    {
        let error = refused(&place, &wanted("https://h/x", reference));
        assert!(matches!(error, FetchError::Git { .. }), "{reference}");
    }
}

#[test]
fn cve_2023_26054_credentials_are_not_shown() {
    let place = place();
    let remote = "file://user:secret@/none";
    let error = checkout(&place, &wanted(remote, "")).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// A repository with one below it, and one below that.
fn nested(place: &Place) -> Option<String> {
    repository(place)?;
    let dir = place.dir.path();
    for name in ["inner", "outer"] {
        fs_err::create_dir_all(dir.join(name)).unwrap();
        run(&dir.join(name), &["init", "--quiet"])?;
        fs_err::write(dir.join(name).join(name), name).unwrap();
    }
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
    let inner = dir.join("inner");
    run(&inner, &[&add[..], &["../origin", "lib/origin"]].concat())?;
    run(&inner, &["add", "."])?;
    run(&inner, &["commit", "--quiet", "-m", "one"])?;
    run(&inner, &["config", "uploadpack.allowAnySHA1InWant", "true"])?;
    let outer = dir.join("outer");
    // A name with a dot, an address relative to the repository's own.
    run(&outer, &[&add[..], &["--name", "a.b", "../inner", "deep/in ner"]].concat())?;
    run(&outer, &["commit", "--quiet", "-am", "one"])?;
    run(&outer, &["add", "."])?;
    run(&outer, &["commit", "--quiet", "--allow-empty", "-m", "two"])?;
    Some(format!("file://{}", outer.display()))
}

#[test]
fn submodules_and_theirs() {
    let place = place();
    let Some(remote) = nested(&place) else { return };
    let with = checkout(&place, &wanted(&remote, "")).unwrap();
    assert_eq!(content(&with, "deep/in ner/inner"), "inner");
    assert_eq!(content(&with, "deep/in ner/lib/origin/a"), "2");
    assert!(names(&with).iter().all(|name| !name.ends_with("/.git")), "{:?}", names(&with));
    let below = checkout(&place, &Git { subdir: "deep/in ner/lib", ..wanted(&remote, "") }).unwrap();
    assert_eq!(content(&below, "origin/sub/run"), "#!");
    let without = checkout(&place, &Git { submodules: false, ..wanted(&remote, "") }).unwrap();
    assert_eq!(names(&without), ["644 /.gitmodules", "755 /deep", "755 /deep/in ner", "644 /outer"]);
    let keep = checkout(&place, &Git { keep_git_dir: true, ..wanted(&remote, "") }).unwrap();
    assert!(keep.dir().join(".git/HEAD").exists() && keep.dir().join("deep/in ner/inner").exists());
}

/// What `.gitmodules` says must not lead out of the checkout, into `.git`, to a file of this machine or to a program.
#[test]
fn cve_2018_11235_and_2024_32002_hostile_submodules() {
    let place = place();
    let Some(remote) = nested(&place) else { return };
    let outer = place.dir.path().join("outer");
    let head = run(&place.dir.path().join("inner"), &["rev-parse", "HEAD"]).unwrap();
    let hostile = |path: &str, url: &str, more: &str| {
        let text = format!("[submodule \"x\"]\n\tpath = \"{path}\"\n\turl = \"{url}\"\n{more}");
        fs_err::write(outer.join(".gitmodules"), text).unwrap();
        run(&outer, &["add", ".gitmodules"]).unwrap();
        run(&outer, &["commit", "--quiet", "--allow-empty", "-m", "x"]).unwrap();
        checkout(&place, &wanted(&remote, ""))
    };
    let there = "deep/in ner";
    for url in ["--upload-pack=touch x", "ext::sh -c id", "/etc", "fd::3", "https://h/x", ""] {
        assert!(hostile(there, url, "").is_err(), "{url}");
    }
    for path in ["../x", "/x", ".git/modules", "deep/.GIT"] {
        let error = hostile(path, "../inner", "").unwrap_err();
        assert!(matches!(error, FetchError::Submodule { .. }), "{path}: {error}");
    }
    // A link where the directory should be: the path of the module goes through it.
    std::os::unix::fs::symlink("/tmp", outer.join("link")).unwrap();
    run(&outer, &["add", "link"]).unwrap();
    let cache = format!("160000,{head},link/x");
    // git itself refuses to have both; where it does not, we do.
    let mut both = Command::new("git");
    both.current_dir(&outer).args(["update-index", "--add", "--cacheinfo", &cache]);
    if both.output().is_ok_and(|output| output.status.success()) {
        assert!(hostile("link/x", "../inner", "").is_err());
    }
    // git's own check of objects refuses a command.
    run(&outer, &["rm", "--quiet", "-r", "--cached", "."]).unwrap();
    run(&outer, &["add", "outer"]).unwrap();
    let mark = place.dir.path().join("mark");
    let command = format!("\tupdate = !touch {}\n", mark.display());
    assert!(hostile(there, "../none", &command).is_err());
    run(&outer, &["reset", "--quiet", "--soft", "HEAD~1"]).unwrap();
    // One that is not part of the commit, or not wanted, is passed over.
    assert_eq!(names(&hostile(there, "../none", "").unwrap()), ["644 /.gitmodules", "644 /outer"]);
    let cache = format!("160000,{head},skipped");
    run(&outer, &["update-index", "--add", "--cacheinfo", &cache]).unwrap();
    let skipped = hostile("skipped", "../none", "\tupdate = none\n").unwrap();
    assert_eq!(names(&skipped), ["644 /.gitmodules", "644 /outer", "755 /skipped"]);
    assert!(hostile("skipped", "../none", "").is_err());
    assert!(!mark.exists());
}
