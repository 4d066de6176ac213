//! The image commands: the beginner's walk against a real registry, other programs, interruptions, and the store's side.

mod interop;
mod kills;
mod local;
mod server;
mod walk;
