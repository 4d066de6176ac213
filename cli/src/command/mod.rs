//! One file per command. Each parses its options, calls a library, and says what came out.

pub mod build;
pub mod cache;
pub mod change;
pub mod check;
pub mod commit;
pub mod copy;
pub mod export;
pub mod find;
pub mod history;
pub mod images;
pub mod import;
pub mod index;
pub mod inspect;
pub mod load;
pub mod login;
pub mod names;
pub mod plan;
pub mod ps;
pub mod pull;
pub mod push;
pub mod rm;
pub mod run;
pub mod save;
pub mod search;
pub mod store;
pub mod tag;
