//! Other programs that the tests compare with. What is not installed is skipped, aloud.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::Done;

/// Where a program is, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let dirs = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    dirs.iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists())
}

/// Says that a test did not run, past the capture of test output.
pub fn skipped(test: &str, why: &str) {
    // Nothing can be done about a closed stderr.
    drop(writeln!(std::io::stderr(), "SKIPPED: {test}: {why}"));
}

/// All of the programs, or `None` after saying which one is missing.
pub fn need<const N: usize>(test: &str, programs: [&str; N]) -> Option<[PathBuf; N]> {
    let found = programs.map(|program| (program, find(program)));
    for (program, path) in &found {
        if path.is_none() {
            skipped(test, &format!("`{program}` is not installed"));
            return None;
        }
    }
    Some(found.map(|(_, path)| path.unwrap_or_default()))
}

/// What a step says when a package archive (apt, cargo, pip, npm, in this order) is out of reach.
const UNREACHABLE: [&str; 8] = [
    "Temporary failure",
    "Failed to fetch",
    "Unable to connect",
    "failed to fetch",
    "Could not find a version",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ENOTFOUND",
];

/// True, after saying so, if a build failed because a package archive cannot be reached from here.
pub fn unreachable(test: &str, built: &Done) -> bool {
    let unreachable = built.code != 0 && UNREACHABLE.iter().any(|sign| built.stderr.contains(sign));
    if unreachable {
        skipped(test, "a package archive cannot be reached");
    }
    unreachable
}

/// True if the process is root of the machine.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a program to its end; panics with its output if it fails.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
