//! Small root filesystems to build on.

use std::path::PathBuf;
use std::process::Command;

use tar::{Builder, EntryType, Header};

use crate::peer;

/// Users of the busybox root.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www:x:33:33:www:/var/www:/bin/false
app:x:1000:1000:App:/home/app:/bin/sh
";
/// Groups of the busybox root.
const GROUP: &str = "root:x:0:
daemon:x:1:
www:x:33:app
staff:x:50:app,www
app:x:1000:
";

/// The time of every file of the roots.
const TIME: u64 = 1_600_000_000;

struct Root(Builder<Vec<u8>>);

impl Root {
    fn add(&mut self, kind: EntryType, path: &str, mode: u32, owner: u64, link: &str, content: &[u8]) {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(TIME);
        header.set_size(content.len() as u64);
        if link.is_empty() {
            self.0.append_data(&mut header, path, content).expect("an entry");
        } else {
            self.0.append_link(&mut header, path, link).expect("a link");
        }
    }

    fn dir(&mut self, path: &str, mode: u32, owner: u64) {
        self.add(EntryType::Directory, path, mode, owner, "", b"");
    }

    fn file(&mut self, path: &str, content: &[u8]) {
        self.add(EntryType::Regular, path, 0o644, 0, "", content);
    }
}

/// A busybox root as a tar: all applets, a few users, links, a sticky directory. `None`, aloud, without busybox.
pub fn busybox(test: &str) -> Option<Vec<u8>> {
    let [busybox] = peer::need(test, ["busybox"])?;
    let program = fs_err::read(&busybox).expect("busybox is readable");
    let applets = peer::run(Command::new(&busybox).arg("--list"));
    let mut root = Root(Builder::new(Vec::new()));
    for (path, mode, owner) in [
        ("bin/", 0o755, 0),
        ("etc/", 0o755, 0),
        ("home/", 0o755, 0),
        ("home/app/", 0o750, 1000),
        ("root/", 0o700, 0),
        ("tmp/", 0o1777, 0),
        ("usr/", 0o755, 0),
        ("usr/bin/", 0o755, 0),
        ("usr/local/", 0o755, 0),
        ("usr/local/bin/", 0o755, 0),
        ("var/", 0o755, 0),
        ("var/www/", 0o2775, 33),
    ] {
        root.dir(path, mode, owner);
    }
    root.add(EntryType::Regular, "bin/busybox", 0o755, 0, "", &program);
    for applet in String::from_utf8_lossy(&applets).lines().filter(|name| *name != "busybox") {
        root.add(EntryType::Symlink, &format!("bin/{applet}"), 0o777, 0, "busybox", b"");
    }
    root.add(EntryType::Symlink, "lib", 0o777, 0, "usr/lib", b"");
    root.file("etc/passwd", PASSWD.as_bytes());
    root.file("etc/group", GROUP.as_bytes());
    root.file("etc/os-release", b"ID=test\n");
    root.file("var/www/index.html", b"<p>base</p>\n");
    Some(root.0.into_inner().expect("a tar"))
}

/// A Debian bookworm root as a tar file, made once per checkout by `mmdebstrap` from the archive that this machine's
/// apt uses. `None`, aloud, where that cannot be.
pub fn debian(test: &str) -> Option<PathBuf> {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/roots");
    fs_err::create_dir_all(&target).expect("a directory");
    let path = target.join("debian-bookworm.tar");
    let lock = fs_err::File::create(target.join("lock")).expect("a lock file");
    rustix::fs::flock(lock.file(), rustix::fs::FlockOperation::LockExclusive).expect("a lock");
    if path.exists() {
        return Some(path);
    }
    let [mmdebstrap] = peer::need(test, ["mmdebstrap"])?;
    let sources = apt_sources();
    if sources.is_empty() {
        peer::skipped(test, "this machine's apt has no sources to take Debian from");
        return None;
    }
    let half = target.join("debian-bookworm.part");
    let mut command = Command::new(mmdebstrap);
    command.args(["--quiet", "--variant=minbase", "--format=tar", "bookworm"]).arg(&half).args(&sources);
    let output = command.output().expect("mmdebstrap starts");
    if !output.status.success() {
        peer::skipped(test, &format!("mmdebstrap: {}", String::from_utf8_lossy(&output.stderr).trim()));
        return None;
    }
    fs_err::rename(&half, &path).expect("a rename");
    Some(path)
}

/// The machine's own apt sources of Debian.
fn apt_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let listed = PathBuf::from("/etc/apt/sources.list");
    let dir = fs_err::read_dir("/etc/apt/sources.list.d").into_iter().flatten().filter_map(Result::ok);
    for path in std::iter::once(listed).chain(dir.map(|entry| entry.path())) {
        let known = path.extension().is_some_and(|extension| extension == "list" || extension == "sources");
        let text = fs_err::read_to_string(&path).unwrap_or_default();
        if known && text.contains("bookworm") && text.contains("/debian") {
            found.push(path);
        }
    }
    found
}
