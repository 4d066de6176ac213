//! Against Debian's `docker-registry` on loopback, and with `skopeo` as the other side. Skipped, and said so, where
//! they are not installed.

mod interop;
mod logins;
mod plain;
mod resume;
mod tls;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::manifest::media;
use imgc_image::{Blobs, Descriptor};

/// A running registry; it ends when dropped.
pub(super) struct Live {
    child: Child,
    pub(super) port: u16,
    pub(super) dir: tempfile::TempDir,
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// True if a program is installed; says so if not.
pub(super) fn installed(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

impl Live {
    /// Starts a registry; `more` is added to its configuration. `None` if it is not installed.
    pub(super) fn start(more: impl Fn(&Path) -> String) -> Option<Self> {
        if !installed("docker-registry") {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let data = dir.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: \
             {}}}, delete: {{enabled: true}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n{}",
            data.display(),
            more(dir.path())
        );
        let config = dir.path().join("config.yml");
        fs_err::write(&config, text).unwrap();
        let log = fs_err::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log.into_file())
            .spawn()
            .unwrap();
        let live = Self { child, port, dir };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = fs_err::read_to_string(live.dir.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(20), "the registry does not start: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(live)
    }

    pub(super) fn reference(&self, rest: &str) -> Reference {
        format!("localhost:{}/{rest}", self.port).parse().unwrap()
    }

    pub(super) fn registry(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

/// Blobs in memory.
#[derive(Default)]
pub(super) struct Memory(pub(super) BTreeMap<BlobDigest, Vec<u8>>);

impl Memory {
    pub(super) fn add(&mut self, kind: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::of(kind, &bytes);
        self.0.insert(descriptor.digest, bytes);
        descriptor
    }
}

impl Blobs for Memory {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.0.get(digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(bytes.clone())))
    }

    fn size(&self, digest: &BlobDigest) -> io::Result<u64> {
        self.0.get(digest).map(|bytes| bytes.len() as u64).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A tar with one file.
fn tar(content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..4].copy_from_slice(b"file");
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = header.to_vec();
    out.extend(content);
    out.resize(out.len().div_ceil(512) * 512 + 1024, 0);
    out
}

fn compressed(kind: imgc_image::Compression, bytes: &[u8]) -> Vec<u8> {
    let mut compressor = imgc_image::compress::Compressor::new(kind, Vec::new()).unwrap();
    io::Write::write_all(&mut compressor, bytes).unwrap();
    compressor.finish().unwrap()
}

/// An index of two images, one with a gzip layer and one with a zstd layer.
pub(super) fn image() -> (Memory, Descriptor) {
    let mut blobs = Memory::default();
    let mut entries = Vec::new();
    for (arch, kind) in [("amd64", imgc_image::Compression::Gzip), ("arm64", imgc_image::Compression::Zstd)] {
        let tar = tar(&[super::layer(), arch.as_bytes().to_vec()].concat());
        let layer = blobs.add(kind.media_type(), compressed(kind, &tar));
        let config = serde_json::json!({ "architecture": arch, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [BlobDigest::of(&tar)] } });
        let config = blobs.add(media::CONFIG, config.to_string().into_bytes());
        let text = serde_json::json!({ "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config,
            "layers": [layer] });
        let mut entry = blobs.add(media::MANIFEST, text.to_string().into_bytes());
        entry.platform = Some(imgc_image::manifest::PlatformDoc {
            architecture: arch.to_owned(),
            os: "linux".to_owned(),
            variant: None,
            os_version: None,
        });
        entries.push(entry);
    }
    let text = serde_json::json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries });
    let index = blobs.add(media::INDEX, text.to_string().into_bytes());
    (blobs, index)
}

/// Pulls everything that a name leads to and compares it with what was pushed.
pub(super) fn pull_all(client: &crate::Client, reference: &Reference, blobs: &Memory) -> Descriptor {
    let (root, bytes) = client.manifest(reference).unwrap();
    assert_eq!(Some(&bytes), blobs.0.get(&root.digest));
    let index: imgc_image::Index = serde_json::from_slice(&bytes).unwrap();
    for entry in &index.manifests {
        let bytes = client.document(reference, entry, 1 << 20).unwrap();
        assert_eq!(Some(&bytes), blobs.0.get(&entry.digest));
        let manifest: imgc_image::Manifest = serde_json::from_slice(&bytes).unwrap();
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            let mut sink = crate::client::blob::Buffer::default();
            client.blob(reference, blob, &mut sink).unwrap();
            assert_eq!(Some(&sink.0), blobs.0.get(&blob.digest));
        }
    }
    root
}

/// Runs a program and shows what it said if it fails.
pub(super) fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
