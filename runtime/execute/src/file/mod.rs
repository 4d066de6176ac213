//! `COPY`, `ADD`, `WORKDIR`: file actions to the entries of a layer.
//!
//! First everything is decided without reading content: [`resolve`] looks at names and attributes of the root and the
//! sources, and gives a [`Planned`] layer. If every digest is known (a stage's files, contexts in the stat cache), the
//! layer's key is known without reading a byte. Otherwise [`Planned::write`] reads each file once, for its digest, the
//! tar and the tree on disk together.

mod chmod;
mod copy;
mod error;
mod names;
mod open;
mod parents;
mod plan;
mod read_ahead;
pub mod source;
mod stage;
#[cfg(test)]
mod tests;
mod unpack;

use std::path::Path;

use imgc_base::cancel::Cancel;
use imgc_base::digest::FileDigest;
use imgc_graph::{Chmod, FileAction, FileOp, OwnerSpec};
use imgc_image::{Contents, Meta, Tree};

use self::chmod::Change;
use self::copy::{Changes, Destination, Work};
use self::source::{Content, Item, Place, What};
use self::stage::{Making, Stage};
use self::unpack::Archives;
use crate::users::owner;

pub use self::error::FileError;
pub use self::plan::Planned;
pub use self::source::Source;

/// What file actions need besides their inputs.
#[derive(Clone, Copy)]
pub struct FileCx<'a> {
    /// The bytes of files in layers.
    pub contents: &'a dyn Contents,
    /// The time of the step, in seconds since 1970.
    pub time: i64,
    /// A directory for unpacked archives, on the store's file system.
    pub scratch: &'a Path,
    /// Asked to stop.
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for FileCx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileCx").field("time", &self.time).finish_non_exhaustive()
    }
}

/// Decides what file actions do to a root. `inputs` are the op's inputs after the root: number 1 is the first.
pub fn resolve<'a>(
    op: &FileOp,
    root: &'a Tree,
    inputs: &'a [Source<'a>],
    cx: &FileCx<'a>,
) -> Result<Planned<'a>, FileError> {
    let link = op.actions.iter().any(|action| matches!(action, FileAction::Copy(copy) if copy.link));
    let mut stage = Stage::new((!link).then_some(root), cx.time);
    let mut archives = Archives::new(cx.scratch, cx.contents);
    let mut labels = Vec::new();
    let names = |spec: Option<&OwnerSpec>| -> Result<Option<(u32, u32)>, FileError> {
        let Some(spec) = spec else { return Ok(None) };
        if link && is_named(spec) {
            let group = spec.group.as_ref().map(|group| format!(":{group}")).unwrap_or_default();
            return Err(FileError::LinkOwner(format!("{}{group}", spec.user)));
        }
        Ok(Some(owner(root, cx.contents, spec)?))
    };
    for action in &op.actions {
        cx.cancel.check()?;
        match action {
            FileAction::MakeDir { path, owner } => {
                let making = Making { mode: 0o755, owner: names(owner.as_ref())?.unwrap_or((0, 0)) };
                let path = stage.resolve(path)?;
                stage.make_dirs(&path, making)?;
            }
            FileAction::Write { dest, name, into_dir, content, chmod, owner } => {
                let change = changes(chmod.as_ref(), names(owner.as_ref())?, true)?;
                let item = in_place(name, content)?;
                labels.push(format!("`<<{name}`"));
                archives.label = labels.len() - 1;
                let mut work = work(&mut stage, &mut archives, &mut labels, cx);
                let to = Destination { path: dest, into_dir: *into_dir, several: false };
                work.place(&Source::None, 0, &item, name.as_bytes(), to, &change, None)?;
            }
            FileAction::Copy(copy) => {
                let input = copy.from.input;
                let source =
                    input.checked_sub(1).and_then(|at| inputs.get(at)).ok_or(FileError::Input(input))?;
                let change = changes(copy.chmod.as_ref(), names(copy.owner.as_ref())?, copy.from.foreign)?;
                archives.label = labels.len();
                work(&mut stage, &mut archives, &mut labels, cx).copy(copy, source, &change)?;
            }
        }
    }
    Ok(Planned::new(stage.finish(), labels, inputs, archives, *cx))
}

fn work<'a, 'w>(
    stage: &'w mut Stage<'a>,
    archives: &'w mut Archives<'a>,
    labels: &'w mut Vec<String>,
    cx: &FileCx<'a>,
) -> Work<'a, 'w> {
    Work { stage, archives, time: cx.time, cancel: cx.cancel, labels }
}

fn changes(chmod: Option<&Chmod>, owner: Option<(u32, u32)>, foreign: bool) -> Result<Changes, FileError> {
    Ok(Changes { chmod: chmod.map(Change::new).transpose()?, owner, foreign })
}

/// A file whose content stands in the build file: 0644, 0:0.
fn in_place(name: &str, content: &[u8]) -> Result<Item, FileError> {
    let bytes = Content {
        size: content.len() as u64,
        digest: Some(FileDigest::of(content)),
        place: Place::Bytes(content.into()),
    };
    let meta = Meta { mode: 0o644, ..Meta::default() };
    Ok(Item { path: imgc_base::ImagePath::clean(name)?, what: What::File(bytes), meta, same: None })
}

/// True if the owner cannot be known without the root's files.
fn is_named(spec: &OwnerSpec) -> bool {
    let named = |text: &str| !text.is_empty() && text != "root" && !text.bytes().all(|b| b.is_ascii_digit());
    named(&spec.user) || spec.group.as_deref().is_some_and(named)
}
