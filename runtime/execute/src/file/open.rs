//! Opening the bytes of a planned file, wherever they are.

use std::fs::File;
use std::io::{self, Read};

use imgc_image::{Contents, ImageError};

use super::error::FileError;
use super::source::{Content, Place, Source};
use super::unpack::Archives;
use crate::context::{Context, Opened};

/// A file being read once.
pub(super) enum Bytes<'a> {
    /// Of a context: checked and remembered at the end.
    Context(&'a Context, Opened),
    /// A plain file.
    File(File),
    /// Out of a layer.
    Stream(Box<dyn Read + Send + 'a>),
    /// In memory.
    Memory(io::Cursor<std::sync::Arc<[u8]>>),
}

impl std::fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bytes")
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Context(_, opened) => opened.file.read(buf),
            Self::File(file) => file.read(buf),
            Self::Stream(stream) => stream.read(buf),
            Self::Memory(memory) => memory.read(buf),
        }
    }
}

/// Opens the content. `inputs` are those of the step; with `single`, the only one given is the one meant.
pub(super) fn open<'a>(
    inputs: &[Source<'a>],
    archives: &Archives<'_>,
    contents: &'a dyn Contents,
    content: &Content,
    single: bool,
) -> Result<Bytes<'a>, FileError> {
    Ok(match &content.place {
        Place::Context(input, path, signature) => {
            let at = if single { 0 } else { input.wrapping_sub(1) };
            let Some(Source::Context(context)) = inputs.get(at) else { return Err(FileError::Input(*input)) };
            Bytes::Context(context, context.open_file(path, signature)?)
        }
        Place::Layer(layer, path) => {
            Bytes::Stream(contents.open(layer, path).map_err(ImageError::at("open", path))?)
        }
        Place::Bytes(bytes) => Bytes::Memory(io::Cursor::new(std::sync::Arc::clone(bytes))),
        Place::Host(path) => Bytes::File(File::open(path).map_err(ImageError::io("a downloaded file"))?),
        Place::Archive(number, path) => Bytes::File(archives.open(inputs, *number, path)?),
        Place::Empty => Bytes::Stream(Box::new(io::empty())),
    })
}
