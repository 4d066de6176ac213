//! A build context that comes as a stream: an archive becomes a directory, anything else is the build file itself.

use std::fs::File;
use std::io::{BufReader, Read};

use imgc_base::cancel::Cancel;
use imgc_base::ignore::Ignore;
use imgc_image::unpack::{TreeWriter, unpack};
use imgc_image::{ImageError, Kind, Root};
use imgc_store::Store;

use super::FetchError;
use super::archive;
use crate::context::{Context, StatCache};

/// How long a build file may be, in bytes.
const MAX_TEXT: u64 = 16 << 20;

/// What a stream was.
#[derive(Debug)]
pub enum Delivered {
    /// An archive, unpacked. The directory goes with the context.
    Context(Box<Context>),
    /// The text of a build file; there is no context.
    Text(Vec<u8>),
}

/// Takes a stream: `from` says in messages where it comes from.
pub fn stream(
    store: &Store,
    from: &str,
    source: impl Read,
    cancel: &Cancel,
) -> Result<Delivered, FetchError> {
    let failed = |source: ImageError| FetchError::Stream { from: from.to_owned(), source };
    let broken = |error: std::io::Error| failed(ImageError::io("a stream")(error));
    let (is_archive, mut source) = archive::peek(Stoppable { source, cancel }).map_err(broken)?;
    if !is_archive {
        let mut text = Vec::new();
        source.by_ref().take(MAX_TEXT + 1).read_to_end(&mut text).map_err(broken)?;
        cancel.check()?;
        if text.len() as u64 > MAX_TEXT {
            return Err(FetchError::Large { url: from.to_owned(), limit: MAX_TEXT });
        }
        return Ok(Delivered::Text(text));
    }
    let work = store.work_dir("context")?;
    let dir = work.subdir("tree")?;
    let root = Root::open(&dir).map_err(FetchError::io("open a work directory"))?;
    let tar = archive::decompress(source).map_err(broken)?;
    let index = unpack(tar, Some(&mut TreeWriter::new(root)));
    cancel.check()?;
    let index = index.map_err(failed)?;
    if let Some(entry) = index.entries().iter().find(|entry| entry.kind == Kind::Whiteout) {
        return Err(failed(ImageError::WhiteoutName(entry.path.clone())));
    }
    let context = Context::open(&dir, Ignore::default(), &StatCache::default())?;
    Ok(Delivered::Context(Box::new(context.holding(work))))
}

/// Ends a stream early when the build was asked to stop.
struct Stoppable<'c, R> {
    source: R,
    cancel: &'c Cancel,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.cancel.check().map_err(std::io::Error::other)?;
        self.source.read(buf)
    }
}

/// A fetched file as a stream.
impl super::Fetched {
    /// Opens the content.
    pub fn open(&self) -> Result<BufReader<File>, FetchError> {
        let file = File::open(self.path()).map_err(FetchError::io("open a download"))?;
        Ok(BufReader::new(file))
    }
}
