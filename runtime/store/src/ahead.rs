//! Reading ahead on a thread of its own: a layer is decompressed while what came before is hashed and written.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes handed over at once.
const BLOCK: usize = 256 << 10;
/// Blocks on their way; with the two being filled and read they bound the memory.
const AHEAD: usize = 4;

/// Gives what another thread reads.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl ReadAhead {
    /// Starts a thread that opens a source and reads it. It ends with the source, or when nobody reads any more.
    pub(crate) fn start<F>(open: F) -> io::Result<Self>
    where
        F: FnOnce() -> io::Result<Box<dyn Read>> + Send + 'static,
    {
        let (sender, blocks) = sync_channel(AHEAD);
        std::thread::Builder::new().name("imgc-read-ahead".to_owned()).spawn(move || {
            if let Err(error) = open().and_then(|source| send_all(source, &sender)) {
                // Without a reader nobody wants to know.
                sender.send(Err(error)).ok();
            }
        })?;
        Ok(Self { blocks, block: Vec::new(), at: 0, ended: false })
    }
}

/// An empty block says that the source ended; a thread that ends without it failed.
fn send_all(mut source: Box<dyn Read>, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        let count = source.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if sender.send(Ok(block)).is_err() || count == 0 {
            return Ok(());
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.ended {
            self.block =
                self.blocks.recv().map_err(|_| io::Error::other("a reading thread ended early"))??;
            self.at = 0;
            self.ended = self.block.is_empty();
        }
        let count = buf.len().min(self.block.len() - self.at);
        buf[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_the_source_has() {
        for length in [0, 1, BLOCK, BLOCK + 1, 9 * BLOCK + 5] {
            let data: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let source = io::Cursor::new(data.clone());
            let mut ahead = ReadAhead::start(move || Ok(Box::new(source) as Box<dyn Read>)).unwrap();
            let mut back = Vec::new();
            ahead.read_to_end(&mut back).unwrap();
            assert!(back == data, "{length}");
            assert_eq!(ahead.read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn errors_come_after_what_was_read_and_panics_are_errors() {
        struct Breaks(u8);
        impl Read for Breaks {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or_else(|| io::Error::other("broken"))?;
                buf[0] = 7;
                Ok(1)
            }
        }
        let mut ahead = ReadAhead::start(|| Ok(Box::new(Breaks(2)) as Box<dyn Read>)).unwrap();
        assert_eq!(ahead.read_to_end(&mut Vec::new()).unwrap_err().to_string(), "broken");
        let mut ahead = ReadAhead::start(|| Err(io::Error::other("closed"))).unwrap();
        assert_eq!(ahead.read(&mut [0]).unwrap_err().to_string(), "closed");
    }

    #[test]
    fn the_thread_ends_when_nobody_reads() {
        let ahead = ReadAhead::start(|| Ok(Box::new(io::repeat(1)) as Box<dyn Read>)).unwrap();
        // It would block for ever on a full channel otherwise.
        drop(ahead);
    }
}
