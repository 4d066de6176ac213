//! One request to one server: connection, headers, body. No login, no redirect, no second try; that is
//! [`crate::exchange`]'s.

use std::io::Read;

use imgc_base::cancel::Cancel;
use ureq::SendBody;
use ureq::http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};

use crate::Observer;
use crate::auth::Auth;
use crate::config::Config;
use crate::error::{Error, Kind, io_error};
use crate::net::Net;
use crate::secret::Secret;
use crate::url::{Origin, Reach};

/// A registry as it is reached, and a repository there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// What people call it; accounts are looked up by it.
    pub(crate) registry: String,
    /// Where it is.
    pub(crate) origin: Origin,
    /// In front of `/v2/`.
    pub(crate) path: String,
    /// The repository.
    pub(crate) repository: String,
    /// False if its certificates are not verified.
    pub(crate) verify: bool,
    /// The user does without encryption.
    pub(crate) insecure: bool,
    /// A stand-in for the registry that was named.
    pub(crate) mirror: bool,
}

/// What all requests share.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a> {
    pub(crate) config: &'a Config,
    pub(crate) net: &'a Net,
    pub(crate) auth: &'a Auth,
    pub(crate) cancel: &'a Cancel,
    pub(crate) observer: &'a dyn Observer,
}

/// The body of a request.
pub(crate) enum Body<'a> {
    /// None.
    Empty,
    /// Bytes in memory.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Their media type.
        kind: &'a str,
    },
    /// A stream of known length.
    Stream {
        /// Where they come from.
        from: &'a mut dyn Read,
        /// How many there are.
        size: u64,
    },
}

impl Wire<'_> {
    pub(crate) fn tell(&self, text: &str) {
        self.observer.note(&self.auth.redact(text));
    }

    /// Sends one request in the name of a registry. The target may be another server; then it must be reachable from
    /// where the registry is.
    pub(crate) fn raw(
        &self,
        site: &Site,
        method: &Method,
        url: &Uri,
        headers: &[(HeaderName, Secret)],
        body: Body<'_>,
    ) -> Result<Response<ureq::Body>, Error> {
        self.cancel.check()?;
        let origin = Origin::of(url);
        let home = origin.host == site.origin.host;
        let nearest = if home { None } else { Some(self.net.nearest(&site.origin)) };
        if let Some(nearest) = nearest {
            refuse_inward(&origin, nearest)?;
        }
        let verify = site.verify || origin != site.origin;
        let agent = self.net.agent(self.config, &origin, nearest, verify)?;
        let mut request = Request::builder().method(method).uri(url.clone());
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
                Error::new(Kind::Config, format!("a value for header `{name}` cannot be sent"))
            })?;
            value.set_sensitive(*name == header::AUTHORIZATION);
            request = request.header(name, value);
        }
        let broken = |_| Error::new(Kind::Protocol, "the request cannot be formed");
        let sent = match body {
            Body::Empty if method == Method::POST || method == Method::PUT || method == Method::PATCH => {
                agent.run(request.header(header::CONTENT_LENGTH, 0).body(&[][..]).map_err(broken)?)
            }
            Body::Empty => agent.run(request.body(()).map_err(broken)?),
            Body::Bytes { bytes, kind } => {
                agent.run(request.header(header::CONTENT_TYPE, kind).body(bytes).map_err(broken)?)
            }
            Body::Stream { from, size } => {
                let request = request
                    .header(header::CONTENT_TYPE, "application/octet-stream")
                    .header(header::CONTENT_LENGTH, size);
                agent.run(request.body(SendBody::from_reader(from)).map_err(broken)?)
            }
        };
        sent.map_err(|error| Error::from(error).at(&origin))
    }
}

/// Refuses a host that is an address nearer than the registry.
fn refuse_inward(origin: &Origin, nearest: Reach) -> Result<(), Error> {
    match origin.literal() {
        Some(reach) if reach < nearest || reach == Reach::Never => Err(Error::new(
            Kind::Refused,
            format!("the registry leads to `{origin}`, which is on this machine or a private network"),
        )),
        _ => Ok(()),
    }
}

/// Reads a body of limited size.
pub(crate) fn read_limited(body: &mut ureq::Body, limit: u64, what: &str) -> Result<Vec<u8>, Error> {
    let over = || Error::new(Kind::Limit, format!("{what} is over the limit of {limit} bytes"));
    if body.content_length().is_some_and(|length| length > limit) {
        return Err(over());
    }
    let mut bytes = Vec::new();
    body.as_reader().take(limit + 1).read_to_end(&mut bytes).map_err(|error| io_error(&error))?;
    if bytes.len() as u64 > limit {
        return Err(over());
    }
    Ok(bytes)
}
