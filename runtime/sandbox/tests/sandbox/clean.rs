//! Nothing is left: no process, no mount.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use imgc_base::Cancel;
use imgc_sandbox::{Isolation, Status};

use crate::Test;
use crate::bed::Bed;

pub(crate) const TESTS: &[Test] = &[
    ("background_processes_end_with_the_step", background_processes_end_with_the_step),
    ("cancel_ends_everything", cancel_ends_everything),
    ("kill_9_ends_everything", kill_9_ends_everything),
    ("no_mounts_are_left", no_mounts_are_left),
    ("steps_at_once", steps_at_once),
    ("a_trial", a_trial),
];

/// This program, running a step until it is killed.
pub(crate) const FOREVER: &str = "--forever";

/// Processes of the machine whose arguments hold a word.
fn running(word: &str) -> usize {
    let own = std::process::id().to_string();
    fs_err::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(|item| item.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|item| item.file_name().to_string_lossy() != own)
        .filter(|item| {
            fs_err::read(item.path().join("cmdline"))
                .is_ok_and(|line| line.windows(word.len()).any(|part| part == word.as_bytes()))
        })
        .count()
}

/// Waits until it is so; a test that never gets there is stopped by whoever runs the tests.
fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn background_processes_end_with_the_step(bed: &Bed) {
    let outcome = bed.run("sleep 86401 & (setsid sleep 86401 &) ; trap '' TERM HUP; echo started");
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Status::Code(0), "started\n"));
    assert_eq!(running("86401"), 0);
}

fn cancel_ends_everything(bed: &Bed) {
    let cancel = Cancel::new();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            until(|| running("86402") > 0);
            cancel.cancel();
        });
        bed.try_run(Bed::shell("trap '' TERM INT; setsid sleep 86402 & sleep 86402; sleep 86402"), &cancel)
    });
    assert_eq!(outcome.unwrap_or_else(|error| panic!("{error}")).status, Status::Signal(9));
    assert_eq!(running("86402"), 0);
}

pub(crate) fn run_forever(dir: &Path) -> ExitCode {
    if imgc_sandbox::enter_user_namespace().is_err() {
        return ExitCode::FAILURE;
    }
    let mut command = Bed::shell("trap '' TERM INT HUP; echo on; setsid sleep 86403 & sleep 86403");
    command.lower = vec![dir.join("root")];
    (command.upper, command.work) = (dir.join("forever-upper"), dir.join("forever-work"));
    let result = imgc_sandbox::run(
        &command,
        &mut |_, bytes| print!("{}", String::from_utf8_lossy(bytes)),
        &Cancel::new(),
    );
    println!("{result:?}");
    ExitCode::SUCCESS
}

fn kill_9_ends_everything(bed: &Bed) {
    for name in ["forever-upper", "forever-work"] {
        fs_err::create_dir(bed.dir.path().join(name)).unwrap();
    }
    let mut child = Command::new("/proc/self/exe")
        .arg(FOREVER)
        .arg(bed.dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 3];
    child.stdout.take().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"on\n");
    until(|| running("86403") >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    until(|| running("86403") == 0);
}

fn no_mounts_are_left(bed: &Bed) {
    drop(bed.run("true"));
    let dir = bed.dir.path().to_str().unwrap();
    assert!(!fs_err::read_to_string("/proc/self/mountinfo").unwrap().contains(dir));
    if bed.isolation == Isolation::Root {
        let hostname = rustix::system::uname();
        assert_ne!(hostname.nodename().to_bytes(), b"buildkitsandbox");
    }
}

fn a_trial(bed: &Bed) {
    let dir = bed.fresh();
    imgc_sandbox::trial(dir.path()).unwrap();
    let probes = imgc_sandbox::capabilities().probes;
    let works = |name: &str| probes.iter().any(|probe| probe.name == name && probe.works);
    assert!(works("Linux 5.12") && works("user namespaces") && works("overlay"), "{probes:?}");
}

fn steps_at_once(bed: &Bed) {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..16)
            .map(|number| {
                scope.spawn(move || bed.run(&format!("echo {number} > /tmp/n; cat /tmp/n; hostname")))
            })
            .collect();
        for (number, one) in all.into_iter().enumerate() {
            let outcome = one.join().unwrap();
            assert_eq!(outcome.stdout, format!("{number}\nbuildkitsandbox\n"), "{}", outcome.stderr);
        }
    });
}
