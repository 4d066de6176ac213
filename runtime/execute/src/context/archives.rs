//! What is in archives that were unpacked before, kept beside the stat cache: `<digest>.archive`, a layer index.
//!
//! With the stat cache's digest of the archive, an unchanged `ADD rootfs.tar.xz` is known without unpacking it.

use std::io::Write;
use std::path::PathBuf;

use imgc_base::digest::FileDigest;
use imgc_image::LayerIndex;

use super::Context;

/// Of the files here.
pub(super) const EXTENSION: &str = "archive";
/// The largest index that is kept, in bytes.
const MAX_BYTES: u64 = 64 << 20;

impl Context {
    /// What is in an archive of this digest, if it was unpacked before. The form checks itself.
    pub fn archive(&self, digest: &FileDigest) -> Option<LayerIndex> {
        let file = self.archive_file(digest)?;
        let size = fs_err::metadata(&file).ok()?.len();
        (size <= MAX_BYTES).then_some(())?;
        LayerIndex::decode(&fs_err::read(file).ok()?).ok()
    }

    /// Remembers what is in an archive. Failing to is no error: it is unpacked again.
    pub fn remember_archive(&self, digest: &FileDigest, index: &LayerIndex) {
        let Some(file) = self.archive_file(digest) else { return };
        let bytes = index.encode();
        if bytes.len() as u64 > MAX_BYTES {
            return;
        }
        let write = || -> std::io::Result<()> {
            let dir = file.parent().unwrap_or(&file);
            fs_err::create_dir_all(dir)?;
            let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
            temporary.write_all(&bytes)?;
            temporary.persist(&file).map_err(|error| error.error)?;
            Ok(())
        };
        write().ok();
    }

    fn archive_file(&self, digest: &FileDigest) -> Option<PathBuf> {
        Some(self.cache.dir()?.join(digest.hex()).with_extension(EXTENSION))
    }
}
