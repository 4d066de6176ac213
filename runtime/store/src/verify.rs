//! Looking for broken objects, and moving them away.
//!
//! *Broken* is what should be right and is not. *Stale* is what a crash may leave: it is treated as absent everywhere, and
//! replaced or collected in time.

use std::path::PathBuf;

use imgc_base::digest::{BlobDigest, DiffId};
use imgc_image::LayerIndex;
use rayon::prelude::*;

use crate::error::StoreError;
use crate::layer::{LayerBlob, decode_map};
use crate::lock::{self, Mode};
use crate::refs::name_of;
use crate::stream::HashRead;
use crate::usage::Class;
use crate::{Store, locked, read_optional, record};

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Names, sizes, checksums of small files, and that what is referred to is here. Reads no content.
    #[default]
    Quick,
    /// Every byte of every blob, and every file of every tree.
    Full,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of object.
    pub class: Class,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub what: String,
    /// What brings it back.
    pub remedy: &'static str,
    /// Left by a crash and harmless; not an error.
    pub stale: bool,
    /// What is moved away by a repair.
    paths: Vec<PathBuf>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many objects were looked at.
    pub checked: u64,
    /// Everything that is broken or stale.
    pub problems: Vec<Problem>,
}

impl Report {
    /// True if nothing is broken.
    pub fn is_whole(&self) -> bool {
        self.broken().next().is_none()
    }

    /// What is broken.
    pub fn broken(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.stale)
    }
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// Where broken objects are now.
    pub moved: Vec<PathBuf>,
    /// Images that lost a part: they have no name any more, until they are pulled or built again.
    pub images: Vec<String>,
}

const PULL: &str = "pull or build the image again";
const REBUILD: &str = "made again when it is needed";
const NOTHING: &str = "nothing to do: it counts as absent";

impl Store {
    /// Looks for broken objects. Collecting waits meanwhile; builds do not.
    pub fn verify(&self, depth: Depth) -> Result<Report, StoreError> {
        let gate_path = self.layout().lock("gc");
        let gate = fs_err::File::open(&gate_path).map_err(StoreError::io("open", &gate_path))?.into_parts().0;
        lock::wait(&gate, &gate_path, Mode::Shared, &self.cancel)?;
        let mut report = Report::default();
        self.verify_blobs(depth, &mut report)?;
        self.verify_layers(&mut report)?;
        self.verify_maps(&mut report)?;
        self.verify_trees(depth, &mut report)?;
        self.verify_steps(&mut report)?;
        self.verify_images(&mut report)?;
        Ok(report)
    }

    fn verify_blobs(&self, depth: Depth, report: &mut Report) -> Result<(), StoreError> {
        let names: Vec<String> = self.list("blobs/sha256")?.into_keys().collect();
        report.checked += names.len() as u64;
        let check = |name: &String| -> Result<Option<Problem>, StoreError> {
            let path = self.layout().blobs().join(name);
            let wrong = |what: &str| {
                let (name, what) = (name.clone(), what.to_owned());
                let paths = vec![path.clone()];
                Some(Problem { class: Class::Blobs, name, what, remedy: PULL, stale: false, paths })
            };
            let Some(digest) = BlobDigest::from_hex(name) else { return Ok(wrong("its name is no digest")) };
            match fs_err::symlink_metadata(&path) {
                Ok(meta) if !meta.is_file() => return Ok(wrong("it is no regular file")),
                Ok(_) => {}
                // It went since the directory was listed.
                Err(_) => return Ok(None),
            }
            if depth == Depth::Full {
                let file = std::fs::File::open(&path).map_err(StoreError::io("open", &path))?;
                let mut hashed = HashRead::blob(file, &self.cancel);
                hashed.drain().map_err(|e| self.cancelled_or(StoreError::io("read", &path)(e)))?;
                if hashed.digest() != digest {
                    return Ok(wrong("its bytes have another digest"));
                }
            }
            Ok(None)
        };
        let found: Vec<Option<Problem>> = names.par_iter().map(check).collect::<Result<_, _>>()?;
        report.problems.extend(found.into_iter().flatten());
        Ok(())
    }

    fn verify_layers(&self, report: &mut Report) -> Result<(), StoreError> {
        for name in self.list("layers")?.into_keys() {
            self.cancel.check()?;
            report.checked += 1;
            let path = self.layout().at("layers").join(&name);
            let Some(bytes) = read_optional(&path, u64::MAX)? else { continue };
            let known = DiffId::from_hex(&name).is_some();
            if !known || LayerIndex::decode(&bytes).is_err() {
                report.stale(Class::Layers, name, "the index cannot be read", path);
            }
        }
        Ok(())
    }

    fn verify_maps(&self, report: &mut Report) -> Result<(), StoreError> {
        for name in self.list("maps")?.into_keys() {
            report.checked += 1;
            let path = self.layout().at("maps").join(&name);
            let Some(bytes) = read_optional(&path, record::LIMIT)? else { continue };
            let Some(LayerBlob { digest, size, .. }) = decode_map(&bytes) else {
                report.stale(Class::Layers, name, "the record of a layer's blob cannot be read", path);
                continue;
            };
            match fs_err::symlink_metadata(self.layout().blob(&digest)) {
                Ok(meta) if meta.len() != size => report.problems.push(Problem {
                    class: Class::Blobs,
                    name: digest.hex(),
                    what: format!("it has {} bytes instead of {size}", meta.len()),
                    remedy: PULL,
                    stale: false,
                    paths: vec![self.layout().blob(&digest), path],
                }),
                Ok(_) => {}
                Err(_) => report.stale(Class::Layers, name, "the blob that it names is gone", path),
            }
        }
        Ok(())
    }

