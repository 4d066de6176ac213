//! The mounts that a command asks for, and the whole root put together.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use imgc_base::path::ImagePath;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};

use crate::command::{Command, What};
use crate::error::{Doing, SandboxError};
use crate::mountpoint::{MountPoints, Shape, create, stand_in};
use crate::rootfs::{attach, clone_mount, new_mount, open_path, overlay};
use crate::{standard, sys, wire};

/// Devices and set-id programs of what is lent do not count.
const LENT: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// A mount ready to be attached.
struct Ready {
    target: ImagePath,
    mount: OwnedFd,
    shape: Shape,
}

/// Makes the command's root the root of this process, which is alone in its mount namespace.
pub(crate) fn enter(command: &Command, services: &UnixStream) -> Result<MountPoints, SandboxError> {
    let doing = "prepare the root";
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing(doing)?;
    let scratch = Scratch::new(&command.work, services)?;
    let mut ready = Vec::new();
    for spec in &command.mounts {
        ready.push(scratch.prepare(&spec.target, &spec.what)?);
    }
    for (target, text) in standard::files(command) {
        ready.push(scratch.file(&target, text.as_bytes(), 0o644, (0, 0), true)?);
    }
    // Outer targets first; equal depth keeps the order that was asked for.
    ready.sort_by_key(|mount| mount.target.parts().count());

    let mut targets = standard::targets(command);
    targets.extend(ready.iter().map(|mount| (mount.target.clone(), mount.shape)));
    stand_in(&scratch.stand_in, &targets).doing("make the mount points")?;
    let mut lower = vec![command.work.join(STAND_IN)];
    lower.extend(command.lower.iter().cloned());
    let root = overlay(&lower, &command.upper, &command.work.join(OVERLAY))?;
    attach(&root, scratch.place("root", Shape::Dir)?, "/")?;

    let mut points = MountPoints::new(root);
    standard::mount(command, &mut points, || scratch.place("machine", Shape::Dir))?;
    for mount in ready {
        let target = points.open(&mount.target, mount.shape)?;
        attach(&mount.mount, &target, &mount.target.to_absolute())?;
    }
    if command.readonly_root {
        sys::mount_add(points.root(), u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), false)
            .doing(doing)?;
    }
    pivot(points.root()).doing("change the root")?;
    Ok(points)
}

/// Changes the root and lets go of the old one, with everything mounted there.
fn pivot(root: &OwnedFd) -> rustix::io::Result<()> {
    rustix::process::fchdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}

const OVERLAY: &str = "overlay";
const STAND_IN: &str = "stand-in";
const SCRATCH: &str = "scratch";

/// Memory for files, and places to mount things at before they are bound where they belong.
struct Scratch<'a> {
    memory: OwnedFd,
    stand_in: OwnedFd,
    /// The helper serves what is sent here.
    services: &'a UnixStream,
    sockets: std::cell::Cell<u8>,
    next: std::cell::Cell<u32>,
}

impl<'a> Scratch<'a> {
    fn new(work: &Path, services: &'a UnixStream) -> Result<Self, SandboxError> {
        let doing = format!("prepare `{}`", work.display());
        let dir = open_path(CWD, work, OFlags::DIRECTORY).doing(&doing)?;
        for name in [OVERLAY, STAND_IN, SCRATCH] {
            create(&dir, name.as_bytes(), Shape::Dir).doing(&doing)?;
        }
        // ramfs is never swapped: it holds secrets.
        let memory = new_mount("ramfs", &[("mode", "0700")], LENT)?;
        attach(&memory, open_path(&dir, SCRATCH, OFlags::DIRECTORY).doing(&doing)?, SCRATCH)?;
        let stand_in = open_path(&dir, STAND_IN, OFlags::DIRECTORY).doing(&doing)?;
        let (sockets, next) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        Ok(Self { memory, stand_in, services, sockets, next })
    }

    fn place(&self, name: &str, shape: Shape) -> Result<OwnedFd, SandboxError> {
        create(&self.memory, name.as_bytes(), shape)
            .and_then(|()| open_path(&self.memory, name, OFlags::NOFOLLOW))
            .doing("make a place to mount at")
    }

    fn name(&self) -> String {
        let number = self.next.get();
        self.next.set(number + 1);
        format!("mount-{number}")
    }

