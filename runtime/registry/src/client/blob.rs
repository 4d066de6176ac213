//! Pulling blobs: streamed, checked while they arrive, resumed where they broke off.

use std::io::{self, Read, Write};
use std::time::Duration;

use imgc_base::digest::{BlobDigest, Hasher};
use imgc_base::reference::Reference;
use imgc_image::Descriptor;
use ureq::http::{Method, StatusCode, header};

use super::Client;
use super::site::{below, scope};
use crate::error::{Error, Kind, io_error};
use crate::exchange::{Ask, Content, Reply};
use crate::limits;
use crate::retry::{Outcome, retry};
use crate::wire::Site;

/// Takes the bytes of a blob.
pub trait BlobSink: Write {
    /// Bytes that are there already, from an earlier try. The request starts after them.
    fn offset(&self) -> u64;

    /// Throws away what was written, after bytes turned out to be wrong. False if that is not possible; then the
    /// download fails.
    fn restart(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

/// A blob in memory.
#[derive(Debug, Default)]
pub(crate) struct Buffer(pub(crate) Vec<u8>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobSink for Buffer {
    fn offset(&self) -> u64 {
        self.0.len() as u64
    }

    fn restart(&mut self) -> io::Result<bool> {
        self.0.clear();
        Ok(true)
    }
}

/// Bytes read at once.
const BUFFER: usize = 128 << 10;

/// How far a download is.
struct Progress {
    /// Bytes in the sink.
    done: u64,
    /// Of all bytes in the sink; `None` if some were there before.
    hasher: Option<Hasher>,
    /// The server does not give the rest: it is asked for the whole.
    whole: bool,
}

impl Client {
    /// Pulls a blob into a sink. Size and digest are checked here as far as the bytes passed through here: after a
    /// resumed download the sink's owner checks the digest of the whole.
    pub fn blob(
        &self,
        reference: &Reference,
        wanted: &Descriptor,
        sink: &mut dyn BlobSink,
    ) -> Result<(), Error> {
        let doing = |error: Error| error.doing(format!("failed to pull blob {}", wanted.digest));
        if wanted.size > limits::BLOB_BYTES {
            return Err(doing(Error::new(Kind::Limit, format!("{} bytes are over the limit", wanted.size))));
        }
        let offset = sink.offset();
        if offset > wanted.size {
            return Err(doing(Error::new(Kind::Local, "more bytes are there already than the blob has")));
        }
        let mut progress = Progress { done: offset, hasher: (offset == 0).then(Hasher::new), whole: false };
        let mut last = None;
        for place in self.sites(reference).map_err(doing)? {
            let result =
                self.settle(&place).and_then(|site| self.download(&site, wanted, sink, &mut progress));
            match result {
                Ok(()) => return Ok(()),
                Err(error) if matches!(error.kind(), Kind::Cancelled | Kind::Local) => {
                    return Err(doing(error));
                }
                Err(error) => {
                    if place.mirror {
                        self.wire().tell(&format!("mirror `{}`: {error}", place.registry));
                    }
                    if error.kind() == Kind::DigestMismatch && progress.done > 0 {
                        if !sink.restart().map_err(Error::local("write a blob"))? {
                            return Err(doing(error));
                        }
                        progress = Progress { done: 0, hasher: Some(Hasher::new()), whole: false };
                    }
                    last = Some(error);
                }
            }
        }
        Err(doing(last.unwrap_or_else(|| Error::new(Kind::Config, "no place is configured"))))
    }

    fn download(
        &self,
        site: &Site,
        wanted: &Descriptor,
        sink: &mut dyn BlobSink,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let wire = self.wire();
        let tell = |text: &str| wire.tell(text);
        // Each stretch that brought bytes gives new tries; a blob of many bytes has room for several breaks.
        for _ in 0..limits::STRETCHES {
            let before = progress.done;
            let mut moved = false;
            let result = retry(&*wire.config.clock, wire.cancel, &tell, || {
                if moved {
                    return Ok(Outcome::Done(false));
                }
                let outcome = self.stretch(site, wanted, sink, progress);
                moved = progress.done > before;
                outcome
            })?;
            if result {
                return finish(site, wanted, progress);
            }
        }
        Err(Error::new(Kind::Network, format!("the connection broke {} times", limits::STRETCHES)))
    }

    /// One request's worth. `Done(true)` when every byte is there.
    fn stretch(
        &self,
        site: &Site,
        wanted: &Descriptor,
        sink: &mut dyn BlobSink,
        progress: &mut Progress,
    ) -> Result<Outcome<bool>, Error> {
        if progress.done == wanted.size && progress.done > 0 {
            return Ok(Outcome::Done(true));
        }
        let wire = self.wire();
        let mut ask = Ask::new(Method::GET, below(site, &format!("/blobs/{}", wanted.digest))?)
            .scope(scope(&site.repository, "pull"));
        if progress.done > 0 && !progress.whole {
            ask = ask.header(header::RANGE, format!("bytes={}-", progress.done));
        }
        let reply = match wire.once(site, &ask, Content::Empty)? {
            Outcome::Done(reply) => reply,
            Outcome::Again(error, wait) => return Ok(Outcome::Again(error, wait)),
        };
        let skip = match reply.status() {
            StatusCode::PARTIAL_CONTENT => {
                check_range(&reply, progress.done, wanted.size)?;
                0
            }
            // The whole blob although a part was asked for: what is there already is read past.
            StatusCode::OK => progress.done,
            StatusCode::RANGE_NOT_SATISFIABLE if progress.done > 0 && !progress.whole => {
                progress.whole = true;
                let error = wire.failure(site, reply).passing();
                return Ok(Outcome::Again(error, Some(Duration::ZERO)));
            }
            _ => return Err(wire.failure(site, reply)),
        };
        let length = reply.header(&header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        let expected = wanted.size - progress.done + skip;
        if length.is_some_and(|length| length != expected) {
            return Err(Error::new(
                Kind::DigestMismatch,
                format!("`{}` has {} bytes, not {}", site.registry, length.unwrap_or_default(), expected),
            ));
        }
        self.receive(reply, wanted, skip, sink, progress)
    }

    fn receive(
        &self,
        reply: Reply,
        wanted: &Descriptor,
        mut skip: u64,
        sink: &mut dyn BlobSink,
        progress: &mut Progress,
    ) -> Result<Outcome<bool>, Error> {
        let mut from = reply.response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER];
        let what = wanted.digest.short();
        loop {
            self.cancel.check()?;
            let count = match from.read(&mut buffer) {
                Ok(count) => count,
                Err(error) => {
                    let error = io_error(&error);
                    return if error.passes() { Ok(Outcome::Again(error, None)) } else { Err(error) };
                }
            };
            if count == 0 {
                if progress.done == wanted.size {
                    return Ok(Outcome::Done(true));
                }
                let error =
                    Error::new(Kind::Network, "the connection ended in the middle of a blob").passing();
                return Ok(Outcome::Again(error, None));
            }
            let past = (count as u64).min(skip);
            skip -= past;
            let part = &buffer[past as usize..count];
            if part.len() as u64 > wanted.size - progress.done {
                return Err(Error::new(
                    Kind::DigestMismatch,
                    format!("more than {} bytes came", wanted.size),
                ));
            }
            sink.write_all(part).map_err(Error::local("write a blob"))?;
            if let Some(hasher) = &mut progress.hasher {
                hasher.update(part);
            }
            progress.done += part.len() as u64;
            self.observer.transferred(&what, progress.done, wanted.size);
        }
    }
}

/// The last look at a finished blob.
fn finish(site: &Site, wanted: &Descriptor, progress: &Progress) -> Result<(), Error> {
    if let Some(hasher) = &progress.hasher {
        let got = BlobDigest::finish(hasher.clone());
        if got != wanted.digest {
            return Err(Error::new(
                Kind::DigestMismatch,
                format!("`{}` sent other bytes ({got})", site.registry),
            ));
        }
    }
    Ok(())
}

/// A part must be the part that was asked for.
fn check_range(reply: &Reply, start: u64, size: u64) -> Result<(), Error> {
    let Some(text) = reply.header(&header::CONTENT_RANGE) else { return Ok(()) };
    let fits = text.strip_prefix("bytes ").and_then(|rest| {
        let (range, total) = rest.split_once('/')?;
        let first: u64 = range.split_once('-')?.0.trim().parse().ok()?;
        Some(first == start && (total == "*" || total.trim().parse() == Ok(size)))
    });
    if fits == Some(true) {
        return Ok(());
    }
    let text = crate::error::clean(text);
    Err(Error::new(Kind::DigestMismatch, format!("another part came than was asked for ({text})")))
}
