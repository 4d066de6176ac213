//! Blobs: wrong bytes, broken connections, redirects.

use std::io::{self, Write};

use super::{Case, check, count, get_layer, layer, layer_descriptor, layer_url, tagged};
use crate::testing::{Answer, Fault, World};
use crate::{BlobSink, Kind};

const CDN: &str = "https://cdn.other.test";

fn whole() -> Answer {
    Answer::new(200).body(&layer())
}

fn wrong() -> Vec<u8> {
    let mut bytes = layer();
    bytes[30_000] ^= 1;
    bytes
}

fn cut() -> Answer {
    whole().fault(Fault::Cut(10_000))
}

fn rest(from: usize, bytes: &[u8]) -> Answer {
    let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
    Answer::new(206).header("Content-Range", &range).body(&bytes[from..])
}

fn to(url: &str) -> Answer {
    Answer::new(307).header("Location", url)
}

fn ranges(world: &World) -> Vec<String> {
    world.seen().iter().filter_map(|seen| seen.header("range").map(str::to_owned)).collect()
}

#[test]
fn bytes() {
    check(vec![
        Case::new(
            "whole",
            |world| {
                world.on(&layer_url(), [whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "without a length",
            |world| {
                world.on(&layer_url(), [whole().fault(Fault::Endless)]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "one wrong bit",
            |world| {
                world.on(&layer_url(), [Answer::new(200).body(&wrong())]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(get_layer),
        Case::new(
            "another length announced",
            |world| {
                world.on(&layer_url(), [Answer::new(200).body(b"short")]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(get_layer),
        Case::new(
            "more than was promised",
            |world| {
                let mut long = layer();
                long.extend([0; 100_000]);
                world.on(&layer_url(), [Answer::new(200).body(&long).fault(Fault::Endless)]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(get_layer),
        Case::new(
            "cut, then the rest",
            |world| {
                world.on(&layer_url(), [cut(), rest(10_000, &layer())]);
            },
            Ok(layer()),
        )
        .run(get_layer)
        .then(|world| assert_eq!(ranges(world), ["bytes=10000-"])),
        Case::new(
            "cut three times",
            |world| {
                world.on(
                    &layer_url(),
                    [
                        cut(),
                        rest(10_000, &layer()).fault(Fault::Cut(5_000)),
                        rest(15_000, &layer()).fault(Fault::Cut(1)),
                        rest(15_001, &layer()),
                    ],
                );
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "cut without a length",
            |world| {
                world.on(
                    &layer_url(),
                    [Answer::new(200).body(&layer()[..9_999]).fault(Fault::Endless), rest(9_999, &layer())],
                );
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "cut, and the server knows no ranges",
            |world| {
                world.on(&layer_url(), [cut(), whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "cut, then another part",
            |world| {
                world.on(&layer_url(), [cut(), rest(9_000, &layer())]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(get_layer),
        Case::new(
            "cut, then the part of a longer blob",
            |world| {
                let answer = Answer::new(206)
                    .header("Content-Range", "bytes 10000-39999/50000")
                    .body(&layer()[10_000..]);
                world.on(&layer_url(), [cut(), answer]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(get_layer),
        Case::new(
            "cut, then wrong bytes",
            |world| {
                world.on(&layer_url(), [cut(), rest(10_000, &wrong())]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(get_layer),
        Case::new(
            "cut, then no part at all",
            |world| {
                world.on(&layer_url(), [cut(), Answer::new(416)]);
            },
            Err(Kind::Protocol),
        )
        .run(get_layer),
        Case::new(
            "cut, then nothing for ever",
            |world| {
                world.on(&layer_url(), [cut(), Answer::new(200).fault(Fault::Gone)]);
            },
            Err(Kind::Network),
        )
        .run(get_layer),
        Case::new(
            "overloaded",
            |world| {
                world.on(&layer_url(), [Answer::new(503), whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "not there",
            |world| {
                world.on(&layer_url(), [Answer::new(404)]);
            },
            Err(Kind::NotFound),
        )
        .run(get_layer),
        Case::new(
            "slow",
            |world| {
                world.on(&layer_url(), [whole().fault(Fault::Slow)]);
            },
            Ok(layer()),
        )
        .run(get_layer),
    ]);
}

/// A sink that has some bytes from an earlier process.
struct Partial(Vec<u8>, u64);

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobSink for Partial {
    fn offset(&self) -> u64 {
        self.1
    }
}

fn resume(client: &crate::Client) -> Result<Vec<u8>, crate::Error> {
    let mut sink = Partial(layer()[..12_345].to_vec(), 12_345);
    client.blob(&tagged(), &layer_descriptor(), &mut sink)?;
    Ok(sink.0)
}

fn full(client: &crate::Client) -> Result<Vec<u8>, crate::Error> {
    let mut sink = Partial(layer(), 40_000);
    client.blob(&tagged(), &layer_descriptor(), &mut sink)?;
    Ok(sink.0)
}

#[test]
fn resumed() {
    check(vec![
        Case::new(
            "the rest only",
            |world| {
                world.on(&layer_url(), [rest(12_345, &layer())]);
            },
            Ok(layer()),
        )
        .run(resume)
        .then(|world| assert_eq!(ranges(world), ["bytes=12345-"])),
        Case::new(
            "everything although a part was asked for",
            |world| {
                world.on(&layer_url(), [whole()]);
            },
            Ok(layer()),
        )
        .run(resume),
        Case::new("nothing is missing", |_| {}, Ok(layer()))
            .run(full)
            .then(|world| assert!(world.seen().is_empty())),
    ]);
}

#[test]
fn redirects() {
    check(vec![
        Case::new(
            "to storage elsewhere",
            |world| {
                world
                    .on(&layer_url(), [to("https://cdn.other.test/x?sig=1")])
                    .on("GET https://cdn.other.test/x", [whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "after a login",
            |world| {
                world.on(&layer_url(), [super::wants_token(), to("https://cdn.other.test/x")]);
                world.on("GET https://auth.reg.test/token", [super::gives_token()]);
                world.on("GET https://cdn.other.test/x", [whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer)
        .then(|world| {
            let seen = world.seen();
            let cdn = seen.iter().find(|seen| seen.origin == CDN).unwrap();
            assert_eq!(cdn.header("authorization"), None);
        }),
        Case::new(
            "after Basic",
            |world| {
                world.on(
                    &layer_url(),
                    [
                        Answer::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
                        to("https://cdn.other.test/x"),
                    ],
                );
                world.on("GET https://cdn.other.test/x", [whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "the same name at another port",
            |world| {
                world.on(&layer_url(), [super::wants_token(), to("https://reg.test:8443/x")]);
                world.on("GET https://auth.reg.test/token", [super::gives_token()]);
                world.on("GET https://reg.test:8443/x", [whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "without encryption",
            |world| {
                world
                    .on(&layer_url(), [to("http://cdn.other.test/x")])
                    .on("GET http://cdn.other.test/x", [whole()]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer)
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "without encryption, which the user does without",
            |world| {
                world.on(&layer_url(), [to("http://cdn.other.test/x")]);
                world.on("GET http://cdn.other.test/x", [whole()]);
            },
            Ok(layer()),
        )
        .config(|config| config.with_insecure("reg.test"))
        .run(get_layer),
        Case::new(
            "to the same host without encryption",
            |world| {
                world.on(&layer_url(), [to("http://reg.test/x")]).on("GET http://reg.test/x", [whole()]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer),
        Case::new(
            "to the cloud's metadata",
            |world| {
                world.on(&layer_url(), [to("https://169.254.169.254/latest")]);
                world.on("GET https://169.254.169.254/latest", [whole()]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer)
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "to this machine",
            |world| {
                world.on(&layer_url(), [to("https://127.0.0.1/x")]).on("GET https://127.0.0.1/x", [whole()]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer),
        Case::new(
            "to an address in disguise",
            |world| {
                world.on(&layer_url(), [to("https://2130706433/x")]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer),
        Case::new(
            "to a name that leads inwards",
            |world| {
                world.serve_at("https://printer.test", Some("192.168.1.9".parse().unwrap()));
                world
                    .on(&layer_url(), [to("https://printer.test/x")])
                    .on("GET https://printer.test/x", [whole()]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer)
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "from inside to inside",
            |world| {
                world.serve_at("https://reg.test", Some("10.1.1.1".parse().unwrap()));
                world.serve_at("https://minio.test", Some("10.1.1.2".parse().unwrap()));
                world
                    .on(&layer_url(), [to("https://minio.test/x")])
                    .on("GET https://minio.test/x", [whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "from inside to the metadata by name",
            |world| {
                world.serve_at("https://reg.test", Some("10.1.1.1".parse().unwrap()));
                world.serve_at("https://meta.test", Some("169.254.169.254".parse().unwrap()));
                world.on(&layer_url(), [to("https://meta.test/x")]).on("GET https://meta.test/x", [whole()]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer),
        Case::new(
            "round and round",
            |world| {
                world.on(&layer_url(), [to(layer_url().trim_start_matches("GET "))]);
            },
            Err(Kind::Limit),
        )
        .run(get_layer)
        .then(|world| assert_eq!(world.seen().len(), 11)),
        Case::new(
            "without an address",
            |world| {
                world.on(&layer_url(), [Answer::new(302)]);
            },
            Err(Kind::Protocol),
        )
        .run(get_layer),
        Case::new(
            "with an account inside",
            |world| {
                world.on(&layer_url(), [to("https://a:b@cdn.other.test/x")]);
            },
            Err(Kind::Refused),
        )
        .run(get_layer),
        Case::new(
            "to a file",
            |world| {
                world.on(&layer_url(), [to("file:///etc/passwd")]);
            },
            Err(Kind::Protocol),
        )
        .run(get_layer),
        Case::new(
            "storage wants a password",
            |world| {
                world.on(&layer_url(), [super::wants_token(), to("https://cdn.other.test/x")]);
                world.on("GET https://auth.reg.test/token", [super::gives_token()]);
                world.on(
                    "GET https://cdn.other.test/x",
                    [Answer::new(401).header("WWW-Authenticate", "Basic realm=\"give\"")],
                );
            },
            Err(Kind::Unauthorized),
        )
        .run(get_layer),
        Case::new(
            "storage names a token server",
            |world| {
                world.on(&layer_url(), [super::wants_token(), to("https://cdn.other.test/x")]);
                world.on("GET https://auth.reg.test/token", [super::gives_token()]);
                world.on(
                    "GET https://cdn.other.test/x",
                    [
                        Answer::new(401).header(
                            "WWW-Authenticate",
                            "Bearer realm=\"https://evil.test/t\",service=\"reg.test\"",
                        ),
                        whole(),
                    ],
                );
                world.on("GET https://evil.test/t", [Answer::new(200).body(br#"{"token":"anonymous-one"}"#)]);
            },
            Ok(layer()),
        )
        .run(get_layer)
        .then(|world| {
            let seen = world.seen();
            let evil = seen.iter().find(|seen| seen.origin == "https://evil.test").unwrap();
            assert_eq!(evil.header("authorization"), None);
            assert!(!evil.path.contains("account"), "{}", evil.path);
        }),
        Case::new(
            "storage names the registry's own token server",
            |world| {
                world.on(&layer_url(), [super::wants_token(), to("https://cdn.other.test/x")]);
                world.on(
                    "GET https://auth.reg.test/token",
                    [super::gives_token(), Answer::new(200).body(br#"{"token":"anonymous-one"}"#)],
                );
                world.on("GET https://cdn.other.test/x", [super::wants_token(), whole()]);
            },
            Ok(layer()),
        )
        .run(get_layer)
        .then(|world| {
            let seen = world.seen();
            let last = seen.iter().rfind(|seen| seen.origin == CDN).unwrap();
            assert_eq!(last.header("authorization"), Some("Bearer anonymous-one"));
        }),
        Case::new(
            "storage says no",
            |world| {
                world
                    .on(&layer_url(), [to("https://cdn.other.test/x")])
                    .on("GET https://cdn.other.test/x", [Answer::new(403)]);
            },
            Err(Kind::Denied),
        )
        .run(get_layer),
        Case::new(
            "cut at the storage, resumed there with a new address",
            |world| {
                world.on(&layer_url(), [to("https://cdn.other.test/1"), to("https://cdn.other.test/2")]);
                world
                    .on("GET https://cdn.other.test/1", [cut()])
                    .on("GET https://cdn.other.test/2", [rest(10_000, &layer())]);
            },
            Ok(layer()),
        )
        .run(get_layer)
        .then(|world| {
            assert_eq!(count(world, &layer_url()), 2);
        }),
    ]);
}
