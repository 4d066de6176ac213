//! Scripted registries for tests: names lead to servers in this process, which answer by script and remember all that
//! they were asked.
//!
//! `https` origins are served in the clear behind a transport that claims to be encrypted, so that every rule about
//! schemes is exercised without certificates. Real TLS is tested against a real registry.

mod server;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imgc_base::cancel::{Cancel, Cancelled};

use crate::clock::Clock;
use crate::url::{Origin, Reach, reach};
use crate::{Config, Observer};

pub use server::{Answer, Fault, Seen};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where names lead: origins to servers of this process.
#[derive(Debug, Clone, Default)]
pub struct Book(Arc<Mutex<Leads>>);

type Leads = BTreeMap<String, (SocketAddr, Option<IpAddr>)>;

impl Book {
    /// Leads an origin (`https://reg.test`) to a server, as if its name had the given address; a public one if none
    /// is given.
    pub fn lead(&self, origin: &str, to: SocketAddr, address: Option<IpAddr>) {
        lock(&self.0).insert(origin.to_owned(), (to, address));
    }

    pub(crate) fn find(&self, origin: &Origin) -> Option<(SocketAddr, Reach)> {
        let all = lock(&self.0);
        let (to, address) = all.get(&origin.to_string())?;
        let claimed = address.map(reach).or_else(|| origin.literal()).unwrap_or(Reach::Public);
        Some((*to, claimed))
    }
}

/// A clock that never waits and remembers how long it was asked to.
#[derive(Debug, Default)]
pub struct Hands {
    state: Mutex<(Duration, Vec<Duration>)>,
}

impl Hands {
    /// Moves the time on.
    pub fn pass(&self, time: Duration) {
        lock(&self.state).0 += time;
    }

    /// The waits so far.
    pub fn waits(&self) -> Vec<Duration> {
        lock(&self.state).1.clone()
    }
}

impl Clock for Hands {
    fn now(&self) -> Duration {
        lock(&self.state).0
    }

    fn sleep(&self, time: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
        let mut state = lock(&self.state);
        state.0 += time;
        state.1.push(time);
        cancel.check()
    }
}

/// An observer that remembers what was said.
#[derive(Debug, Default)]
pub struct Ears(Mutex<Vec<String>>);

impl Ears {
    /// All that was said.
    pub fn heard(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

impl Observer for Ears {
    fn note(&self, text: &str) {
        lock(&self.0).push(text.to_owned());
    }
}

type Rules = BTreeMap<String, VecDeque<Answer>>;

/// Scripted servers, one per origin, and what they saw.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Where the origins are.
    pub book: Book,
    /// The time.
    pub clock: Arc<Hands>,
    /// What the client said.
    pub ears: Arc<Ears>,
    seen: Arc<Mutex<Vec<Seen>>>,
    rules: Arc<Mutex<Rules>>,
    servers: Arc<Mutex<BTreeMap<String, server::Server>>>,
}

impl World {
    /// No server yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a server for an origin, as if its name had an address.
    pub fn serve_at(&self, origin: &str, address: Option<IpAddr>) {
        let mut servers = lock(&self.servers);
        if servers.contains_key(origin) {
            return;
        }
        let (seen, rules, name) = (Arc::clone(&self.seen), Arc::clone(&self.rules), origin.to_owned());
        let server = server::Server::start(
            move |request| {
                request.origin.clone_from(&name);
                pick(&mut lock(&rules), request)
            },
            move |request| lock(&seen).push(request),
        );
        self.book.lead(origin, server.address(), address);
        servers.insert(origin.to_owned(), server);
    }

    /// Where the server of an origin listens.
    pub fn address(&self, origin: &str) -> Option<SocketAddr> {
        lock(&self.servers).get(origin).map(server::Server::address)
    }

    /// Answers a request (`GET https://reg.test/v2/`) with these answers in turn; the last one stays. A path without a
    /// query matches every query. `*` as the path matches what nothing else does.
    pub fn on(&self, request: &str, answers: impl IntoIterator<Item = Answer>) -> &Self {
        let url = request.split_once(' ').map_or(request, |(_, url)| url);
        let end = url.find("://").and_then(|at| url[at + 3..].find('/').map(|slash| at + 3 + slash));
        self.serve_at(&url[..end.unwrap_or(url.len())], None);
        lock(&self.rules).insert(request.to_owned(), answers.into_iter().collect());
        self
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// The requests so far as `METHOD address` lines.
    pub fn lines(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}{}", seen.method, seen.origin, seen.path)).collect()
    }

    /// A configuration that leads into this world.
    pub fn config(&self, dir: &std::path::Path) -> Config {
        Config::empty(dir).with_book(self.book.clone()).with_clock(self.clock.clone())
    }
}

fn pick(rules: &mut Rules, request: &Seen) -> Answer {
    let (path, _) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let head = format!("{} {}", request.method, request.origin);
    for key in [format!("{head}{}", request.path), format!("{head}{path}"), format!("{head}/*")] {
        if let Some(answers) = rules.get_mut(&key) {
            if answers.len() > 1 {
                return answers.pop_front().unwrap_or_else(|| Answer::new(500));
            }
            if let Some(last) = answers.front() {
                return last.clone();
            }
        }
    }
    Answer::new(404).body(br#"{"errors":[{"code":"NAME_UNKNOWN","message":"not in the script"}]}"#)
}
