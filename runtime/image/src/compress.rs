//! gzip and zstd: the same bytes for any number of threads and any way of writing.
//!
//! gzip: the input is cut into blocks of [`BLOCK`] bytes, each block is one call of libdeflate and one gzip member
//! (RFC 1952 section 2.2 allows several), so neither the caller's chunking nor the thread count can matter. zstd is
//! always run with at least one worker: zero workers give other bytes than one or more (facebook/zstd #2238).
//! What decides the bytes (block size, level, library) belongs to the format version; see `spec/reproducibility.md`.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvError, TryRecvError, sync_channel};

use libdeflater::{CompressionLvl, Compressor as Deflate};

/// Uncompressed bytes of one gzip member.
pub const BLOCK: usize = 1 << 20;
/// Bytes that an uncompressed layer's small writes gather to.
const BUFFER: usize = 256 << 10;
/// Blocks on their way at most, so that many cores do not mean much memory.
const PENDING: usize = 32;
/// Level of gzip in format 1.
const GZIP_LEVEL: i32 = 6;
/// Level of zstd in format 1.
const ZSTD_LEVEL: i32 = 3;

/// How the blob of a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// The widest reach.
    #[default]
    Gzip,
    /// Smaller and faster; needs a newer runtime.
    Zstd,
}

impl Compression {
    /// The media type of a layer compressed this way (OCI image-spec `media-types.md`).
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// The name in options and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Compresses what is written into `sink`.
pub struct Compressor<W: Write> {
    inner: Inner<W>,
}

enum Inner<W: Write> {
    None(io::BufWriter<W>),
    Gzip(Gzip<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> std::fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

impl<W: Write> Compressor<W> {
    /// Starts.
    pub fn new(compression: Compression, sink: W) -> io::Result<Self> {
        let inner = match compression {
            Compression::None => Inner::None(io::BufWriter::with_capacity(BUFFER, sink)),
            Compression::Gzip => Inner::Gzip(Gzip::new(sink)),
            Compression::Zstd => {
                #[expect(clippy::disallowed_methods, reason = "this is the one place; it sets the workers")]
                let mut encoder = zstd::Encoder::new(sink, ZSTD_LEVEL)?;
                encoder.multithread(2)?;
                encoder.include_checksum(true)?;
                Inner::Zstd(encoder)
            }
        };
        Ok(Self { inner })
    }

    /// Writes what is left and gives the sink back.
    pub fn finish(self) -> io::Result<W> {
        match self.inner {
            Inner::None(sink) => sink.into_inner().map_err(io::IntoInnerError::into_error),
            Inner::Gzip(gzip) => gzip.finish(),
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::None(sink) => sink.write(buf),
            Inner::Gzip(gzip) => gzip.write(buf),
            Inner::Zstd(encoder) => encoder.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Blocks on their way through the thread pool, in order. Memory: one block being filled, and two per thread.
struct Gzip<W: Write> {
    sink: W,
    block: Vec<u8>,
    pending: VecDeque<Receiver<Vec<u8>>>,
    limit: usize,
    written: bool,
}

impl<W: Write> Gzip<W> {
    fn new(sink: W) -> Self {
        let limit = rayon::current_num_threads().min(PENDING) + 1;
        Self { sink, block: Vec::with_capacity(BLOCK), pending: VecDeque::new(), limit, written: false }
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let room = BLOCK - self.block.len();
        let taken = buf.len().min(room);
        self.block.extend_from_slice(&buf[..taken]);
        if self.block.len() == BLOCK {
            self.send()?;
        }
        Ok(taken)
    }

    /// Hands the full block to the pool; waits for the oldest one when enough are on their way.
    fn send(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let (sender, receiver) = sync_channel(1);
        rayon::spawn(move || {
            // The receiver is gone only if the writer was dropped: then nobody wants the block.
            sender.send(gzip_member(&block)).ok();
        });
        self.pending.push_back(receiver);
        self.written = true;
        if self.pending.len() > self.limit {
            self.receive()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let Some(receiver) = self.pending.pop_front() else { return Ok(()) };
        let member = wait(&receiver).map_err(|_| io::Error::other("a compressing thread ended early"))?;
        self.sink.write_all(&member)
    }

    fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() || !self.written {
            self.send()?;
        }
        while !self.pending.is_empty() {
            self.receive()?;
        }
        Ok(self.sink)
    }
}

/// Waits for a block. A thread of the pool itself works on other blocks meanwhile: were it to sleep, a pool of one
/// thread would wait for itself.
fn wait(receiver: &Receiver<Vec<u8>>) -> Result<Vec<u8>, RecvError> {
    loop {
        match receiver.try_recv() {
            Ok(member) => return Ok(member),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) => match rayon::yield_now() {
                Some(rayon::Yield::Executed) => {}
                Some(rayon::Yield::Idle) => std::thread::yield_now(),
                None => return receiver.recv(),
            },
        }
    }
}

/// One gzip member; the header has no name and no time.
fn gzip_member(block: &[u8]) -> Vec<u8> {
    let level = CompressionLvl::new(GZIP_LEVEL).expect("6 is a level of libdeflate");
    let mut deflate = Deflate::new(level);
    let mut out = vec![0; deflate.gzip_compress_bound(block.len())];
    let length =
        deflate.gzip_compress(block, &mut out).expect("the buffer has the size that libdeflate asked for");
    out.truncate(length);
    out
}

/// Finds the compression from the first bytes of a stream: gzip and zstd by their magic numbers, else none.
pub fn sniff(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Reads a stream that may be compressed, by its first bytes.
pub fn reader<'a, R: Read + 'a>(mut source: R) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = [0; 4];
    let mut length = 0;
    while length < head.len() {
        match source.read(&mut head[length..])? {
            0 => break,
            count => length += count,
        }
    }
    let compression = sniff(&head[..length]);
    let source = io::Cursor::new(head).take(length as u64).chain(source);
    Ok(match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(zstd::Decoder::new(source)?),
    })
}

#[cfg(test)]
mod tests {
    use imgc_base::digest::BlobDigest;
    use proptest::prelude::*;

    use super::*;

    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        (0..length)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if at % 3 == 0 { (state >> 24) as u8 } else { b'a' }
            })
            .collect()
    }

