//! Runs one command on a root filesystem.