    fn verify_steps(&self, report: &mut Report) -> Result<(), StoreError> {
        for name in self.list("steps")?.into_keys() {
            self.cancel.check()?;
            report.checked += 1;
            let path = self.layout().at("steps").join(&name);
            let Some(bytes) = read_optional(&path, record::LIMIT)? else { continue };
            let Some(record) = self.decode_step(&bytes) else {
                report.stale(Class::Steps, name, "the record is torn, or from before a power loss", path);
                continue;
            };
            let Some(diff_id) = record.layer else { continue };
            let indexed = fs_err::symlink_metadata(self.layout().layer(&diff_id)).is_ok();
            if !indexed || !(self.tree_is_whole(&diff_id)? || self.has_content_blob(&diff_id)?) {
                report.stale(Class::Steps, name, "its layer is gone", path);
            }
        }
        Ok(())
    }

    /// Like `any_layer_blob`, but uses nothing.
    fn has_content_blob(&self, diff_id: &DiffId) -> Result<bool, StoreError> {
        for raw in [false, true] {
            for form in crate::layer::FORMS {
                let bytes = read_optional(&self.layout().map(diff_id, form, raw), record::LIMIT)?;
                let blob = bytes.and_then(|bytes| decode_map(&bytes));
                if blob.is_some_and(|blob| self.layout().blob(&blob.digest).exists()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn verify_trees(&self, depth: Depth, report: &mut Report) -> Result<(), StoreError> {
        let names: Vec<String> = self.list("trees")?.into_keys().collect();
        report.checked += names.len() as u64;
        let check = |name: &String| -> Result<Option<Problem>, StoreError> {
            let path = self.layout().at("trees").join(name);
            let problem = |what: String, stale| Problem {
                class: Class::Trees,
                name: name.clone(),
                what,
                remedy: if stale { NOTHING } else { REBUILD },
                stale,
                paths: vec![self.layout().at("stamps").join(name), path.clone()],
            };
            let Some(diff_id) = DiffId::from_hex(name) else {
                return Ok(Some(problem("its name is no digest".to_owned(), false)));
            };
            if !self.tree_is_whole(&diff_id)? {
                return Ok(Some(problem("it is from before a crash, and may not be whole".to_owned(), true)));
            }
            if depth == Depth::Quick {
                return Ok(None);
            }
            let bytes = read_optional(&self.layout().layer(&diff_id), u64::MAX)?;
            let Some(index) = bytes.and_then(|bytes| LayerIndex::decode(&bytes).ok()) else {
                return Ok(None);
            };
            let wrong = crate::compare::first_difference(&path, &index, &self.cancel)?;
            Ok(wrong.map(|what| problem(what, false)))
        };
        let found: Vec<Option<Problem>> = names.par_iter().map(check).collect::<Result<_, _>>()?;
        report.problems.extend(found.into_iter().flatten());
        Ok(())
    }

    fn verify_images(&self, report: &mut Report) -> Result<(), StoreError> {
        for image in self.read_index()?.manifests {
            self.cancel.check()?;
            report.checked += 1;
            let name = name_of(&image).cloned().unwrap_or_else(|| image.digest.to_string());
            match self.closure_is_here(&image) {
                Ok(()) => {}
                Err(error @ (StoreError::Cancelled(_) | StoreError::Io { .. })) => return Err(error),
                Err(error) => report.problems.push(Problem {
                    class: Class::Images,
                    name,
                    what: error.to_string(),
                    remedy: PULL,
                    stale: false,
                    paths: Vec::new(),
                }),
            }
        }
        Ok(())
    }

    /// Moves what is broken to `quarantine/`. Images that lose a part lose their names, so that they are pulled or built
    /// again; all else stays.
    pub fn repair(&self, report: &Report) -> Result<Repaired, StoreError> {
        self.check_writable()?;
        let mut repaired = Repaired::default();
        for problem in report.broken() {
            for path in &problem.paths {
                if fs_err::symlink_metadata(path).is_ok() {
                    repaired.moved.push(self.quarantine(path)?);
                }
            }
        }
        locked(&self.inner.indexes).clear();
        locked(&self.inner.roots).clear();
        for image in self.images()? {
            if self.closure_is_here(&image).is_err() {
                let name = name_of(&image).cloned();
                self.drop_image(&image)?;
                repaired.images.push(name.unwrap_or_else(|| image.digest.to_string()));
            }
        }
        Ok(repaired)
    }
}

impl Report {
    fn stale(&mut self, class: Class, name: String, what: &str, path: PathBuf) {
        let (what, paths) = (what.to_owned(), vec![path]);
        self.problems.push(Problem { class, name, what, remedy: NOTHING, stale: true, paths });
    }
}
