//! What this machine can do, found out by trying.

use std::path::Path;

use imgc_base::cancel::Cancel;

use crate::command::{Command, Status};
use crate::error::SandboxError;

/// One ability of the machine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Probe {
    /// What it is.
    pub name: &'static str,
    /// There or not.
    pub works: bool,
    /// More about it: a number, a reason.
    pub detail: String,
}

/// What this machine can do.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Capabilities {
    /// In a fixed order.
    pub probes: Vec<Probe>,
}

/// Looks, without starting anything.
pub fn capabilities() -> Capabilities {
    let setting = |name: &str| {
        fs_err::read_to_string(format!("/proc/sys/{name}"))
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let mut probes = Vec::new();
    let mut add = |name, works, detail: String| probes.push(Probe { name, works, detail });
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    add("Linux 5.12", kernel_at_least(&release, 5, 12), release);
    let namespaces = setting("user/max_user_namespaces");
    add("user namespaces", namespaces != Some(0), format!("at most {}", namespaces.unwrap_or_default()));
    let restricted = setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    add("unrestricted by AppArmor", !restricted, String::new());
    for program in ["newuidmap", "newgidmap"] {
        let found = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"]
            .iter()
            .map(|dir| format!("{dir}/{program}"))
            .find(|path| fs_err::metadata(path).is_ok());
        add(program, found.is_some(), found.unwrap_or_else(|| "not installed".to_owned()));
    }
    let filesystems = fs_err::read_to_string("/proc/filesystems").unwrap_or_default();
    let overlay = filesystems.lines().any(|line| line.split_whitespace().last() == Some("overlay"));
    add("overlay", overlay, if overlay { String::new() } else { "not loaded".to_owned() });
    Capabilities { probes }
}

/// Builds a sandbox in an empty directory and takes it down again; the error is what this machine lacks.
pub fn trial(dir: &Path) -> Result<(), SandboxError> {
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    for dir in [&upper, &work] {
        fs_err::create_dir(dir).map_err(SandboxError::system("make a directory to try a sandbox in"))?;
    }
    // Everything is in place when the program is looked for and not found.
    let args = vec!["/no-such-program".to_owned()];
    let command = Command { args, upper, work, ..Command::default() };
    match crate::run(&command, &mut |_, _| {}, &Cancel::new())?.status {
        Status::Code(127) => Ok(()),
        other => Err(SandboxError::Helper(format!("a trial ended as {other:?}"))),
    }
}

fn kernel_at_least(release: &str, major: u32, minor: u32) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (release, want) in
            [("6.18.44-x", true), ("5.12", true), ("5.11.9", false), ("", false), ("4.19-generic", false)]
        {
            assert_eq!(kernel_at_least(release, 5, 12), want, "{release}");
        }
    }
}
