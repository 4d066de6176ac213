//! Runs one command on directories: `step LOWER[:LOWER...] COMMAND...`; with `-n N`, N times, and says how long.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use imgc_base::cancel::Cancel;
use imgc_sandbox::{Command, Network, Status, Stream};

fn main() -> ExitCode {
    if imgc_sandbox::is_helper() {
        return imgc_sandbox::helper();
    }
    match try_main() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  {error}");
                cause = error.source();
            }
            ExitCode::from(9)
        }
    }
}

fn try_main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let isolation = imgc_sandbox::enter_user_namespace()?;
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut times = 1;
    if args.first().is_some_and(|arg| arg == "-n") {
        times = args[1].parse()?;
        args.drain(..2);
    }
    let host = args.first().is_some_and(|arg| arg == "--host");
    if host {
        args.remove(0);
    }
    let lower = args.first().ok_or("usage: step [-n N] [--host] LOWER[:LOWER...] COMMAND...")?;
    let lower = lower.split(':').map(Into::into).collect();
    let env =
        vec![("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned())];
    let network = if host { Network::Host } else { Network::None };
    let cpus = Some(imgc_sandbox::CPUS);
    let mut command = Command { args: args.split_off(1), lower, env, network, cpus, ..Command::default() };
    let mut code = 0;
    let mut slowest = 0;
    let mut all = 0;
    for _ in 0..times {
        let dir = tempfile::tempdir_in(".")?;
        command.upper = dir.path().join("upper");
        command.work = dir.path().join("work");
        fs_err::create_dir(&command.upper)?;
        fs_err::create_dir(&command.work)?;
        command.upper = fs_err::canonicalize(&command.upper)?;
        command.work = fs_err::canonicalize(&command.work)?;
        let start = Instant::now();
        let exit = imgc_sandbox::run(
            &command,
            &mut |stream, bytes| {
                let written = match stream {
                    Stream::Stdout => std::io::stdout().write_all(bytes),
                    Stream::Stderr => std::io::stderr().write_all(bytes),
                };
                drop(written);
            },
            &Cancel::new(),
        )?;
        let micros = start.elapsed().as_micros();
        all += micros;
        slowest = slowest.max(micros);
        for note in &exit.notes {
            eprintln!("note: {note}");
        }
        code = match exit.status {
            Status::Code(code) => code,
            Status::Signal(signal) => 128 + signal,
        };
    }
    if times > 1 {
        eprintln!("{isolation}: {times} runs, {} us each, slowest {slowest} us", all / times);
    }
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(255)))
}
