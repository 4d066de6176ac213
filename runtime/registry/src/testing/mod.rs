//! Scripted registries for tests: names lead to servers in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::url::{Origin, Reach, reach};

/// Where names lead: origins to servers of this process.
#[derive(Debug, Clone, Default)]
pub struct Book(Arc<Mutex<BTreeMap<String, (SocketAddr, Option<std::net::IpAddr>)>>>);

impl Book {
    /// Leads an origin (`https://reg.test`) to a server, as if its name had a public address.
    pub fn lead(&self, origin: &str, to: SocketAddr) {
        self.lead_as(origin, to, None);
    }

    /// The same, as if the name had the given address.
    pub fn lead_as(&self, origin: &str, to: SocketAddr, address: Option<std::net::IpAddr>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(origin.to_owned(), (to, address));
    }

    pub(crate) fn find(&self, origin: &Origin) -> Option<(SocketAddr, Reach)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (to, address) = all.get(&origin.to_string())?;
        let claimed = address.map(reach).or_else(|| origin.literal()).unwrap_or(Reach::Public);
        Some((*to, claimed))
    }
}
