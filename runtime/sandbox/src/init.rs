//! Process 1 of the sandbox: builds the root, starts the command, reaps what is orphaned, and takes all down with it.

use std::io::Read;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::command::{Attach, Command, Network, Status};
use crate::error::{Doing, SandboxError};
use crate::helper::Links;
use crate::mountpoint::MountPoints;
use crate::sys::{self, Side};
use crate::terminal::Terminal;
use crate::wire::{self, Report};
use crate::{lockdown, loopback, mounts, standard};

/// Runs as process 1; the process ends with this.
pub(crate) fn run(command: &Command, mut links: Links) -> ! {
    let report = match work(command, &mut links) {
        Ok(status) => Report::Ended(status, Vec::new()),
        Err(error) => Report::Failed(error.into()),
    };
    drop(wire::send(&mut links.status, &report));
    sys::exit_now(0)
}

fn work(command: &Command, links: &mut Links) -> Result<Status, SandboxError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("tie the sandbox to its helper")?;
    let mut byte = [0];
    // The end of the pipe means that the helper died before the signal was asked for.
    if !matches!(links.go.read(&mut byte), Ok(1)) {
        sys::exit_now(1);
    }
    machine(command)?;
    let points = mounts::enter(command, &links.services)?;
    let mut terminal = match command.attach {
        Attach::Terminal => Some(Terminal::open(links.input.take())?),
        _ => None,
    };
    let child = start(command, links, terminal.as_ref())?;
    let status = wait(child, links, &mut terminal)?;
    if let Some(terminal) = &mut terminal {
        terminal.drain();
    }
    tidy(points);
    Ok(status)
}

/// Name, network, keys.
fn machine(command: &Command) -> Result<(), SandboxError> {
    let doing = "name the sandbox's machine";
    rustix::system::sethostname(standard::hostname(command).as_bytes()).doing(doing)?;
    rustix::system::setdomainname(b"(none)").doing(doing)?;
    if command.network == Network::None {
        loopback::up().doing("bring up the loopback interface")?;
    }
    // Refused under some filters; keyctl itself is refused inside.
    drop(sys::new_keyring());
    Ok(())
}

fn start(command: &Command, links: &mut Links, terminal: Option<&Terminal>) -> Result<Pid, SandboxError> {
    match sys::fork_into(UnshareFlags::empty()).doing("start the command")? {
        Side::Parent(pid) => Ok(pid),
        Side::Child => {
            let ready = prepare_streams(command, links, terminal);
            let error = match ready.and_then(|()| lockdown::become_command(command, links)) {
                Ok(never) => match never {},
                Err(error) => error,
            };
            drop(wire::send(&mut links.status, &Report::Failed(error.into())));
            sys::exit_now(1)
        }
    }
}

fn prepare_streams(
    command: &Command,
    links: &Links,
    terminal: Option<&Terminal>,
) -> Result<(), SandboxError> {
    rustix::process::setsid().doing("start a session")?;
    if command.attach != Attach::Captured {
        // A program that is an image's own expects to be process 1 and to reap what it leaves alone: `tini` asks.
        // Exec keeps this, fork does not.
        rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))
            .doing("let the command reap")?;
    }
    if let Some(terminal) = terminal {
        return terminal.take();
    }
    if let (Attach::Inherited, Some(input)) = (command.attach, &links.input) {
        rustix::stdio::dup2_stdin(input).doing("connect the input")?;
    }
    Ok(())
}

/// Reaps until the command itself ends.
fn wait(child: Pid, links: &mut Links, terminal: &mut Option<Terminal>) -> Result<Status, SandboxError> {
    let doing = "wait for the command";
    let mut talking = terminal.is_some();
    loop {
        let mut fds =
            vec![PollFd::new(&links.signals, PollFlags::IN), PollFd::new(&links.orders, PollFlags::IN)];
        if let Some(terminal) = terminal.as_ref().filter(|_| talking) {
            fds.extend(terminal.sources());
        }
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(SandboxError::system(doing)(error)),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let is = |number: usize| ready.get(number).copied().unwrap_or(false);
        let (signalled, ordered) = (is(0), is(1));
        if let Some(terminal) = terminal.as_mut().filter(|_| talking) {
            talking = terminal.pass(is(2), is(3));
        }
        if signalled {
            let mut info = [0; 1024];
            let _ = rustix::io::read(&links.signals, &mut info);
            if let Some(terminal) = terminal {
                // One of them may be that the user's window has another size.
                terminal.resize();
            }
            while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
                if pid == child {
                    return Ok(match status.terminating_signal() {
                        Some(signal) => Status::Signal(signal),
                        None => Status::Code(status.exit_status().unwrap_or(0)),
                    });
                }
            }
        }
        if ordered {
            let mut order = [0];
            // Without a helper there is nobody to wait for.
            if !matches!(links.orders.read(&mut order), Ok(1)) {
                sys::exit_now(1);
            }
            if let Some(signal) = Signal::from_named_raw(i32::from(order[0])) {
                let _ = rustix::process::kill_process(child, signal);
            }
        }
    }
}

/// Removes the mount points that had to be made in the root, once nothing can be using them.
fn tidy(points: MountPoints) {
    if !points.leaves_traces() {
        return;
    }
    drop(sys::kill_all());
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::empty()) {}
    points.remove();
}
