//! buildah with a storage of its own, for comparing what it builds.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer;
use crate::place::{Done, Place};

/// buildah, and the directories that it may write to.
#[derive(Debug)]
pub struct Buildah {
    program: PathBuf,
    root: PathBuf,
    run: PathBuf,
    home: PathBuf,
}

impl Buildah {
    /// buildah in a place; `None`, aloud, without buildah or root.
    pub fn new(test: &str, place: &Place) -> Option<Self> {
        let [program] = peer::need(test, ["buildah"])?;
        if !peer::is_root() {
            peer::skipped(test, "buildah needs root to own files");
            return None;
        }
        Some(Self {
            program,
            root: place.path("buildah/root"),
            run: place.path("buildah/run"),
            home: place.path("home"),
        })
    }

    /// The program, with nothing of the machine's environment but a search path.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.home)
            .arg("--root")
            .arg(&self.root)
            .arg("--runroot")
            .arg(&self.run)
            .args(["--storage-driver", "vfs"]);
        command
    }

    /// Takes an image over from an OCI archive.
    pub fn pull(&self, archive: &Path) {
        let source = format!("oci-archive:{}", archive.display());
        peer::run(self.command().args(["pull", "-q", &source]));
    }

    /// Runs any of its commands to the end; what it printed.
    pub fn run(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&peer::run(self.command().args(args))).trim().to_owned()
    }

    /// Builds in `dir`; `args` end with the context. What it made is at `to`, or under a name in its storage.
    #[must_use = "either flatten the image or assert the exit code"]
    pub fn build(&self, dir: &Path, to: &To, args: &[String]) -> Done {
        let name = match to {
            To::Dir(path) => format!("dir:{}", path.display()),
            To::Name(name) => name.clone(),
        };
        let output = self
            .command()
            .current_dir(dir)
            .args(["bud", "--isolation", "chroot", "--network", "host", "--format", "docker"])
            .args(["--layers=false", "--identity-label=false", "--pull-never", "-t", &name])
            .args(args)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("buildah starts");
        Done::of(&output)
    }
}

/// Where buildah puts an image.
#[derive(Debug)]
pub enum To {
    /// Into a directory of blobs.
    Dir(PathBuf),
    /// Into its storage.
    Name(String),
}
