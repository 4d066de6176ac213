//! `ADD` of an archive: unpacked once into a private directory, then placed on the root name by name.
//!
//! Unpacking is `imgc_image::unpack`'s, the only unpacker there is (security rule R3); what it yields is placed as the
//! reference's does: a directory merges with one that is there, anything else replaces, links on the way are followed
//! below the destination and never out of it. Owners, modes and times are the archive's; `--chown` overrides owners.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use imgc_base::digest::{DiffId, FileDigest};
use imgc_base::path::ImagePath;
use imgc_image::scan::HashingReader;
use imgc_image::unpack::{TreeWriter, unpack};
use imgc_image::{Contents, Entry, ImageError, Kind, LayerIndex, Meta, Root};

use super::copy::{Changes, Work};
use super::error::FileError;
use super::open::open;
use super::plan::close;
use super::source::{Content, Place, SameFile, Source, What, resolve_within};
use super::stage::{Making, Node, Standing};
use crate::fetch::archive;

/// Archives of one step.
#[derive(Debug)]
pub(super) struct Archives<'a> {
    scratch: &'a Path,
    contents: ContentsRef<'a>,
    known: Vec<Archive>,
    copies: usize,
    /// Number of the source that is being copied.
    pub(super) label: usize,
}

/// Not printed.
struct ContentsRef<'a>(&'a dyn Contents);

impl std::fmt::Debug for ContentsRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contents")
    }
}

/// One archive. What is in it may be known from an earlier build: then it is unpacked when the first member is read.
#[derive(Debug)]
struct Archive {
    name: String,
    content: Content,
    unpacked: Mutex<Option<Unpacked>>,
}

/// Its directory goes with it.
#[derive(Debug)]
struct Unpacked {
    root: Root,
    _dir: tempfile::TempDir,
}

impl<'a> Archives<'a> {
    /// None yet; directories are made below `scratch`.
    pub(super) fn new(scratch: &'a Path, contents: &'a dyn Contents) -> Self {
        Self { scratch, contents: ContentsRef(contents), known: Vec::new(), copies: 0, label: 0 }
    }

    /// A number for one copied root: hard links hold within it.
    pub(super) fn next_copy(&mut self) -> usize {
        self.copies += 1;
        self.copies
    }

    /// The bytes of a member. `inputs` are those of the step.
    pub(super) fn open(
        &self,
        inputs: &[Source<'_>],
        archive: usize,
        path: &ImagePath,
    ) -> Result<std::fs::File, FileError> {
        let archive = self.known.get(archive).ok_or(FileError::Input(archive))?;
        let mut unpacked = archive.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unpacked) = &*unpacked {
            return Ok(unpacked.root.file(path)?);
        }
        let mut source = open(inputs, self, self.contents.0, &archive.content, false)?;
        let tar = archive::recognise(&mut source).map_err(unreadable(&archive.name))?;
        let Some(tar) = tar else { return Err(FileError::Changed(path.clone())) };
        let fresh = self.unpack(&archive.name, tar)?.0;
        let file = fresh.root.file(path)?;
        *unpacked = Some(fresh);
        Ok(file)
    }

    /// Unpacks into a fresh directory; gives what is in it.
    fn unpack(&self, name: &str, source: impl Read) -> Result<(Unpacked, LayerIndex), FileError> {
        let failed = |source: ImageError| FileError::Archive { archive: name.to_owned(), source };
        let io = |error: io::Error| failed(ImageError::io("a temporary directory")(error));
        let dir = tempfile::Builder::new().prefix("add-").tempdir_in(self.scratch).map_err(io)?;
        let mut writer = TreeWriter::new(Root::open(dir.path()).map_err(io)?);
        let index = unpack(source, Some(&mut writer)).map_err(failed)?;
        let root = Root::open(dir.path()).map_err(io)?;
        Ok((Unpacked { root, _dir: dir }, index))
    }

    /// What is in a file; `None` if it is no archive.
    fn look(
        &mut self,
        source: &Source<'_>,
        content: &Content,
        name: &str,
    ) -> Result<Option<LayerIndex>, FileError> {
        let context = match source {
            Source::Context(context) => Some(*context),
            _ => None,
        };
        let remembered = context.zip(content.digest).and_then(|(context, digest)| context.archive(&digest));
        let mut archive =
            Archive { name: name.to_owned(), content: content.clone(), unpacked: Mutex::new(None) };
        if let Some(index) = remembered {
            self.known.push(archive);
            return Ok(Some(index));
        }
        let opened = open(std::slice::from_ref(source), self, self.contents.0, content, true)?;
        let mut hashing = HashingReader::new(opened);
        let Some(tar) = archive::recognise(&mut hashing).map_err(unreadable(name))? else { return Ok(None) };
        let (unpacked, index) = self.unpack(name, tar)?;
        archive.unpacked = Mutex::new(Some(unpacked));
        // Behind the archive's end there may be more of the file.
        io::copy(&mut hashing, &mut io::sink()).map_err(unreadable(name))?;
        let (digest, opened) = hashing.into_parts();
        close(opened, content, digest)?;
        if let Some(context) = context {
            context.remember_archive(&digest, &index);
        }
        self.known.push(archive);
        Ok(Some(index))
    }
}

