//! A terminal inside, connected to the one outside.
//!
//! Init keeps the controlling side and passes bytes between it and this program's own streams, so that the command has
//! a terminal with a name in its own `/dev/pts`, and no descriptor of the user's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios};

use crate::error::{Doing, SandboxError};

/// Init's side of a command's terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: OwnedFd,
    /// The user's terminal, until it has no more input.
    input: Option<OwnedFd>,
}

impl Terminal {
    /// Opens one of the sandbox's own, as large as the user's. The new root must be in place.
    pub(crate) fn open(input: Option<OwnedFd>) -> Result<Self, SandboxError> {
        let doing = "open a terminal";
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let master = rustix::fs::open("/dev/pts/ptmx", flags, rustix::fs::Mode::empty()).doing(doing)?;
        rustix::pty::unlockpt(&master).doing(doing)?;
        let terminal = Self { master, input };
        terminal.resize();
        Ok(terminal)
    }

    /// Makes this process, which must lead a session, the owner of the terminal: its streams are the terminal's.
    pub(crate) fn take(&self) -> Result<(), SandboxError> {
        let doing = "take the terminal";
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&self.master, flags).doing(doing)?;
        rustix::process::ioctl_tiocsctty(&slave).doing(doing)?;
        rustix::stdio::dup2_stdin(&slave).doing(doing)?;
        rustix::stdio::dup2_stdout(&slave).doing(doing)?;
        rustix::stdio::dup2_stderr(&slave).doing(doing)
    }

    /// Gives it the size of the user's.
    pub(crate) fn resize(&self) {
        if let Some(size) = self.input.as_ref().and_then(|input| rustix::termios::tcgetwinsize(input).ok()) {
            let _ = rustix::termios::tcsetwinsize(&self.master, size);
        }
    }

    /// What to wait for.
    pub(crate) fn sources(&self) -> Vec<PollFd<'_>> {
        let mut all = vec![PollFd::new(&self.master, PollFlags::IN)];
        all.extend(self.input.as_ref().map(|input| PollFd::new(input, PollFlags::IN)));
        all
    }

    /// Passes on what is there; false when nothing inside has the terminal open any more.
    pub(crate) fn pass(&mut self, from_inside: bool, from_user: bool) -> bool {
        let mut buffer = [0; 16 << 10];
        if from_user && let Some(input) = &self.input {
            match rustix::io::read(input, &mut buffer) {
                Ok(length) if length > 0 => write_all(self.master.as_fd(), &buffer[..length]),
                _ => {
                    // A terminal's end of input is a character.
                    const END: u8 = 4;
                    write_all(self.master.as_fd(), &[END]);
                    self.input = None;
                }
            }
        }
        if !from_inside {
            return true;
        }
        match rustix::io::read(&self.master, &mut buffer) {
            Ok(length) if length > 0 => {
                write_all(rustix::stdio::stdout(), &buffer[..length]);
                true
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
            _ => false,
        }
    }

    /// Passes on what the command wrote before it ended.
    pub(crate) fn drain(&mut self) {
        loop {
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            let there =
                rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
            if !matches!(there, Ok(1)) || !self.pass(true, false) {
                return;
            }
        }
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// The user's terminal without line editing and signals of its own, until this is dropped.
#[derive(Debug)]
pub(crate) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    /// Does nothing if the input is no terminal.
    pub(crate) fn enter() -> Self {
        let before = rustix::termios::tcgetattr(rustix::stdio::stdin()).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &raw);
        }
        Self { before }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, before);
        }
    }
}
