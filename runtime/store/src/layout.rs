//! What lies where in a store, and whether a directory may be used as one (`spec/store.md`).

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use imgc_base::digest::{BlobDigest, ContentKey, DiffId};
use imgc_image::Compression;

use crate::error::StoreError;

/// The format that this program reads and writes.
pub(crate) const FORMAT: u64 = 1;
/// Holds the format's number; written last when a store is made.
const FORMAT_FILE: &str = "imgc-store";
/// OCI image-spec `image-layout.md`.
const OCI_LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
/// An index of nothing.
const EMPTY_INDEX: &str = "{\"schemaVersion\":2,\"manifests\":[]}";
/// The directories of a store, parents first.
const DIRS: [&str; 14] = [
    "blobs",
    "blobs/sha256",
    "trees",
    "layers",
    "maps",
    "steps",
    "memo",
    "builds",
    "locks",
    "tmp",
    "partial",
    "quarantine",
    "cachemounts",
    "stamps",
];

/// The paths of a store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Uses a directory as a store; makes it if it is missing or empty. True if it can only be read.
    pub(crate) fn open(dir: &Path) -> Result<(Self, bool), StoreError> {
        let layout = Self { dir: std::path::absolute(dir).map_err(StoreError::io("resolve", dir))? };
        let format = layout.at(FORMAT_FILE);
        match fs_err::read_to_string(&format) {
            Ok(text) => layout.check_format(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => layout.create()?,
            Err(error) => return Err(StoreError::io("read", &format)(error)),
        }
        layout.check_owner()?;
        let writable = rustix::fs::access(&layout.dir, rustix::fs::Access::WRITE_OK).is_ok();
        if writable {
            layout.complete()?;
        }
        Ok((layout, !writable))
    }

    /// Makes again what somebody removed to gain space: without its directory, nothing could be stored.
    fn complete(&self) -> Result<(), StoreError> {
        for name in DIRS {
            let path = self.at(name);
            if fs_err::symlink_metadata(&path).is_err() {
                make_dir(&path)?;
            }
        }
        if fs_err::symlink_metadata(self.at("locks/gc")).is_err() {
            self.create_file("locks/gc", "")?;
        }
        Ok(())
    }

    fn check_format(&self, text: &str) -> Result<(), StoreError> {
        match text.trim_end().parse::<u64>() {
            Ok(FORMAT) => Ok(()),
            Ok(found) if found > FORMAT => {
                Err(StoreError::Newer { dir: self.dir.clone(), found, known: FORMAT })
            }
            _ => Err(self.not_a_store("its format file cannot be read")),
        }
    }

    fn not_a_store(&self, reason: &str) -> StoreError {
        StoreError::NotAStore { dir: self.dir.clone(), reason: reason.to_owned() }
    }

    /// Other users must not get at set-id files of unpacked trees (CVE-2021-41091), nor change what is here.
    fn check_owner(&self) -> Result<(), StoreError> {
        let meta = fs_err::metadata(&self.dir).map_err(StoreError::io("stat", &self.dir))?;
        let user = rustix::process::geteuid().as_raw();
        let reason = if meta.uid() != user {
            format!("it belongs to user {}, not to user {user}", meta.uid())
        } else if meta.mode() & 0o077 != 0 {
            format!("other users may enter it (mode {:o}); run `chmod 700` on it", meta.mode() & 0o7777)
        } else {
            return Ok(());
        };
        Err(StoreError::Unsafe { dir: self.dir.clone(), reason })
    }

    /// Makes a store in a missing or empty directory, or ends what a crash interrupted.
    fn create(&self) -> Result<(), StoreError> {
        let dir = &self.dir;
        if let Some(parent) = dir.parent() {
            fs_err::create_dir_all(parent).map_err(StoreError::io("make directory", parent))?;
        }
        make_dir(dir)?;
        let known = |name: &str| {
            DIRS.contains(&name)
                || ["index.json", "oci-layout", "synced", FORMAT_FILE].contains(&name)
                || name.starts_with(".new-")
        };
        for item in fs_err::read_dir(dir).map_err(StoreError::io("list", dir))? {
            let name = item.map_err(StoreError::io("list", dir))?.file_name();
            if !name.to_str().is_some_and(known) {
                return Err(self.not_a_store(&format!("it holds `{}`", name.display())));
            }
        }
        let user = rustix::process::geteuid().as_raw();
        let meta = fs_err::metadata(dir).map_err(StoreError::io("stat", dir))?;
        if meta.uid() == user && meta.mode() & 0o077 != 0 {
            let only_owner = std::fs::Permissions::from_mode(0o700);
            fs_err::set_permissions(dir, only_owner).map_err(StoreError::io("change mode of", dir))?;
        }
        for name in DIRS {
            make_dir(&self.at(name))?;
        }
        for (name, text) in [
            ("oci-layout", OCI_LAYOUT),
            ("index.json", EMPTY_INDEX),
            ("locks/gc", ""),
            (FORMAT_FILE, &format!("{FORMAT}\n")),
        ] {
            self.create_file(name, text)?;
        }
        crate::durable::sync_dir(dir)
    }

    /// Makes a file unless another process was faster: a name is only ever given to a whole file.
    fn create_file(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let target = self.at(name);
        let new = self.at(&format!(".new-{}-{}", name.replace('/', "-"), std::process::id()));
        crate::durable::write_synced(&new, text.as_bytes())?;
        let linked = fs_err::hard_link(&new, &target);
        fs_err::remove_file(&new).map_err(StoreError::io("remove", &new))?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(StoreError::io("link", &target)(error))
            }
            _ => Ok(()),
        }
    }

    /// The store's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path by its name in the store.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// `index.json`.
    pub(crate) fn index(&self) -> PathBuf {
        self.at("index.json")
    }

    /// Where blobs lie.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.at("blobs/sha256")
    }

    /// A blob.
    pub(crate) fn blob(&self, digest: &BlobDigest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    /// An unpacked layer.
    pub(crate) fn tree(&self, diff_id: &DiffId) -> PathBuf {
        self.dir.join("trees").join(diff_id.hex())
    }

    /// Says that an unpacked layer is whole, and since when.
    pub(crate) fn stamp(&self, diff_id: &DiffId) -> PathBuf {
        self.dir.join("stamps").join(diff_id.hex())
    }

    /// A layer's index.
    pub(crate) fn layer(&self, diff_id: &DiffId) -> PathBuf {
        self.dir.join("layers").join(diff_id.hex())
    }

    /// The blob that a layer has in one compression; `raw` for blobs that other tools compressed.
    pub(crate) fn map(&self, diff_id: &DiffId, compression: Compression, raw: bool) -> PathBuf {
        let suffix = if raw { ".raw" } else { "" };
        self.dir.join("maps").join(format!("{}.{}{suffix}", diff_id.hex(), compression.name()))
    }

    /// A step's result.
    pub(crate) fn step(&self, key: &ContentKey) -> PathBuf {
        self.dir.join("steps").join(key.hex())
    }

    /// A lock file.
    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        self.dir.join("locks").join(name)
    }
}

