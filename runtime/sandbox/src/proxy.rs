//! A socket inside that leads to one of this machine: the ssh agent's.
//!
//! A mount of the machine's socket would show its owner and mode, and give the agent a peer it may refuse. So there is
//! a socket of the sandbox's own; the helper, which stays outside, connects each caller to the machine's.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

/// Serves a listening socket in a thread, until this process ends.
pub(crate) fn serve(listener: OwnedFd, to: PathBuf) {
    let listener = UnixListener::from(listener);
    std::thread::spawn(move || {
        for caller in listener.incoming() {
            // A caller that cannot be connected sees its connection closed.
            if let Ok(caller) = caller
                && let Ok(server) = UnixStream::connect(&to)
            {
                drop(join(caller, server));
            }
        }
    });
}

fn join(caller: UnixStream, server: UnixStream) -> io::Result<()> {
    let (caller_too, server_too) = (caller.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || pass(caller, server));
    std::thread::spawn(move || pass(server_too, caller_too));
    Ok(())
}

fn pass(mut from: UnixStream, mut to: UnixStream) {
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
