//! The packages that an image says it has: dpkg's and apk's databases. rpm's is a binary database and is not read.

use std::collections::BTreeMap;
use std::io::{self, Read};

use imgc_base::path::ImagePath;
use imgc_image::{Contents, Tree};

/// Largest database that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// Packages with their versions; a name that is there for several architectures has one added.
pub type Packages = BTreeMap<String, String>;

/// Reads the databases of a tree.
pub fn read(tree: &Tree, contents: &dyn Contents) -> io::Result<Packages> {
    let mut packages = Packages::new();
    let clean = |text: &str| ImagePath::clean(text).map_err(|error| io::Error::other(error.to_string()));
    let mut dpkg = vec![clean("var/lib/dpkg/status")?];
    // Images without a package manager have one file for each package.
    let parts = tree.below(&clean("var/lib/dpkg/status.d")?);
    dpkg.extend(
        parts
            .iter()
            .map(|found| found.entry.path.clone())
            .filter(|path| !path.as_bytes().ends_with(b".md5sums")),
    );
    for path in &dpkg {
        if let Some(text) = text(tree, contents, path)? {
            dpkg_status(&text, &mut packages);
        }
    }
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        if let Some(text) = text(tree, contents, &clean(path)?)? {
            apk_installed(&text, &mut packages);
        }
    }
    Ok(packages)
}

fn text(tree: &Tree, contents: &dyn Contents, path: &ImagePath) -> io::Result<Option<String>> {
    let Ok(path) = tree.resolve(path, true) else { return Ok(None) };
    let Some(found) = tree.get(&path) else { return Ok(None) };
    let content = found.content();
    if !matches!(content.kind, imgc_image::Kind::File { .. }) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    contents.open(&found.layer.diff_id, &content.path)?.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn dpkg_status(text: &str, packages: &mut Packages) {
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
        };
        let (Some(name), Some(version)) = (field("Package"), field("Version")) else { continue };
        if field("Status").is_some_and(|status| !status.ends_with(" installed")) {
            continue;
        }
        insert(packages, name, field("Architecture"), version);
    }
}

fn apk_installed(text: &str, packages: &mut Packages) {
    for paragraph in text.split("\n\n") {
        let field = |letter: &str| paragraph.lines().find_map(|line| line.strip_prefix(letter));
        if let (Some(name), Some(version)) = (field("P:"), field("V:")) {
            insert(packages, name, field("A:"), version);
        }
    }
}

fn insert(packages: &mut Packages, name: &str, arch: Option<&str>, version: &str) {
    let name = match arch {
        Some(arch) if packages.contains_key(name) => format!("{name}:{arch}"),
        _ => name.to_owned(),
    };
    packages.insert(name, version.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_read() {
        let mut packages = Packages::new();
        dpkg_status(
            "Package: tar\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.34\n\n\
             Package: old\nStatus: deinstall ok config-files\nVersion: 1\n\n\
             Package: tar\nStatus: install ok installed\nArchitecture: i386\nVersion: 1.34\n",
            &mut packages,
        );
        apk_installed("C:x\nP:musl\nV:1.2-r0\nA:x86_64\n\nP:zlib\nV:1.3\n", &mut packages);
        let all: Vec<String> = packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(all, ["musl 1.2-r0", "tar 1.34", "tar:i386 1.34", "zlib 1.3"]);
    }
}
