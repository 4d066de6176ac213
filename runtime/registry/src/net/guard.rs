//! Name resolution that keeps a registry from pointing inwards.
//!
//! A public registry must not send us to the cloud's metadata service or to a printer on the local network, neither by
//! an address nor by a name that resolves to one. Hosts that a registry names may be no nearer than the registry is.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::error::Refusal;
use crate::url::{Origin, Reach, reach};

/// How far away the registries that were reached are.
#[derive(Debug, Default)]
pub(crate) struct Reaches(Mutex<BTreeMap<String, Reach>>);

impl Reaches {
    /// The reach of a registry. One that was never resolved here (behind a proxy) counts as public.
    pub(crate) fn of(&self, origin: &Origin) -> Reach {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&origin.host).copied();
        known.or_else(|| origin.literal()).unwrap_or(Reach::Public)
    }

    fn note(&self, host: &str, found: Reach) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of several addresses the farthest counts: that allows least.
        all.entry(host.to_owned()).and_modify(|old| *old = found.max(*old)).or_insert(found);
    }
}

/// The resolver of one agent.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) reaches: std::sync::Arc<Reaches>,
    /// `None` for the registry itself.
    pub(super) nearest: Option<Reach>,
    /// The proxy's `host:port`, which the user chose and which may be anywhere.
    pub(super) proxy: Option<String>,
    #[cfg(any(test, feature = "testing"))]
    pub(super) book: Option<crate::testing::Book>,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let origin = Origin::of(uri);
        if self.proxy.as_ref().is_some_and(|proxy| *proxy == format!("{}:{}", origin.host, origin.port)) {
            return DefaultResolver::default().resolve(uri, config, timeout);
        }
        #[cfg(any(test, feature = "testing"))]
        if let Some(book) = &self.book {
            let (address, claimed) = book.find(&origin).ok_or(ureq::Error::HostNotFound)?;
            self.admit(&origin, claimed)?;
            let mut found = self.empty();
            found.push(address);
            return Ok(found);
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        for address in &*found {
            self.admit(&origin, reach(address.ip()))?;
        }
        Ok(found)
    }
}

impl Guard {
    fn admit(&self, origin: &Origin, found: Reach) -> Result<(), ureq::Error> {
        match self.nearest {
            None => {
                self.reaches.note(&origin.host, found);
                Ok(())
            }
            Some(nearest) if found >= nearest && found > Reach::Never => Ok(()),
            Some(_) => {
                let text = format!(
                    "`{}` is on this machine or a private network, where the registry may not lead",
                    origin.host
                );
                Err(ureq::Error::Io(io::Error::other(Refusal(text))))
            }
        }
    }
}
