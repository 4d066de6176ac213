//! One copy buffer for each thread: a layer has tens of thousands of small files, and clearing a buffer for each of
//! them would cost more than reading them.

use std::cell::Cell;

/// Bytes of the buffer.
const SIZE: usize = 256 << 10;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's buffer. A call inside a call gets a buffer of its own.
pub(crate) fn with<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = BUFFER.take();
    buffer.resize(SIZE, 0);
    let result = work(&mut buffer);
    BUFFER.set(buffer);
    result
}