    fn prepare(&self, target: &ImagePath, what: &What) -> Result<Ready, SandboxError> {
        if target.is_root() {
            return Err(SandboxError::Command("cannot mount on `/`".to_owned()));
        }
        match what {
            What::Bind { source, readonly } => {
                let name = source.display().to_string();
                let there =
                    open_path(CWD, source.as_path(), OFlags::empty()).doing(format!("open `{name}`"))?;
                lend(target, &there, &name, *readonly)
            }
            What::Overlay { lower, upper, work, source, readonly } => {
                let lower = if lower.is_empty() { vec![self.empty(work)?] } else { lower.clone() };
                let mount = overlay(&lower, upper, work)?;
                attach(&mount, self.place(&self.name(), Shape::Dir)?, "layers")?;
                let name = if source.is_root() { b"." } else { source.as_bytes() };
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                let flags = OFlags::PATH | OFlags::CLOEXEC;
                let there = rustix::fs::openat2(&mount, name, flags, Mode::empty(), resolve)
                    .doing(format!("open `{source}` of the mount for `{target}`"))?;
                lend(target, &there, &source.to_absolute(), *readonly)
            }
            What::Tmpfs { size, mode } => {
                let mode = format!("{:o}", mode & 0o7777);
                let size = size.map(|size| size.to_string());
                let mut options = vec![("mode", mode.as_str())];
                options.extend(size.as_deref().map(|size| ("size", size)));
                let mount = new_mount("tmpfs", &options, LENT)?;
                Ok(Ready { target: target.clone(), mount, shape: Shape::Dir })
            }
            What::File { bytes, mode, uid, gid } => self.file(target, bytes, *mode, (*uid, *gid), false),
            What::Socket { mode, uid, gid, .. } => self.socket(target, *mode, (*uid, *gid)),
        }
    }

    /// A socket of the sandbox's own; the helper connects it to the machine's.
    fn socket(&self, target: &ImagePath, mode: u32, owner: (u32, u32)) -> Result<Ready, SandboxError> {
        let doing = format!("make the socket `{target}`");
        let name = self.name();
        // Through the descriptor: the path of a socket must be short.
        let path = format!("/proc/self/fd/{}/{name}", self.memory.as_raw_fd());
        let listener = UnixListener::bind(path).doing(&doing)?;
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        match rustix::fs::chownat(&self.memory, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
            // With one id everybody inside is its owner already.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error).doing(doing),
        }
        rustix::fs::chmodat(&self.memory, &name, Mode::from_raw_mode(mode & 0o777), AtFlags::empty())
            .doing(&doing)?;
        let number = self.sockets.get();
        self.sockets.set(number.saturating_add(1));
        wire::send_fd(self.services, number, Some(listener.as_fd())).doing(&doing)?;
        let there = open_path(&self.memory, name.as_str(), OFlags::NOFOLLOW).doing(&doing)?;
        lend(target, &there, &target.to_absolute(), false)
    }

    /// overlayfs wants at least one lower directory.
    fn empty(&self, work: &Path) -> Result<std::path::PathBuf, SandboxError> {
        let dir = work.with_file_name(format!("empty-{}", self.name()));
        fs_err::create_dir(&dir).doing("make an empty layer")?;
        Ok(dir)
    }

    fn file(
        &self,
        target: &ImagePath,
        bytes: &[u8],
        mode: u32,
        owner: (u32, u32),
        readonly: bool,
    ) -> Result<Ready, SandboxError> {
        let name = self.name();
        let shown = target.to_absolute();
        standard::put_file(&self.memory, &name, bytes, mode, owner).doing(format!("make `{shown}`"))?;
        let there =
            open_path(&self.memory, name.as_str(), OFlags::NOFOLLOW).doing(format!("open `{shown}`"))?;
        lend(target, &there, &shown, readonly)
    }
}

fn lend(target: &ImagePath, there: &OwnedFd, name: &str, readonly: bool) -> Result<Ready, SandboxError> {
    let stat = rustix::fs::fstat(there).doing(format!("stat `{name}`"))?;
    let mount = clone_mount(there, name)?;
    let mut attributes = LENT;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, readonly);
    sys::mount_add(&mount, u64::from(attributes.bits()), true)
        .doing(format!("limit the mount of `{name}`"))?;
    Ok(Ready { target: target.clone(), mount, shape: Shape::of(&stat) })
}
