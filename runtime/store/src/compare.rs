//! A tree on disk against its layer's index.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use imgc_base::Cancel;
use imgc_base::digest::{FileDigest, Hasher};
use imgc_base::path::ImagePath;
use imgc_image::rooted::{meta_of, read_xattrs};
use imgc_image::{Entry, ImageError, Kind, LayerIndex, Root};
use rustix::fs::{FileType, Stat};

use crate::error::StoreError;

/// The first path at which a tree is not what the index says, and how; `None` if it is the same.
///
/// Not compared, because a tree need not have them: devices (never made on disk), owners of links and pipes and
/// capabilities (not every user may set them).
pub(crate) fn first_difference(
    dir: &Path,
    index: &LayerIndex,
    cancel: &Cancel,
) -> Result<Option<String>, StoreError> {
    let root = Root::open(dir).map_err(StoreError::io("open", dir))?;
    for entry in index.entries() {
        cancel.check()?;
        if let Some(what) = entry_difference(&root, entry)? {
            return Ok(Some(format!("`{}` {what}", entry.path)));
        }
    }
    Ok(surplus(&root, index)?.map(|path| format!("`{path}` does not belong there")))
}

fn entry_difference(root: &Root, entry: &Entry) -> Result<Option<&'static str>, StoreError> {
    if matches!(entry.kind, Kind::Char { .. } | Kind::Block { .. }) {
        return Ok(None);
    }
    let stat = match root.stat(&entry.path) {
        Ok(Some(stat)) => stat,
        Ok(None) => return Ok(Some("is gone")),
        // Its directory is none any more, or a link.
        Err(ImageError::At { .. }) => return Ok(Some("cannot be reached")),
        Err(error) => return Err(error.into()),
    };
    let right_type = match entry.kind {
        Kind::Dir { .. } => FileType::Directory,
        Kind::File { .. } | Kind::Hardlink { .. } => FileType::RegularFile,
        Kind::Symlink { .. } => FileType::Symlink,
        Kind::Fifo => FileType::Fifo,
        Kind::Char { .. } | Kind::Block { .. } | Kind::Whiteout => FileType::CharacterDevice,
    };
    if FileType::from_raw_mode(stat.st_mode) != right_type {
        return Ok(Some("is of another type"));
    }
    match &entry.kind {
        Kind::Whiteout => Ok((stat.st_rdev != 0).then_some("is no whiteout")),
        Kind::Symlink { target } => {
            Ok((root.read_link(&entry.path)? != *target).then_some("leads elsewhere"))
        }
        Kind::Hardlink { to } => {
            let same = root
                .stat(to)?
                .is_some_and(|other| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino));
            Ok((!same).then_some("is no link to its file"))
        }
        Kind::File { size, digest } => file_difference(root, entry, &stat, *size, digest),
        _ => Ok(meta_difference(entry, &stat)),
    }
}

fn meta_difference(entry: &Entry, stat: &Stat) -> Option<&'static str> {
    let meta = meta_of(stat);
    if meta.mode != entry.meta.mode && entry.kind != Kind::Fifo {
        Some("has another mode")
    } else if meta.mtime != entry.meta.mtime {
        Some("has another time")
    } else {
        None
    }
}

fn file_difference(
    root: &Root,
    entry: &Entry,
    stat: &Stat,
    size: u64,
    digest: &FileDigest,
) -> Result<Option<&'static str>, StoreError> {
    if stat.st_size.cast_unsigned() != size {
        return Ok(Some("has another size"));
    }
    if let Some(what) = meta_difference(entry, stat) {
        return Ok(Some(what));
    }
    let mut file = root.file(&entry.path)?;
    let mut meta = meta_of(stat);
    read_xattrs(file.as_fd(), &mut meta).map_err(ImageError::at("read attributes of", &entry.path))?;
    if (meta.uid, meta.gid) != (entry.meta.uid, entry.meta.gid) {
        return Ok(Some("has another owner"));
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; (size.clamp(1, 256 << 10)) as usize];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ImageError::at("read", &entry.path)(error).into()),
        }
    }
    Ok((FileDigest::finish(hasher) != *digest).then_some("has other content"))
}

/// A path on disk that the index does not have.
fn surplus(root: &Root, index: &LayerIndex) -> Result<Option<ImagePath>, StoreError> {
    // Directories that the layer implies but does not hold are on disk too.
    let implied: BTreeSet<ImagePath> =
        index.entries().iter().flat_map(|entry| entry.path.ancestors()).collect();
    let mut waiting = vec![ImagePath::root()];
    while let Some(dir) = waiting.pop() {
        for item in root.list(&dir)? {
            let path = dir.child(&item.name);
            if index.get(&path).is_none() && !implied.contains(&path) {
                return Ok(Some(path));
            }
            if root
                .stat(&path)?
                .is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
            {
                waiting.push(path);
            }
        }
    }
    Ok(None)
}
