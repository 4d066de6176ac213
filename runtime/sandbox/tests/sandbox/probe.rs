//! This program inside a sandbox, for what busybox cannot do.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use imgc_sandbox::{Command, MountSpec, What};

use crate::bed::{Bed, path};

/// Talks to a socket.
pub(crate) const TALK: &str = "--probe-talk";
/// Counts processors.
pub(crate) const COUNT: &str = "--probe-count";
/// Makes system calls that must fail.
pub(crate) const TRY_CALLS: &str = "--probe-calls";

/// This program with an argument, and the libraries of the machine that it needs.
pub(crate) fn command(word: &str, argument: &str) -> Command {
    let bind = |target: &str, source: &Path| MountSpec {
        target: path(target),
        what: What::Bind { source: source.to_path_buf(), readonly: true },
    };
    let libraries = ["/lib", "/lib64", "/usr/lib"].map(Path::new).into_iter().filter(|dir| dir.is_dir());
    let mut mounts: Vec<MountSpec> = libraries.map(|dir| bind(dir.to_str().unwrap(), dir)).collect();
    mounts.push(bind("probe", &std::env::current_exe().unwrap()));
    let args = ["/probe", word, argument].map(str::to_owned).to_vec();
    Command { args, mounts, ..Bed::shell("") }
}

pub(crate) fn talk(to: &Path) -> ExitCode {
    let stat = fs_err::metadata(to).unwrap();
    println!("mode {:o} owner {}", stat.mode() & 0o7777, stat.uid());
    for number in 1..=2 {
        let mut stream = UnixStream::connect(to).unwrap();
        stream.write_all(format!("hello {number}\n").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        print!("{answer}");
    }
    ExitCode::SUCCESS
}

/// Prints the name and error of each call; the filter refuses, or the kernel does.
pub(crate) fn try_calls() -> ExitCode {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    use rustix::mount::{FsOpenFlags, MountFlags, OpenTreeFlags};
    use rustix::net::{AddressFamily, SocketType};
    let say = |name: &str, result: rustix::io::Result<()>| match result {
        Ok(()) => println!("{name} works"),
        Err(error) => println!("{name} {}", error.raw_os_error()),
    };
    let socket =
        |family: u16, kind| rustix::net::socket(AddressFamily::from_raw(family), kind, None).map(drop);
    say("fsopen", rustix::mount::fsopen("tmpfs", FsOpenFlags::empty()).map(drop));
    say("open_tree", rustix::mount::open_tree(CWD, "/", OpenTreeFlags::OPEN_TREE_CLONE).map(drop));
    say("mount", rustix::mount::mount("none", "/tmp", "tmpfs", MountFlags::empty(), None));
    say("pivot_root", rustix::process::pivot_root("/", "/"));
    say("sethostname", rustix::system::sethostname(b"x"));
    say("af_alg", socket(38, SocketType::SEQPACKET));
    say("af_vsock", socket(40, SocketType::STREAM));
    say("af_unix", socket(1, SocketType::STREAM));
    say("mknod", {
        let device = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(CWD, "/tmp/null", rustix::fs::FileType::CharacterDevice, Mode::RUSR, device)
    });
    say("exe of 1", rustix::fs::open("/proc/1/exe", OFlags::RDONLY, Mode::empty()).map(drop));
    say(
        "openat2",
        rustix::fs::openat2(CWD, "/", OFlags::PATH, Mode::empty(), ResolveFlags::IN_ROOT).map(drop),
    );
    ExitCode::SUCCESS
}
