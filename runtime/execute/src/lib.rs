//! Graph to bytes: the scheduler and one module per op.
//!
//! | module | what it holds |
//! |---|---|
//! | [`context`] | build contexts: walking, ignoring, the stat cache |
//! | [`fetch`] | files and repositories from elsewhere: http, git |
//! | [`file`] | `COPY`, `ADD`, `WORKDIR`: file actions to layer entries |
//! | [`users`] | names of users and groups in an image |

pub mod context;
pub mod fetch;
pub mod file;
pub mod users;