fn unreadable(name: &str) -> impl FnOnce(io::Error) -> FileError {
    let archive = name.to_owned();
    |error| FileError::Archive { archive, source: ImageError::io("an archive")(error) }
}

impl Work<'_, '_> {
    /// Unpacks a file to a directory; false if it is no archive.
    pub(super) fn unpack(
        &mut self,
        source: &Source<'_>,
        content: &Content,
        name: &[u8],
        dest: &ImagePath,
        change: &Changes,
    ) -> Result<bool, FileError> {
        let name = String::from_utf8_lossy(name).into_owned();
        let Some(index) = self.archives.look(source, content, &name)? else { return Ok(false) };
        let number = self.archives.known.len() - 1;
        let dest = self.stage.resolve(dest)?;
        let owner = change.owner.unwrap_or((0, 0));
        self.stage.make_dirs(&dest, Making { mode: 0o755, owner })?;
        let copy_number = self.archives.next_copy();
        let mut dirs: Vec<(ImagePath, Meta)> = Vec::new();
        for entry in index.entries() {
            self.cancel.check()?;
            let member = Member { archive: &name, number, copy_number, index: &index };
            if let Some(dir) = self.member(&member, entry, &dest, change)? {
                dirs.push(dir);
            }
        }
        let source = Some(self.label());
        for (path, meta) in dirs {
            self.stage.set_dir(&path, meta, source);
        }
        Ok(true)
    }

    /// Places one member; gives a directory's place and attributes.
    fn member(
        &mut self,
        member: &Member<'_>,
        entry: &Entry,
        dest: &ImagePath,
        change: &Changes,
    ) -> Result<Option<(ImagePath, Meta)>, FileError> {
        let refuse =
            |why| FileError::Member { archive: member.archive.to_owned(), path: entry.path.clone(), why };
        if entry.kind == Kind::Whiteout {
            return Err(refuse("has there a name that starts with `.wh.`, which means deletion in an image"));
        }
        let follow =
            if entry.kind.is_dir() { entry.path.clone() } else { entry.path.parent().unwrap_or_default() };
        let link = |at: &ImagePath| Ok(self.stage.link(&dest.join(at)));
        let followed = resolve_within(&follow, false, link)?
            .ok_or_else(|| refuse("lies behind a symbolic link that leads out of the destination"))?;
        let place = match entry.path.name() {
            Some(name) if !entry.kind.is_dir() => followed.child(name),
            _ => followed,
        };
        let target = ImagePath::strict(dest.join(&place).as_bytes())?;
        let parent = target.parent().unwrap_or_default();
        self.stage.make_dirs(&parent, Making { mode: 0o755, owner: (0, 0) })?;
        let standing = self.stage.standing(&target);
        let merge = entry.kind.is_dir() && standing == Some(Standing::Dir);
        if standing.is_some() && !merge {
            self.stage.remove_all(&target);
        }
        let mut meta = entry.meta.clone();
        if let Some((uid, gid)) = change.owner {
            (meta.uid, meta.gid) = (uid, gid);
        }
        let (what, same) = member.what(entry).ok_or_else(|| refuse("is a link to nothing"))?;
        let is_dir = what.is_dir();
        if !merge {
            let same = same.map(|same| (member.copy_number, same));
            self.stage
                .put(target.clone(), Node { what, meta: meta.clone(), same, source: Some(self.label()) });
        }
        Ok(is_dir.then_some((target, meta)))
    }
}

/// The archive that is being placed.
struct Member<'m> {
    archive: &'m str,
    number: usize,
    copy_number: usize,
    index: &'m LayerIndex,
}

impl Member<'_> {
    /// What an entry is, and what its other names share.
    fn what(&self, entry: &Entry) -> Option<(What, Option<SameFile>)> {
        let file = |size: u64, digest: FileDigest, path: &ImagePath| {
            let place = Place::Archive(self.number, path.clone());
            let same = SameFile::Entry(DiffId::from_bytes([0; 32]), path.clone());
            (What::File(Content { size, digest: Some(digest), place }), Some(same))
        };
        Some(match &entry.kind {
            Kind::Dir { .. } => (What::Dir, None),
            Kind::File { size, digest } => file(*size, *digest, &entry.path),
            Kind::Hardlink { to } => match self.index.get(to)?.kind {
                Kind::File { size, digest } => file(size, digest, to),
                _ => return None,
            },
            Kind::Symlink { target } => (What::Symlink(target.clone()), None),
            Kind::Char { major, minor } => (What::Char(*major, *minor), None),
            Kind::Block { major, minor } => (What::Block(*major, *minor), None),
            Kind::Fifo => (What::Fifo, None),
            Kind::Whiteout => return None,
        })
    }
}
