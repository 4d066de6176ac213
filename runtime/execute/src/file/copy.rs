//! One copy: sources to places, as the reference does it.
//!
//! | source | destination | result |
//! |---|---|---|
//! | file | `x/`, or a directory | `x/NAME` |
//! | file | `x`, nothing there | `x`, with parents |
//! | file | `x`, a file or link there | replaced; a link is followed first |
//! | directory | `x`, nothing there | its content in a new `x`: 0755, `--chown` or 0:0 |
//! | directory | `x`, a directory | its content; `x` itself is left as it is, nested directories get the source's attributes |
//! | directory | `x`, anything else | an error |

use std::collections::BTreeMap;

use imgc_base::cancel::Cancel;
use imgc_base::ignore::Ignore;
use imgc_base::path::ImagePath;
use imgc_graph::{Copy, Unpack};
use imgc_image::Meta;

use super::chmod::Change;
use super::error::FileError;
use super::source::{Content, Item, Place, Source, What, bounded};
use super::stage::{Making, Node, Stage, Standing};
use super::unpack::Archives;
use super::{names, parents};

/// What all copies of one step share.
#[derive(Debug)]
pub(super) struct Work<'a, 'w> {
    /// Onto what.
    pub(super) stage: &'w mut Stage<'a>,
    /// Archives unpacked so far.
    pub(super) archives: &'w mut Archives<'a>,
    /// The time of the step.
    pub(super) time: i64,
    /// Asked to stop.
    pub(super) cancel: &'a Cancel,
    /// Names of the sources, for keys: each copied root adds one.
    pub(super) labels: &'w mut Vec<String>,
}

/// How the copied files are changed on the way.
#[derive(Debug)]
pub(super) struct Changes {
    /// `--chmod`.
    pub(super) chmod: Option<Change>,
    /// `--chown`, as numbers.
    pub(super) owner: Option<(u32, u32)>,
    /// The source has no owners and times of its own.
    pub(super) foreign: bool,
}

impl Changes {
    /// How directories are made that no source has.
    pub(super) fn making(&self) -> Making {
        Making { mode: Change::made_directory(self.chmod.as_ref()), owner: self.owner.unwrap_or((0, 0)) }
    }

    /// The attributes that an item gets.
    pub(super) fn meta(&self, item: &Item, time: i64) -> Meta {
        let mut meta = item.meta.clone();
        if self.foreign {
            (meta.uid, meta.gid, meta.mtime) = (0, 0, time);
        }
        if let Some((uid, gid)) = self.owner {
            (meta.uid, meta.gid) = (uid, gid);
        }
        if let Some(chmod) = &self.chmod
            && !matches!(item.what, What::Symlink(_))
        {
            meta.mode = chmod.apply(meta.mode, item.what.is_dir());
        }
        meta
    }
}

/// Where to, and how it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'c> {
    /// Where to.
    pub(super) path: &'c ImagePath,
    /// Written with a slash behind it.
    pub(super) into_dir: bool,
    /// Several sources go there.
    pub(super) several: bool,
}

impl Work<'_, '_> {
    /// Does one copy.
    pub(super) fn copy(
        &mut self,
        copy: &Copy,
        source: &Source<'_>,
        change: &Changes,
    ) -> Result<(), FileError> {
        let exclude = if copy.exclude.is_empty() { None } else { Some(Ignore::new(&copy.exclude)?) };
        let input = copy.from.input;
        if let Source::File { path, name, mtime, digest } = *source {
            let item = host_file(path, name, mtime, digest)?;
            // A file from elsewhere has a time of its own.
            let change = Changes { chmod: change.chmod.clone(), owner: change.owner, foreign: false };
            let to =
                Destination { path: &copy.dest, into_dir: copy.into_dir, several: copy.sources.len() > 1 };
            self.labels.push(format!("`{name}`"));
            return self.one(copy, source, &item, name.as_bytes(), to, &change, None);
        }
        if copy.parents {
            for text in &copy.sources {
                self.labels.push(format!("`{text}`"));
                parents::copy(self, copy, source, text, exclude.as_ref(), change)?;
            }
            return Ok(());
        }
        let mut found = Vec::new();
        for text in &copy.sources {
            let label = self.labels.len();
            self.labels.push(format!("`{text}`"));
            found.extend(names::expand(source, input, text)?.into_iter().map(|path| (label, path)));
        }
        let to = Destination { path: &copy.dest, into_dir: copy.into_dir, several: found.len() > 1 };
        for (label, path) in found {
            self.cancel.check()?;
            let item = names::find(source, input, &path)?;
            let name = path.name().unwrap_or_default();
            self.labelled(label, |work| work.one(copy, source, &item, name, to, change, exclude.as_ref()))?;
        }
        Ok(())
    }

    /// Runs with an earlier label as the current one.
    fn labelled(
        &mut self,
        label: usize,
        run: impl FnOnce(&mut Self) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        self.archives.label = label;
        run(self)
    }

    /// Number of the source that is being copied.
    pub(super) fn label(&self) -> usize {
        self.archives.label
    }

    /// Copies one item, unpacking it if it is an archive and that was asked for.
    #[expect(clippy::too_many_arguments, reason = "they are what a copy consists of")]
    fn one(
        &mut self,
        copy: &Copy,
        source: &Source<'_>,
        item: &Item,
        name: &[u8],
        to: Destination<'_>,
        change: &Changes,
        exclude: Option<&Ignore>,
    ) -> Result<(), FileError> {
        if copy.unpack == Unpack::Archives
            && let What::File(content) = &item.what
            && self.unpack(source, content, name, to.path, change)?
        {
            return Ok(());
        }
        self.place(source, copy.from.input, item, name, to, change, exclude)
    }

