//! Runs one command on a root file system, locked in (`spec/sandbox.md`).
//!
//! ```text
//! imgc (threads) --spawn--> helper (A) --clone, namespaces--> init (B, pid 1) --fork--> the command (C)
//!       |  control socket, pipes  |  status pipe, "go" pipe        |
//! ```
//!
//! | module | job |
//! |---|---|
//! | [`command`](crate::Command) | what to run, as a value |
//! | `launch` | A's parent: starts the helper, passes output on, kills on demand |
//! | `helper` | A: makes the namespaces, writes the id maps, watches both sides |
//! | `init` | B: builds the root, starts C, reaps, forwards |
//! | `rootfs`, `mounts`, `standard`, `mountpoint` | the file system that C sees |
//! | `lockdown`, `seccomp` | what C may do |
//! | `userns`, `idmap` | how this program becomes root without being root |
//! | `machine` | the machine that steps are told of |
//! | `emulate` | calls that are answered by A: the machine; owners and users where there is only one id |
//! | `terminal`, `proxy` | a terminal, and the ssh agent's socket |
//! | `interrupt` | Ctrl-C |
//! | `probe` | what this machine can do |
//! | `sys` | all the `unsafe` of the project |
//!
//! A is this program again, executed from a sealed copy in memory: nothing forks inside a program with threads, and
//! nothing in the sandbox can reach the program's file.

mod command;
mod emulate;
mod error;
mod helper;
mod idmap;
mod init;
pub mod interrupt;
mod launch;
mod lockdown;
mod loopback;
mod machine;
mod mountpoint;
mod mounts;
mod probe;
mod proxy;
mod rootfs;
mod seccomp;
mod standard;
mod sys;
mod terminal;
mod userns;
mod wire;

pub use command::{
    Attach, CPUS, Command, Exit, HOSTNAME, MOST_CPUS, MountSpec, Network, Security, Status, What,
};
pub use error::SandboxError;
pub use helper::{helper, is_helper};
pub use imgc_base::event::Stream;
pub use launch::run;
pub use lockdown::is_limit;
pub use probe::{Capabilities, Probe, capabilities, trial};
pub use userns::{Isolation, enter_user_namespace};
