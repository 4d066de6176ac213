//! Images in memory, written as lines.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use imgc_base::config::{ImageConfig, RootFs};
use imgc_base::digest::{BlobDigest, DiffId, FileDigest};
use imgc_base::path::ImagePath;
use imgc_image::compress::{Compression, Compressor};
use imgc_image::manifest::{Descriptor, Manifest, media};
use imgc_image::tar_write::LayerWriter;
use imgc_image::{Blobs, Contents, Entry, Kind, Layer, LayerIndex, Meta};

/// Blobs and files, as a store would have them.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) blobs: BTreeMap<BlobDigest, Vec<u8>>,
    files: BTreeMap<(DiffId, ImagePath), Vec<u8>>,
}

impl Blobs for Memory {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.blobs.get(digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }

    fn size(&self, digest: &BlobDigest) -> io::Result<u64> {
        Ok(self.blobs.get(digest).ok_or(io::ErrorKind::NotFound)?.len() as u64)
    }
}

impl Contents for Memory {
    fn open(&self, layer: &DiffId, path: &ImagePath) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.files.get(&(*layer, path.clone())).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }
}

pub(crate) fn path(text: &str) -> ImagePath {
    ImagePath::clean(text).unwrap()
}

/// `d a`, `o a` (opaque), `f a content`, `l a target`, `h a to`, `w a`, `p a`, `c a` (1:3); a fourth word is the mode.
pub(crate) fn entry(line: &str) -> (Entry, Vec<u8>) {
    let words: Vec<&str> = line.split(' ').collect();
    let third = words.get(2).copied().unwrap_or_default();
    let (kind, mode) = match words[0] {
        "d" => (Kind::Dir { opaque: false }, 0o755),
        "o" => (Kind::Dir { opaque: true }, 0o755),
        "f" => {
            let digest = FileDigest::of(third.as_bytes());
            (Kind::File { size: third.len() as u64, digest }, 0o644)
        }
        "l" => (Kind::Symlink { target: third.into() }, 0o777),
        "h" => (Kind::Hardlink { to: path(third) }, 0o644),
        "w" => (Kind::Whiteout, 0),
        "p" => (Kind::Fifo, 0o622),
        "c" => (Kind::Char { major: 1, minor: 3 }, 0o666),
        other => panic!("unknown kind {other}"),
    };
    let mode = words.get(3).map_or(mode, |mode| u32::from_str_radix(mode, 8).unwrap());
    let mtime = if kind == Kind::Whiteout { 0 } else { 1_000_000 };
    let content = if words[0] == "f" { third.into() } else { Vec::new() };
    (Entry { path: path(words[1]), kind, meta: Meta { mode, mtime, ..Meta::default() } }, content)
}

impl Memory {
    pub(crate) fn put(&mut self, bytes: Vec<u8>) -> BlobDigest {
        let digest = BlobDigest::of(&bytes);
        self.blobs.insert(digest, bytes);
        digest
    }

    /// Adds a layer; its lines stand in path order.
    pub(crate) fn layer(&mut self, lines: &[&str], compression: Compression) -> (Layer, Descriptor) {
        let entries: Vec<(Entry, Vec<u8>)> = lines.iter().map(|line| entry(line)).collect();
        let tar = tar(&entries);
        let diff_id = DiffId::of(&tar);
        for (entry, content) in &entries {
            if matches!(entry.kind, Kind::File { .. }) {
                self.files.insert((diff_id, entry.path.clone()), content.clone());
            }
        }
        let blob = compressed(compression, &tar);
        let size = blob.len() as u64;
        let descriptor = Descriptor::new(compression.media_type(), self.put(blob), size);
        let index = LayerIndex::new(entries.into_iter().map(|(entry, _)| entry).collect());
        (Layer { diff_id, index: Arc::new(index) }, descriptor)
    }

    /// Adds an image of these layers; returns its manifest.
    pub(crate) fn image(&mut self, layers: &[(Layer, Descriptor)]) -> Descriptor {
        let config = ImageConfig {
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            rootfs: RootFs { diff_ids: layers.iter().map(|(l, _)| l.diff_id).collect(), ..RootFs::default() },
            ..ImageConfig::default()
        };
        let config = serde_json::to_vec(&config).unwrap();
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(media::CONFIG, &config),
            layers: layers.iter().map(|(_, descriptor)| descriptor.clone()).collect(),
            subject: None,
            annotations: BTreeMap::new(),
        };
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let descriptor = Descriptor::of(media::MANIFEST, &manifest);
        self.put(config);
        self.put(manifest);
        descriptor
    }
}

pub(crate) fn tar(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new());
    for (entry, content) in entries {
        writer.entry_with(entry, content.as_slice()).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn compressed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut out = Compressor::new(compression, Vec::new()).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn read(mut source: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).unwrap();
    bytes
}

/// What a directory holds, one line for each path, sorted: kind, mode, owner, time, and content or target.
pub(crate) fn listing(dir: &Path) -> Vec<String> {
    fn walk(top: &Path, dir: &Path, out: &mut Vec<String>) {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        for item in fs_err::read_dir(dir).unwrap() {
            let path = item.unwrap().path();
            let stat = fs_err::symlink_metadata(&path).unwrap();
            let kind = stat.file_type();
            let what = if kind.is_dir() {
                "dir".to_owned()
            } else if kind.is_symlink() {
                format!("-> {}", fs_err::read_link(&path).unwrap().display())
            } else if kind.is_file() {
                format!("file {:?} {}", String::from_utf8_lossy(&fs_err::read(&path).unwrap()), stat.nlink())
            } else if kind.is_fifo() {
                "pipe".to_owned()
            } else {
                format!("device {:x}", stat.rdev())
            };
            let mode = if kind.is_symlink() { 0o777 } else { stat.mode() & 0o7777 };
            let name = path.strip_prefix(top).unwrap().display().to_string();
            out.push(format!("{name} {mode:o} {}:{} {} {what}", stat.uid(), stat.gid(), stat.mtime()));
            if kind.is_dir() {
                walk(top, &path, out);
            }
        }
    }
    let mut out = Vec::new();
    walk(dir, dir, &mut out);
    out.sort();
    out
}

/// True if a program of the machine can be run as the reference; says loudly if not.
pub(crate) fn installed(program: &str) -> bool {
    let found =
        std::process::Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("SKIPPED: {program} absent");
    }
    found
}

/// Runs a program; its output if it succeeds.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = std::process::Command::new(program).args(args).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(format!("{program} {args:?}: {text}")) }
}
