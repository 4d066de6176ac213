//! A stream's digest, taken on a thread of its own while the writer goes on.
//!
//! The tar of a layer is hashed for its diff-id beside the digest of each file in it: two SHA-256 passes, which one
//! thread would do one after the other. Short streams are hashed where they are written and start no thread.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use imgc_base::digest::{DiffId, Hasher};

/// Bytes handed over at once.
const BLOCK: usize = 256 << 10;
/// Blocks on their way; with the one being filled and the one being hashed they bound the memory.
const AHEAD: usize = 4;

/// Hashes what is written.
#[derive(Debug, Default)]
pub struct Digester {
    block: Vec<u8>,
    aside: Option<Aside>,
}

#[derive(Debug)]
struct Aside {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Hasher>,
}

impl Digester {
    /// Starts an empty hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// The digest of all that was written, as a layer's name.
    pub fn finish(self) -> io::Result<DiffId> {
        let mut hasher = Hasher::new();
        if let Some(aside) = self.aside {
            drop(aside.full);
            hasher = aside.thread.join().map_err(|_| ended_early())?;
        }
        hasher.update(&self.block);
        Ok(DiffId::finish(hasher))
    }

    /// Hands the full block over and takes an empty one.
    fn hand_over(&mut self) -> io::Result<()> {
        if self.aside.is_none() {
            self.aside = Some(Aside::start()?);
        }
        let Some(aside) = &self.aside else { return Ok(()) };
        let next = aside.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
        aside.full.send(std::mem::replace(&mut self.block, next)).map_err(|_| ended_early())
    }
}

impl Aside {
    fn start() -> io::Result<Self> {
        let (full, blocks) = sync_channel::<Vec<u8>>(AHEAD);
        let (back, empty): (Sender<Vec<u8>>, _) = channel();
        let thread = std::thread::Builder::new().name("digest".to_owned()).spawn(move || {
            let mut hasher = Hasher::new();
            for mut block in blocks {
                hasher.update(&block);
                block.clear();
                // The writer may be gone already; then nobody needs the block.
                back.send(block).ok();
            }
            hasher
        })?;
        Ok(Self { full, empty, thread })
    }
}

fn ended_early() -> io::Error {
    io::Error::other("a hashing thread ended early")
}

impl Write for Digester {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.hand_over()?;
        }
        let taken = buf.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&buf[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_digest_as_at_once() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 20 * BLOCK + 7] {
            let data: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
            for chunk in [3 * BLOCK, 100_003] {
                let mut digester = Digester::new();
                for part in data.chunks(chunk) {
                    digester.write_all(part).unwrap();
                }
                assert_eq!(digester.finish().unwrap(), DiffId::of(&data), "{length} in {chunk}");
            }
        }
    }

    #[test]
    fn dropped_early_it_ends() {
        let mut digester = Digester::new();
        digester.write_all(&vec![1; 10 * BLOCK]).unwrap();
        drop(digester);
    }
}
