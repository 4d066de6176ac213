//! Measures a store on this machine: `cargo run --release -p imgc-store --example measure -- DIR`.
//!
//! Makes a fresh store in `DIR/store` with 5,000 steps and one large layer, and prints what each operation takes.

#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "numbers for people")]

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use imgc_base::Cancel;
use imgc_base::canonical::{Component, ComponentDigest};
use imgc_base::digest::{ContentKey, DefinitionKey, DiffId, FileDigest};
use imgc_base::path::ImagePath;
use imgc_image::tar_write::LayerWriter;
use imgc_image::{Compression, Entry, Kind, LayerIndex, Meta};
use imgc_store::{Depth, Import, Policy, StepRecord, Store};

const STEPS: usize = 5000;

fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).expect("a directory is given")).join("store");
    let store = Store::open(&dir).expect("a new store");
    let build = store.begin_build().expect("a build");
    let keys: Vec<ContentKey> = (0..STEPS).map(|at| ContentKey::of(&at.to_le_bytes())).collect();

    let layers: Vec<DiffId> = (0..STEPS).map(|at| put_tree(&store, at)).collect();
    each("put_step", keys.iter().zip(&layers), |(key, layer)| {
        store.put_step(key, &record(*layer)).expect("a step is stored");
    });
    say("finish (one syncfs)", time(|| build.finish().expect("a sync")));

    let store = reopened(store, &dir);
    for what in ["step, first look by a process", "step, again"] {
        each(what, &keys, |key| assert!(store.step(key).expect("a look").is_some()));
    }
    let none: Vec<ContentKey> = (0..STEPS).map(|at| ContentKey::of(format!("no {at}").as_bytes())).collect();
    each("step, not there", &none, |key| assert!(store.step(key).expect("a look").is_none()));
    each("lock_step", &keys, |key| drop(store.lock_step(key, &Cancel::new()).expect("a lock")));
    say("put_document", time(|| assert!(store.put_document(b"{\"a\":1}").is_ok())));

    let tar = large_layer();
    let mib = tar.len() as f64 / f64::from(1 << 20);
    let layer = {
        let mut layer = None;
        let taken = time(|| layer = store.import_layer(tar.as_slice(), &Import::default()).ok());
        rate("import_layer of a plain tar, to gzip", mib, taken);
        layer.expect("a layer")
    };
    let raw = std::fs::File::open(store.dir().join("blobs/sha256").join(layer.digest.hex())).expect("a blob");
    rate(
        "import_layer of a gzip blob",
        mib,
        time(|| drop(store.import_layer(raw, &Import::default()).expect("a layer"))),
    );
    rate("ensure_tree from gzip", mib, time(|| drop(store.ensure_tree(&layer.diff_id).expect("a tree"))));
    rate(
        "ensure_blob zstd",
        mib,
        time(|| drop(store.ensure_blob(&layer.diff_id, Compression::Zstd).expect("a blob"))),
    );
    say("verify, quick", time(|| assert!(store.verify(Depth::Quick).expect("a look").is_whole())));
    rate("verify, full", mib, time(|| assert!(store.verify(Depth::Full).expect("a look").is_whole())));
    say("usage", time(|| drop(store.usage().expect("a look"))));
    let store = reopened(store, &dir);
    let policy = Policy { all: true, ..Policy::default() };
    say("gc of everything", time(|| drop(store.gc(&policy).expect("a collection"))));
}

/// Closes a store and opens it as a new process does.
fn reopened(store: Store, dir: &std::path::Path) -> Store {
    drop(store);
    let mut opened = None;
    let taken = time(|| opened = Store::open(dir).ok());
    say("open", taken);
    opened.expect("it opens")
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Prints the median, and the processor time of this thread: other work on the machine is in the one, not in the other.
fn each<I: IntoIterator>(what: &str, items: I, mut work: impl FnMut(I::Item)) {
    let before = cpu();
    let mut taken: Vec<f64> = items.into_iter().map(|item| time(|| work(item))).collect();
    let spent = (cpu() - before) / taken.len() as f64 * 1e6;
    taken.sort_by(f64::total_cmp);
    let median = taken[taken.len() / 2] * 1e6;
    writeln!(std::io::stdout(), "{what:40} {median:>10.1} us (processor time {spent:.1} us)").ok();
}

fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn say(what: &str, seconds: f64) {
    writeln!(std::io::stdout(), "{what:40} {:>10.1} us", seconds * 1e6).ok();
}

fn rate(what: &str, mib: f64, seconds: f64) {
    writeln!(std::io::stdout(), "{what:40} {:>10.1} MiB/s ({seconds:.2} s)", mib / seconds).ok();
}

/// A step's small tree.
fn put_tree(store: &Store, number: usize) -> DiffId {
    let entry = Entry {
        path: ImagePath::clean(format!("f{number}")).expect("a path"),
        kind: Kind::File { size: 0, digest: FileDigest::of(b"") },
        meta: Meta::default(),
    };
    let mut writer = LayerWriter::new(Vec::new());
    writer.entry(&entry).expect("an entry");
    let diff_id = DiffId::of(&writer.finish().expect("a layer"));
    let work = store.work_dir("step").expect("a directory");
    let dir = work.subdir("root").expect("a directory");
    let file = std::fs::File::create(dir.join(format!("f{number}"))).expect("a file");
    std::os::unix::fs::fchown(&file, Some(0), Some(0)).ok();
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o0)).expect("a mode");
    file.set_modified(std::time::UNIX_EPOCH).expect("a time");
    store.put_layer(&diff_id, &LayerIndex::new(vec![entry])).expect("an index");
    store.commit_tree(&diff_id, &dir).expect("a tree");
    diff_id
}

/// A record as large as that of a real step.
fn record(layer: DiffId) -> StepRecord {
    let component = |at: usize| Component {
        name: format!("env VARIABLE_{at}"),
        digest: ComponentDigest::of(&at.to_le_bytes()),
        shown: "a value of the usual length".to_owned(),
    };
    StepRecord {
        layer: Some(layer),
        components: (0..12).map(component).collect(),
        build: "20260101-000000-00000".to_owned(),
        millis: 1234,
        definition: DefinitionKey::of(b"definition"),
        step: "build#12".to_owned(),
        extra: std::collections::BTreeMap::default(),
    }
}

/// 256 MiB in 20,000 files, about as compressible as programs and text are.
fn large_layer() -> Vec<u8> {
    let mut out = LayerWriter::new(Vec::new());
    let mut state = 1u32;
    for number in 0..20_000 {
        let content: Vec<u8> = (0..13_000)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if at % 3 == 0 { (state >> 24) as u8 } else { b'a' + (at % 7) as u8 }
            })
            .collect();
        let entry = Entry {
            path: ImagePath::clean(format!("f{number:05}")).expect("a path"),
            kind: Kind::File { size: content.len() as u64, digest: FileDigest::of(&content) },
            meta: Meta { mode: 0o644, ..Meta::default() },
        };
        out.entry_with(&entry, content.as_slice()).expect("an entry");
    }
    out.finish().expect("a layer")
}
