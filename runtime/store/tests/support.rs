//! Stores, layers and images to test with; and this binary as another process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imgc_base::digest::{BlobDigest, ContentKey, DefinitionKey, DiffId, FileDigest};
use imgc_base::path::ImagePath;
use imgc_base::{Cancel, Reference};
use imgc_image::manifest::media;
use imgc_image::tar_write::LayerWriter;
use imgc_image::{Compression, Descriptor, Entry, Kind, LayerIndex, Meta};
use imgc_store::{Import, LayerBlob, StepRecord, Store};

pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: Store::open(&dir.path().join("store")).unwrap(), dir }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("store").join(name)
    }

    /// The same store as another process finds it: nothing in memory.
    pub(crate) fn again(&self) -> Store {
        Store::open(self.store.dir()).unwrap()
    }
}

/// A canonical layer with the given files (in path order) in one directory, and one link.
pub(crate) fn layer_tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let meta = |mode| Meta { mode, mtime: 1_700_000_000, ..Meta::default() };
    let entry =
        |path: &str, kind, mode| Entry { path: ImagePath::clean(path).unwrap(), kind, meta: meta(mode) };
    let mut writer = LayerWriter::new(Vec::new());
    writer.entry(&entry("d", Kind::Dir { opaque: false }, 0o755)).unwrap();
    for (name, content) in files {
        let kind = Kind::File { size: content.len() as u64, digest: FileDigest::of(content) };
        writer.entry_with(&entry(&format!("d/{name}"), kind, 0o644), *content).unwrap();
    }
    writer.entry(&entry("link", Kind::Symlink { target: b"d".to_vec() }, 0o777)).unwrap();
    writer.finish().unwrap()
}

/// Imports a layer as a blob and an index.
pub(crate) fn import(store: &Store, tar: &[u8]) -> LayerBlob {
    store.import_layer(tar, &Import::default()).unwrap()
}

/// Imports a layer and makes an image of it.
pub(crate) fn image(store: &Store, tar: &[u8]) -> Descriptor {
    let layer = import(store, tar);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        layer.diff_id
    );
    let config_digest = store.put_document(config.as_bytes()).unwrap();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{config_digest}","size":{}}},"layers":[{{"mediaType":"{}","digest":"{}","size":{}}}]}}"#,
        media::MANIFEST,
        media::CONFIG,
        config.len(),
        layer.media_type,
        layer.digest,
        layer.size
    );
    store.put_document(manifest.as_bytes()).unwrap();
    Descriptor::of(media::MANIFEST, manifest.as_bytes())
}

pub(crate) fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

pub(crate) fn key(text: &str) -> ContentKey {
    ContentKey::of(text.as_bytes())
}

pub(crate) fn record(layer: Option<DiffId>) -> StepRecord {
    StepRecord {
        layer,
        components: Vec::new(),
        build: "b".to_owned(),
        millis: 1,
        definition: DefinitionKey::of(b"d"),
        step: "build#1".to_owned(),
        extra: std::collections::BTreeMap::default(),
    }
}

/// Stores a tree with one file as a step's layer, as the executor does: tree, index, no blob.
pub(crate) fn run_step(store: &Store, text: &str) -> DiffId {
    let tar = layer_tar(&[("f", text.as_bytes())]);
    let diff_id = DiffId::of(&tar);
    let work = store.work_dir("step").unwrap();
    let dir = work.subdir("root").unwrap();
    let index = unpack_to(&tar, &dir);
    store.put_layer(&diff_id, &index).unwrap();
    store.commit_tree(&diff_id, &dir).unwrap();
    store.put_step(&key(text), &record(Some(diff_id))).unwrap();
    diff_id
}

pub(crate) fn unpack_to(tar: &[u8], dir: &Path) -> LayerIndex {
    let root = imgc_image::Root::open(dir).unwrap();
    imgc_image::unpack::unpack(tar, Some(&mut imgc_image::unpack::TreeWriter::new(root))).unwrap()
}

pub(crate) fn never() -> Cancel {
    Cancel::new()
}

/// A blob of some size that differs by seed.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    let step = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as u8
    };
    (0..length).map(|_| step(&mut state)).collect()
}

pub(crate) fn put_blob(store: &Store, bytes: &[u8]) -> BlobDigest {
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(bytes).unwrap();
    writer.commit(None).unwrap().0
}

pub(crate) fn gzip() -> Compression {
    Compression::Gzip
}

const ROLE: &str = "IMGC_STORE_TEST_CHILD";

/// What this process was started for by [`child`]; `None` if it is the test itself.
pub(crate) fn role() -> Option<Vec<String>> {
    #[expect(clippy::disallowed_methods, reason = "how a test hands arguments to itself in another process")]
    let value = std::env::var(ROLE).ok()?;
    Some(value.split('|').map(str::to_owned).collect())
}

/// This binary as another process that runs just the test `test`, which sees `arguments` as its [`role`].
pub(crate) fn child(test: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    prepare(&mut command, test, arguments);
    command
}

pub(crate) fn prepare(command: &mut Command, test: &str, arguments: &[&str]) {
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(ROLE, arguments.join("|")).stdin(Stdio::null()).stdout(Stdio::piped());
}
