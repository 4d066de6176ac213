//! One request as the specification means it: with login, redirects, and further tries.

use std::io::Read;

use ureq::http::{HeaderMap, HeaderName, Method, Response, StatusCode, Uri, header};

use crate::auth::unauthorized;
use crate::error::{Error, Kind, clean};
use crate::limits;
use crate::retry::{Outcome, asked, passes, retry};
use crate::secret::Secret;
use crate::url::{Origin, join};
use crate::wire::{Body, Site, Wire, read_limited};

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) headers: Vec<(HeaderName, Secret)>,
    /// What a token must allow: `repository:NAME:pull`.
    pub(crate) scopes: Vec<String>,
}

impl Ask {
    pub(crate) fn new(method: Method, url: Uri) -> Self {
        Self { method, url, headers: Vec::new(), scopes: Vec::new() }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, Secret::new(value)));
        self
    }

    #[must_use]
    pub(crate) fn scope(mut self, scope: String) -> Self {
        self.scopes.push(scope);
        self
    }
}

/// Opens a stream at its first byte.
pub(crate) type Open<'a> = dyn Fn() -> Result<Box<dyn Read + 'a>, Error> + 'a;

/// A body that can be sent again.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    Empty,
    Bytes { bytes: &'a [u8], kind: &'a str },
    Stream { open: &'a Open<'a>, size: u64 },
}

/// An answer that is not a refused login.
pub(crate) struct Reply {
    pub(crate) response: Response<ureq::Body>,
    /// Who answered, after redirects.
    pub(crate) url: Uri,
}

impl Reply {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole body.
    pub(crate) fn bytes(mut self, limit: u64, what: &str) -> Result<Vec<u8>, Error> {
        read_limited(self.response.body_mut(), limit, what)
    }

    /// The address of a `Location`, resolved.
    pub(crate) fn location(&self) -> Result<Uri, Error> {
        let location = self.header(&header::LOCATION);
        join(&self.url, location.ok_or_else(|| Error::new(Kind::Protocol, "its answer has no Location"))?)
    }
}

/// Login rounds of one request: none, a token, and a fresh token.
const ROUNDS: usize = 3;

