//! The root file system: layers under an upper directory, by the kernel's overlayfs.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags};

use crate::error::{Doing, SandboxError};

/// A new file system as a mount that is attached nowhere yet.
pub(crate) fn new_mount(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, SandboxError> {
    let fs = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
        .doing(format!("make a {kind} file system"))?;
    configure(&fs, &[("source", kind)])
        .and_then(|()| configure(&fs, options))
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
///
/// Every directory is named by a descriptor: such names are short, and they are what `/proc/mounts` shows inside, so
/// that no step can learn where the store is.
pub(crate) fn overlay(lower: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd, SandboxError> {
    let open = |path: &Path| {
        open_path(CWD, path, OFlags::DIRECTORY).doing(format!("open the layer `{}`", path.display()))
    };
    // An image may have one layer twice, overlayfs may not. The upper one decides of each path that either holds, so the
    // lower one changes nothing.
    let mut taken = BTreeSet::new();
    let layers = lower.iter().rev().filter(|dir| taken.insert(*dir));
    let layers = layers.map(|dir| open(dir)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (open(upper)?, open(work)?);
    let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(no_overlay)?;
    for layer in &layers {
        match rustix::mount::fsconfig_set_string(&fs, "lowerdir+", name(layer)) {
            Ok(()) => {}
            Err(Errno::INVAL) => return overlay_by_string(&layers, &upper, &work),
            Err(error) => {
                return Err(error).doing(format!("mount a layer{}", kernel_says(&fs)));
            }
        }
    }
    let (upper, work) = (name(&upper), name(&work));
    let options = [("upperdir", upper.as_str()), ("workdir", &work), ("source", "overlay")];
    configure(&fs, &options)
        .and_then(|()| configure(&fs, OPTIONS))
        .and_then(|()| rustix::mount::fsconfig_create(&fs))
        .map_err(|error| refused(error, &kernel_says(&fs)))?;
    rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NODEV)
        .doing("mount the layers")
}

/// `userxattr`: marks that a user namespace may write. `volatile`: nothing needs to reach the disk before the step has
/// ended; the store syncs what it keeps. `index`: may be on by the kernel's configuration.
const OPTIONS: &[(&str, &str)] = &[("userxattr", ""), ("volatile", ""), ("index", "off")];

fn name(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn no_overlay(error: Errno) -> SandboxError {
    SandboxError::machine(
        format!("this machine has no overlayfs: {error}"),
        "load the kernel module `overlay`",
    )
}

fn refused(error: Errno, kernel: &str) -> SandboxError {
    match error {
        Errno::PERM | Errno::NODEV | Errno::INVAL | Errno::OPNOTSUPP => SandboxError::machine(
            format!("this machine cannot mount layers here: {error}{kernel}"),
            "needs Linux 5.12 or later and a store on ext4, xfs, btrfs or tmpfs, not on NFS or another overlay: \
             see `--store`",
        ),
        _ => SandboxError::System { action: format!("mount the layers{kernel}"), source: error.into() },
    }
}

/// For kernels before 6.7: all layers in one option, of which a page holds about 200.
fn overlay_by_string(layers: &[OwnedFd], upper: &OwnedFd, work: &OwnedFd) -> Result<OwnedFd, SandboxError> {
    const PAGE: usize = 4096;
    let names: Vec<String> = layers.iter().map(name).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile,index=off",
        names.join(":"),
        name(upper),
        name(work)
    );
    if options.len() >= PAGE {
        return Err(SandboxError::machine(
            format!("this kernel cannot mount {} layers", layers.len()),
            "use Linux 6.7 or later, or fewer layers",
        ));
    }
    let options = CString::new(options).doing("mount the layers")?;
    // Mounted over the upper directory, for want of another place that is certainly there.
    let place = name(upper);
    rustix::mount::mount("overlay", &place, "overlay", MountFlags::NODEV, Some(options.as_c_str()))
        .map_err(|error| refused(error, ""))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    // The descriptor still means the directory below the mount: its name leads to what is on top.
    let path = rustix::fs::readlink(&place, Vec::new()).doing("find the mounted layers")?;
    rustix::mount::open_tree(CWD, &path, flags).doing("find the mounted layers")
}

#[cfg(test)]
mod tests {
    use rustix::mount::{MountPropagationFlags, mount_change};
    use rustix::thread::UnshareFlags;

    use super::*;
    use crate::sys;

    /// The way of older kernels, on this one: in a thread with mounts of its own.
    #[test]
    fn layers_in_one_option() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a", "b", "upper", "work"] {
            fs_err::create_dir(path(name)).unwrap();
        }
        fs_err::write(path("a/from-a"), "").unwrap();
        fs_err::write(path("b/from-b"), "").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if sys::unshare(UnshareFlags::NEWNS).is_err() {
                    eprintln!("SKIPPED: this user may make no mount namespace");
                    return;
                }
                mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
                let open = |name: &str| open_path(CWD, path(name).as_path(), OFlags::DIRECTORY).unwrap();
                let mount =
                    overlay_by_string(&[open("b"), open("a")], &open("upper"), &open("work")).unwrap();
                for name in ["from-a", "from-b"] {
                    assert!(open_path(&mount, name, OFlags::empty()).is_ok(), "{name}");
                }
            });
        });
    }

    /// One layer under and over another one.
    #[test]
    fn a_layer_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a", "b", "upper", "work"] {
            fs_err::create_dir(path(name)).unwrap();
        }
        for (file, text) in [("a/both", "a"), ("b/both", "b"), ("a/from-a", ""), ("b/from-b", "")] {
            fs_err::write(path(file), text).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if sys::unshare(UnshareFlags::NEWNS).is_err() {
                    eprintln!("SKIPPED: this user may make no mount namespace");
                    return;
                }
                let lower = ["a", "b", "a"].map(path);
                let mount = overlay(&lower, &path("upper"), &path("work")).unwrap();
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&mount, "both", flags, Mode::empty()).unwrap();
                let mut text = [0; 2];
                assert_eq!((rustix::io::read(&file, &mut text).unwrap(), text[0]), (1, b'a'));
                for name in ["from-a", "from-b"] {
                    assert!(open_path(&mount, name, OFlags::empty()).is_ok(), "{name}");
                }
            });
        });
    }
}
