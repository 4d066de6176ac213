//! The helper: makes the namespaces, writes the id maps, and stands between the program and the sandbox's init.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::command::{Attach, Command, Network, Security, What};
use crate::emulate::{self, Emulated, Machine};
use crate::error::{Doing, SandboxError};
use crate::sys::{self, Side};
use crate::wire::{self, Report};
use crate::{idmap, init, proxy, standard, userns};

/// The hidden command that the helper is started as.
pub(crate) const NAME: &str = "__sandbox";

/// True if this process was started as a sandbox's helper; then [`helper`] is all that it may do.
pub fn is_helper() -> bool {
    std::env::args_os().nth(1).is_some_and(|arg| arg == NAME)
}

/// Does the helper's work. To be called first thing in `main`.
pub fn helper() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is there to be told: the program that started this one is gone, or never was.
        Err(_) => ExitCode::from(2),
    }
}

fn serve() -> io::Result<()> {
    sys::close_from(3, false)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // Nothing inside may look at this process or what it becomes before exec (CVE-2016-9962).
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    // What is made here for mounts may stay in the layer; its modes must not follow the user's.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // A program started from a descriptor is named after its number.
    rustix::thread::set_name(c"imgc-sandbox").ok();
    let signals = [
        libc::SIGCHLD,
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGWINCH,
        libc::SIGTSTP,
    ];
    let signals = sys::signal_fd(&signals)?;
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let Some((_, input)) = wire::receive_fd(&control)? else { return Ok(()) };
    let Some(command) = wire::receive::<Command>(&mut control)? else { return Ok(()) };
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    rustix::stdio::dup2_stdin(&null)?;
    drop(null);
    let report = match run(&command, input, &control, signals) {
        Ok(report) => report,
        Err(error) => Report::Failed(error.into()),
    };
    wire::send(&mut control, &report)
}

/// What the two ends of a fork share.
pub(crate) struct Links {
    /// Init waits here until its ids are mapped.
    pub(crate) go: io::PipeReader,
    /// Init reports here.
    pub(crate) status: io::PipeWriter,
    /// Signal numbers for the command.
    pub(crate) orders: io::PipeReader,
    /// What the command reads, if it reads.
    pub(crate) input: Option<OwnedFd>,
    /// Signals of this process.
    pub(crate) signals: OwnedFd,
    /// Descriptors for the helper to serve: sockets by their number, and [`QUESTIONS`].
    pub(crate) services: UnixStream,
    /// What is answered here instead of by the kernel.
    pub(crate) emulated: Emulated,
}

/// Marks the descriptor of the filter's questions.
pub(crate) const QUESTIONS: u8 = 255;

fn run(
    command: &Command,
    input: Option<OwnedFd>,
    control: &UnixStream,
    signals: OwnedFd,
) -> Result<Report, SandboxError> {
    let doing = "prepare the sandbox";
    let (uids, gids) = (userns::own_map("uid_map"), userns::own_map("gid_map"));
    let own_user = !(command.security == Security::Insecure && idmap::is_whole(&uids));
    let single = own_user && idmap::size(&uids) == 1;
    if own_user && !single {
        for (id, map, file) in [(command.uid, &uids, "/etc/subuid"), (command.gid, &gids, "/etc/subgid")] {
            if !idmap::contains(map, id) {
                return Err(SandboxError::machine(
                    format!("the command runs as id {id}, which this user cannot give"),
                    format!("give this user a range of at least 65536 ids in {file}, or run as root"),
                ));
            }
        }
    }
    let (go_read, mut go) = io::pipe().doing(doing)?;
    let (mut status, status_write) = io::pipe().doing(doing)?;
    let (orders_read, orders) = io::pipe().doing(doing)?;
    let (services, theirs) = UnixStream::pair().doing(doing)?;
    let machine =
        command.shown_cpus().map(|cpus| Machine { cpus, hostname: standard::hostname(command).to_owned() });
    let emulated = Emulated { single, machine, lent: emulate::lent(command) };
    let links = Links {
        go: go_read,
        status: status_write,
        orders: orders_read,
        input,
        signals: signals.try_clone().doing(doing)?,
        services: theirs,
        emulated: emulated.clone(),
    };
    let pid = match sys::fork_into(namespaces(command, own_user)).map_err(|error| userns::explain(&error))? {
        Side::Child => {
            drop((go, status, orders, services));
            init::run(command, links)
        }
        Side::Parent(pid) => pid,
    };
    drop(links);
    let sockets = command.mounts.iter().filter_map(|mount| match &mount.what {
        What::Socket { path, .. } => Some(path.clone()),
        _ => None,
    });
    let mut watch = Watch {
        pid,
        done: false,
        signals,
        services,
        sockets: sockets.collect(),
        emulated,
        notes: emulate::Notes::default(),
    };
    if own_user {
        let write = |file: &str, map: &[idmap::Range]| {
            fs_err::write(format!("/proc/{}/{file}", pid.as_raw_nonzero()), idmap::identity(map))
        };
        write("uid_map", &uids).and_then(|()| write("gid_map", &gids)).doing("map the sandbox's ids")?;
    }
    go.write_all(b"g").doing(doing)?;
    let report = watch.until_done(control, &mut status, orders);
    watch.reap();
    report
}

