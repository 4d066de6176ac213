//! Small files are opened, read and hashed ahead of the writer, several at a time.
//!
//! The writer takes files in path order, one by one; opening a small file costs more than reading it. Memory is
//! bounded: at most three batches of [`BATCH_BYTES`] (one being read, one waiting, one being written).

use std::io::Read;
use std::sync::mpsc::sync_channel;

use imgc_base::digest::FileDigest;
use rayon::prelude::*;

use super::error::FileError;
use super::open::Bytes;
use super::plan::close;
use super::source::{Content, Place, Xattrs};
use super::stage::Final;

/// The largest file that is read ahead, in bytes.
const SMALL: u64 = 128 << 10;
/// Bytes of one batch.
const BATCH_BYTES: u64 = 4 << 20;
/// Files of one batch.
const BATCH_FILES: usize = 512;
/// Fewer small files than this are not worth a thread.
const WORTH: usize = 8;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its content.
    pub(super) bytes: Vec<u8>,
    /// The content's digest.
    pub(super) digest: FileDigest,
    /// Its attributes.
    pub(super) xattrs: Xattrs,
}

/// Calls `each` for every planned entry, in order, with the file if it was read ahead.
pub(super) fn run<'a>(
    entries: &[Final],
    open: &(dyn Fn(&Content) -> Result<Bytes<'a>, FileError> + Sync),
    mut each: impl FnMut(&Final, Option<Ready>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let small: Vec<&Final> = entries.iter().filter(|planned| is_small(planned)).collect();
    if small.len() < WORTH {
        return entries.iter().try_for_each(|planned| each(planned, None));
    }
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<Result<Ready, FileError>>>(1);
        scope.spawn(move || {
            for batch in batches(&small) {
                let read = batch.par_iter().map(|planned| read(planned, open)).collect();
                // The writer has stopped: its error is the one that counts.
                if sender.send(read).is_err() {
                    return;
                }
            }
        });
        let mut ready = Vec::new().into_iter();
        for planned in entries {
            if !is_small(planned) {
                each(planned, None)?;
                continue;
            }
            if ready.len() == 0 {
                ready = receiver.recv().unwrap_or_default().into_iter();
            }
            // A batch is never empty while files are left.
            let next = ready.next().unwrap_or_else(|| Err(FileError::Changed(planned.entry.path.clone())))?;
            each(planned, Some(next))?;
        }
        Ok(())
    })
}

fn is_small(planned: &Final) -> bool {
    planned
        .content
        .as_ref()
        .is_some_and(|content| content.size <= SMALL && matches!(content.place, Place::Context(..)))
}

/// Cuts the list so that no batch is over its limits.
fn batches<'b, 'f>(small: &'b [&'f Final]) -> impl Iterator<Item = &'b [&'f Final]> {
    let mut rest = small;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = |planned: &&Final| {
            bytes += planned.content.as_ref().map_or(0, |content| content.size);
            bytes <= BATCH_BYTES
        };
        let count = rest.iter().take(BATCH_FILES).take_while({
            let mut fits = fits;
            move |planned| fits(planned)
        });
        let count = count.count().max(1);
        let (batch, tail) = rest.split_at(count);
        rest = tail;
        Some(batch)
    })
}

fn read<'a>(
    planned: &Final,
    open: &(dyn Fn(&Content) -> Result<Bytes<'a>, FileError> + Sync),
) -> Result<Ready, FileError> {
    let changed = || FileError::Changed(planned.entry.path.clone());
    let content = planned.content.as_ref().ok_or_else(changed)?;
    let mut source = open(content)?;
    let mut bytes = Vec::with_capacity(content.size as usize + 1);
    (&mut source)
        .take(content.size + 1)
        .read_to_end(&mut bytes)
        .map_err(imgc_image::ImageError::at("read", &planned.entry.path))?;
    if bytes.len() as u64 != content.size {
        return Err(changed());
    }
    let digest = FileDigest::of(&bytes);
    let xattrs = close(source, content, digest)?.unwrap_or_default();
    Ok(Ready { bytes, digest, xattrs })
}
