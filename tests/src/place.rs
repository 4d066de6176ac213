//! A hermetic place: own home, store and context, and the program to run in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory with `home`, `store` and `ctx`.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    program: PathBuf,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Done {
    /// The exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "each is an assertion; what comes back is for more of them"
)]
impl Done {
    /// Panics unless it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.fails_with(0)
    }

    /// Panics unless it ended with this code.
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        let mut text = String::new();
        let _ = write!(text, "exit code {} instead of {code}\n{}\n{}", self.code, self.stdout, self.stderr);
        assert!(self.code == code, "{text}");
        self
    }

    /// Panics unless stderr holds a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in:\n{}", self.stderr);
        self
    }

    /// Panics unless stdout holds a text.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "`{text}` is not in:\n{}", self.stdout);
        self
    }

    /// Takes the end of a process apart.
    pub fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        Self {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Place {
    /// A new place for the program at `program` (`env!("CARGO_BIN_EXE_imgc")`).
    pub fn new(program: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("imgc-test-").tempdir().expect("a temporary directory");
        for name in ["home", "ctx"] {
            fs_err::create_dir(dir.path().join(name)).expect("a directory");
        }
        Self { dir, program: PathBuf::from(program) }
    }

    /// A path below the place.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(below)
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, below: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs_err::write(&path, content).expect("a file");
        path
    }

    /// The program, with nothing of the machine's environment but a search path; it works in the place.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("IMGC_STORE", self.store())
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program.
    #[must_use = "either compare the output or assert the exit code"]
    pub fn imgc(&self, args: &[&str]) -> Done {
        let output = self.command().args(args).output().expect("the program starts");
        Done::of(&output)
    }

    /// Runs the program with something on stdin.
    #[must_use = "either compare the output or assert the exit code"]
    pub fn imgc_with(&self, args: &[&str], input: &[u8]) -> Done {
        use std::io::Write;
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        // A program that ends before it read everything is no fault of the test.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the program ends");
        writer.join().expect("the writer ends");
        Done::of(&output)
    }

    /// Builds `ctx` with a Dockerfile; returns the manifest's digest.
    #[track_caller]
    pub fn build(&self, dockerfile: &str, args: &[&str]) -> String {
        self.write("ctx/Dockerfile", dockerfile);
        let all: Vec<&str> = ["build", "-q", "ctx"].iter().chain(args).copied().collect();
        self.imgc(&all).ok().stdout.trim().to_owned()
    }

    /// Imports the busybox root as `busybox`; false, aloud, if busybox is not installed.
    #[track_caller]
    pub fn with_busybox(&self, test: &str) -> bool {
        let Some(tar) = crate::root::busybox(test) else { return false };
        let file = self.write("busybox.tar", tar);
        let file = file.to_string_lossy().into_owned();
        self.imgc(&["import", &file, "busybox", "--env", "PATH=/bin:/usr/bin"]).ok();
        true
    }
}
