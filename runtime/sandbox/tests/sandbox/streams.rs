//! Output and endings.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use imgc_base::Cancel;
use imgc_sandbox::{Attach, Command, Status};

use crate::Test;
use crate::bed::Bed;

pub(crate) const TESTS: &[Test] =
    &[("endings", endings), ("output", output), ("attached", attached), ("terminal", terminal)];

/// This program, running a command with its own streams.
pub(crate) const ATTACHED: &str = "--attached";
/// The same with a terminal.
pub(crate) const TERMINAL: &str = "--terminal";

const TALK: &str = r#"
trap 'echo told to end; exit 7' TERM
read line
echo "read $line"
read line || echo "no more"
echo ready
while :; do sleep 0.01; done
"#;
const ON_TERMINAL: &str = r#"
tty; stty size
read line
echo "read $line"
trap 'echo interrupted; exit 9' INT
echo ready
while :; do sleep 0.01; done
"#;

pub(crate) fn run_attached(dir: &Path, attach: Attach) -> ExitCode {
    if imgc_sandbox::enter_user_namespace().is_err() {
        return ExitCode::FAILURE;
    }
    imgc_sandbox::interrupt::install().unwrap();
    let own = tempfile::tempdir_in(dir).unwrap();
    let (upper, work) = (own.path().join("upper"), own.path().join("work"));
    fs_err::create_dir(&upper).unwrap();
    fs_err::create_dir(&work).unwrap();
    let script = if attach == Attach::Terminal { ON_TERMINAL } else { TALK };
    let command = Command { attach, lower: vec![dir.join("root")], upper, work, ..Bed::shell(script) };
    match imgc_sandbox::run(&command, &mut |_, _| {}, &imgc_sandbox::interrupt::cancel()) {
        Ok(exit) => match exit.status {
            Status::Code(code) => ExitCode::from(u8::try_from(code).unwrap()),
            Status::Signal(signal) => ExitCode::from(128 + u8::try_from(signal).unwrap()),
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(200)
        }
    }
}

fn attached(bed: &Bed) {
    let mut child = std::process::Command::new("/proc/self/exe")
        .arg(ATTACHED)
        .arg(bed.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let mut out = child.stdout.take().unwrap();
    assert_eq!(read_until(&mut out, "ready\n"), "read hello\nno more\nready\n");
    // The first signal is passed on; the program ends as it likes.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("told to end\n", Some(7)));
}

fn read_until(from: &mut impl std::io::Read, end: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) && from.read(&mut byte).unwrap_or(0) == 1 {
        text.push(char::from(byte[0]));
    }
    text
}

fn terminal(bed: &Bed) {
    use rustix::pty::OpenptFlags;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let master = rustix::pty::openpt(flags).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let size = rustix::termios::Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size).unwrap();
    let slave: OwnedFd = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
    let before = rustix::termios::tcgetattr(&slave).unwrap().local_modes;
    let mut child = std::process::Command::new("/proc/self/exe")
        .arg(TERMINAL)
        .arg(bed.dir.path())
        .stdin(slave.try_clone().unwrap())
        .stdout(slave.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut user = std::fs::File::from(master);
    assert_eq!(read_until(&mut user, "33 77\r\n"), "/dev/pts/0\r\n33 77\r\n");
    user.write_all(b"hi\r").unwrap();
    // The terminal inside echoes, as the one outside no longer does.
    assert_eq!(read_until(&mut user, "ready\r\n"), "hi\r\nread hi\r\nready\r\n");
    user.write_all(&[3]).unwrap();
    assert_eq!(read_until(&mut user, "interrupted\r\n"), "^Cinterrupted\r\n");
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert_eq!(rustix::termios::tcgetattr(&slave).unwrap().local_modes, before);
}

fn endings(bed: &Bed) {
    for (script, want) in [
        ("exit 0", Status::Code(0)),
        ("exit 3", Status::Code(3)),
        ("kill -9 $$", Status::Signal(9)),
        ("kill -TERM $$", Status::Signal(15)),
        ("nosuch", Status::Code(127)),
    ] {
        assert_eq!(bed.run(script).status, want, "{script}");
    }
    for (program, want, word) in
        [("nosuch", 127, "not found"), ("/data/file", 126, "ermission denied"), ("/data", 126, "")]
    {
        let outcome = bed.run_command(Command { args: vec![program.to_owned()], ..Bed::shell("") });
        assert_eq!(outcome.status, Status::Code(want), "{program}");
        assert!(outcome.stderr.contains(word), "{program}: {}", outcome.stderr);
    }
    let error = bed.try_run(Command { args: Vec::new(), ..Bed::shell("") }, &Cancel::new()).err().unwrap();
    assert_eq!(error.to_string(), "there is no command to run");
}

fn output(bed: &Bed) {
    let outcome = bed.run("echo out; echo err >&2; printf 'no newline'");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\nno newline", "err\n"));
    let outcome = bed.run("head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2");
    assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (3_000_000, 1_000_000));
    // Input is empty, not this program's.
    assert_eq!(bed.run("cat; echo end").stdout, "end\n");
    // A closed output does not stop the command.
    assert_eq!(bed.run("exec >&- 2>&-; touch /tmp/done").changes(), ["dir tmp", "file tmp/done"]);
}