fn namespaces(command: &Command, own_user: bool) -> UnshareFlags {
    let mut flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    flags.set(UnshareFlags::NEWUSER, own_user);
    flags.set(UnshareFlags::NEWNET, command.network == Network::None);
    flags
}

/// The sandbox's init, killed when this goes: with it every process inside.
struct Watch {
    pid: Pid,
    done: bool,
    signals: OwnedFd,
    services: UnixStream,
    /// Where the command's sockets lead, in order.
    sockets: Vec<PathBuf>,
    emulated: Emulated,
    notes: emulate::Notes,
}

impl Watch {
    /// Passes orders on until init reports; kills it when the program goes away.
    fn until_done(
        &mut self,
        control: &UnixStream,
        status: &mut io::PipeReader,
        mut orders: io::PipeWriter,
    ) -> Result<Report, SandboxError> {
        let doing = "watch the sandbox";
        let pidfd = rustix::process::pidfd_open(self.pid, PidfdFlags::empty()).doing(doing)?;
        let mut served = true;
        loop {
            let services = if served { PollFlags::IN } else { PollFlags::empty() };
            let mut fds = [
                PollFd::new(status, PollFlags::IN),
                PollFd::new(control, PollFlags::IN),
                PollFd::new(&pidfd, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.services, services),
            ];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(SandboxError::system(doing)(error)),
            }
            let [said, ordered, ended, signalled, offered] = fds.map(|fd| !fd.revents().is_empty());
            if said {
                return match wire::receive(status) {
                    Ok(Some(Report::Ended(status, _))) => Ok(Report::Ended(status, self.notes())),
                    Ok(Some(report)) => Ok(report),
                    _ => Err(SandboxError::Helper(self.how_it_ended())),
                };
            }
            if offered {
                served = self.serve();
            }
            if signalled {
                self.forward(&mut orders);
            }
            if said || ended {
                return Err(SandboxError::Helper(self.how_it_ended()));
            }
            if ordered {
                let mut order = [0];
                match (&*control).read(&mut order) {
                    Ok(1) => orders.write_all(&order).doing(doing)?,
                    // The program is gone, or asks to stop.
                    _ => self.kill(),
                }
            }
        }
    }

    /// Takes a descriptor to serve; false if there will be no more.
    fn serve(&self) -> bool {
        match wire::receive_fd(&self.services) {
            Ok(Some((QUESTIONS, Some(questions)))) => {
                emulate::serve(&self.emulated, questions, self.pid, std::sync::Arc::clone(&self.notes));
                true
            }
            Ok(Some((QUESTIONS, None))) => {
                let text = "the kernel's name, memory and number of processors are the machine's: it lets no \
                            program answer for the kernel";
                emulate::note(&self.notes, text.to_owned());
                true
            }
            Ok(Some((number, Some(listener)))) => {
                if let Some(path) = self.sockets.get(usize::from(number)) {
                    proxy::serve(listener, path.clone());
                }
                true
            }
            _ => false,
        }
    }

    /// Signals from the user's terminal, or to this process, are the command's.
    fn forward(&self, orders: &mut io::PipeWriter) {
        const INFO: usize = 128;
        let mut infos = [0; 8 * INFO];
        let length = rustix::io::read(&self.signals, &mut infos).unwrap_or(0);
        for info in infos[..length].chunks_exact(INFO) {
            let signal = i32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            if [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT].contains(&signal) {
                drop(orders.write_all(&[signal.to_le_bytes()[0]]));
            }
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.lock().map(|notes| notes.iter().cloned().collect()).unwrap_or_default()
    }

    fn kill(&self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }

    fn how_it_ended(&mut self) -> String {
        self.kill();
        self.done = true;
        match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => match status.terminating_signal() {
                Some(signal) => format!("signal {signal}"),
                None => format!("code {}", status.exit_status().unwrap_or(-1)),
            },
            _ => "for an unknown reason".to_owned(),
        }
    }

    /// Waits until nothing is left of the sandbox.
    fn reap(&mut self) {
        if !self.done {
            self.done = true;
            let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.done {
            self.kill();
            self.reap();
        }
    }
}

/// True if the command uses this program's own streams.
pub(crate) fn is_attached(attach: Attach) -> bool {
    attach != Attach::Captured
}
