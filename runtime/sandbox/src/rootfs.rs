//! The root file system: layers under an upper directory, by the kernel's overlayfs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use crate::error::{Doing, SandboxError};

/// A new file system as a mount that is attached nowhere yet.
pub(crate) fn new_mount(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, SandboxError> {
    let fs = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
        .doing(format!("make a {kind} file system"))?;
    configure(&fs, options)
        .and_then(|()| rustix::mount::fsconfig_create(&fs))
        .and_then(|()| rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes))
        .map_err(|error| SandboxError::System {
            action: format!("make a {kind} file system{}", kernel_says(&fs)),
            source: error.into(),
        })
}

/// Sets options; a value of `""` is a flag.
fn configure(fs: &OwnedFd, options: &[(&str, &str)]) -> rustix::io::Result<()> {
    options.iter().try_for_each(|(key, value)| {
        if value.is_empty() {
            rustix::mount::fsconfig_set_flag(fs, *key)
        } else {
            rustix::mount::fsconfig_set_string(fs, *key, *value)
        }
    })
}

/// What the kernel wrote about a file system that it refused.
fn kernel_says(fs: &OwnedFd) -> String {
    let mut text = String::new();
    let mut line = [0; 512];
    while let Ok(length) = rustix::io::read(fs, &mut line) {
        let said = String::from_utf8_lossy(&line[..length]);
        text.push_str(": ");
        text.push_str(said.trim_start_matches(['e', 'w', 'i', ' ']).trim_end());
    }
    text
}

/// Attaches a mount to a directory or file.
pub(crate) fn attach(mount: impl AsFd, target: impl AsFd, what: &str) -> Result<(), SandboxError> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", target, c"", flags).doing(format!("mount `{what}`"))
}

/// A second mount of what an open file or directory shows, with everything mounted below it.
pub(crate) fn clone_mount(of: impl AsFd, what: &str) -> Result<OwnedFd, SandboxError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(of, c"", flags).doing(format!("bind `{what}`"))
}

/// Opens a path for use as a place.
pub(crate) fn open_path(
    dir: impl AsFd,
    path: impl rustix::path::Arg,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty())
}

/// Layers, lowest first, and the directory that takes changes; attached nowhere yet.
pub(crate) fn overlay(lower: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd, SandboxError> {
    let doing = "mount the layers";
    let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|error| no_overlay(&error.into()))?;
    for dir in lower.iter().rev() {
        match rustix::mount::fsconfig_set_string(&fs, "lowerdir+", dir.as_path()) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) if dir.is_dir() => return overlay_by_string(lower, upper, work),
            Err(error) => {
                let action = format!("mount the layer `{}`{}", dir.display(), kernel_says(&fs));
                return Err(SandboxError::System { action, source: error.into() });
            }
        }
    }
    rustix::mount::fsconfig_set_string(&fs, "upperdir", upper).doing(&doing)?;
    rustix::mount::fsconfig_set_string(&fs, "workdir", work).doing(&doing)?;
    rustix::mount::fsconfig_set_flag(&fs, "userxattr").doing(&doing)?;
    // Nothing needs to reach the disk before the step has ended; the store syncs what it keeps.
    rustix::mount::fsconfig_set_flag(&fs, "volatile").doing(&doing)?;
    rustix::mount::fsconfig_set_string(&fs, "index", "off").doing(&doing)?;
    if let Err(error) = rustix::mount::fsconfig_create(&fs) {
        let error: io::Error = error.into();
        return Err(match error.raw_os_error() {
            Some(libc::EPERM | libc::ENODEV | libc::EINVAL | libc::EOPNOTSUPP) => SandboxError::machine(
                format!("this machine cannot mount layers in a user namespace: {error}{}", kernel_says(&fs)),
                "needs Linux 5.11 or later and a store on ext4, xfs, btrfs or tmpfs (not NFS, not another overlay): \
                     see `--store`",
            ),
            _ => SandboxError::System {
                action: format!("mount the layers{}", kernel_says(&fs)),
                source: error,
            },
        });
    }
    rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NODEV).doing(&doing)
}

fn no_overlay(error: &io::Error) -> SandboxError {
    SandboxError::machine(
        format!("this machine has no overlayfs: {error}"),
        "load the kernel module `overlay`",
    )
}

/// For kernels before 6.7: all layers in one option. Descriptors make their names short; a page holds about 200.
fn overlay_by_string(lower: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd, SandboxError> {
    use std::os::fd::AsRawFd;
    let doing = "mount the layers";
    let open = |path: &Path| open_path(rustix::fs::CWD, path, OFlags::DIRECTORY);
    let fds = lower.iter().rev().map(|dir| open(dir)).collect::<Result<Vec<_>, _>>().doing(&doing)?;
    let (upper, work) = (open(upper).doing(&doing)?, open(work).doing(&doing)?);
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let names: Vec<String> = fds.iter().map(name).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile,index=off",
        names.join(":"),
        name(&upper),
        name(&work)
    );
    if options.len() >= 4096 {
        return Err(SandboxError::machine(
            format!("this kernel cannot mount {} layers", lower.len()),
            "use Linux 6.7 or later, or fewer layers",
        ));
    }
    let options = std::ffi::CString::new(options)
        .map_err(|_| SandboxError::Command("a path has a NUL byte".to_owned()))?;
    // Mounted over the upper directory, for want of another place that is certainly there.
    let place = name(&upper);
    rustix::mount::mount(
        "overlay",
        &place,
        "overlay",
        rustix::mount::MountFlags::NODEV,
        Some(options.as_c_str()),
    )
    .map_err(|error| no_overlay(&error.into()))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let there = rustix::fs::readlink(&place, Vec::new()).doing(&doing)?;
    rustix::mount::open_tree(rustix::fs::CWD, &there, flags).doing(&doing)
}
