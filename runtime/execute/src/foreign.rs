//! Programs for another processor: whether this machine can run them, said before the sandbox is made.
//!
//! What counts is the program itself, not what its image says: a script leads to its interpreter, and an ELF file names
//! its machine. An emulator is known to the kernel by `binfmt_misc`.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use imgc_base::ImagePath;
use imgc_base::platform::Platform;
use imgc_graph::Exec;
use imgc_image::{Contents, Kind, Tree};
use imgc_store::Store;

use crate::error::ExecuteError;

/// How much of a program is looked at, in bytes: the kernel's own measure.
const HEAD: u64 = 256;
/// How many scripts lead to each other.
const MAX_SCRIPTS: usize = 4;
/// Where the kernel lists its emulators.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";

/// Refuses a command whose program this machine cannot run. What cannot be told is left to the kernel.
pub fn check(exec: &Exec, root: &Tree, store: &Store) -> Result<(), ExecuteError> {
    let Some(mut path) = exec.args.first().and_then(|name| find(name, exec, root)) else { return Ok(()) };
    for _ in 0..MAX_SCRIPTS {
        let Some(head) = head(&path, root, store)? else { return Ok(()) };
        if let Some(line) = head.strip_prefix(b"#!") {
            let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let name = String::from_utf8_lossy(line.trim_ascii()).into_owned();
            let name = name.split_whitespace().next().unwrap_or_default().to_owned();
            let Some(next) = find(&name, exec, root) else { return Ok(()) };
            path = next;
            continue;
        }
        let Some(arch) = machine(&head) else { return Ok(()) };
        let host = Platform::host().arch;
        if runs(&host, arch) || emulated(Path::new(BINFMT), &head, root) {
            return Ok(());
        }
        return Err(ExecuteError::Foreign { program: path.to_absolute(), arch: arch.to_owned(), host });
    }
    Ok(())
}

/// Where a program lies, by its path or in `PATH`.
fn find(name: &str, exec: &Exec, root: &Tree) -> Option<ImagePath> {
    let there = |path: ImagePath| {
        let path = root.resolve(&path, true).ok()?;
        matches!(root.get(&path)?.content().kind, Kind::File { .. }).then_some(path)
    };
    if name.contains('/') {
        return there(exec.cwd.resolve(name).ok()?);
    }
    let path = exec.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value.as_str());
    path.split(':').find_map(|dir| there(ImagePath::clean(dir).ok()?.child(name.as_bytes())))
}

fn head(path: &ImagePath, root: &Tree, store: &Store) -> Result<Option<Vec<u8>>, ExecuteError> {
    let Some(found) = root.get(path) else { return Ok(None) };
    let content = Contents::open(store, &found.layer.diff_id, &found.content().path)
        .map_err(ExecuteError::io("look at a program"))?;
    let mut head = Vec::new();
    content.take(HEAD).read_to_end(&mut head).map_err(ExecuteError::io("look at a program"))?;
    Ok(Some(head))
}

/// The processor that an ELF file is made for; `None` if it is no ELF file or one of a rare kind.
fn machine(head: &[u8]) -> Option<&'static str> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let bytes = [*head.get(18)?, *head.get(19)?];
    let little = head.get(5) == Some(&1);
    let number = if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
    Some(match number {
        3 => "386",
        8 if little => "mips64le",
        21 if little => "ppc64le",
        22 => "s390x",
        40 => "arm",
        62 => "amd64",
        183 => "arm64",
        243 => "riscv64",
        258 => "loong64",
        _ => return None,
    })
}

/// True if a processor runs programs of another one itself. Some arm64 machines do not; their kernel says so.
fn runs(host: &str, arch: &str) -> bool {
    host == arch || matches!((host, arch), ("amd64", "386") | ("arm64", "arm"))
}

