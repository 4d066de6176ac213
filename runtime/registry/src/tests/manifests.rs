//! Manifests that are wrong, late, or not there.

use imgc_image::manifest::media;

use super::{Case, MANIFEST_URL, check, count, get_by_digest, manifest, manifest_answer};
use crate::testing::{Answer, Fault, World};
use crate::{Client, Kind};

fn other() -> Answer {
    let text = String::from_utf8(manifest()).unwrap().replace("\"schemaVersion\"", " \"schemaVersion\"");
    Answer::new(200).header("Content-Type", media::MANIFEST).body(text.as_bytes())
}

fn typed(kind: &str, text: &str) -> Answer {
    Answer::new(200).header("Content-Type", kind).body(text.as_bytes())
}

#[test]
fn content() {
    check(vec![
        Case::new(
            "a tag",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "a digest",
            |world| {
                world.on("GET https://reg.test/*", [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .run(get_by_digest),
        Case::new(
            "other bytes than the digest says",
            |world| {
                world.on("GET https://reg.test/*", [other()]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(get_by_digest),
        Case::new(
            "a digest header that lies",
            |world| {
                let lie = format!("sha256:{}", "0".repeat(64));
                world.on(MANIFEST_URL, [manifest_answer().header("Docker-Content-Digest", &lie)]);
            },
            Err(Kind::DigestMismatch),
        ),
        Case::new(
            "a digest header in another algorithm",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer().header("Docker-Content-Digest", "sha512:00")]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "schema 1",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [typed(
                        "application/vnd.docker.distribution.manifest.v1+prettyjws",
                        r#"{"schemaVersion":1,"name":"a","fsLayers":[]}"#,
                    )],
                );
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "manifest and index at once",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [typed(media::MANIFEST, r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#)],
                );
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "announced as another type",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [Answer::new(200).header("Content-Type", media::INDEX).body(&manifest())],
                );
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "a static server's type",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [Answer::new(200).header("Content-Type", "text/plain; charset=utf-8").body(&manifest())],
                );
            },
            Ok(manifest()),
        ),
        Case::new(
            "a page for browsers",
            |world| {
                world.on(MANIFEST_URL, [typed("text/html", "<html>hello</html>")]);
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "a digest that is a path",
            |world| {
                world.on(MANIFEST_URL, [typed(media::MANIFEST,
                r#"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:../../x","size":1},"layers":[]}"#)]);
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "too large, announced",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(200).header("Content-Length", "99999999")]);
            },
            Err(Kind::Limit),
        ),
        Case::new(
            "too large, not announced",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(200).body(&vec![b' '; 5 << 20]).fault(Fault::Endless)]);
            },
            Err(Kind::Limit),
        ),
    ]);
}

/// What a registry says is shown, but not what it would do to a terminal.
#[test]
fn messages() {
    let world = World::new();
    let body =
        r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\nway"},{"code":"X","message":"LONG"}]}"#;
    let body = body.replace("LONG", &"long ".repeat(1000));
    world.on(MANIFEST_URL, [Answer::new(403).body(body.as_bytes())]);
    let dir = tempfile::tempdir().unwrap();
    let error = Client::new(world.config(dir.path())).manifest(&super::tagged()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("DENIED: no [31m way"), "{text}");
    assert!(!text.contains(char::is_control) && text.len() < 500, "{text}");
    assert_eq!(error.status(), Some(403));
}

#[test]
fn failures() {
    let error =
        |status: u16| Answer::new(status).body(br#"{"errors":[{"code":"X","message":"why\u001b[31m"}]}"#);
    let _ = error;
    check(vec![
        Case::new(
            "not there",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(404)]);
            },
            Err(Kind::NotFound),
        ),
        Case::new(
            "not allowed",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(403)]);
            },
            Err(Kind::Denied),
        ),
        Case::new(
            "gone for good",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(410)]);
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "too many requests, then not",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(429).header("Retry-After", "7"), manifest_answer()]);
            },
            Ok(manifest()),
        )
        .then(|world| assert_eq!(world.clock.waits(), [std::time::Duration::from_secs(7)])),
        Case::new(
            "too many requests for ever",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(429)]);
            },
            Err(Kind::RateLimited),
        )
        .then(|world| {
            assert_eq!(count(world, MANIFEST_URL), 5);
            assert!(
                world.clock.waits().windows(2).all(|pair| pair[0] < pair[1]),
                "{:?}",
                world.clock.waits()
            );
        }),
        Case::new(
            "too long a wait",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(429).header("Retry-After", "86400")]);
            },
            Err(Kind::RateLimited),
        )
        .then(|world| {
            assert_eq!(count(world, MANIFEST_URL), 1);
            assert!(world.clock.waits().is_empty());
        }),
        Case::new(
            "overloaded twice",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(503), Answer::new(502), manifest_answer()]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "broken for ever",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(500)]);
            },
            Err(Kind::Network),
        ),
        Case::new(
            "slow to ask",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(408), manifest_answer()]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "a reset before the answer",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(200).fault(Fault::Gone), manifest_answer()]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "resets for ever",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(200).fault(Fault::Gone)]);
            },
            Err(Kind::Network),
        )
        .then(|world| assert_eq!(count(world, MANIFEST_URL), 5)),
        Case::new(
            "cut in the middle",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer().fault(Fault::Cut(20)), manifest_answer()]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "cut in the middle of a chunk",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer().fault(Fault::Chunked), manifest_answer()]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "not HTTP",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [Answer::new(200).fault(Fault::Raw(b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec()))],
                );
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "endless headers",
            |world| {
                let mut raw = b"HTTP/1.1 200 OK\r\n".to_vec();
                for at in 0..20_000 {
                    raw.extend(format!("X-{at}: aaaaaaaaaaaaaaaa\r\n").bytes());
                }
                world.on(MANIFEST_URL, [Answer::new(200).fault(Fault::Raw(raw))]);
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "one huge header",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer().header("X-Long", &"a".repeat(200_000))]);
            },
            Err(Kind::Limit),
        ),
        Case::new(
            "a slow body",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer().fault(Fault::Slow)]);
            },
            Ok(manifest()),
        ),
        Case::new("no such host", |_| {}, Err(Kind::Network))
            .then(|world| assert!(world.clock.waits().is_empty())),
        Case::new(
            "HEAD is not known",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(Vec::new()),
        )
        .run(|client| {
            client.resolve(&super::tagged()).map(|found| {
                assert_eq!(found.digest, imgc_base::digest::BlobDigest::of(&manifest()));
                Vec::new()
            })
        }),
    ]);
}
