//! Images from one place to another, blob by blob. Nothing is unpacked, and every document keeps its bytes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mod@gather`] | from a manifest or index to everything that belongs to it |
//! | [`mod@pull`] | from a registry into the store, continued where an earlier try broke off |

pub mod gather;
pub mod pull;

use std::sync::{Mutex, PoisonError};

use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_image::Document;
use imgc_registry::{Client, Remote};

use crate::bases::for_platform;
use crate::error::ExecuteError;

pub use gather::{Parts, gather};
pub use pull::{Pulled, pull};

/// Which images of an index are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platforms {
    /// Everything that the index names, attestations too.
    All,
    /// One image for each of these.
    These(Vec<Platform>),
}

impl Default for Platforms {
    fn default() -> Self {
        Self::These(vec![Platform::host()])
    }
}

/// An image at a registry, to be read like one on disk. With one platform its root is the image for it, not the index.
pub fn remote(client: &Client, reference: &Reference, platforms: &Platforms) -> Result<Remote, ExecuteError> {
    if let Platforms::These(these) = platforms
        && let [platform] = these.as_slice()
    {
        let (root, bytes) = client.manifest(reference)?;
        if let Document::Index(index) = Document::parse(&bytes, Some(&root.media_type))? {
            let child = for_platform(&reference.familiar(), &index, platform).map_err(ExecuteError::Fact)?;
            let name = format!("{}/{}@{}", reference.registry(), reference.repository(), child.digest);
            let name: Reference = name.parse().map_err(|_| ExecuteError::Graph("a name with a digest"))?;
            return Ok(client.remote(&name)?);
        }
    }
    Ok(client.remote(reference)?)
}

/// Transfers at one time.
const PARALLEL: usize = 4;

/// Does something with each item, a few at a time. The first failure stops what has not begun.
fn in_parallel<T: Sync, E: Send>(items: &[T], work: impl Fn(&T) -> Result<(), E> + Sync) -> Result<(), E> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed: Mutex<Option<E>> = Mutex::new(None);
    let lane = || {
        while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            if let Err(error) = work(item) {
                next.store(items.len(), std::sync::atomic::Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..PARALLEL.min(items.len()) {
            scope.spawn(lane);
        }
        lane();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_items_or_the_first_failure() {
        let done = Mutex::new(0_u64);
        let items: Vec<u64> = (1..=100).collect();
        in_parallel(&items, |item| {
            *done.lock().unwrap() += item;
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(*done.lock().unwrap(), 5050);
        let none: [u64; 0] = [];
        assert_eq!(in_parallel(&none, |_| Err("not called")), Ok(()));
        assert_eq!(in_parallel(&items, |item| if *item == 50 { Err(*item) } else { Ok(()) }), Err(50));
    }
}
