//! Output and endings.

use imgc_sandbox::{Command, Status};

use crate::Test;
use crate::bed::Bed;

pub(crate) const TESTS: &[Test] = &[("endings", endings), ("output", output)];

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
    let error =
        bed.try_run(Command { args: Vec::new(), ..Bed::shell("") }, &imgc_base::Cancel::new()).err().unwrap();
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