    fn compress(kind: Compression, data: &[u8], chunk: usize) -> Vec<u8> {
        let mut compressor = Compressor::new(kind, Vec::new()).unwrap();
        for part in data.chunks(chunk) {
            compressor.write_all(part).unwrap();
        }
        compressor.finish().unwrap()
    }

    #[test]
    fn same_bytes_for_any_threads_and_chunks() {
        let data = sample(3 * BLOCK + 17);
        for kind in [Compression::Gzip, Compression::Zstd] {
            let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let four = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
            let digests = [
                one.install(|| compress(kind, &data, 7777)),
                four.install(|| compress(kind, &data, BLOCK)),
                compress(kind, &data, data.len()),
            ]
            .map(|bytes| BlobDigest::of(&bytes));
            assert_eq!(digests[0], digests[1], "{kind:?}");
            assert_eq!(digests[0], digests[2], "{kind:?}");
        }
    }

    /// The compressor belongs to the format version: these digests never change within format 1.
    #[test]
    fn format_1_bytes() {
        let data = sample(BLOCK + 1000);
        let digest = |kind| BlobDigest::of(&compress(kind, &data, 4096)).short();
        assert_eq!([digest(Compression::Gzip), digest(Compression::Zstd)], GOLDEN);
    }
    const GOLDEN: [&str; 2] = ["01cead0d52d6", "c5dbccadb47f"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn reads_back(length in 0usize..5000, chunk in 1usize..700) {
            let data = sample(length);
            for kind in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let bytes = compress(kind, &data, chunk);
                let mut back = Vec::new();
                reader(bytes.as_slice()).unwrap().read_to_end(&mut back).unwrap();
                prop_assert_eq!(&back, &data);
            }
        }
    }
}
