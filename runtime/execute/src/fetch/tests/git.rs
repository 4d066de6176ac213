//! Checkouts of repositories made here.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use imgc_base::cancel::Cancel;
use imgc_base::path::ImagePath;

use super::super::git::fetch;
use super::super::{FetchError, Git};
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
    Git { remote, reference, subdir: "", keep_git_dir: false, checksum: None }
}

/// Repositories on this disk are refused by `git`, the function; the tests allow them.
fn checkout(place: &Place, wanted: &Git<'_>) -> Result<Context, FetchError> {
    let path = std::env::split_paths("/usr/local/bin:/usr/bin:/bin");
    let path = std::env::join_paths(path).unwrap().into_string().unwrap();
    fetch(&place.store, wanted, &[("PATH".to_owned(), path)], "file", &Cancel::new())
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
        let error = super::super::git(&place.store, &wanted(remote, ""), &[], &Cancel::new()).unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{remote}: {error}");
    }
    for reference in
        ["--upload-pack=x", "-f", "+main", "a..b", "a b", "a:b", "a^", "@{1}", "x.lock", "a\n", "*"]
    {
        let error = super::super::git(&place.store, &wanted("https://h/x", reference), &[], &Cancel::new());
        assert!(matches!(error, Err(FetchError::Git { .. })), "{reference}");
    }
}

#[test]
fn cve_2023_26054_credentials_are_not_shown() {
    let place = place();
    let remote = "file://user:secret@/none";
    let error = checkout(&place, &wanted(remote, "")).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
