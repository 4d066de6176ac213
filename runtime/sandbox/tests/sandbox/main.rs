//! What a command finds in a sandbox, what it cannot do, and what is left of it: as root, and as two kinds of user.
//!
//! Started by root, all tests run three times: as root, in a user namespace with a range of ids, and as a user without
//! one. Started by a user, they run once. Arguments: a part of the names of the tests to run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of it is a test, which is not seen where tests have a main of their own"
)]

mod bed;
mod clean;
mod escape;
mod facts;
mod machine;
mod mounts;
mod probe;
mod single;
mod streams;
mod variants;

use std::process::ExitCode;

use bed::Bed;
use imgc_sandbox::Isolation;

type Test = (&'static str, fn(&Bed));

fn main() -> ExitCode {
    if imgc_sandbox::is_helper() {
        return imgc_sandbox::helper();
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, dir] = args.as_slice() {
        match word.as_str() {
            probe::TALK => return probe::talk(dir.as_ref()),
            probe::COUNT => return machine::count(),
            probe::TRY_CALLS => return probe::try_calls(),
            clean::FOREVER => return clean::run_forever(dir.as_ref()),
            streams::ATTACHED => return streams::run_attached(dir.as_ref(), imgc_sandbox::Attach::Inherited),
            streams::TERMINAL => return streams::run_attached(dir.as_ref(), imgc_sandbox::Attach::Terminal),
            _ => {}
        }
    }
    let (variant, args) = variants::split(&args);
    if args.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let isolation = match imgc_sandbox::enter_user_namespace() {
        Ok(isolation) => isolation,
        Err(error) => {
            eprintln!(
                "SKIPPED: no test of the sandbox was run: {error} ({})",
                error.help().unwrap_or_default()
            );
            return ExitCode::SUCCESS;
        }
    };
    let Some(bed) = Bed::new(isolation.clone()) else { return ExitCode::SUCCESS };
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let tests = [
        facts::TESTS,
        machine::TESTS,
        mounts::TESTS,
        single::TESTS,
        streams::TESTS,
        escape::TESTS,
        clean::TESTS,
    ]
    .concat();
    let mut failed = 0;
    for (name, test) in tests {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&bed))).is_ok();
        println!("test {variant}::{name} ... {}", if good { "ok" } else { "FAILED" });
        failed += u32::from(!good);
    }
    if isolation == Isolation::Root {
        failed += variants::run_others(&args);
    }
    println!("{variant}: {failed} failed ({isolation})");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
