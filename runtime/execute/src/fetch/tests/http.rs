//! A web server that answers from a list and keeps what it was asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use imgc_base::cancel::Cancel;
use imgc_base::digest::BlobDigest;
use imgc_registry::Trust;

use super::super::{Accounts, FetchError, Fetched, Web, http};
use super::{Place, place};
use crate::options::{Secret, SecretBytes};

struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Answers one connection with each text. `{url}` in one becomes the server's address.
fn server(answers: &[&str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers: Vec<String> = answers.iter().map(|text| text.replace("{url}", &url)).collect();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.windows(4).any(|four| four == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            log.lock().unwrap().push(String::from_utf8_lossy(&request).to_lowercase());
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    Server { url, asked }
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

fn get(place: &Place, url: &str, checksum: Option<&BlobDigest>) -> Result<Fetched, FetchError> {
    with(place, url, checksum, &[])
}

fn with(
    place: &Place,
    url: &str,
    checksum: Option<&BlobDigest>,
    secrets: &[(String, &str)],
) -> Result<Fetched, FetchError> {
    let secret = |text: &&str| Secret::Value(SecretBytes(text.as_bytes().to_vec()));
    let secrets = secrets.iter().map(|(id, text)| (id.clone(), secret(text))).collect();
    let trust = Trust::default();
    let web = Web { trust: &trust, accounts: Accounts::new(&secrets) };
    http(&place.store, url, checksum, Some("name"), Some(web), &Cancel::new())
}

fn text(fetched: &Fetched) -> String {
    fs_err::read_to_string(fetched.path()).unwrap()
}

#[test]
fn offline_no_server_is_asked_and_what_is_here_must_do() {
    let place = place();
    let server = server(&[&ok("", "hello")]);
    let url = format!("{}/a", server.url);
    let offline = |checksum: Option<BlobDigest>| {
        http(&place.store, &url, checksum.as_ref(), Some("name"), None, &Cancel::new())
    };
    assert!(matches!(offline(None), Err(FetchError::Offline { .. })));
    let one = get(&place, &url, None).unwrap();
    assert_eq!(offline(None).unwrap(), one);
    assert_eq!(offline(Some(BlobDigest::of(b"hello"))).unwrap(), one);
    assert!(matches!(offline(Some(BlobDigest::of(b"other"))), Err(FetchError::Offline { .. })));
    assert_eq!(server.asked.lock().unwrap().len(), 1);
}

#[test]
fn fetches_once_and_asks_again() {
    let place = place();
    let first = ok("ETag: \"one\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "hello");
    let same = "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n";
    let new = ok("", "other");
    let server = server(&[&first, same, &new]);
    let url = format!("{}/a", server.url);
    let one = get(&place, &url, None).unwrap();
    assert_eq!((text(&one).as_str(), one.mtime, one.name.as_str()), ("hello", 784_111_777, "name"));
    assert_eq!(one.digest(), &BlobDigest::of(b"hello"));
    assert_eq!(get(&place, &url, None).unwrap(), one);
    let asked = server.asked.lock().unwrap()[1].clone();
    assert!(asked.contains("if-none-match: \"one\""), "{asked}");
    assert!(asked.contains("if-modified-since: sun, 06 nov 1994"), "{asked}");
    let third = get(&place, &url, None).unwrap();
    assert_eq!((text(&third).as_str(), third.mtime), ("other", 0));
    // With its checksum, one that is here needs no server.
    assert_eq!(get(&place, &url, Some(&BlobDigest::of(b"other"))).unwrap(), third);
    assert_eq!(server.asked.lock().unwrap().len(), 3);
}

#[test]
fn another_content_than_promised() {
    let place = place();
    let server = server(&[&ok("", "evil")]);
    let wanted = BlobDigest::of(b"good");
    let error = get(&place, &server.url, Some(&wanted)).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert!(error.to_string().contains("digest mismatch"), "{error}");
    assert!(!place.store.has_blob(&wanted) && !place.store.has_blob(&BlobDigest::of(b"evil")));
}

#[test]
fn redirects() {
    let place = place();
    let server = server(&[
        "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 307 Moved\r\nLocation: {url}/c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        &ok("", "there"),
    ]);
    assert_eq!(text(&get(&place, &format!("{}/a", server.url), None).unwrap()), "there");
    let asked: Vec<String> =
        server.asked.lock().unwrap().iter().map(|text| text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["get /a http/1.1", "get /b http/1.1", "get /c http/1.1"]);
}

#[test]
fn redirects_out_of_http_or_without_end() {
    let place = place();
    for to in ["file:///etc/passwd", "http://169.254.169.254/latest", "ftp://h/x"] {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let server = server(&[&answer]);
        let error = get(&place, &server.url, None).unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{to}: {error}");
    }
    let again = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server = server(&[again; 11]);
    let error = get(&place, &server.url, None).unwrap_err();
    assert!(error.to_string().contains("too many redirects"), "{error}");
}

#[test]
fn failures() {
    let place = place();
    let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server_gone = server(&[gone]);
    let error = get(&place, &server_gone.url, None).unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error}");
    // One that passes is asked again.
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server_busy = server(&[busy, &ok("", "at last")]);
    assert_eq!(text(&get(&place, &server_busy.url, None).unwrap()), "at last");
    // A download that ends early is no download.
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nonly";
    let server_cut = server(&[cut, cut, cut]);
    assert!(get(&place, &server_cut.url, None).is_err());
    let (stopped, none) = (Cancel::new(), std::collections::BTreeMap::new());
    stopped.cancel();
    let trust = Trust::default();
    let web = Web { trust: &trust, accounts: Accounts::new(&none) };
    let error = http(&place.store, "http://127.0.0.1:1/", None, None, Some(web), &stopped).unwrap_err();
    assert!(matches!(error, FetchError::Cancelled(_)), "{error}");
}

#[test]
fn a_secret_goes_to_its_server_and_no_further() {
    let place = place();
    let other = server(&[&ok("", "elsewhere")]);
    let moved = |to: &str| {
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let first = server(&[&moved("/same"), &moved(&format!("{}/x", other.url))]);
    let host = first.url.strip_prefix("http://").unwrap();
    let secrets = [
        (format!("HTTP_AUTH_TOKEN_{host}"), "first-token"),
        (format!("HTTP_AUTH_TOKEN_{}", other.url.strip_prefix("http://").unwrap()), "other-token"),
    ];
    let got = with(&place, &format!("{}/a", first.url), None, &secrets).unwrap();
    assert_eq!(text(&got), "elsewhere");
    for asked in first.asked.lock().unwrap().iter() {
        assert!(asked.contains("authorization: bearer first-token"), "{asked}");
    }
    let there = other.asked.lock().unwrap()[0].clone();
    assert!(!there.contains("authorization"), "{there}");
    // What is remembered of the file does not hold it either.
    let denied = server(&["HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]);
    let error = with(&place, &denied.url, None, &secrets).unwrap_err();
    assert!(error.help().unwrap().contains("HTTP_AUTH_TOKEN_127.0.0.1"), "{error}");
}
