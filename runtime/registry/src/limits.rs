//! How much of anything a registry sends is accepted (security rule R9).

use std::time::Duration;

/// Bytes of an answer's header.
pub(crate) const HEADER_BYTES: usize = 64 << 10;
/// Bytes of an error body that are read.
pub(crate) const ERROR_BYTES: u64 = 64 << 10;
/// Bytes of a token server's answer.
pub(crate) const TOKEN_BYTES: u64 = 64 << 10;
/// Bytes of one page of a list.
pub(crate) const PAGE_BYTES: u64 = 4 << 20;
/// Pages of one list.
pub(crate) const PAGES: usize = 1000;
/// Entries of one list over all of its pages.
pub(crate) const LISTED: usize = 1_000_000;
/// Bytes of an address from a header.
pub(crate) const URL_BYTES: usize = 8 << 10;
/// Redirects followed in one request: as many as other tools follow.
pub(crate) const REDIRECTS: usize = 10;
/// Tries of one request, the first one counted.
pub(crate) const TRIES: u32 = 5;
/// Requests for one blob, each of which brought some bytes and broke.
pub(crate) const STRETCHES: u32 = 100;
/// The longest wait that `Retry-After` can ask for.
pub(crate) const WAIT: Duration = Duration::from_mins(1);
/// Bytes of a blob.
pub(crate) const BLOB_BYTES: u64 = 1 << 40;
/// The longest life of a token; the shortest is 60 s by specification.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_hours(1);
/// Bytes of a configuration file.
pub(crate) const CONFIG_BYTES: u64 = 4 << 20;
/// Time to resolve and connect.
pub(crate) const CONNECT: Duration = Duration::from_secs(15);
/// Time without one byte.
pub(crate) const IDLE: Duration = Duration::from_mins(2);
/// Requests at once to one registry.
pub(crate) const PARALLEL: usize = 4;
/// Bytes of a chunk of an upload, where a registry asks for chunks.
pub(crate) const CHUNK: u64 = 16 << 20;
/// The largest chunk that a registry can ask for (`OCI-Chunk-Min-Length`).
pub(crate) const CHUNK_MAX: u64 = 256 << 20;
