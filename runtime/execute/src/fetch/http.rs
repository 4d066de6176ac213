//! One file from a web server: bounded, checked, kept in the store as a blob.
//!
//! What a server said of a file (`ETag`, `Last-Modified`) is remembered, so that an unchanged one is asked for but not
//! sent again; one whose checksum is given and that is here is not even asked for. Redirects are followed here, not
//! by the library: each address is checked anew.

use std::io::{Read, Write};
use std::time::Duration;

use imgc_base::cancel::Cancel;
use imgc_base::digest::BlobDigest;
use imgc_registry::Trust;
use imgc_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::{HeaderMap, Response};

use super::account::{Accounts, Server};
use super::guard::{self, Zone};
use super::{FetchError, Fetched, Web};

/// How large a file may be, in bytes.
const MAX_BYTES: u64 = 64 << 30;
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;
/// How often a failing server is asked.
const TRIES: u32 = 3;
/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_mins(1);
/// The name of a file whose address has none; the reference's.
const UNNAMED: &str = "__unnamed__";

/// What is remembered of an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    digest: BlobDigest,
    etag: Option<String>,
    modified: Option<String>,
    mtime: i64,
}

/// Fetches a file into the store. Without `web` no server is asked, and what is here must do.
pub fn http(
    store: &Store,
    url: &str,
    checksum: Option<&BlobDigest>,
    filename: Option<&str>,
    web: Option<Web<'_>>,
    cancel: &Cancel,
) -> Result<Fetched, FetchError> {
    let name = filename.unwrap_or(UNNAMED).to_owned();
    let key = format!("http-1 {url}");
    let known: Option<Memory> = store
        .memo(&key)?
        .and_then(|text| serde_json::from_str(&text).ok())
        .filter(|memory: &Memory| store.has_blob(&memory.digest));
    if let (Some(memory), Some(checksum)) = (&known, checksum)
        && memory.digest == *checksum
    {
        return fetched(store, memory, name);
    }
    let Some(web) = web else {
        return match (&known, checksum) {
            (Some(memory), None) => fetched(store, memory, name),
            _ => Err(FetchError::Offline { url: url.to_owned() }),
        };
    };
    let asking = Asking { agent: agent(web.trust)?, accounts: web.accounts };
    let mut tried = 0;
    let memory = loop {
        cancel.check()?;
        tried += 1;
        match attempt(store, &asking, url, checksum, known.as_ref(), cancel) {
            Ok(memory) => break memory,
            Err(error) if tried < TRIES && is_passing(&error) => pause(tried, cancel)?,
            Err(error) => return Err(error),
        }
    };
    if let Ok(text) = serde_json::to_string(&memory) {
        store.put_memo(&key, &text)?;
    }
    fetched(store, &memory, name)
}

fn fetched(store: &Store, memory: &Memory, name: String) -> Result<Fetched, FetchError> {
    // Opening it also keeps it from being collected while this build lives.
    drop(store.open_blob(&memory.digest)?);
    let path = store.dir().join("blobs").join("sha256").join(memory.digest.hex());
    Ok(Fetched { path, name, mtime: memory.mtime, digest: memory.digest })
}

fn attempt(
    store: &Store,
    asking: &Asking<'_>,
    url: &str,
    checksum: Option<&BlobDigest>,
    known: Option<&Memory>,
    cancel: &Cancel,
) -> Result<Memory, FetchError> {
    let (at, response) = request(asking, url, known)?;
    let status = response.status().as_u16();
    match (status, known) {
        (304, Some(memory)) => {
            expect(url, checksum, &memory.digest)?;
            return Ok(memory.clone());
        }
        (200, _) => {}
        _ => return Err(FetchError::Status { url: at, status }),
    }
    let headers = response.headers().clone();
    let mut writer = store.blob_writer()?;
    let mut body = response.into_body().into_with_config().limit(MAX_BYTES + 1).reader();
    let mut buffer = vec![0; 128 << 10];
    loop {
        cancel.check()?;
        let count = body.read(&mut buffer).map_err(FetchError::io("read from a web server"))?;
        if count == 0 {
            break;
        }
        if writer.size() + count as u64 > MAX_BYTES {
            return Err(FetchError::Large { url: url.to_owned(), limit: MAX_BYTES });
        }
        writer.write_all(&buffer[..count]).map_err(FetchError::io("write a download"))?;
    }
    let size = writer.size();
    let stated = header(&headers, "content-length").and_then(|text| text.parse::<u64>().ok());
    if stated.is_some_and(|stated| stated != size) {
        let cut = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the download was cut off");
        return Err(FetchError::Io { action: "read from a web server", source: cut });
    }
    let digest = match writer.commit(checksum.map(|checksum| (*checksum, size))) {
        Ok((digest, _)) => digest,
        Err(StoreError::Digest { expected, got }) => {
            return Err(mismatch(url, &expected, &got));
        }
        Err(error) => return Err(error.into()),
    };
    let modified = header(&headers, "last-modified");
    let mtime = modified.as_deref().and_then(http_date).unwrap_or(0);
    Ok(Memory { digest, etag: header(&headers, "etag"), modified, mtime })
}

