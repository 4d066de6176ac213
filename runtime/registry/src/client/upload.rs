//! Pushing blobs: looked for first, mounted where possible, sent as a whole, in parts where that fails.
//!
//! A break is answered with a question: the registry says how far it is, and the rest is sent in parts. Where it does
//! not know the upload any more, a new one starts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{MutexGuard, PoisonError};

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::{Blobs, Descriptor};
use ureq::http::{HeaderName, Method, StatusCode, Uri, header};

use super::Client;
use super::pull::DIGEST;
use super::site::{below, scope};
use crate::error::{Error, Kind};
use crate::exchange::{Ask, Content, Reply};
use crate::limits;
use crate::retry::{Outcome, retry};
use crate::url::{Origin, encode, with_query};
use crate::wire::Site;

/// Gives the bytes of a blob, more than once if need be.
pub trait BlobSource {
    /// Opens the blob at a byte.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>>;
}

impl BlobSource for &[u8] {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        Ok(Box::new(rest.unwrap_or_default()))
    }
}

impl BlobSource for std::path::PathBuf {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        use std::io::Seek as _;
        let mut file = fs_err::File::open(self)?;
        file.seek(io::SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }
}

/// A blob of a set of blobs.
pub(super) struct OneOf<'a>(pub(super) &'a dyn Blobs, pub(super) BlobDigest);

impl BlobSource for OneOf<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let mut from = self.0.open(&self.1)?;
        io::copy(&mut (&mut from).take(offset), &mut io::sink())?;
        Ok(from)
    }
}

/// How a blob came to be at the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Present,
    /// It was in another repository of the registry and was mounted from there.
    Mounted,
    /// Its bytes were sent.
    Sent,
}

const CHUNK_MIN: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// An upload that a registry has begun.
#[derive(Debug, Clone)]
struct Session {
    url: Uri,
    chunk: u64,
}

/// What comes next in an upload.
#[derive(Debug, Clone)]
enum Step {
    /// Ask for an upload.
    Begin,
    /// Send everything at once.
    Whole(Session),
    /// Ask how far the registry is.
    Where(Session),
    /// Send what follows on a byte.
    Part(Session, u64),
    /// All bytes are there.
    Close(Session),
}

/// Parts of one upload, so that a registry that always asks for smaller ones comes to an end.
const PARTS: u32 = 1 << 17;
/// The smallest part that the user can ask for.
const PART_SMALLEST: u64 = 64 << 10;
/// The smallest part that a registry can force.
const PART_MIN: u64 = 1 << 20;

impl Client {
    /// True if the repository has a blob.
    pub fn has_blob(&self, reference: &Reference, wanted: &Descriptor) -> Result<bool, Error> {
        let site = self.main_site(reference)?;
        self.has(&site, wanted, "pull")
            .map_err(|error| error.doing(format!("failed to look for {}", wanted.digest)))
    }

