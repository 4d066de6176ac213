//! The output of a step as lines: to whoever watches, and the last ones for its error.

use std::collections::VecDeque;

use imgc_base::event::{Event, Stream};

use crate::op::secrets::Hidden;
use crate::run::Build;

/// Lines kept for the error of a failed step.
const TAIL: usize = 40;
/// Longest line, in bytes; a longer one is cut into several.
const LINE: usize = 16 << 10;

/// Takes bytes, gives lines.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    build: &'a Build<'a>,
    step: &'a str,
    hidden: Hidden,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    tail: VecDeque<String>,
}

impl<'a> Lines<'a> {
    /// No line yet; what is hidden shows in none.
    pub(crate) fn new(build: &'a Build<'a>, step: &'a str, hidden: Hidden) -> Self {
        Self { build, step, hidden, stdout: Vec::new(), stderr: Vec::new(), tail: VecDeque::new() }
    }

    /// Takes bytes of one stream.
    pub(crate) fn take(&mut self, stream: Stream, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let buffer = match stream {
                Stream::Stdout => &mut self.stdout,
                Stream::Stderr => &mut self.stderr,
            };
            let room = LINE - buffer.len();
            let end = bytes.iter().take(room).position(|&byte| byte == b'\n');
            let cut = end.unwrap_or_else(|| bytes.len().min(room));
            buffer.extend_from_slice(&bytes[..cut]);
            bytes = &bytes[cut + usize::from(end.is_some())..];
            if end.is_some() {
                self.line(stream);
            } else if buffer.len() >= LINE {
                // A secret that the cut would take apart goes with what follows, unless it alone fills a line.
                let begun = self.hidden.begun(buffer);
                let rest = if begun < LINE { buffer.split_off(LINE - begun) } else { Vec::new() };
                self.line(stream);
                match stream {
                    Stream::Stdout => self.stdout = rest,
                    Stream::Stderr => self.stderr = rest,
                }
            }
        }
    }

    /// Takes what is left without a newline.
    pub(crate) fn finish(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let left = match stream {
                Stream::Stdout => &self.stdout,
                Stream::Stderr => &self.stderr,
            };
            if !left.is_empty() {
                self.line(stream);
            }
        }
    }

    /// The last lines.
    pub(crate) fn into_tail(self) -> Vec<String> {
        self.tail.into()
    }

    fn line(&mut self, stream: Stream) {
        let buffer = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        // A program that draws progress bars writes the line again and again: the last state is what counts.
        let bytes = std::mem::take(buffer);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        let shown = bytes.rsplit(|&byte| byte == b'\r').next().unwrap_or(bytes);
        let line = String::from_utf8_lossy(&self.hidden.hide(shown)).into_owned();
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        self.build.emit(Event::StepLog { step: self.step.to_owned(), stream, line });
    }
}
