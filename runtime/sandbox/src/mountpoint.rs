//! Where mounts go: targets resolved inside the root, and made where they are missing.
//!
//! Two ways to make one. The stand-in is a directory below all layers that holds the mount points which the image
//! may lack: nothing of it reaches the upper directory. What the stand-in cannot provide (it is hidden by a whiteout,
//! or the target leads through a link) is made in the root itself, and removed when the command has ended, with the
//! directory's time as it was.

use std::os::fd::{AsFd, OwnedFd};

use imgc_base::path::ImagePath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::error::{Doing, SandboxError};

/// What a mount point must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Dir,
    File,
}

impl Shape {
    pub(crate) fn of(stat: &Stat) -> Self {
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory { Self::Dir } else { Self::File }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Dir => "a directory",
            Self::File => "a file",
        }
    }
}

/// Most links on the way to a target, as in the kernel.
const LINKS: usize = 40;
/// As a process in the root would resolve it; magic links lead out of it.
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// The mount points of a root.
#[derive(Debug)]
pub(crate) struct MountPoints {
    root: OwnedFd,
    made: Vec<Made>,
}

#[derive(Debug)]
struct Made {
    dir: OwnedFd,
    name: Vec<u8>,
    shape: Shape,
    before: Timestamps,
    after: (i64, u64),
}