    fn has(&self, site: &Site, wanted: &Descriptor, actions: &str) -> Result<bool, Error> {
        let ask = Ask::new(Method::HEAD, below(site, &format!("/blobs/{}", wanted.digest))?)
            .scope(scope(&site.repository, actions));
        let wire = self.wire();
        let reply = wire.send(site, &ask, Content::Empty)?;
        let length = reply.header(&header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        match reply.status() {
            StatusCode::OK => Ok(length.is_none_or(|length| length == wanted.size)),
            StatusCode::NOT_FOUND => Ok(false),
            // Some registries know no HEAD, some let nobody look who may only write, and the storage that some lead to
            // takes GET alone. Then the blob is sent, and that request's answer counts.
            StatusCode::NOT_IMPLEMENTED => Ok(false),
            status if status.is_client_error() => Ok(false),
            _ => Err(wire.failure(site, reply)),
        }
    }

    /// Pushes a blob. `from` names repositories of the same registry that may have it.
    pub fn push_blob(
        &self,
        reference: &Reference,
        wanted: &Descriptor,
        source: &dyn BlobSource,
        from: &[String],
    ) -> Result<Pushed, Error> {
        let site = self.main_site(reference)?;
        self.push_to(&site, wanted, source, from)
            .map_err(|error| error.doing(format!("failed to push blob {}", wanted.digest)))
    }

    pub(super) fn push_to(
        &self,
        site: &Site,
        wanted: &Descriptor,
        source: &dyn BlobSource,
        from: &[String],
    ) -> Result<Pushed, Error> {
        if self.has(site, wanted, "pull,push")? {
            return Ok(Pushed::Present);
        }
        let mut step = Step::Begin;
        for other in from.iter().filter(|other| **other != site.repository) {
            match self.mount_at(site, wanted, other) {
                Ok(None) => return Ok(Pushed::Mounted),
                // The registry has begun an upload instead.
                Ok(Some(session)) => step = self.first(site, wanted, session),
                // It mounts nothing, or not from there; the blob can still be sent.
                Err(error) if error.status().is_some_and(|status| (400..500).contains(&status)) => {}
                Err(error) => return Err(error),
            }
        }
        self.upload(site, wanted, source, step)?;
        Ok(Pushed::Sent)
    }

    /// Mounts a blob from another repository of the same registry. False if that is not possible.
    pub fn mount(&self, reference: &Reference, wanted: &Descriptor, from: &str) -> Result<bool, Error> {
        let site = self.main_site(reference)?;
        let begun =
            self.mount_at(&site, wanted, from).map_err(|error| error.doing("failed to mount a blob"))?;
        if let Some(session) = &begun {
            // An upload that nobody finishes is taken back; registries also forget them by themselves.
            let ask =
                Ask::new(Method::DELETE, session.url.clone()).scope(scope(&site.repository, "pull,push"));
            drop(self.wire().once(&site, &ask, Content::Empty));
        }
        Ok(begun.is_none())
    }

    fn mount_at(&self, site: &Site, wanted: &Descriptor, from: &str) -> Result<Option<Session>, Error> {
        let query = format!("/blobs/uploads/?mount={}&from={}", wanted.digest, encode(from));
        let ask = Ask::new(Method::POST, below(site, &query)?)
            .scope(scope(&site.repository, "pull,push"))
            .scope(scope(from, "pull"));
        let wire = self.wire();
        let reply = wire.send(site, &ask, Content::Empty)?;
        match reply.status() {
            StatusCode::CREATED => Ok(None),
            StatusCode::ACCEPTED => self.session(site, &reply, None).map(Some),
            _ => Err(wire.failure(site, reply)),
        }
    }

    fn upload(
        &self,
        site: &Site,
        wanted: &Descriptor,
        source: &dyn BlobSource,
        mut step: Step,
    ) -> Result<(), Error> {
        let wire = self.wire();
        let tell = |text: &str| wire.tell(text);
        let mut parts = 0;
        let mut farthest = 0;
        // As with downloads, progress gives new tries.
        for _ in 0..limits::STRETCHES {
            let before = farthest;
            let finished = retry(&*wire.config.clock, wire.cancel, &tell, || {
                if farthest > before {
                    return Ok(Outcome::Done(false));
                }
                loop {
                    wire.cancel.check()?;
                    parts += 1;
                    if parts > PARTS {
                        return Err(Error::new(Kind::Limit, "the registry asks for too many parts"));
                    }
                    match self.advance(site, wanted, source, &step)? {
                        Outcome::Done(None) => return Ok(Outcome::Done(true)),
                        Outcome::Done(Some(next)) => {
                            if let Step::Part(_, offset) = &next {
                                farthest = farthest.max(*offset);
                            }
                            step = next;
                        }
                        Outcome::Again(error, wait) => {
                            step = match step.clone() {
                                Step::Begin => Step::Begin,
                                Step::Whole(session)
                                | Step::Where(session)
                                | Step::Part(session, _)
                                | Step::Close(session) => Step::Where(session),
                            };
                            return Ok(Outcome::Again(error, wait));
                        }
                    }
                }
            })?;
            if finished {
                return Ok(());
            }
        }
        Err(Error::new(Kind::Network, format!("the connection broke {} times", limits::STRETCHES)))
    }

    fn in_parts(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.shared.in_parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a new upload begins.
    fn first(&self, site: &Site, wanted: &Descriptor, session: Session) -> Step {
        let asked = self.shared.config.own.get(&site.registry).and_then(|own| own.part);
        let in_parts = asked.is_some() || self.in_parts().contains(&site.registry);
        if !in_parts || wanted.size <= session.chunk { Step::Whole(session) } else { Step::Part(session, 0) }
    }

    /// Takes one step. `Done(None)` when the registry has the blob.
    fn advance(
        &self,
        site: &Site,
        wanted: &Descriptor,
        source: &dyn BlobSource,
        step: &Step,
    ) -> Result<Outcome<Option<Step>>, Error> {
        let wire = self.wire();
        let finish = |url: &Uri| with_query(url, "digest", &wanted.digest.to_string());
        let ask =
            |method: Method, url: Uri| Ask::new(method, url).scope(scope(&site.repository, "pull,push"));
        let reply = match step {
            Step::Begin => {
                wire.once(site, &ask(Method::POST, below(site, "/blobs/uploads/")?), Content::Empty)?
            }
            Step::Whole(session) => {
                let ask = ask(Method::PUT, finish(&session.url)?);
                self.stream(site, &ask, wanted, source, 0, wanted.size)?
            }
            Step::Where(session) => {
                wire.once(site, &ask(Method::GET, session.url.clone()), Content::Empty)?
            }
            Step::Part(session, offset) => {
                let size = session.chunk.min(wanted.size - offset);
                let range = format!("{offset}-{}", offset + size - 1);
                let ask = ask(Method::PATCH, session.url.clone()).header(header::CONTENT_RANGE, range);
                self.stream(site, &ask, wanted, source, *offset, size)?
            }
            Step::Close(session) => {
                wire.once(site, &ask(Method::PUT, finish(&session.url)?), Content::Empty)?
            }
        };
        let reply = match reply {
            Outcome::Done(reply) => reply,
            Outcome::Again(error, wait) => return Ok(Outcome::Again(error, wait)),
        };
        self.after(site, wanted, step, reply)
    }

    /// What an answer means for the upload.
    fn after(
        &self,
        site: &Site,
        wanted: &Descriptor,
        step: &Step,
        reply: Reply,
    ) -> Result<Outcome<Option<Step>>, Error> {
        let next = |step: Step| Ok(Outcome::Done(Some(step)));
        let from = |session: Session, offset: u64| {
            if offset == wanted.size { Step::Close(session) } else { Step::Part(session, offset) }
        };
        match (step, reply.status()) {
            (Step::Begin, StatusCode::ACCEPTED) => {
                next(self.first(site, wanted, self.session(site, &reply, None)?))
            }
            // 201 is what is right; some say it with another number.
            (Step::Whole(_) | Step::Close(_), status) if status.is_success() => {
                match reply.header(&DIGEST).and_then(|text| text.parse::<BlobDigest>().ok()) {
                    Some(got) if got != wanted.digest => Err(Error::new(
                        Kind::DigestMismatch,
                        format!("`{}` stored {got} instead", site.registry),
                    )),
                    _ => Ok(Outcome::Done(None)),
                }
            }
            (Step::Where(session), StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::ACCEPTED) => {
                let session = self.session(site, &reply, Some(session))?;
                let there = there(&reply).unwrap_or(0).min(wanted.size);
                next(from(session, there))
            }
            (Step::Part(session, offset), status) if status.is_success() => {
                let sent = offset + session.chunk.min(wanted.size - offset);
                let session = self.session(site, &reply, Some(session))?;
                // A registry may have kept less than it was sent, never more.
                let there =
                    there(&reply).map_or(sent, |there| if there > *offset { there.min(sent) } else { sent });
                next(from(session, there))
            }
            // Too much at once.
            (Step::Whole(session), StatusCode::PAYLOAD_TOO_LARGE) => {
                self.in_parts().insert(site.registry.clone());
                next(Step::Where(session.clone()))
            }
            (Step::Part(session, offset), StatusCode::PAYLOAD_TOO_LARGE) if session.chunk > PART_MIN => {
                let smaller = Session { url: session.url.clone(), chunk: (session.chunk / 2).max(PART_MIN) };
                next(Step::Part(smaller, *offset))
            }
            (Step::Part(session, _), StatusCode::RANGE_NOT_SATISFIABLE) => {
                let error = self.wire().failure(site, reply).passing();
                let _ = session;
                Ok(Outcome::Again(error, None))
            }
            // The registry has forgotten the upload, or counts otherwise than it says.
            (Step::Where(_), status) if status.is_client_error() => {
                if status == StatusCode::FORBIDDEN {
                    return Err(self.wire().failure(site, reply));
                }
                next(Step::Begin)
            }
            (Step::Part(..) | Step::Close(_), StatusCode::NOT_FOUND) => {
                Ok(Outcome::Again(self.wire().failure(site, reply).passing(), None))
            }
            _ => Err(self.wire().failure(site, reply)),
        }
    }

    /// Sends a part of a blob as one request.
    fn stream(
        &self,
        site: &Site,
        ask: &Ask,
        wanted: &Descriptor,
        source: &dyn BlobSource,
        offset: u64,
        size: u64,
    ) -> Result<Outcome<Reply>, Error> {
        let failed = RefCell::new(None);
        let told = |done: u64| self.observer.transferred(&wanted.digest.short(), offset + done, wanted.size);
        let begin = || -> Result<Box<dyn Read + '_>, Error> {
            let inner = source.open(offset).map_err(Error::local("read a blob"))?;
            Ok(Box::new(Part { inner: inner.take(size), left: size, done: 0, failed: &failed, told: &told }))
        };
        let result = self.wire().once(site, ask, Content::Stream { open: &begin, size });
        // The HTTP library cannot tell our own read errors from the network's.
        match failed.take() {
            Some(error) => Err(Error::local("read a blob")(error)),
            None => result,
        }
    }

    /// The address of an upload, checked: layers go to the registry and nowhere else (CVE-2026-50151).
    fn session(&self, site: &Site, reply: &Reply, old: Option<&Session>) -> Result<Session, Error> {
        let url = match (reply.header(&header::LOCATION), old) {
            (None, Some(old)) => old.url.clone(),
            _ => reply.location()?,
        };
        let origin = Origin::of(&url);
        let elsewhere = self.shared.config.own.get(&site.registry).is_some_and(|own| own.upload_elsewhere);
        let url = match site.origin.own(&url)? {
            Some(own) => own,
            None if origin.https && elsewhere => url,
            None => {
                return Err(Error::new(
                    Kind::Refused,
                    format!("`{}` wants the upload to be sent to `{origin}`", site.registry),
                )
                .with_help(format!(
                    "if that is right, say so in imgc's configuration: [registry.\"{}\"] upload-elsewhere = true",
                    site.registry
                )));
            }
        };
        let asked = reply.header(&CHUNK_MIN).and_then(|text| text.parse::<u64>().ok());
        if asked.is_some_and(|asked| asked > limits::CHUNK_MAX) {
            return Err(Error::new(Kind::Limit, "the registry asks for parts that are too large"));
        }
        let own = self.shared.config.own.get(&site.registry).and_then(|own| own.part);
        let usual = own.unwrap_or(limits::CHUNK).clamp(PART_SMALLEST, limits::CHUNK_MAX);
        let chunk = old.map_or(usual, |old| old.chunk).max(asked.unwrap_or(0));
        Ok(Session { url, chunk })
    }
}

/// How many bytes a registry says that it has: `Range: 0-1023` is 1024.
fn there(reply: &Reply) -> Option<u64> {
    let text = reply.header(&header::RANGE)?.trim();
    let last: u64 = text.strip_prefix("bytes=").unwrap_or(text).strip_prefix("0-")?.trim().parse().ok()?;
    // `0-0` is what registries answer for none.
    Some(if last == 0 { 0 } else { last.saturating_add(1) })
}

/// A part of a blob on its way out.
struct Part<'a, R> {
    inner: R,
    left: u64,
    done: u64,
    failed: &'a RefCell<Option<io::Error>>,
    told: &'a dyn Fn(u64),
}

impl<R: Read> Read for Part<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer) {
            // The HTTP library would wait for ever for what does not come.
            Ok(0) if self.left > 0 && !buffer.is_empty() => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the blob is shorter than its descriptor says",
            )),
            other => other,
        };
        match count {
            Ok(count) => {
                self.left -= count as u64;
                self.done += count as u64;
                (self.told)(self.done);
                Ok(count)
            }
            Err(error) => {
                let again = io::Error::new(error.kind(), error.to_string());
                *self.failed.borrow_mut() = Some(error);
                Err(again)
            }
        }
    }
}