/// Makes a directory that only its owner may enter, unless it exists.
pub(crate) fn make_dir(path: &Path) -> Result<(), StoreError> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("make directory", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("deep/store");
        for _ in 0..2 {
            let (layout, read_only) = Layout::open(&at).unwrap();
            assert!(!read_only);
            assert_eq!(fs_err::metadata(layout.dir()).unwrap().mode() & 0o7777, 0o700);
        }
        assert_eq!(fs_err::read_to_string(at.join("oci-layout")).unwrap(), OCI_LAYOUT);
    }

    #[test]
    fn an_interrupted_creation_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("store");
        Layout::open(&at).unwrap();
        fs_err::remove_file(at.join(FORMAT_FILE)).unwrap();
        fs_err::remove_dir(at.join("memo")).unwrap();
        Layout::open(&at).unwrap();
        assert!(at.join("memo").is_dir());
    }

    /// Somebody freed space by hand.
    #[test]
    fn what_was_removed_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("store");
        Layout::open(&at).unwrap();
        for name in DIRS.iter().rev() {
            if *name == "locks" {
                fs_err::remove_file(at.join("locks/gc")).unwrap();
            }
            fs_err::remove_dir(at.join(name)).unwrap();
        }
        Layout::open(&at).unwrap();
        assert!(DIRS.iter().all(|name| at.join(name).is_dir()));
        assert!(at.join("locks/gc").is_file());
        fs_err::remove_file(at.join(FORMAT_FILE)).unwrap();
        fs_err::write(at.join("synced"), "").unwrap();
        Layout::open(&at).unwrap();
    }

    #[test]
    fn refuses_what_is_no_store() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("letters.txt"), "").unwrap();
        assert!(matches!(Layout::open(dir.path()), Err(StoreError::NotAStore { .. })));
        assert!(dir.path().join("letters.txt").exists());
        assert!(!dir.path().join("blobs").exists());
    }

    #[test]
    fn refuses_newer_formats_and_other_modes() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("store");
        Layout::open(&at).unwrap();
        fs_err::write(at.join(FORMAT_FILE), "2\n").unwrap();
        assert!(matches!(Layout::open(&at), Err(StoreError::Newer { found: 2, known: 1, .. })));
        fs_err::write(at.join(FORMAT_FILE), "1\n").unwrap();
        fs_err::set_permissions(&at, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(Layout::open(&at), Err(StoreError::Unsafe { .. })));
    }
}
