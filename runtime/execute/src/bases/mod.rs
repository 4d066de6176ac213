//! Base images: where a name leads, and how its layers come into the store.
//!
//! [`Bases`] answers what lowering asks (`imgc_graph::World`) and later brings the layers that the executor needs. A name is
//! looked for among the named contexts of the build, in the store, in a layout on disk (`oci:DIR[:TAG]`), and last in
//! its registry.

mod find;
mod platform;
mod provide;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

use imgc_base::cancel::Cancel;
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::event::EventSink;
use imgc_base::reference::Reference;
use imgc_image::Manifest;
use imgc_registry::Client;
use imgc_store::Store;

pub use find::Found;
pub(crate) use platform::for_platform;

/// Finds base images and brings their layers.
pub struct Bases<'a> {
    store: &'a Store,
    client: Option<&'a Client>,
    contexts: BTreeMap<String, NamedContext>,
    ignore: BTreeMap<String, Vec<String>>,
    refresh: bool,
    cancel: &'a Cancel,
    sink: &'a dyn EventSink,
    found: Mutex<BTreeMap<BlobDigest, Known>>,
    said: Mutex<BTreeSet<String>>,
}

/// A context given by name on the command line.
#[derive(Debug, Clone)]
pub enum NamedContext {
    /// A directory.
    Directory(PathBuf),
    /// An image: `docker-image://NAME`, `oci-layout://DIR[:TAG]`, or `oci:DIR[:TAG]`.
    Image(String),
}

/// An image that was found, and where its layers are.
#[derive(Debug, Clone)]
struct Known {
    place: Place,
    manifest: Manifest,
    diff_ids: Vec<DiffId>,
    /// What to call it in the store once it is all there.
    tag: Option<(Reference, imgc_image::Descriptor)>,
}

/// Where an image's blobs are.
#[derive(Debug, Clone)]
enum Place {
    Store,
    Layout(PathBuf),
    Registry(Reference),
}

impl std::fmt::Debug for Bases<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bases").field("contexts", &self.contexts).finish_non_exhaustive()
    }
}

impl<'a> Bases<'a> {
    /// Looks in the store only, until more is given.
    pub fn new(store: &'a Store, cancel: &'a Cancel, sink: &'a dyn EventSink) -> Self {
        Self {
            store,
            client: None,
            contexts: BTreeMap::new(),
            ignore: BTreeMap::new(),
            refresh: false,
            cancel,
            sink,
            found: Mutex::new(BTreeMap::new()),
            said: Mutex::new(BTreeSet::new()),
        }
    }

    /// Also asks registries; `refresh` asks even for names that the store has.
    #[must_use]
    pub fn with_registry(mut self, client: &'a Client, refresh: bool) -> Self {
        self.client = Some(client);
        self.refresh = refresh;
        self
    }

    /// Adds a named context.
    #[must_use]
    pub fn with_context(mut self, name: &str, context: NamedContext) -> Self {
        self.contexts.insert(name.to_owned(), context);
        self
    }

    /// Says what a context's ignore file holds; the empty name is the main context.
    #[must_use]
    pub fn with_ignore(mut self, name: &str, patterns: Vec<String>) -> Self {
        self.ignore.insert(name.to_owned(), patterns);
        self
    }
}
