//! Unpacked layers: complete or absent.
//!
//! A tree is renamed into place when it is whole; a stamp, written before that, says since when. A tree whose stamp a
//! power loss makes doubtful is absent, and replaced by whoever makes it again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use imgc_base::digest::DiffId;
use imgc_base::path::ImagePath;
use imgc_image::unpack::TreeWriter;
use imgc_image::{LayerIndex, Root};

use crate::durable::Stamp;
use crate::error::StoreError;
use crate::session::{Held, remove_path};
use crate::{Store, locked, read_optional, record};

const TAG: &str = "imgc-tree-1";
/// Open roots of trees that are kept.
const ROOTS: usize = 128;

impl Store {
    /// True if the layer is here unpacked. From then on this process keeps it from being collected.
    pub fn has_tree(&self, diff_id: &DiffId) -> bool {
        self.hold(Held::Layer(*diff_id)).is_ok() && self.tree_is_whole(diff_id).unwrap_or(false)
    }

    /// Where the layer is unpacked, if it is.
    pub fn tree_path(&self, diff_id: &DiffId) -> PathBuf {
        self.layout().tree(diff_id)
    }

    pub(crate) fn tree_is_whole(&self, diff_id: &DiffId) -> Result<bool, StoreError> {
        let Some(bytes) = read_optional(&self.layout().stamp(diff_id), record::LIMIT)? else {
            return Ok(false);
        };
        let stamp: Option<Stamp> = record::decode(TAG, &bytes);
        Ok(stamp.is_some_and(|stamp| self.inner.ledger.holds(&stamp)) && self.layout().tree(diff_id).is_dir())
    }

    /// Makes a directory below a [`WorkDir`](crate::WorkDir) the tree of a layer. If another process was faster, its
    /// tree stays.
    pub fn commit_tree(&self, diff_id: &DiffId, dir: &Path) -> Result<(), StoreError> {
        self.hold(Held::Layer(*diff_id))?;
        // One at a time: a stamp must never be older than the tree that it speaks of.
        let _lock = self.lock(&format!("commit-{}", diff_id.hex()), &self.cancel)?;
        if self.tree_is_whole(diff_id)? {
            return remove_path(dir);
        }
        let target = self.layout().tree(diff_id);
        let left_by_a_crash = fs_err::symlink_metadata(&target).is_ok();
        let doubtful = self.session()?.new_path("doubtful");
        if left_by_a_crash {
            fs_err::rename(&target, &doubtful).map_err(StoreError::io("move away", &target))?;
        }
        let stamp = self.layout().stamp(diff_id);
        let bytes =
            record::encode(TAG, &self.inner.ledger.now()).map_err(|e| StoreError::io("write", &stamp)(e))?;
        self.write_small(&stamp, &bytes)?;
        self.inner.dirty.store(true, Ordering::SeqCst);
        fs_err::rename(dir, &target).map_err(StoreError::io("name", &target))?;
        if left_by_a_crash { remove_path(&doubtful) } else { Ok(()) }
    }

    /// The layer unpacked: from any of its blobs if it is not here yet.
    pub fn ensure_tree(&self, diff_id: &DiffId) -> Result<PathBuf, StoreError> {
        if self.has_tree(diff_id) {
            return Ok(self.tree_path(diff_id));
        }
        let _lock = self.lock(&format!("tree-{}", diff_id.hex()), &self.cancel)?;
        if !self.has_tree(diff_id) {
            let work = self.work_dir("tree")?;
            let dir = work.subdir("root")?;
            let root = Root::open(&dir).map_err(StoreError::io("open", &dir))?;
            let index = self.unpack_blob(diff_id, Some(&mut TreeWriter::new(root)))?;
            self.put_layer(diff_id, &index)?;
            self.commit_tree(diff_id, &dir)?;
        }
        Ok(self.tree_path(diff_id))
    }

    /// The layer's index: from any of its blobs if it is not here yet.
    pub fn ensure_layer(&self, diff_id: &DiffId) -> Result<Arc<LayerIndex>, StoreError> {
        if let Some(index) = self.layer(diff_id)? {
            return Ok(index);
        }
        let _lock = self.lock(&format!("tree-{}", diff_id.hex()), &self.cancel)?;
        if let Some(index) = self.layer(diff_id)? {
            return Ok(index);
        }
        let index = self.unpack_blob(diff_id, None)?;
        self.put_layer(diff_id, &index)?;
        Ok(Arc::new(index))
    }

    /// Opens a regular file of a layer; unpacks the layer first if need be.
    pub fn open_content(&self, diff_id: &DiffId, path: &ImagePath) -> Result<File, StoreError> {
        Ok(self.tree_root(diff_id)?.file(path)?)
    }

    fn tree_root(&self, diff_id: &DiffId) -> Result<Arc<Root>, StoreError> {
        if let Some(root) = locked(&self.inner.roots).get(diff_id) {
            return Ok(Arc::clone(root));
        }
        let dir = self.ensure_tree(diff_id)?;
        let root = Arc::new(Root::open(&dir).map_err(StoreError::io("open", &dir))?);
        let mut roots = locked(&self.inner.roots);
        if roots.len() >= ROOTS {
            roots.clear();
        }
        roots.insert(*diff_id, Arc::clone(&root));
        Ok(root)
    }
}
