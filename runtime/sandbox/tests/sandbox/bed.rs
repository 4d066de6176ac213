//! A small root of busybox, and steps on it.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use imgc_base::ImagePath;
use imgc_base::cancel::Cancel;
use imgc_sandbox::{Command, Isolation, Network, SandboxError, Status, Stream};

pub(crate) struct Bed {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) isolation: Isolation,
}

/// What came of a step.
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) notes: Vec<String>,
    work: tempfile::TempDir,
}

impl Outcome {
    pub(crate) fn upper(&self) -> PathBuf {
        self.work.path().join("upper")
    }

    /// Everything below the upper directory: name and kind.
    pub(crate) fn changes(&self) -> Vec<String> {
        let mut all = Vec::new();
        list(&self.upper(), Path::new(""), &mut all);
        all.sort();
        all
    }

    /// The words of each line, by the first one.
    pub(crate) fn table(&self) -> BTreeMap<String, String> {
        self.stdout
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }
}

fn list(top: &Path, below: &Path, all: &mut Vec<String>) {
    for item in fs_err::read_dir(top.join(below)).unwrap() {
        let item = item.unwrap();
        let path = below.join(item.file_name());
        let kind = item.file_type().unwrap();
        let word = if kind.is_dir() {
            "dir"
        } else if kind.is_symlink() {
            "link"
        } else if kind.is_char_device() {
            "whiteout"
        } else {
            "file"
        };
        all.push(format!("{word} {}", path.display()));
        if kind.is_dir() {
            list(top, &path, all);
        }
    }
}

pub(crate) fn path(text: &str) -> ImagePath {
    ImagePath::clean(text).unwrap()
}

impl Bed {
    pub(crate) fn new(isolation: Isolation) -> Option<Self> {
        let Some(busybox) = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|p| Path::new(p).exists())
        else {
            eprintln!(
                "SKIPPED: no test of the sandbox was run: busybox is not installed (package busybox-static)"
            );
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for name in ["bin", "tmp", "data"] {
            fs_err::create_dir_all(root.join(name)).unwrap();
        }
        fs_err::set_permissions(root.join("tmp"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        fs_err::copy(busybox, root.join("bin/busybox")).unwrap();
        fs_err::write(root.join("data/file"), "from the image").unwrap();
        let applets = std::process::Command::new(busybox).arg("--list").output().unwrap();
        for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|name| *name != "busybox") {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        Some(Self { dir, root, isolation })
    }

    /// True if files have one owner on disk.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.isolation, Isolation::Single { .. })
    }

    /// A new empty directory.
    pub(crate) fn fresh(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(self.dir.path()).unwrap()
    }

    /// A command of the shell on the root.
    pub(crate) fn shell(script: &str) -> Command {
        Command {
            args: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
            env: vec![("PATH".to_owned(), "/bin".to_owned())],
            network: Network::None,
            ..Command::default()
        }
    }

    pub(crate) fn run(&self, script: &str) -> Outcome {
        self.run_command(Self::shell(script))
    }

    pub(crate) fn run_command(&self, command: Command) -> Outcome {
        self.try_run(command, &Cancel::new()).unwrap_or_else(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            panic!("{error}: {cause}")
        })
    }

    pub(crate) fn try_run(&self, mut command: Command, cancel: &Cancel) -> Result<Outcome, SandboxError> {
        let work = self.fresh();
        for name in ["upper", "work"] {
            fs_err::create_dir(work.path().join(name)).unwrap();
        }
        command.upper = work.path().join("upper");
        command.work = work.path().join("work");
        command.lower.insert(0, self.root.clone());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = imgc_sandbox::run(
            &command,
            &mut |stream, bytes| match stream {
                Stream::Stdout => stdout.extend_from_slice(bytes),
                Stream::Stderr => stderr.extend_from_slice(bytes),
            },
            cancel,
        )?;
        Ok(Outcome {
            status: exit.status,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            notes: exit.notes,
            work,
        })
    }
}
