//! The program's side: starts the helper, passes output on, and ends the command when asked to.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use imgc_base::cancel::Cancel;
use imgc_base::event::Stream;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{MemfdFlags, SealFlags};

use crate::command::{Attach, Command, Exit, Status};
use crate::error::{Doing, SandboxError};
use crate::helper::{self, is_attached};
use crate::terminal::Raw;
use crate::wire::{self, Report};

/// How often the wish to stop is looked at.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How long a program that the user talks to may take to end when asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a killed helper may take to clear away.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a command to its end. Output is passed on as it comes, in pieces that need not be lines.
///
/// When `cancel` is set, everything inside is killed and the result is [`Status::Signal`] 9.
pub fn run(
    command: &Command,
    output: &mut dyn FnMut(Stream, &[u8]),
    cancel: &Cancel,
) -> Result<Exit, SandboxError> {
    let mut helper = Helper::start(command)?;
    helper.watch(output, cancel)
}

/// A running helper, killed when dropped.
struct Helper {
    child: Child,
    control: UnixStream,
    streams: Vec<(Stream, OwnedFd)>,
    attached: bool,
    /// When it was asked to end.
    asked: Option<Instant>,
    /// The user's terminal is itself again when this goes.
    _raw: Option<Raw>,
}

impl Helper {
    fn start(command: &Command) -> Result<Self, SandboxError> {
        let doing = "start the sandbox helper";
        let (control, theirs) = UnixStream::pair().doing(doing)?;
        let mut start = std::process::Command::new(program()?);
        start.arg0("imgc").arg(helper::NAME).env_clear().stdin(OwnedFd::from(theirs));
        if !is_attached(command.attach) {
            // Ctrl-C is for this program alone, which then ends the helper in order.
            start.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = start.spawn().doing(doing)?;
        drop(start);
        let mut streams = Vec::new();
        if let Some(out) = child.stdout.take() {
            streams.push((Stream::Stdout, OwnedFd::from(out)));
        }
        if let Some(err) = child.stderr.take() {
            streams.push((Stream::Stderr, OwnedFd::from(err)));
        }
        let raw = (command.attach == Attach::Terminal).then(Raw::enter);
        let mut helper =
            Self { child, control, streams, attached: is_attached(command.attach), asked: None, _raw: raw };
        let stdin = io::stdin();
        let input = matches!(command.attach, Attach::Inherited | Attach::Terminal);
        wire::send_fd(&helper.control, 0, input.then(|| stdin.as_fd()))
            .and_then(|()| wire::send(&mut helper.control, command))
            .doing(doing)?;
        Ok(helper)
    }

    fn watch(
        &mut self,
        output: &mut dyn FnMut(Stream, &[u8]),
        cancel: &Cancel,
    ) -> Result<Exit, SandboxError> {
        let doing = "watch the sandbox";
        let mut buffer = vec![0; 64 << 10];
        let mut report: Option<Report> = None;
        let mut open = true;
        while open || !self.streams.is_empty() {
            if cancel.is_cancelled() && self.no_longer() {
                self.stop();
                return Ok(Exit { status: Status::Signal(libc::SIGKILL), notes: Vec::new() });
            }
            let mut fds: Vec<PollFd<'_>> =
                self.streams.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
            if open {
                fds.push(PollFd::new(&self.control, PollFlags::IN));
            }
            match rustix::event::poll(&mut fds, Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(SandboxError::system(doing)(error)),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if open && ready.last() == Some(&true) {
                report = wire::receive(&mut self.control).doing(doing)?;
                open = false;
            }
            let mut at = 0;
            let mut result = Ok(());
            self.streams.retain_mut(|(stream, fd)| {
                at += 1;
                if !ready[at - 1] {
                    return true;
                }
                match rustix::io::read(&*fd, &mut buffer[..]) {
                    Ok(0) => false,
                    Ok(length) => {
                        output(*stream, &buffer[..length]);
                        true
                    }
                    Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
                    Err(error) => {
                        result = Err(SandboxError::system(doing)(error));
                        false
                    }
                }
            });
            result?;
        }
        let ended = self.child.wait().doing(doing)?;
        match report {
            Some(Report::Ended(status, notes)) => Ok(Exit { status, notes }),
            Some(Report::Failed(failure)) => Err(failure.into()),
            None => Err(SandboxError::Helper(ended.to_string())),
        }
    }

    /// Asked to stop: true if it must be now. A program that the user talks to is asked first.
    fn no_longer(&mut self) -> bool {
        if !self.attached {
            return true;
        }
        let asked = *self.asked.get_or_insert_with(|| {
            drop(self.control.write_all(&[libc::SIGTERM.to_le_bytes()[0]]));
            Instant::now()
        });
        asked.elapsed() > PATIENCE
    }

    /// Ends everything inside and waits for it.
    fn stop(&mut self) {
        drop(self.control.shutdown(std::net::Shutdown::Both));
        let mut waited = Duration::ZERO;
        while waited < GRACE {
            if let Ok(Some(_)) | Err(_) = self.child.try_wait() {
                return;
            }
            let pause = Duration::from_millis(2);
            std::thread::sleep(pause);
            waited += pause;
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.stop();
        }
    }
}

/// A sealed copy of this program in memory: what runs in a sandbox can neither write to it nor find the real file
/// (CVE-2019-5736). Made once.
fn program() -> Result<String, SandboxError> {
    static COPY: OnceLock<Result<File, String>> = OnceLock::new();
    match COPY.get_or_init(|| patiently(sealed_copy).map_err(|error| error.to_string())) {
        Ok(file) => Ok(format!("/proc/self/fd/{}", file.as_raw_fd())),
        Err(error) => Err(SandboxError::machine(
            format!("this program cannot be run from memory: {error}"),
            "if that is forbidden: `sudo sysctl vm.memfd_noexec=0`",
        )),
    }
}

/// Tries some times while something is busy: the kernel does not seal a file whose pages it is still busy with, which
/// happens on a machine under load.
fn patiently<T>(mut make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const TRIES: u32 = 6;
    for number in 1..TRIES {
        match make() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(5 << number));
            }
            done => return done,
        }
    }
    make()
}

fn sealed_copy() -> io::Result<File> {
    // Plain files: the kernel then copies from one to the other.
    let mut original = File::open("/proc/self/exe")?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = match rustix::fs::memfd_create("imgc", flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 there is no such flag, and everything may be run.
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create("imgc", flags)?,
        other => other?,
    };
    let mut copy = File::from(copy);
    io::copy(&mut original, &mut copy)?;
    copy.flush()?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_busy_is_tried_again() {
        let busy = || Err::<u32, _>(io::Error::from(io::ErrorKind::ResourceBusy));
        let mut left = 3;
        let done = patiently(|| {
            left -= 1;
            if left > 0 { busy() } else { Ok(7) }
        });
        assert_eq!((done.unwrap(), left), (7, 0));
        assert_eq!(patiently(busy).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        let mut calls = 0;
        let other = patiently(|| {
            calls += 1;
            Err::<(), _>(io::Error::from(io::ErrorKind::PermissionDenied))
        });
        assert_eq!((other.unwrap_err().kind(), calls), (io::ErrorKind::PermissionDenied, 1));
    }
}
