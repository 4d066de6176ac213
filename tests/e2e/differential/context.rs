//! The files of a case, written to the disk.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use imgc_testkit::peer;
use tar::{Builder, EntryType, Header};

use super::table::{Case, Made, TarEntry};

/// Gives the context's files their modes again, after they got another owner.
pub(super) fn set_modes(case: &Case, dir: &Path) {
    for made in &case.files {
        if let Made::File { path, mode, .. } | Made::Dir { path, mode } = made {
            let path = dir.join("ctx").join(path);
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(*mode)).expect("a mode");
        }
    }
}

/// Writes the context to `dir/ctx`, and what is beside it to `dir`. False, aloud, if a compressor is
/// missing or the file system has no attributes.
pub(super) fn write(case: &Case, dir: &Path) -> bool {
    let context = dir.join("ctx");
    fs_err::create_dir_all(&context).expect("a directory");
    let mut archives: BTreeMap<&str, Builder<Vec<u8>>> = BTreeMap::new();
    let mut modes = Vec::new();
    for made in &case.files {
        match made {
            Made::File { path, mode, text } => {
                let path = below(&context, path);
                fs_err::write(&path, text).expect("a file");
                modes.push((path, *mode));
            }
            Made::Dir { path, mode } => {
                let path = below(&context, path);
                fs_err::create_dir_all(&path).expect("a directory");
                modes.push((path, *mode));
            }
            Made::Link { path, target } => {
                symlink(target, below(&context, path)).expect("a link");
            }
            Made::Hard { path, other } => {
                fs_err::hard_link(context.join(other), below(&context, path)).expect("a hard link");
            }
            Made::Fifo { path, mode } => {
                let path = below(&context, path);
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, rustix::fs::Mode::empty(), 0)
                    .expect("a fifo");
                modes.push((path, *mode));
            }
            Made::Xattr { path, name, value } => {
                let flags = rustix::fs::XattrFlags::empty();
                if let Err(error) = rustix::fs::setxattr(context.join(path), name.as_str(), value, flags) {
                    peer::skipped(&case.name, &format!("attributes on this file system: {error}"));
                    return false;
                }
            }
            Made::Tar { path, entry } => {
                append(archives.entry(path).or_insert_with(|| Builder::new(Vec::new())), entry);
            }
            Made::Beside { path, text } => {
                fs_err::write(below(dir, path), text).expect("a file");
            }
        }
    }
    for (path, archive) in archives {
        let bytes = archive.into_inner().expect("an archive");
        let Some(bytes) = compress(&case.name, path, bytes) else { return false };
        let path = below(&context, path);
        fs_err::write(&path, bytes).expect("an archive");
        modes.push((path, 0o644));
    }
    for (path, mode) in modes {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    true
}

/// A path with the directories above it, whose mode does not depend on the umask.
fn below(dir: &Path, path: &str) -> std::path::PathBuf {
    let mut at = dir.to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    for part in &parts[..parts.len() - 1] {
        at.push(part);
        if fs_err::create_dir(&at).is_ok() {
            fs_err::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        }
    }
    at.join(parts[parts.len() - 1])
}

fn append(archive: &mut Builder<Vec<u8>>, entry: &TarEntry) {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.uid);
    header.set_gid(entry.gid);
    header.set_mtime(1_500_000_000);
    header.set_size(0);
    let kind = match entry.kind.as_str() {
        "dir" => EntryType::Directory,
        "file" => EntryType::Regular,
        "link" => EntryType::Symlink,
        "hard" => EntryType::Link,
        "fifo" => EntryType::Fifo,
        other => panic!("`{other}` is no kind of entry"),
    };
    header.set_entry_type(kind);
    // The name as it stands, also one that leaves the archive.
    let name = entry.name.as_bytes();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    if matches!(kind, EntryType::Symlink | EntryType::Link) {
        header.as_old_mut().linkname[..entry.text.len()].copy_from_slice(&entry.text);
        header.set_cksum();
        archive.append(&header, std::io::empty()).expect("an entry");
    } else {
        header.set_size(entry.text.len() as u64);
        header.set_cksum();
        archive.append(&header, entry.text.as_slice()).expect("an entry");
    }
}

/// Compresses as the name says.
fn compress(case: &str, name: &str, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let program = match name.rsplit_once('.').map(|(_, last)| last) {
        Some("gz") => "gzip",
        Some("bz2") => "bzip2",
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return Some(bytes),
    };
    let [program] = peer::need(case, [program])?;
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a compressor starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).expect("it reads all"));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    assert!(output.status.success());
    Some(output.stdout)
}
