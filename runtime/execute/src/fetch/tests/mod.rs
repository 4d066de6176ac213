//! Fetching from servers of this test and from repositories on this disk.

mod git;
mod http;
mod https;
mod stream;

use imgc_store::Store;

pub(super) struct Place {
    pub(super) dir: tempfile::TempDir,
    pub(super) store: Store,
}

pub(super) fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    Place { dir, store }
}