impl Wire<'_> {
    /// Sends, and tries again where that may help. The answer has any status but 401.
    pub(crate) fn send(&self, site: &Site, ask: &Ask, content: Content<'_>) -> Result<Reply, Error> {
        let tell = |text: &str| self.tell(text);
        retry(&*self.config.clock, self.cancel, &tell, || self.once(site, ask, content))
    }

    /// Gets a document of limited size. Its bytes come with an answer of status 200 only.
    pub(crate) fn get(
        &self,
        site: &Site,
        ask: &Ask,
        limit: u64,
        what: &str,
    ) -> Result<(Reply, Vec<u8>), Error> {
        let tell = |text: &str| self.tell(text);
        retry(&*self.config.clock, self.cancel, &tell, || {
            let mut reply = match self.once(site, ask, Content::Empty)? {
                Outcome::Done(reply) => reply,
                Outcome::Again(error, wait) => return Ok(Outcome::Again(error, wait)),
            };
            if reply.status() != StatusCode::OK {
                return Ok(Outcome::Done((reply, Vec::new())));
            }
            let read = read_limited(reply.response.body_mut(), limit, what);
            match read.and_then(|bytes| plain(&reply, bytes, limit, what)) {
                Ok(bytes) => Ok(Outcome::Done((reply, bytes))),
                Err(error) if error.passes() => Ok(Outcome::Again(error, None)),
                Err(error) => Err(error),
            }
        })
    }

    /// Sends once, with login and redirects.
    pub(crate) fn once(&self, site: &Site, ask: &Ask, content: Content<'_>) -> Result<Outcome<Reply>, Error> {
        match self.follow(site, ask, content) {
            Ok(reply) if passes(reply.status()) => {
                let wait = asked(reply.headers(), self.config.clock.now());
                Ok(Outcome::Again(self.failure(site, reply).passing(), wait))
            }
            Ok(reply) => Ok(Outcome::Done(reply)),
            Err(error) if error.passes() => Ok(Outcome::Again(error, None)),
            Err(error) => Err(error),
        }
    }

    fn follow(&self, site: &Site, ask: &Ask, content: Content<'_>) -> Result<Reply, Error> {
        let mut url = ask.url.clone();
        for _ in 0..=limits::REDIRECTS {
            let reply = self.log_in(site, ask, &url, content)?;
            if !is_redirect(reply.status()) {
                return Ok(reply);
            }
            let next = reply.location()?;
            let (from, to) = (Origin::of(&url), Origin::of(&next));
            if !to.https && (from.https || site.origin.https) && !site.insecure {
                return Err(Error::new(
                    Kind::Refused,
                    format!("a redirect from `{from}` to `{to}` gives up encryption"),
                ));
            }
            let carries = !matches!(content, Content::Empty)
                || ask.method == Method::POST
                || ask.method == Method::DELETE;
            if carries && from != to {
                return Err(Error::new(
                    Kind::Refused,
                    format!("a redirect of a change from `{from}` to `{to}`"),
                ));
            }
            url = next;
        }
        Err(Error::new(Kind::Limit, format!("more than {} redirects", limits::REDIRECTS)))
    }

    /// Sends to one address, and answers its 401.
    fn log_in(&self, site: &Site, ask: &Ask, url: &Uri, content: Content<'_>) -> Result<Reply, Error> {
        let origin = Origin::of(url);
        let mut scopes = ask.scopes.clone();
        for round in 1.. {
            let proof = self.auth.proof(self, site, &origin, &scopes)?;
            let mut headers = ask.headers.clone();
            if let Some(proof) = &proof {
                headers.push((header::AUTHORIZATION, proof.value.clone()));
            }
            let response = match content {
                Content::Empty => self.raw(site, &ask.method, url, &headers, Body::Empty)?,
                Content::Bytes { bytes, kind } => {
                    self.raw(site, &ask.method, url, &headers, Body::Bytes { bytes, kind })?
                }
                Content::Stream { open, size } => {
                    let mut from = open()?;
                    self.raw(site, &ask.method, url, &headers, Body::Stream { from: &mut from, size })?
                }
            };
            let reply = Reply { response, url: url.clone() };
            if reply.status() != StatusCode::UNAUTHORIZED {
                return Ok(reply);
            }
            let again = self.auth.learn(self, site, &origin, reply.headers(), proof.as_ref(), &mut scopes)?;
            if !again || round == ROUNDS {
                let account = if origin == site.origin { self.auth.account(self, site)? } else { None };
                let said = self.said(reply);
                let said = if said.is_empty() { said } else { format!(" ({said})") };
                return Err(unauthorized(site, account.as_ref(), &said));
            }
            // What was said is not needed, but reading it keeps the connection.
            drop(reply.bytes(limits::ERROR_BYTES, "an answer"));
        }
        Err(Error::new(Kind::Unauthorized, "no login round left"))
    }

    /// The failure that an answer stands for.
    pub(crate) fn failure(&self, site: &Site, reply: Reply) -> Error {
        let status = reply.status();
        let said = self.said(reply);
        let kind = match status.as_u16() {
            401 => Kind::Unauthorized,
            403 => Kind::Denied,
            404 => Kind::NotFound,
            405 | 501 => Kind::Unsupported,
            429 => Kind::RateLimited,
            408 | 500..=599 => Kind::Network,
            _ if said.contains("DIGEST_INVALID") => Kind::DigestMismatch,
            _ if said.contains("UNSUPPORTED") => Kind::Unsupported,
            _ => Kind::Protocol,
        };
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Error::new(kind, format!("`{}` answered {status}{said}", site.registry)).with_status(status.as_u16())
    }

    /// What a registry says of a failure: codes and messages, harmless to show.
    fn said(&self, reply: Reply) -> String {
        #[derive(serde::Deserialize)]
        struct Errors {
            #[serde(default)]
            errors: Vec<One>,
        }
        #[derive(serde::Deserialize)]
        struct One {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        // A message that cannot be had is no message.
        let bytes = reply.bytes(limits::ERROR_BYTES, "an error message").unwrap_or_default();
        let text = match serde_json::from_slice::<Errors>(&bytes) {
            Ok(Errors { errors }) => {
                let lines: Vec<String> =
                    errors.iter().map(|one| format!("{}: {}", one.code, one.message)).collect();
                lines.join("; ")
            }
            // Pages for browsers say nothing to people at a terminal.
            Err(_) if bytes.starts_with(b"<") => String::new(),
            Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        clean(&self.auth.redact(&text))
    }
}

/// Undoes what some servers do to every answer although nobody asked for it.
fn plain(reply: &Reply, bytes: Vec<u8>, limit: u64, what: &str) -> Result<Vec<u8>, Error> {
    let encoding = reply.header(&header::CONTENT_ENCODING).unwrap_or_default().trim();
    if !encoding.eq_ignore_ascii_case("gzip") && !encoding.eq_ignore_ascii_case("x-gzip") {
        return Ok(bytes);
    }
    let broken = |_| Error::new(Kind::Protocol, format!("{what} is announced as gzip, and does not read"));
    let mut unpacked = Vec::new();
    let from = imgc_image::decompress::archive(bytes.as_slice()).map_err(broken)?;
    from.take(limit + 1).read_to_end(&mut unpacked).map_err(broken)?;
    if unpacked.len() as u64 > limit {
        return Err(Error::new(Kind::Limit, format!("{what} is over the limit of {limit} bytes")));
    }
    Ok(unpacked)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
