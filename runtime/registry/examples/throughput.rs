//! Measures pulling and pushing: `throughput push DIR NAME`, `throughput pull NAME DIR`, with DIR an OCI layout.
//! Prints seconds and peak memory.

#![expect(clippy::print_stdout, reason = "a measurement for people")]

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use imgc_base::digest::{BlobDigest, Hasher};
use imgc_base::reference::Reference;
use imgc_image::{Blobs, Descriptor, Index, Manifest};
use imgc_registry::{BlobSink, Client, Config};

struct Layout(PathBuf);

impl Layout {
    fn path(&self, digest: &BlobDigest) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.hex())
    }
}

impl Blobs for Layout {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs_err::File::open(self.path(digest))?))
    }

    fn size(&self, digest: &BlobDigest) -> io::Result<u64> {
        Ok(fs_err::metadata(self.path(digest))?.len())
    }
}

/// A file that is hashed while it is written, as a store does.
struct Sink(fs_err::File, Hasher);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.write(bytes)?;
        self.1.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl BlobSink for Sink {
    fn offset(&self) -> u64 {
        0
    }
}

fn push(client: &Client, dir: &Path, name: &Reference) {
    let index: Index =
        serde_json::from_slice(&fs_err::read(dir.join("index.json")).expect("an index")).expect("an index");
    let report = client.push(name, &index.manifests[0], &Layout(dir.to_owned()), &[]).expect("pushed");
    println!("sent {} blobs, {} bytes; {} were there", report.sent, report.sent_bytes, report.present);
}

fn pull(client: &Client, name: &Reference, dir: &Path) {
    fs_err::create_dir_all(dir.join("blobs/sha256")).expect("a directory");
    let layout = Layout(dir.to_owned());
    let (root, bytes) = client.manifest(name).expect("a manifest");
    fs_err::write(layout.path(&root.digest), &bytes).expect("written");
    let manifest: Manifest = serde_json::from_slice(&bytes).expect("a manifest");
    let blobs: Vec<Descriptor> = manifest.layers.into_iter().chain([manifest.config]).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(blob) = blobs.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                    let file = fs_err::File::create(layout.path(&blob.digest)).expect("a file");
                    let mut sink = Sink(file, Hasher::new());
                    client.blob(name, blob, &mut sink).expect("pulled");
                    assert_eq!(BlobDigest::finish(sink.1), blob.digest);
                }
            });
        }
    });
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, from, to] = &arguments[..] else { panic!("push DIR NAME, or pull NAME DIR") };
    let client = Client::new(Config::empty(Path::new("/nonexistent")));
    let start = Instant::now();
    match verb.as_str() {
        "push" => push(&client, Path::new(from), &to.parse().expect("a name")),
        _ => pull(&client, &from.parse().expect("a name"), Path::new(to)),
    }
    let status = fs_err::read_to_string("/proc/self/status").expect("procfs");
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{:.3} s, {peak}", start.elapsed().as_secs_f64());
}
