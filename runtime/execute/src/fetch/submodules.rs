//! Submodules, without git's own machinery for them: each is fetched as a repository of its own and put into its place.
//!
//! What `.gitmodules` says is data from outside: only a path, an address and `update = none` are read, a path leads
//! through no link and no `.git`, an address is checked like that of the repository itself, and nothing runs
//! (CVE-2018-11235, CVE-2018-17456, CVE-2024-32002, CVE-2025-48384).

use std::collections::BTreeMap;
use std::path::Path;

use imgc_base::path::ImagePath;
use imgc_image::Root;
use imgc_image::unpack::remove_all;

use super::FetchError;
use super::git::{Job, shown};

/// How deep repositories lie within each other.
const MAX_DEPTH: usize = 16;
/// How many repositories one fetch may need.
const MAX_CHECKOUTS: usize = 1000;
/// The mode of a submodule in a tree.
const LINK: &str = "160000 commit ";

/// What `.gitmodules` says of one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Module {
    path: String,
    url: String,
    skip: bool,
}

/// Fetches the submodules of a checkout, and theirs.
pub(super) fn fetch(
    job: &mut Job<'_>,
    remote: &str,
    dir: &Path,
    commit: &str,
    depth: usize,
) -> Result<(), FetchError> {
    let listed = job.runner(dir, remote, None).run("read", &["ls-tree", commit, "--", ".gitmodules"])?;
    if !listed.starts_with("100644 blob ") && !listed.starts_with("100755 blob ") {
        return Ok(());
    }
    let file = format!("{commit}:.gitmodules");
    let keys = r"^submodule\..*\.(path|url|update)$";
    let text = job.runner(dir, remote, None);
    // No match is no error of the repository.
    let text =
        text.output("read", &["config", "--blob", &file, "-z", "--get-regexp", keys]).unwrap_or_default();
    for module in modules(&text) {
        let refuse = |why: String| FetchError::Submodule {
            remote: shown(remote),
            path: module.path.escape_debug().to_string(),
            why,
        };
        let Some(path) = place(&module.path) else {
            return Err(refuse("it would not lie in a directory of the repository".to_owned()));
        };
        let listed = job.runner(dir, remote, None).run("read", &["ls-tree", commit, "--", &module.path])?;
        let wanted = listed.strip_prefix(LINK).and_then(|rest| rest.split_whitespace().next());
        // Listed, but no part of this commit: git passes over it too.
        let (false, Some(wanted)) = (module.skip, wanted.map(str::to_owned)) else { continue };
        if depth >= MAX_DEPTH || job.checkouts >= MAX_CHECKOUTS {
            return Err(refuse(format!(
                "more than {MAX_DEPTH} repositories within each other, or {MAX_CHECKOUTS} in all"
            )));
        }
        let url = resolve(remote, &module.url).ok_or_else(|| refuse("it has no address".to_owned()))?;
        let (below, commit) = job.check_out(&url, &wanted, None)?;
        fetch(job, &url, &below, &commit, depth + 1)?;
        let inside = Root::open(&below).map_err(FetchError::io("open a checkout"))?;
        remove_all(&inside, b".git").map_err(FetchError::io("clean a checkout"))?;
        put(dir, &path, &below).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(())
}

/// Moves a checkout onto the empty directory that git made for it. No link is followed.
fn put(dir: &Path, path: &ImagePath, from: &Path) -> std::io::Result<()> {
    let root = Root::open(dir)?;
    let place = root.place(path).map_err(std::io::Error::other)?;
    rustix::fs::renameat(rustix::fs::CWD, from, &place.dir, place.name)?;
    Ok(())
}

/// Takes the output of `git config -z` apart: a key, a newline, a value, a NUL.
fn modules(text: &str) -> Vec<Module> {
    let mut modules: BTreeMap<&str, Module> = BTreeMap::new();
    for entry in text.split('\0') {
        let Some((key, value)) = entry.split_once('\n') else { continue };
        let Some((name, what)) = key.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.')) else {
            continue;
        };
        let module = modules.entry(name).or_default();
        match what {
            "path" => value.clone_into(&mut module.path),
            "url" => value.clone_into(&mut module.url),
            "update" => module.skip = value == "none",
            _ => {}
        }
    }
    modules.into_values().filter(|module| !module.path.is_empty()).collect()
}

/// Where a submodule lies; `None` if that is no plain path below the repository.
fn place(path: &str) -> Option<ImagePath> {
    let clean = ImagePath::clean(path).ok()?;
    let plain = clean.to_absolute().strip_prefix('/') == Some(path) && !path.starts_with('-');
    let dot_git = clean.parts().any(|part| part.eq_ignore_ascii_case(b".git"));
    (plain && !dot_git && !clean.is_root()).then_some(clean)
}

/// The address of a submodule; `./` and `../` are relative to the repository's own.
fn resolve(remote: &str, url: &str) -> Option<String> {
    if !url.starts_with("./") && !url.starts_with("../") {
        return (!url.is_empty()).then(|| url.to_owned());
    }
    let mut base = remote.trim_end_matches('/');
    let mut rest = url;
    let mut between = '/';
    loop {
        if let Some(below) = rest.strip_prefix("../") {
            (base, between) = match (base.rfind('/'), base.rfind(':')) {
                (Some(at), _) => (&base[..at], '/'),
                (None, Some(at)) => (&base[..at], ':'),
                (None, None) => return None,
            };
            rest = below;
        } else if let Some(here) = rest.strip_prefix("./") {
            rest = here;
        } else {
            return Some(format!("{base}{between}{rest}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (remote, url, want) in [
            ("https://h/o/a.git", "../b.git", "https://h/o/b.git"),
            ("https://h/o/a.git/", "./b", "https://h/o/a.git/b"),
            ("https://h/o/a.git", "../../p/b", "https://h/p/b"),
            ("git@h:o/a.git", "../b", "git@h:o/b"),
            ("git@h:a.git", "../b", "git@h:b"),
            ("https://h/a.git", "https://o/b", "https://o/b"),
        ] {
            assert_eq!(resolve(remote, url).as_deref(), Some(want), "{remote} {url}");
        }
        assert_eq!(resolve("x", "../../y"), None);
        assert_eq!(resolve("https://h/a", ""), None);
    }

    #[test]
    fn places() {
        assert!(place("lib/a").is_some());
        for bad in ["", "/", "/a", "../a", "a/../b", "a/", "./a", "a//b", ".git", "a/.GIT/hooks", "-x"] {
            assert!(place(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_the_file_says() {
        let text = "submodule.a.b.path\nlib/a\0submodule.a.b.url\n../a\nx\0submodule.n.update\nnone\0submodule.n.path\nn\0";
        let module =
            |path: &str, url: &str, skip| Module { path: path.to_owned(), url: url.to_owned(), skip };
        assert_eq!(modules(text), [module("lib/a", "../a\nx", false), module("n", "", true)]);
    }
}
