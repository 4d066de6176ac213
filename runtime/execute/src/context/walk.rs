//! Walking a context: each directory is opened once from the one above it, several at a time.

use std::os::fd::{AsFd, OwnedFd};

use imgc_base::path::ImagePath;
use imgc_image::ImageError;
use imgc_image::rooted::{list_fd, read_xattrs};
use rayon::prelude::*;
use rustix::fs::{FileType, Mode};

use super::{Context, DIRECTORY, MAX_DEPTH, meta, owned, stat_at};
use crate::file::FileError;
use crate::file::source::{Item, What};

impl Context {
    /// Everything below a directory that is not left out, in path order, parents before what they hold.
    pub fn below(&self, input: usize, dir: &ImagePath) -> Result<Vec<Item>, FileError> {
        let fd = self.open_dir(dir)?;
        let mut items = self.walk(input, dir, &fd, dir.parts().count())?;
        items.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(items)
    }

    fn walk(
        &self,
        input: usize,
        dir: &ImagePath,
        fd: &OwnedFd,
        depth: usize,
    ) -> Result<Vec<Item>, FileError> {
        if depth > MAX_DEPTH {
            return Err(FileError::Deep { path: dir.clone(), limit: MAX_DEPTH });
        }
        let listing = fd.try_clone().map_err(ImageError::at("open directory", dir))?;
        let mut items = Vec::new();
        let mut dirs: Vec<(Item, bool)> = Vec::new();
        for listed in list_fd(listing).map_err(ImageError::at("list", dir))? {
            let path = ImagePath::strict(dir.child(&listed.name).as_bytes())?;
            let excluded = self.ignore.excludes(&path);
            if excluded && (may_not_be_dir(listed.kind) || self.ignore.prunes(&path)) {
                continue;
            }
            let Some(stat) = stat_at(fd, &listed.name, &path)? else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                dirs.push((Item { path, what: What::Dir, meta: meta(&stat), same: None }, excluded));
            } else if !excluded {
                items.push(self.item(input, path, fd, &listed.name, &stat)?);
            }
        }
        let walked: Vec<Result<Vec<Item>, FileError>> = dirs
            .into_par_iter()
            .map(|(item, excluded)| self.enter(input, fd, item, excluded, depth + 1))
            .collect();
        for below in walked {
            items.extend(below?);
        }
        Ok(items)
    }

    /// A directory and what is below it. One that is left out is there only for what an exception brings back.
    fn enter(
        &self,
        input: usize,
        above: &OwnedFd,
        mut item: Item,
        excluded: bool,
        depth: usize,
    ) -> Result<Vec<Item>, FileError> {
        let name = item.path.name().unwrap_or_default();
        let fd = rustix::fs::openat(above, name, DIRECTORY, Mode::empty())
            .map_err(ImageError::at("open directory", &item.path))?;
        read_xattrs(fd.as_fd(), &mut item.meta).map_err(ImageError::at("read attributes of", &item.path))?;
        item.meta = owned(std::mem::take(&mut item.meta));
        let mut below = self.walk(input, &item.path, &fd, depth)?;
        if !(excluded && below.is_empty()) {
            below.push(item);
        }
        Ok(below)
    }
}

/// True if the listing already says that a name is no directory.
fn may_not_be_dir(kind: FileType) -> bool {
    !matches!(kind, FileType::Directory | FileType::Unknown)
}
