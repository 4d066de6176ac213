//! What a whole context looks like from outside, for a build in which nothing changed.

use imgc_base::digest::{FileDigest, Hasher};
use imgc_base::path::ImagePath;

use super::Context;
use super::stat_cache::now;
use crate::file::FileError;
use crate::file::source::{Item, Place, What};

impl Context {
    /// A digest over names, modes, links and signatures of all that is not left out; no file is read. Two that are
    /// equal mean equal contents. `None` while a file is too fresh to tell by looking at it.
    pub fn fingerprint(&self) -> Result<Option<FileDigest>, FileError> {
        let now = now();
        let mut hasher = Hasher::new();
        for item in self.below(1, &ImagePath::root())? {
            if !add(&mut hasher, &item, now) {
                return Ok(None);
            }
        }
        Ok(Some(FileDigest::finish(hasher)))
    }
}

/// False if the item is too fresh.
fn add(hasher: &mut Hasher, item: &Item, now: std::time::Duration) -> bool {
    put(hasher, item.path.as_bytes());
    hasher.update(&item.meta.mode.to_le_bytes());
    for (name, value) in &item.meta.xattrs {
        put(hasher, name);
        put(hasher, value);
    }
    put(hasher, item.what.noun().as_bytes());
    match &item.what {
        What::Symlink(target) => put(hasher, target),
        What::File(content) => {
            let Place::Context(_, _, signature) = &content.place else { return true };
            if !signature.is_settled(now) {
                return false;
            }
            for number in [
                signature.dev,
                signature.ino,
                signature.size,
                signature.mtime.0.cast_unsigned(),
                u64::from(signature.mtime.1),
                signature.ctime.0.cast_unsigned(),
                u64::from(signature.ctime.1),
            ] {
                hasher.update(&number.to_le_bytes());
            }
        }
        _ => {}
    }
    true
}

fn put(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
