//! One file per command. Each parses its options, calls a library, and says what came out.

pub mod build;
pub mod check;
pub mod find;
pub mod history;
pub mod images;
pub mod import;
pub mod inspect;
pub mod load;
pub mod plan;
pub mod pull;
pub mod rm;
pub mod run;
pub mod save;
pub mod store;
pub mod tag;
