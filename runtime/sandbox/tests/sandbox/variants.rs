//! The same tests as other users: this program again, with other ids.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

const FLAG: &str = "--variant=";
/// `nobody`: it has no subordinate ids.
const USER: u32 = 65534;
/// Where the range of ids starts that root gives.
const RANGE: u32 = 200_000;

/// The variant that this process is, and the other arguments.
pub(crate) fn split(args: &[String]) -> (String, Vec<String>) {
    let variant = args.iter().find_map(|arg| arg.strip_prefix(FLAG)).unwrap_or("own").to_owned();
    (variant, args.iter().filter(|arg| !arg.starts_with(FLAG)).cloned().collect())
}

/// Runs this program as the other users; returns how many of them failed.
pub(crate) fn run_others(args: &[String]) -> u32 {
    u32::from(!single(args)) + u32::from(!ranges(args))
}

/// A place that another user may read this program from.
fn readable_copy() -> (tempfile::TempDir, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    fs_err::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("sandbox-tests");
    fs_err::copy("/proc/self/exe", &copy).unwrap();
    (dir, copy)
}

fn single(args: &[String]) -> bool {
    let (_dir, program) = readable_copy();
    Command::new(program)
        .args(args)
        .arg(format!("{FLAG}single"))
        .current_dir("/")
        .uid(USER)
        .gid(USER)
        .status()
        .is_ok_and(|status| status.success())
}

/// `unshare` makes the namespace and waits; this process, which may, writes its maps.
fn ranges(args: &[String]) -> bool {
    let (_dir, program) = readable_copy();
    let started = Command::new("unshare")
        .args([
            "--user",
            "--keep-caps",
            "--",
            "sh",
            "-c",
            r#"read go && exec setpriv --reuid 0 --regid 0 --clear-groups "$0" "$@""#,
        ])
        .arg(program)
        .args(args)
        .arg(format!("{FLAG}ranges"))
        .current_dir("/")
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("SKIPPED: no `unshare` program, so nothing was tested with a range of ids");
        return true;
    };
    let own = fs_err::read_link("/proc/self/ns/user").unwrap();
    // Its namespace is there when it differs from this one's.
    while fs_err::read_link(format!("/proc/{}/ns/user", child.id())).is_ok_and(|ns| ns == own) {
        std::thread::yield_now();
    }
    for map in ["uid_map", "gid_map"] {
        fs_err::write(format!("/proc/{}/{map}", child.id()), format!("0 {RANGE} 65536\n")).unwrap();
    }
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child.wait().unwrap().success()
}
