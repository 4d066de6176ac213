//! `imgc`, the compiler for container images.

#![expect(
    unreachable_pub,
    reason = "in a program `pub` says what a module offers the others; nothing is exported"
)]
#![expect(clippy::result_large_err, reason = "a command fails once, and then it ends")]

mod app;
mod command;
mod docker_words;
mod environment;
mod failure;
mod progress;
mod render;
mod session;
mod template;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandbox helper is this program again; it must stay single-threaded and do nothing else.
    if imgc_sandbox::is_helper() {
        return imgc_sandbox::helper();
    }
    // Before any thread exists: a process may enter a user namespace only while it is alone.
    app::run(imgc_sandbox::enter_user_namespace)
}