/// What every request of one download is made with.
struct Asking<'a> {
    agent: Agent,
    accounts: Accounts<'a>,
}

fn agent(trust: &Trust) -> Result<Agent, FetchError> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("imgc/", env!("CARGO_PKG_VERSION")))
        // The bytes of the file, not of a transfer.
        .accept_encoding("identity")
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE));
    Ok(trust.agent(config)?)
}

/// Asks, and follows redirects; gives the last address with its answer.
fn request(
    asking: &Asking<'_>,
    url: &str,
    known: Option<&Memory>,
) -> Result<(String, Response<ureq::Body>), FetchError> {
    let mut at = url.to_owned();
    let mut zone: Option<Zone> = None;
    // Secrets are for the server that the user named, not for where it sends us.
    let first = Server::of(url);
    let secret = first.as_ref().map_or(Ok(None), |server| asking.accounts.http(server))?;
    for _ in 0..=MAX_REDIRECTS {
        zone = Some(guard::check(&at, zone)?);
        let mut request = asking.agent.get(&at);
        if let Some(secret) = &secret
            && Server::of(&at) == first
        {
            request = request.header("authorization", secret.value());
        }
        if let Some(memory) = known {
            if let Some(etag) = &memory.etag {
                request = request.header("if-none-match", etag);
            }
            if let Some(modified) = &memory.modified {
                request = request.header("if-modified-since", modified);
            }
        }
        let response = request
            .call()
            .map_err(|source| FetchError::Transport { url: at.clone(), source: Box::new(source) })?;
        let location = header(response.headers(), "location");
        let (301 | 302 | 303 | 307 | 308, Some(location)) = (response.status().as_u16(), location) else {
            return Ok((at, response));
        };
        let next = guard::follow(&at, &location).ok_or_else(|| FetchError::Address {
            url: at.clone(),
            why: "the server redirects to an address that makes no sense".to_owned(),
        })?;
        if at.starts_with("https:") && !next.starts_with("https:") {
            let why = "an encrypted address redirects to one that is not".to_owned();
            return Err(FetchError::Address { url: at, why });
        }
        at = next;
    }
    Err(FetchError::Address { url: url.to_owned(), why: "too many redirects".to_owned() })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= 1024).then(|| value.to_owned())
}

fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(jiff::Timestamp::as_second)
}

fn expect(url: &str, checksum: Option<&BlobDigest>, got: &BlobDigest) -> Result<(), FetchError> {
    match checksum {
        Some(expected) if expected != got => Err(mismatch(url, expected, got)),
        _ => Ok(()),
    }
}

fn mismatch(url: &str, expected: &BlobDigest, got: &BlobDigest) -> FetchError {
    FetchError::Checksum { url: url.to_owned(), expected: expected.to_string(), got: got.to_string() }
}

/// True for failures that another try may not see.
fn is_passing(error: &FetchError) -> bool {
    match error {
        FetchError::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
        FetchError::Transport { .. } => true,
        FetchError::Io { action, .. } => *action == "read from a web server",
        _ => false,
    }
}

fn pause(tried: u32, cancel: &Cancel) -> Result<(), FetchError> {
    for _ in 0..tried * 10 {
        cancel.check()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
