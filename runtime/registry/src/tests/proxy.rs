//! Through a proxy, and past it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::{CANARY, MANIFEST_URL, get_manifest, manifest, manifest_answer};
use crate::testing::World;
use crate::{Client, Config, Credential};

type Lines = Arc<Mutex<Vec<String>>>;

/// A proxy that leads every CONNECT to one server and remembers what it was told.
fn proxy(to: SocketAddr) -> (u16, Lines) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines = Lines::default();
    let shared = Arc::clone(&lines);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut client), lines) = (stream, Arc::clone(&shared)) else { return };
            std::thread::spawn(move || {
                let mut from = BufReader::with_capacity(1, client.try_clone().unwrap());
                loop {
                    let mut line = String::new();
                    if from.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim().to_owned());
                }
                let server = TcpStream::connect(to).unwrap();
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
                let (mut up, mut down) = (server.try_clone().unwrap(), server);
                let mut back = client.try_clone().unwrap();
                // Either direction ends when its side does.
                std::thread::spawn(move || drop(std::io::copy(&mut down, &mut back)));
                drop(std::io::copy(&mut client, &mut up));
            });
        }
    });
    (port, lines)
}

#[test]
fn through_a_proxy() {
    let world = World::new();
    world.on(MANIFEST_URL, [manifest_answer()]);
    let (port, lines) = proxy(world.address("https://reg.test").unwrap());
    let dir = tempfile::tempdir().unwrap();
    let client = |none: &'static str| {
        let env = move |name: &str| match name {
            "HTTPS_PROXY" => Some(format!("http://user:{CANARY}@127.0.0.1:{port}")),
            "no_proxy" => Some(none.to_owned()),
            _ => None,
        };
        let config = Config::load_below(&env, dir.path(), &dir.path().join("etc")).unwrap();
        Client::new(
            config.with_book(world.book.clone()).with_credential("reg.test", Credential::basic("me", "x")),
        )
    };
    let seen = || std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));

    let through = client("other.test");
    assert_eq!(get_manifest(&through).unwrap(), manifest());
    let said = seen();
    assert_eq!(said[0], "CONNECT reg.test:443 HTTP/1.1");
    assert!(said.iter().any(|line| line.starts_with("Proxy-Authorization: Basic ")), "{said:?}");
    assert!(!format!("{through:?}").contains(CANARY));
    assert!(!world.seen().iter().any(|seen| seen.text().contains("Proxy-Authorization")));

    assert_eq!(get_manifest(&client(".test")).unwrap(), manifest());
    assert!(seen().is_empty());
}
