//! What the program and its helper say to each other: frames of JSON on a socket.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::Status;
use crate::error::SandboxError;

/// Largest frame: secrets and environments are small.
const LIMIT: usize = 64 << 20;

/// The helper's last word.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The command ran; remarks about it.
    Ended(Status, Vec<String>),
    /// It did not.
    Failed(Failure),
}

/// A [`SandboxError`] on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    Machine { message: String, help: String },
    Command(String),
    System { action: String, errno: Option<i32>, text: String },
    Helper(String),
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Machine { message, help } => Self::Machine { message, help },
            SandboxError::Command(text) => Self::Command(text),
            SandboxError::System { action, source } => {
                Self::System { action, errno: source.raw_os_error(), text: source.to_string() }
            }
            SandboxError::Helper(text) => Self::Helper(text),
        }
    }
}

impl From<Failure> for SandboxError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Machine { message, help } => Self::Machine { message, help },
            Failure::Command(text) => Self::Command(text),
            Failure::System { action, errno, text } => {
                let source = errno.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error);
                Self::System { action, source }
            }
            Failure::Helper(text) => Self::Helper(text),
        }
    }
}

/// Writes one value.
pub(crate) fn send(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(value)?;
    if body.len() > LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is too large"));
    }
    let mut frame = (body.len() as u64).to_le_bytes().to_vec();
    frame.extend_from_slice(&body);
    out.write_all(&frame)
}

/// Reads one value; `None` if the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 8];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too large"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Sends one byte, with a descriptor if there is one.
pub(crate) fn send_fd(to: &UnixStream, tag: u8, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = fd.as_slice();
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::from(io::ErrorKind::OutOfMemory));
    }
    rustix::net::sendmsg(to, &[IoSlice::new(&[tag])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes what [`send_fd`] sent; `None` if the other side is gone.
pub(crate) fn receive_fd(from: &UnixStream) -> io::Result<Option<(u8, Option<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    let received = rustix::net::recvmsg(from, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok(Some((byte[0], fd)))
}

/// Bytes as escaped text: an array of numbers would be four times as long.
pub(crate) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&imgc_base::path::escape(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        imgc_base::path::unescape(&text).ok_or_else(|| serde::de::Error::custom("bad escape"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, MountSpec, What};

    #[test]
    fn commands_survive_the_wire() {
        let what = What::File { bytes: vec![0, 255, b'%', b'a', 10], mode: 0o400, uid: 1, gid: 2 };
        let spec = MountSpec { target: imgc_base::ImagePath::clean("run/x%").unwrap(), what };
        let command = Command { mounts: vec![spec.clone()], ..Command::default() };
        let mut wire = Vec::new();
        send(&mut wire, &command).unwrap();
        let back: Command = receive(&mut wire.as_slice()).unwrap().unwrap();
        assert_eq!(back.mounts, [spec]);
        assert!(receive::<Command>(&mut [].as_slice()).unwrap().is_none());
        assert!(receive::<Command>(&mut [255; 8].as_slice()).is_err());
        assert!(receive::<Command>(&mut [9, 0, 0, 0, 0, 0, 0, 0, b'{'].as_slice()).is_err());
    }
}