impl MountPoints {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self { root, made: Vec::new() }
    }

    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens a target that must be there as a real directory, without any link.
    pub(crate) fn strict_dir(&mut self, path: &ImagePath) -> Result<OwnedFd, SandboxError> {
        match self.look(path, OFlags::NOFOLLOW) {
            Ok(fd) if Shape::of(&stat(&fd)?) == Shape::Dir => Ok(fd),
            Ok(_) => Err(SandboxError::Command(format!("`{path}` of the image is no directory"))),
            Err(Errno::NOENT) => self.open(path, Shape::Dir),
            Err(error) => Err(SandboxError::system(format!("open `{path}`"))(error)),
        }
    }

    /// Opens a target; makes it if it is missing. Links are resolved inside the root.
    pub(crate) fn open(&mut self, path: &ImagePath, shape: Shape) -> Result<OwnedFd, SandboxError> {
        let mut path = path.clone();
        for _ in 0..LINKS {
            match self.look(&path, OFlags::empty()) {
                Ok(fd) => {
                    let there = Shape::of(&stat(&fd)?);
                    if there != shape {
                        return Err(SandboxError::Command(format!(
                            "cannot mount {} on `{path}`: it is {}",
                            shape.noun(),
                            there.noun()
                        )));
                    }
                    return Ok(fd);
                }
                Err(Errno::NOENT) => path = self.make_first_missing(&path, shape)?,
                Err(error) => {
                    return Err(SandboxError::system(format!("open the mount point `{path}`"))(error));
                }
            }
        }
        Err(SandboxError::Command(format!("too many links on the way to the mount point `{path}`")))
    }

    /// Makes the first part that is missing, or replaces it in the path if it is a link into nothing.
    fn make_first_missing(&mut self, path: &ImagePath, shape: Shape) -> Result<ImagePath, SandboxError> {
        let mut at = ImagePath::root();
        let parts: Vec<&[u8]> = path.parts().collect();
        for (number, part) in parts.iter().copied().enumerate() {
            let dir = at.clone();
            at = at.child(part);
            if !matches!(self.look(&at, OFlags::empty()), Err(Errno::NOENT)) {
                continue;
            }
            let last = number + 1 == parts.len();
            let parent = self.look(&dir, OFlags::DIRECTORY).doing(format!("open `{dir}`"))?;
            match rustix::fs::readlinkat(&parent, part, Vec::new()) {
                Ok(target) => {
                    let mut leads = dir.resolve(target.as_bytes()).map_err(|error| {
                        SandboxError::Command(format!("the link `{at}` leads nowhere: {error}"))
                    })?;
                    for rest in &parts[number + 1..] {
                        leads = leads.child(rest);
                    }
                    return Ok(leads);
                }
                Err(_) => self.make(&parent, part, &at, if last { shape } else { Shape::Dir })?,
            }
        }
        Ok(path.clone())
    }

    fn make(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        path: &ImagePath,
        shape: Shape,
    ) -> Result<(), SandboxError> {
        let doing = format!("make the mount point `{path}`");
        let before = stat(dir)?;
        create(dir, name, shape).doing(&doing)?;
        let after = stat(dir)?;
        self.made.push(Made {
            dir: dir.try_clone().doing(&doing)?,
            name: name.to_vec(),
            shape,
            before: Timestamps {
                last_access: Timespec {
                    tv_sec: before.st_atime,
                    tv_nsec: before.st_atime_nsec.cast_signed(),
                },
                last_modification: Timespec {
                    tv_sec: before.st_mtime,
                    tv_nsec: before.st_mtime_nsec.cast_signed(),
                },
            },
            after: (after.st_mtime, after.st_mtime_nsec),
        });
        Ok(())
    }

    fn look(&self, path: &ImagePath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let name = if path.is_root() { b"." } else { path.as_bytes() };
        loop {
            let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
            match rustix::fs::openat2(&self.root, name, flags, Mode::empty(), IN_ROOT) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// True if something must be removed when the command has ended.
    pub(crate) fn leaves_traces(&self) -> bool {
        !self.made.is_empty()
    }

    /// Removes what was made, unless the command put something into it. Called when no process is left.
    pub(crate) fn remove(self) {
        for made in self.made.into_iter().rev() {
            let touched = stat(&made.dir).map_or(made.after, |stat| (stat.st_mtime, stat.st_mtime_nsec));
            if rustix::process::fchdir(&made.dir).is_ok() {
                // Mounted on itself if it was a target; a directory on the way was none.
                let _ = rustix::mount::unmount(
                    made.name.as_slice(),
                    UnmountFlags::DETACH | UnmountFlags::NOFOLLOW,
                );
            }
            let flags = match made.shape {
                Shape::Dir => AtFlags::REMOVEDIR,
                Shape::File => AtFlags::empty(),
            };
            let removed = rustix::fs::unlinkat(&made.dir, made.name.as_slice(), flags).is_ok();
            if removed {
                let time = if touched == made.after {
                    made.before
                } else {
                    let time = Timespec { tv_sec: touched.0, tv_nsec: touched.1.cast_signed() };
                    Timestamps { last_access: time, last_modification: time }
                };
                let _ = rustix::fs::utimensat(&made.dir, c"", &time, AtFlags::EMPTY_PATH);
            }
        }
    }
}

fn stat(fd: &OwnedFd) -> Result<Stat, SandboxError> {
    rustix::fs::fstat(fd).doing("stat a mount point")
}

/// Makes an empty file or directory.
pub(crate) fn create(dir: impl AsFd, name: &[u8], shape: Shape) -> rustix::io::Result<()> {
    match shape {
        Shape::Dir => rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o755)),
        Shape::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        }
    }
}

/// Fills a stand-in: every target and the directories on the way, all with the same old time.
pub(crate) fn stand_in(dir: &OwnedFd, targets: &[(ImagePath, Shape)]) -> rustix::io::Result<()> {
    let old = Timespec { tv_sec: 0, tv_nsec: 0 };
    let old = Timestamps { last_access: old, last_modification: old };
    let mut done: Vec<ImagePath> = Vec::new();
    for (target, shape) in targets {
        for (path, shape) in target.ancestors().map(|dir| (dir, Shape::Dir)).chain([(target.clone(), *shape)])
        {
            match create(dir, path.as_bytes(), shape) {
                Ok(()) => done.push(path),
                // Two targets share a directory; a target below a file fails when it is opened.
                Err(Errno::EXIST | Errno::NOTDIR) => {}
                Err(error) => return Err(error),
            }
        }
    }
    for path in done.iter().rev() {
        rustix::fs::utimensat(dir, path.as_bytes(), &old, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
