//! Reading files of a context once, and remembering what was read.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use imgc_base::digest::FileDigest;
use imgc_base::path::ImagePath;
use imgc_image::ImageError;
use imgc_image::Meta;
use imgc_image::rooted::read_xattrs;
use imgc_image::unpack::copy_hashed;
use rustix::fs::{FileType, Stat};

use super::stat_cache::now;
use super::{Context, Known, Signature};
use crate::file::FileError;
use crate::file::source::Xattrs;

/// A file of a context, opened to be read once.
#[derive(Debug)]
pub struct Opened {
    /// Its content.
    pub file: File,
    /// Its attributes.
    pub xattrs: Xattrs,
    signature: Signature,
    began: Duration,
}

impl Context {
    /// Opens a file that looked like `expected` when it was listed (CVE-2023-0778: what is read is what was looked at).
    pub fn open_file(&self, path: &ImagePath, expected: &Signature) -> Result<Opened, FileError> {
        let began = now();
        let file = self.root.file(path)?;
        if signature(&file, path)? != Some(*expected) {
            return Err(FileError::Changed(path.clone()));
        }
        let mut meta = Meta::default();
        read_xattrs(file.as_fd(), &mut meta).map_err(ImageError::at("read attributes of", path))?;
        Ok(Opened { file, xattrs: meta.xattrs, signature: *expected, began })
    }

    /// Remembers what was read, if the file still looks the same.
    pub fn close_file(&self, path: &ImagePath, opened: Opened, digest: FileDigest) -> Result<(), FileError> {
        if signature(&opened.file, path)? != Some(opened.signature) {
            return Err(FileError::Changed(path.clone()));
        }
        self.cache.put(opened.signature, Known { digest, xattrs: opened.xattrs }, opened.began);
        Ok(())
    }

    /// Reads a file for its digest alone.
    pub fn hash_file(&self, path: &ImagePath, expected: &Signature) -> Result<Known, FileError> {
        let mut opened = self.open_file(path, expected)?;
        let digest = copy_hashed(&mut opened.file, &mut std::io::sink(), path)?;
        let xattrs = opened.xattrs.clone();
        self.close_file(path, opened, digest)?;
        Ok(Known { digest, xattrs })
    }
}

fn signature(file: &File, path: &ImagePath) -> Result<Option<Signature>, FileError> {
    let stat: Stat = rustix::fs::fstat(file).map_err(ImageError::at("stat", path))?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    Ok(regular.then(|| Signature::of(&stat)))
}
