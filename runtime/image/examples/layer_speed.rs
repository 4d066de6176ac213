//! Measures the layer path on a synthetic tree: `cargo run --release -p imgc-image --example layer_speed -- DIR [FILES] [MiB]`.
//!
//! Writes DIR/source once, then: a layer from it (file digest, tar, diff-id, gzip or zstd), and unpacking that layer.
//! Prints MiB/s of uncompressed bytes and the peak of resident memory.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, not a part of the program")]

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use imgc_base::digest::{DiffId, FileDigest};
use imgc_base::path::ImagePath;
use imgc_image::compress::{Compression, Compressor, reader};
use imgc_image::digester::Digester;
use imgc_image::scan::{StepClock, changes, write_layer};
use imgc_image::tree::Tree;
use imgc_image::unpack::{TreeWriter, unpack};
use imgc_image::{Entry, Kind, Layer, LayerIndex, Meta, Root, flatten, merge, scan};

/// Takes the diff-id and passes on.
struct Tee<W> {
    digester: Digester,
    inner: W,
    bytes: u64,
}

impl<W: Write> Tee<W> {
    fn new(inner: W) -> Self {
        Self { digester: Digester::new(), inner, bytes: 0 }
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.digester.write_all(buf)?;
        self.bytes += buf.len() as u64;
        self.inner.write_all(buf)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Work on indexes alone: ten layers below, three in a group that changes a part of them.
fn indexes(files: usize) {
    let layer = |seed: usize, step: usize| {
        let mut entries = Vec::new();
        for number in (0..files).step_by(step) {
            let dir = format!("usr/lib/d{:03}", number / 100);
            let kind = match (number + seed) % 20 {
                0 => Kind::Whiteout,
                _ => Kind::File { size: 1, digest: FileDigest::of(&[seed as u8]) },
            };
            let path = ImagePath::clean(format!("{dir}/file-{number:06}")).unwrap();
            entries.push(Entry { path, kind, meta: Meta::default() });
            for above in ["usr", "usr/lib", &dir] {
                let path = ImagePath::clean(above).unwrap();
                entries.push(Entry { path, kind: Kind::Dir { opaque: false }, meta: Meta::default() });
            }
        }
        let index = LayerIndex::new(entries);
        Layer { diff_id: DiffId::of(&[seed as u8]), index: Arc::new(index) }
    };
    let below: Vec<Layer> = (0..10).map(|seed| layer(seed, 3 + seed)).collect();
    let group: Vec<Layer> = (10..13).map(|seed| layer(seed, seed - 8)).collect();
    let tree = Tree::new(below.clone());
    let start = Clock::start();
    let merged = merge::merge(&tree, &group).unwrap();
    report(&format!("merge to {} entries", merged.entries().len()), 0, start);
    let all = Tree::new([below.clone(), group].concat());
    let start = Clock::start();
    let live = flatten::live(&all);
    report(&format!("live digest of {} paths", all.all().len()), 0, start);
    let start = Clock::start();
    let index = merged.index();
    let emitted = flatten::certificate(below.iter().map(|layer| &*layer.index).chain([&index]));
    report("certificate", 0, start);
    assert_eq!(live, emitted);
    let start = Clock::start();
    let bytes = index.encode();
    assert_eq!(LayerIndex::decode(&bytes).unwrap(), index);
    report("index encoded and decoded", bytes.len() as u64, start);
}

/// Wall clock and processor time.
#[derive(Clone, Copy)]
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), cpu())
    }
}

/// Seconds of processor time so far, user and system.
fn cpu() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let seconds = usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9;
    seconds
}

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().unwrap_or_else(|| "layer-speed".to_owned()));
    let files: usize = args.next().map_or(50_000, |n| n.parse().unwrap());
    let megabytes: usize = args.next().map_or(1024, |n| n.parse().unwrap());
    let source = dir.join("source");
    if !source.exists() {
        generate(&source, files, megabytes << 20);
    }
    indexes(files);
    let root = Root::open(&source).unwrap();
    let clock = StepClock { start: (i64::MAX, 0), time: 1 };

    let start = Clock::start();
    let entries = changes(&root, &Tree::default(), clock).unwrap().entries;
    report("scan without content", 0, start);
    for (name, compression) in [
        ("tar only", None),
        ("none", Some(Compression::None)),
        ("zstd", Some(Compression::Zstd)),
        ("gzip", Some(Compression::Gzip)),
    ] {
        let start = Clock::start();
        let Some(compression) = compression else {
            let mut sink = Tee::new(io::sink());
            write_layer(&root, entries.clone(), &mut sink).unwrap();
            report("digest + tar + diff-id", sink.bytes, start);
            continue;
        };
        let blob = dir.join(format!("layer.{name}"));
        let out = Compressor::new(compression, File::create(&blob).unwrap()).unwrap();
        let mut sink = Tee::new(out);
        let index = write_layer(&root, entries.clone(), &mut sink).unwrap();
        let diff_id = sink.digester.finish().unwrap();
        sink.inner.finish().unwrap();
        report(&format!("digest + tar + diff-id + {name}"), sink.bytes, start);

        let start = Clock::start();
        let mut read = scan::HashingReader::new(
            reader(BufReader::with_capacity(256 << 10, File::open(&blob).unwrap())).unwrap(),
        );
        let again = unpack(&mut read, None).unwrap();
        assert!(again == index && *read.digest().as_bytes() == *diff_id.as_bytes());
        report(&format!("index of {name}"), sink.bytes, start);

        let tree = dir.join("tree");
        fs_err::remove_dir_all(&tree).ok();
        fs_err::create_dir(&tree).unwrap();
        let start = Clock::start();
        let mut read = scan::HashingReader::new(
            reader(BufReader::with_capacity(256 << 10, File::open(&blob).unwrap())).unwrap(),
        );
        unpack(&mut read, Some(&mut TreeWriter::new(Root::open(&tree).unwrap()))).unwrap();
        report(&format!("unpack of {name}"), sink.bytes, start);
    }
}

fn report(what: &str, bytes: u64, start: Clock) {
    let (seconds, cpu) = (start.0.elapsed().as_secs_f64(), cpu() - start.1);
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = bytes as f64 / seconds / f64::from(1 << 20);
    println!(
        "{what:40} {seconds:7.2} s, {cpu:6.2} s cpu {rate:8.0} MiB/s   peak {}",
        peak.trim_start_matches("VmHWM:").trim()
    );
}

/// Files in directories of 100: many small, some large; half text-like, a quarter random, a quarter zero.
fn generate(source: &Path, files: usize, bytes: usize) {
    let mut state = 88_172_645_463_325_252u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mean = bytes / files;
    for number in 0..files {
        let dir = source.join(format!("d{:03}", number / 100));
        if number % 100 == 0 {
            fs_err::create_dir_all(&dir).unwrap();
        }
        // One in fifty has half of all bytes.
        let size = if number % 50 == 0 { mean * 25 } else { mean / 2 + random() as usize % 100 };
        let mut content = Vec::with_capacity(size + 16);
        while content.len() < size {
            match number % 4 {
                0 | 1 => {
                    content.extend_from_slice(format!("fn item_{}() {{ }}\n", random() % 5000).as_bytes());
                }
                2 => content.extend_from_slice(&random().to_le_bytes()),
                _ => content.extend_from_slice(&[0; 64]),
            }
        }
        content.truncate(size);
        fs_err::write(dir.join(format!("file-{number:06}")), content).unwrap();
    }
}
