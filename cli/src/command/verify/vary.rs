//! What can be made different between two builds on one machine.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something that should not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Vary {
    /// The clock: later by more than a second
    Time,
    /// Where the store and the caches are
    Path,
    /// User name and home directory
    User,
    /// The umask
    Umask,
    /// The time zone
    Tz,
    /// The locale
    Locale,
    /// The host name
    Hostname,
    /// How many processors may be used
    Cpus,
    /// The order of directories: builds on another kind of file system
    Readdir,
    /// The machine is busy
    Load,
    /// How many steps run at once
    Jobs,
}

impl Vary {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Path => "path",
            Self::User => "user",
            Self::Umask => "umask",
            Self::Tz => "tz",
            Self::Locale => "locale",
            Self::Hostname => "hostname",
            Self::Cpus => "cpus",
            Self::Readdir => "readdir",
            Self::Load => "load",
            Self::Jobs => "jobs",
        }
    }

    /// What differs if nothing else is asked for.
    pub fn usual() -> BTreeSet<Self> {
        use Vary::{Cpus, Hostname, Jobs, Locale, Path, Time, Tz, Umask, User};
        BTreeSet::from([Time, Path, User, Umask, Tz, Locale, Hostname, Cpus, Jobs])
    }
}

/// The host name of builds that vary it.
pub const HOSTNAME: &str = "another-host";

/// Where file systems of another kind are found.
const PLACES: [&str; 4] = ["/dev/shm", "/tmp", "/var/tmp", "/run"];

/// What of it this machine can vary, and why not the rest; `elsewhere` is a place found by [`other_file_system`].
pub fn possible(
    wanted: &BTreeSet<Vary>,
    elsewhere: Option<&Path>,
) -> (BTreeSet<Vary>, Vec<(Vary, &'static str)>) {
    let mut refused = Vec::new();
    let mut possible = wanted.clone();
    let mut refuse = |what: Vary, why: &'static str| {
        if possible.remove(&what) {
            refused.push((what, why));
        }
    };
    if elsewhere.is_none() {
        refuse(
            Vary::Readdir,
            "the order of directories is the file system's, and there is no other one here that is writable, takes \
             attributes and has room (looked at: /dev/shm, /tmp, /var/tmp, /run)",
        );
    }
    if processors() < 2 {
        refuse(Vary::Cpus, "there is one processor");
    }
    if wanted.contains(&Vary::Hostname) && !can_rename() {
        refuse(Vary::Hostname, "`unshare --uts` and `hostname` are needed");
    }
    (possible, refused)
}

/// A directory on another kind of file system than a path's, with room for so many bytes.
pub fn other_file_system(than: &Path, room: u64) -> Option<&'static Path> {
    let own = rustix::fs::statfs(than).ok()?.f_type;
    PLACES.iter().map(Path::new).find(|place| {
        let Ok(stat) = rustix::fs::statfs(*place) else { return false };
        let free = u64::try_from(stat.f_bsize).unwrap_or(0).saturating_mul(stat.f_bavail);
        stat.f_type != own && free >= room && takes_attributes(place)
    })
}

/// True if a directory can be made there, and keeps the attributes that layers need.
fn takes_attributes(place: &Path) -> bool {
    let Ok(dir) = tempfile::Builder::new().prefix("imgc-verify-").tempdir_in(place) else { return false };
    rustix::fs::setxattr(dir.path(), "user.imgc.test", b"1", rustix::fs::XattrFlags::empty()).is_ok()
}

/// How many processors this process may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn can_rename() -> bool {
    let status = Command::new("unshare")
        .args(["--uts", "hostname", HOSTNAME])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