    /// Copies one item to its place.
    #[expect(clippy::too_many_arguments, reason = "they are what a copy consists of")]
    pub(super) fn place(
        &mut self,
        source: &Source<'_>,
        input: usize,
        item: &Item,
        name: &[u8],
        to: Destination<'_>,
        change: &Changes,
        exclude: Option<&Ignore>,
    ) -> Result<(), FileError> {
        let making = change.making();
        let is_dir = item.what.is_dir();
        if !is_dir && exclude.is_some_and(|exclude| excludes_name(exclude, name)) {
            return Ok(());
        }
        let ensured = if to.into_dir { to.path.clone() } else { to.path.parent().unwrap_or_default() };
        let ensured = self.stage.resolve(&ensured)?;
        self.stage.make_dirs(&ensured, making)?;
        let mut dest = self.stage.resolve(to.path)?;
        match self.stage.standing(&dest) {
            Some(Standing::Dir) if !is_dir => dest = ImagePath::strict(dest.child(name).as_bytes())?,
            Some(_) => {}
            None if is_dir => self.stage.make_dirs(&dest, making)?,
            // A link may lead to a place whose directory is not there.
            None => self.stage.make_dirs(&dest.parent().unwrap_or_default(), making)?,
        }
        if is_dir {
            if let Some(standing) = self.stage.standing(&dest).filter(|standing| *standing != Standing::Dir) {
                return Err(FileError::FileToDir { path: dest, noun: standing.noun() });
            }
            let items = source.below(input, &item.path)?;
            return self.content(&item.path, items, &dest, change, exclude);
        }
        if to.several && dest == self.stage.resolve(to.path)? {
            return Err(FileError::SeveralToOne(to.path.clone()));
        }
        let copy_number = self.archives.next_copy();
        self.leaf(copy_number, item.clone(), dest, change)
    }

    /// Copies what is below a directory into one that exists.
    fn content(
        &mut self,
        from: &ImagePath,
        items: Vec<Item>,
        to: &ImagePath,
        change: &Changes,
        exclude: Option<&Ignore>,
    ) -> Result<(), FileError> {
        let copy_number = self.archives.next_copy();
        // Directories get their attributes when their content is there, which changes their time.
        let mut dirs: Vec<(ImagePath, Meta)> = Vec::new();
        // Excluded directories come back only for what an exception keeps in them.
        let mut absent: BTreeMap<ImagePath, Item> = BTreeMap::new();
        for (count, item) in items.into_iter().enumerate() {
            if count % 1024 == 0 {
                self.cancel.check()?;
            }
            let below = item.path.strip_prefix(from).unwrap_or_default();
            if let Some(exclude) = exclude {
                if exclude.excludes(&below) {
                    if item.what.is_dir() && !exclude.prunes(&below) {
                        absent.insert(item.path.clone(), item);
                    }
                    continue;
                }
                let above: Vec<ImagePath> = item.path.ancestors().collect();
                for at in above {
                    if let Some(item) = absent.remove(&at) {
                        let below = at.strip_prefix(from).unwrap_or_default();
                        dirs.push(self.directory(&item, to.join(&below), change)?);
                    }
                }
            }
            let target = bounded(to.join(&below))?;
            if item.what.is_dir() {
                dirs.push(self.directory(&item, target, change)?);
            } else {
                self.leaf(copy_number, item, target, change)?;
            }
        }
        let source = Some(self.label());
        for (path, meta) in dirs {
            self.stage.set_dir(&path, meta, source);
        }
        Ok(())
    }

    /// Makes a nested directory unless it is there; gives the attributes that it shall get in the end.
    pub(super) fn directory(
        &mut self,
        item: &Item,
        target: ImagePath,
        change: &Changes,
    ) -> Result<(ImagePath, Meta), FileError> {
        let meta = change.meta(item, self.time);
        match self.stage.standing(&target) {
            Some(Standing::Dir) => {}
            None => {
                let node =
                    Node { what: What::Dir, meta: meta.clone(), same: None, source: Some(self.label()) };
                self.stage.put(target.clone(), node);
            }
            Some(other) => return Err(FileError::FileToDir { path: target, noun: other.noun() }),
        }
        Ok((target, meta))
    }

    /// Puts anything but a directory; what stands there goes.
    pub(super) fn leaf(
        &mut self,
        copy_number: usize,
        item: Item,
        target: ImagePath,
        change: &Changes,
    ) -> Result<(), FileError> {
        if self.stage.standing(&target) == Some(Standing::Dir) {
            return Err(FileError::DirToFile(target));
        }
        let meta = change.meta(&item, self.time);
        let same = item.same.map(|same| (copy_number, same));
        let node = Node { what: item.what, meta, same, source: Some(self.label()) };
        self.stage.put(target, node);
        Ok(())
    }
}

/// A copied file is its own root: patterns see its name.
fn excludes_name(exclude: &Ignore, name: &[u8]) -> bool {
    ImagePath::strict(name).is_ok_and(|name| exclude.excludes(&name))
}

/// A file from elsewhere: 0600, 0:0, its own time.
fn host_file(
    path: &std::path::Path,
    name: &str,
    mtime: i64,
    digest: Option<imgc_base::FileDigest>,
) -> Result<Item, FileError> {
    let size = fs_err::metadata(path).map_err(imgc_image::ImageError::io("a downloaded file"))?.len();
    let content = Content { size, digest, place: Place::Host(path.to_owned()) };
    let meta = Meta { mode: 0o600, mtime, ..Meta::default() };
    Ok(Item { path: ImagePath::clean(name)?, what: What::File(content), meta, same: None })
}