/// True if the kernel has an emulator for a program, and finds it from within a sandbox: the flag `F` keeps it open,
/// without it it must be in the root.
fn emulated(dir: &Path, head: &[u8], root: &Tree) -> bool {
    let Ok(entries) = fs_err::read_dir(dir) else { return false };
    if fs_err::read_to_string(dir.join("status")).is_ok_and(|text| text.trim() == "disabled") {
        return false;
    }
    entries.filter_map(Result::ok).any(|entry| {
        let text = fs_err::read_to_string(entry.path()).unwrap_or_default();
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim_start_matches(':').trim())
        };
        let inside = || {
            let path = ImagePath::clean(field("interpreter").unwrap_or_default());
            path.is_ok_and(|path| root.resolve(&path, true).is_ok_and(|path| root.get(&path).is_some()))
        };
        let offset = field("offset").and_then(|text| text.parse().ok()).unwrap_or(0);
        let magic = field("magic").and_then(hex).unwrap_or_default();
        let mask = field("mask").and_then(hex).unwrap_or_else(|| vec![0xff; magic.len()]);
        let fits = || {
            let bytes = head.get(offset..).unwrap_or_default();
            bytes.len() >= magic.len()
                && magic.iter().zip(&mask).zip(bytes).all(|((magic, mask), byte)| byte & mask == magic & mask)
        };
        text.starts_with("enabled")
            && !magic.is_empty()
            && fits()
            && (field("flags").is_some_and(|flags| flags.contains('F')) || inside())
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if digits.len().is_multiple_of(2) { digits.chunks(2).map(pair).collect() } else { None }
}

/// What to install for a processor.
pub fn help(arch: &str) -> String {
    let mut text = String::from(
        "install an emulator: `apt-get install qemu-user-static binfmt-support` (Debian, Ubuntu)",
    );
    let _ = write!(text, " or `dnf install qemu-user-static-{}` (Fedora)", gnu_name(arch));
    text.push_str("; or let the step run here and cross-compile: `FROM --platform=$BUILDPLATFORM ...`");
    text
}

fn gnu_name(arch: &str) -> &str {
    match arch {
        "amd64" | "386" => "x86",
        "arm64" => "aarch64",
        "ppc64le" => "ppc",
        "riscv64" => "riscv",
        "mips64le" => "mips",
        "loong64" => "loongarch64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u16) -> Vec<u8> {
        let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        head.extend(machine.to_le_bytes());
        head.resize(64, 0);
        head
    }

    #[test]
    fn machines() {
        assert_eq!(machine(&elf(183)), Some("arm64"));
        assert_eq!(machine(&elf(62)), Some("amd64"));
        assert_eq!(machine(&elf(9999)), None);
        let mut big = elf(0);
        (big[5], big[18], big[19]) = (2, 0, 22);
        assert_eq!(machine(&big), Some("s390x"));
        for other in [&b""[..], b"#!/bin/sh", b"\x7fELF", b"\x7fELF\x02\x01"] {
            assert_eq!(machine(other), None);
        }
        assert!(runs("amd64", "386") && runs("arm64", "arm64") && !runs("amd64", "arm64"));
    }

    #[test]
    fn emulators_of_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        let rule = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: FLAGS\noffset 0\n\
            magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";
        let has = |name: &str, text: &str, machine: u16| {
            fs_err::write(dir.path().join(name), text).unwrap();
            emulated(dir.path(), &elf(machine), &Tree::default())
        };
        assert!(!emulated(&dir.path().join("none"), &elf(183), &Tree::default()));
        assert!(!has("qemu", &rule.replace("FLAGS", "OC"), 183), "not in the root, and not kept open");
        assert!(has("qemu", &rule.replace("FLAGS", "OCF"), 183));
        assert!(!has("qemu", &rule.replace("FLAGS", "OCF"), 243), "another machine");
        assert!(!has("qemu", &rule.replace("FLAGS", "F").replace("enabled", "disabled"), 183));
        assert!(has("qemu", &rule.replace("FLAGS", "F"), 183));
        assert!(!has("status", "disabled\n", 183));
        assert!(help("arm64").contains("aarch64"));
    }
}
