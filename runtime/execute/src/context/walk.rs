//! Walking a context: level by level, the directories of one level several at a time.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

use imgc_base::path::ImagePath;
use imgc_image::ImageError;
use imgc_image::rooted::read_xattrs;
use rayon::prelude::*;
use rustix::fs::{Dir, FileType};

use super::{Context, MAX_DEPTH, meta, owned, stat_at};
use crate::file::FileError;
use crate::file::source::{Item, What, child};

/// Names of one directory that are worth a thread of their own: about half a millisecond of stats.
const STATS_AT_ONCE: usize = 128;

/// What a directory holds.
struct Level {
    /// The directory itself, with its attributes.
    dir: Item,
    /// All but directories.
    leaves: Vec<Item>,
    /// Directories; true for those that are left out but for exceptions.
    dirs: Vec<(Item, bool)>,
}

impl Context {
    /// Everything below a directory that is not left out, in path order, parents before what they hold.
    pub fn below(&self, input: usize, dir: &ImagePath) -> Result<Vec<Item>, FileError> {
        let mut items = Vec::new();
        // Left out, but there for what an exception brings back below them.
        let mut excepted: BTreeSet<ImagePath> = BTreeSet::new();
        let start =
            Item { path: dir.clone(), what: What::Dir, meta: imgc_image::Meta::default(), same: None };
        let mut level = vec![start];
        let mut depth = dir.parts().count();
        while let Some(first) = level.first() {
            if depth > MAX_DEPTH {
                return Err(FileError::Deep { path: first.path.clone(), limit: MAX_DEPTH });
            }
            depth += 1;
            let listed: Vec<Level> =
                level.into_par_iter().map(|dir| self.level(input, dir)).collect::<Result<_, _>>()?;
            level = Vec::new();
            for Level { dir, leaves, dirs } in listed {
                items.push(dir);
                items.extend(leaves);
                for (item, excluded) in dirs {
                    if excluded {
                        excepted.insert(item.path.clone());
                    }
                    level.push(item);
                }
            }
        }
        items.swap_remove(0);
        if !excepted.is_empty() {
            drop_empty(&mut items, excepted);
        }
        items.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(items)
    }

    fn level(&self, input: usize, mut dir: Item) -> Result<Level, FileError> {
        // One descriptor for names, attributes and stats: opening is what a walk spends its time on.
        let fd: OwnedFd = self.root.file(&dir.path)?.into();
        let mut listing = Dir::new(fd).map_err(ImageError::at("list", &dir.path))?;
        let mut names: Vec<(FileType, CString)> = Vec::new();
        for listed in &mut listing {
            let listed = listed.map_err(ImageError::at("list", &dir.path))?;
            if !matches!(listed.file_name().to_bytes(), b"." | b"..") {
                names.push((listed.file_type(), listed.file_name().to_owned()));
            }
        }
        let fd = listing.fd().map_err(ImageError::at("list", &dir.path))?;
        read_xattrs(fd, &mut dir.meta).map_err(ImageError::at("read attributes of", &dir.path))?;
        dir.meta = owned(dir.meta);
        let looked: Vec<Option<(Item, bool)>> = names
            .into_par_iter()
            .with_min_len(STATS_AT_ONCE)
            .map(|(kind, name)| self.entry(input, &dir.path, fd, kind, &name))
            .collect::<Result<_, _>>()?;
        let (mut leaves, mut dirs) = (Vec::with_capacity(looked.len()), Vec::new());
        for (item, excluded) in looked.into_iter().flatten() {
            if item.what.is_dir() {
                dirs.push((item, excluded));
            } else {
                leaves.push(item);
            }
        }
        Ok(Level { dir, leaves, dirs })
    }

    /// One name of a listing, unless it is left out; true for a directory that is left out but for exceptions.
    fn entry(
        &self,
        input: usize,
        dir: &ImagePath,
        fd: BorrowedFd<'_>,
        kind: FileType,
        name: &CStr,
    ) -> Result<Option<(Item, bool)>, FileError> {
        let path = child(dir, name.to_bytes())?;
        let excluded = self.ignore.excludes(&path);
        if excluded && (is_no_dir(kind) || self.ignore.prunes(&path)) {
            return Ok(None);
        }
        let Some(stat) = stat_at(fd, name, &path)? else { return Ok(None) };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Ok(Some((Item { path, what: What::Dir, meta: meta(&stat), same: None }, excluded)));
        }
        if excluded {
            return Ok(None);
        }
        self.item(input, path, fd, name.to_bytes(), &stat).map(|item| Some((item, false)))
    }
}

/// True if the listing already says that a name is no directory.
fn is_no_dir(kind: FileType) -> bool {
    !matches!(kind, FileType::Directory | FileType::Unknown)
}

/// Drops directories that are left out and hold nothing that an exception brings back.
fn drop_empty(items: &mut Vec<Item>, mut excepted: BTreeSet<ImagePath>) {
    let kept: Vec<&ImagePath> =
        items.iter().map(|item| &item.path).filter(|path| !excepted.contains(*path)).collect();
    let needed: BTreeSet<ImagePath> = kept.iter().flat_map(|path| path.ancestors()).collect();
    excepted.retain(|path| !needed.contains(path));
    items.retain(|item| !excepted.contains(&item.path));
}
