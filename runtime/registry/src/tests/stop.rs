//! Stopping: before a request, while waiting for another try, while a server says nothing.

use std::sync::Arc;
use std::time::Duration;

use imgc_base::cancel::{Cancel, Cancelled};

use super::{MANIFEST_URL, get_layer, get_manifest, layer, layer_url};
use crate::testing::{Answer, Fault, World};
use crate::{Client, Clock, Kind};

#[test]
fn before() {
    let world = World::new();
    world.on(MANIFEST_URL, [Answer::new(503)]);
    let dir = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    let client = Client::cancellable(world.config(dir.path()), cancel.clone());
    cancel.cancel();
    assert_eq!(get_manifest(&client).unwrap_err().kind(), Kind::Cancelled);
    assert!(world.seen().is_empty());
}

/// A clock that is interrupted whenever it waits.
#[derive(Debug)]
struct Interrupted;

impl Clock for Interrupted {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
        cancel.cancel();
        cancel.check()
    }
}

#[test]
fn between_tries() {
    let world = World::new();
    world.on(MANIFEST_URL, [Answer::new(503)]);
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(world.config(dir.path()).with_clock(Arc::new(Interrupted)));
    assert_eq!(get_manifest(&client).unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(world.seen().len(), 1);
}

/// Stops a client once a server has heard from it. Without the flag the client would wait for two minutes, and fail
/// in another way.
fn stopped(answer: Answer, run: fn(&Client) -> Result<Vec<u8>, crate::Error>) {
    let world = World::new();
    world.on(MANIFEST_URL, [answer.clone()]).on(&layer_url(), [answer]);
    let dir = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    let client = Client::cancellable(world.config(dir.path()), cancel.clone());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while world.seen().is_empty() {
                std::thread::yield_now();
            }
            cancel.cancel();
        });
        assert_eq!(run(&client).unwrap_err().kind(), Kind::Cancelled);
    });
}

#[test]
fn while_a_server_says_nothing() {
    stopped(Answer::new(200).fault(Fault::Stuck), get_manifest);
    stopped(Answer::new(200).fault(Fault::Stuck), get_layer);
    let promised = Answer::new(200).header("Content-Length", "40000").body(&layer()[..10_000]);
    stopped(promised, get_layer);
}
