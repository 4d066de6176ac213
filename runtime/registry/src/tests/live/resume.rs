//! Uploads and downloads through a line that breaks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgc_image::Descriptor;

use super::Live;
use crate::testing::{Ears, Hands};
use crate::{Client, Config, Pushed, Settings};

/// Passes bytes on to a server, and cuts the first connections that carry many. Returns its port, the cuts that are
/// left, and the bytes that passed either way.
fn bad_line(to: u16, cuts: usize, after: usize) -> (u16, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let left = Arc::new(AtomicUsize::new(cuts));
    let shared = Arc::clone(&left);
    let total = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&total);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(client), Ok(server)) = (stream, TcpStream::connect((Ipv4Addr::LOCALHOST, to))) else {
                return;
            };
            for (mut from, mut into) in
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
            {
                let (left, total) = (Arc::clone(&shared), Arc::clone(&counted));
                std::thread::spawn(move || {
                    let (mut buffer, mut passed) = ([0; 16384], 0);
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        if into.write_all(&buffer[..count]).is_err() {
                            break;
                        }
                        passed += count;
                        total.fetch_add(count, Ordering::SeqCst);
                        let cut = |left: usize| left.checked_sub(1);
                        if passed > after
                            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, cut).is_ok()
                        {
                            break;
                        }
                    }
                    // The other side may be gone already.
                    drop(from.shutdown(Shutdown::Both));
                    drop(into.shutdown(Shutdown::Both));
                });
            }
        }
    });
    (port, left, total)
}

#[test]
fn over_a_bad_line() {
    let Some(live) = Live::start(|_| String::new()) else { return };
    let bytes: Vec<u8> = super::super::layer().into_iter().cycle().take(3 << 20).collect();
    let blob = Descriptor::of("application/vnd.oci.image.layer.v1.tar", &bytes);
    let ears = Arc::new(Ears::default());
    let client = || {
        let config = Config::empty(live.dir.path()).with_clock(Arc::new(Hands::default()));
        Client::new(config).with_observer(ears.clone())
    };

    let (port, left, total) = bad_line(live.port, 2, 1 << 20);
    let name = format!("localhost:{port}/team/app:1").parse().unwrap();
    assert_eq!(client().push_blob(&name, &blob, &bytes.as_slice(), &[]).unwrap(), Pushed::Sent);
    assert_eq!(left.load(Ordering::SeqCst), 0, "the line was cut");
    assert!(!ears.heard().is_empty());
    // This registry forgets an upload that broke in the middle of a request, so that it came anew.
    assert!(total.load(Ordering::SeqCst) < 2 * bytes.len());

    let name = live.reference("team/parts:1");
    let settings = Settings { part: Some(1 << 20), ..Settings::default() };
    let config = Config::empty(live.dir.path()).with_settings(&live.registry(), settings);
    let client_in_parts = Client::new(config);
    assert_eq!(client_in_parts.push_blob(&name, &blob, &bytes.as_slice(), &[]).unwrap(), Pushed::Sent);
    let mut sink = crate::client::blob::Buffer::default();
    client_in_parts.blob(&name, &blob, &mut sink).unwrap();
    assert!(sink.0 == bytes);

    let (port, left, total) = bad_line(live.port, 2, 1 << 20);
    let name = format!("localhost:{port}/team/app:1").parse().unwrap();
    let mut sink = crate::client::blob::Buffer::default();
    client().blob(&name, &blob, &mut sink).unwrap();
    assert_eq!(left.load(Ordering::SeqCst), 0, "the line was cut");
    assert!(sink.0 == bytes);
    // Little came twice.
    let total = total.load(Ordering::SeqCst);
    assert!(total < bytes.len() + (1 << 20), "{total}");
}
