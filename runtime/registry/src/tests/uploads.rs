//! Pushing: lost connections, uploads that wander, registries that want small parts.

use imgc_base::digest::BlobDigest;
use imgc_image::manifest::media;

use super::{Case, REG, check, count, gives_token, layer, layer_descriptor, manifest, tagged, wants_token};
use crate::testing::{Answer, Fault, World};
use crate::{Client, Error, Kind, Pushed, Settings};

const BEGIN: &str = "POST https://reg.test/v2/team/app/blobs/uploads/";
const SESSION: &str = "PUT https://reg.test/u/1";

fn push(client: &Client) -> Result<Vec<u8>, Error> {
    let bytes = layer();
    client.push_blob(&tagged(), &layer_descriptor(), &bytes.as_slice(), &["team/base".to_owned()]).map(
        |pushed| match pushed {
            Pushed::Present => b"present".to_vec(),
            Pushed::Mounted => b"mounted".to_vec(),
            Pushed::Sent => b"sent".to_vec(),
        },
    )
}

fn push_alone(client: &Client) -> Result<Vec<u8>, Error> {
    let bytes = layer();
    client.push_blob(&tagged(), &layer_descriptor(), &bytes.as_slice(), &[]).map(|_| b"sent".to_vec())
}

fn begun(location: &str) -> Answer {
    Answer::new(202).header("Location", location)
}

#[expect(clippy::unnecessary_wraps, reason = "stands beside failures in tables")]
fn sent() -> Result<Vec<u8>, Kind> {
    Ok(b"sent".to_vec())
}

/// What the registry put together from all requests with a body.
fn arrived(world: &World) -> Vec<u8> {
    world.seen().iter().flat_map(|seen| seen.body.clone()).collect()
}

fn parts(world: &World) -> Vec<String> {
    let seen = world.seen();
    seen.iter().filter_map(|seen| seen.header("content-range").map(str::to_owned)).collect()
}

#[test]
fn blobs() {
    check(vec![
        Case::new(
            "at once",
            |world| {
                world.on(BEGIN, [begun("/u/1?state=a")]).on(SESSION, [Answer::new(201)]);
            },
            sent(),
        )
        .run(push_alone)
        .then(|world| {
            assert_eq!(arrived(world), layer());
            let last = world.seen().last().unwrap().path.clone();
            assert_eq!(last, format!("/u/1?state=a&digest={}", layer_descriptor().digest));
        }),
        Case::new(
            "it is there",
            |world| {
                world.on(&layer_url_head(), [Answer::new(200).header("Content-Length", "40000")]);
            },
            Ok(b"present".to_vec()),
        )
        .run(push)
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "another size is there",
            |world| {
                world.on(&layer_url_head(), [Answer::new(200).header("Content-Length", "5")]);
                world.on(BEGIN, [begun("/u/1")]).on(SESSION, [Answer::new(201)]);
            },
            sent(),
        )
        .run(push_alone),
        Case::new(
            "mounted",
            |world| {
                world.on(BEGIN, [Answer::new(201)]);
            },
            Ok(b"mounted".to_vec()),
        )
        .run(push)
        .then(|world| {
            let path = world.seen().last().unwrap().path.clone();
            assert!(
                path.ends_with(&format!("?mount={}&from=team/base", layer_descriptor().digest)),
                "{path}"
            );
            assert!(arrived(world).is_empty());
        }),
        Case::new(
            "not mounted, sent in the upload that was begun",
            |world| {
                world.on(BEGIN, [begun("/u/1")]).on(SESSION, [Answer::new(201)]);
            },
            sent(),
        )
        .run(push)
        .then(|world| assert_eq!(count(world, BEGIN), 1)),
        Case::new(
            "to another host",
            |world| {
                world
                    .on(BEGIN, [begun("https://evil.test/u/1")])
                    .on("PUT https://evil.test/u/1", [Answer::new(201)]);
            },
            Err(Kind::Refused),
        )
        .run(push_alone)
        .then(|world| assert!(arrived(world).is_empty())),
        Case::new(
            "to another host, as the user allows",
            |world| {
                world.on(BEGIN, [wants_token(), begun("https://up.other.test/u/1")]);
                world.on("GET https://auth.reg.test/token", [gives_token()]);
                world.on("PUT https://up.other.test/u/1", [Answer::new(201)]);
            },
            sent(),
        )
        .run(push_alone)
        .config(|config| {
            config.with_settings("reg.test", Settings { upload_elsewhere: true, ..Settings::default() })
        }),
        Case::new(
            "to this machine, as the user allows",
            |world| {
                world
                    .on(BEGIN, [begun("https://127.0.0.1/u/1")])
                    .on("PUT https://127.0.0.1/u/1", [Answer::new(201)]);
            },
            Err(Kind::Refused),
        )
        .run(push_alone)
        .config(|config| {
            config.with_settings("reg.test", Settings { upload_elsewhere: true, ..Settings::default() })
        }),
        Case::new(
            "the registry thinks that it is plain",
            |world| {
                world.on(BEGIN, [begun("http://reg.test/u/1")]).on(SESSION, [Answer::new(201)]);
            },
            sent(),
        )
        .run(push_alone)
        .then(|world| assert!(world.seen().iter().all(|seen| seen.origin == REG))),
        Case::new(
            "no address",
            |world| {
                world.on(BEGIN, [Answer::new(202)]);
            },
            Err(Kind::Protocol),
        )
        .run(push_alone),
        Case::new(
            "a redirect of the body",
            |world| {
                world.on(BEGIN, [begun("/u/1")]);
                world.on(SESSION, [Answer::new(307).header("Location", "https://evil.test/u")]);
                world.on("PUT https://evil.test/u", [Answer::new(201)]);
            },
            Err(Kind::Refused),
        )
        .run(push_alone),
        Case::new(
            "too large at once",
            |world| {
                world.on(BEGIN, [begun("/u/1")]);
                world.on(SESSION, [Answer::new(413), Answer::new(201)]);
                world.on(
                    "GET https://reg.test/u/1",
                    [Answer::new(204).header("Range", "0-0").header("Location", "/u/1")],
                );
                world.on(
                    "PATCH https://reg.test/u/1",
                    [Answer::new(202).header("Location", "/u/1").header("Range", "0-39999")],
                );
            },
            sent(),
        )
        .run(push_alone)
        .then(|world| assert_eq!(parts(world), ["0-39999"])),
        Case::new(
            "the connection breaks, the registry has a part",
            |world| {
                world.on(BEGIN, [begun("/u/1")]);
                world.on(SESSION, [Answer::new(201).fault(Fault::Deaf(10_000)), Answer::new(201)]);
                world.on(
                    "GET https://reg.test/u/1",
                    [Answer::new(204).header("Range", "0-9999").header("Location", "/u/1?at=2")],
                );
                world.on("PATCH https://reg.test/u/1", [Answer::new(202).header("Location", "/u/1?at=3")]);
            },
            sent(),
        )
        .run(push_alone)
        .then(|world| {
            assert_eq!(parts(world), ["10000-39999"]);
            assert_eq!(arrived(world), layer());
        }),
        Case::new(
            "the connection breaks before the answer",
            |world| {
                world.on(BEGIN, [begun("/u/1")]);
                world.on(SESSION, [Answer::new(201).fault(Fault::Gone), Answer::new(201)]);
                world.on("GET https://reg.test/u/1", [Answer::new(204).header("Range", "bytes=0-39999")]);
            },
            sent(),
        )
        .run(push_alone)
        .then(|world| assert_eq!(world.seen().last().unwrap().body.len(), 0)),
        Case::new(
            "the registry has forgotten the upload",
            |world| {
                world.on(BEGIN, [begun("/u/1"), begun("/u/2")]);
                world.on(SESSION, [Answer::new(201).fault(Fault::Deaf(10_000))]);
                world.on("GET https://reg.test/u/1", [Answer::new(404)]);
                world.on("PUT https://reg.test/u/2", [Answer::new(201)]);
            },
            sent(),
        )
        .run(push_alone)
        .then(|world| assert_eq!(world.seen().last().unwrap().body, layer())),
        Case::new(
            "the connection always breaks",
            |world| {
                world.on(BEGIN, [begun("/u/1")]);
                world.on(SESSION, [Answer::new(201).fault(Fault::Deaf(10_000))]);
            },
            Err(Kind::Network),
        )
        .run(push_alone),
        Case::new(
            "the registry is overloaded",
            |world| {
                world.on(BEGIN, [Answer::new(503), begun("/u/1")]).on(SESSION, [Answer::new(201)]);
            },
            sent(),
        )
        .run(push_alone),
        Case::new(
            "the token runs out on the way",
            |world| {
                world.on(BEGIN, [wants_token(), begun("/u/1")]);
                world.on("GET https://auth.reg.test/token", [gives_token()]);
                world.on(SESSION, [wants_token(), Answer::new(201)]);
            },
            sent(),
        )
        .run(push_alone)
        .then(|world| assert_eq!(world.seen().last().unwrap().body, layer())),
        Case::new(
            "the registry has other bytes",
            |world| {
                world.on(BEGIN, [begun("/u/1")]);
                world.on(
                    SESSION,
                    [Answer::new(400).body(br#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#)],
                );
            },
            Err(Kind::DigestMismatch),
        )
        .run(push_alone),
        Case::new(
            "the registry says that it stored something else",
            |world| {
                let lie = format!("sha256:{}", "0".repeat(64));
                world.on(BEGIN, [begun("/u/1")]);
                world.on(SESSION, [Answer::new(201).header("Docker-Content-Digest", &lie)]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(push_alone),
        Case::new(
            "no room",
            |world| {
                world.on(
                    BEGIN,
                    [Answer::new(403).body(br#"{"errors":[{"code":"DENIED","message":"quota"}]}"#)],
                );
            },
            Err(Kind::Denied),
        )
        .run(push_alone),
        Case::new(
            "read only",
            |world| {
                world.on(BEGIN, [Answer::new(405)]);
            },
            Err(Kind::Unsupported),
        )
        .run(push_alone),
        Case::new(
            "parts of a terabyte",
            |world| {
                world.on(BEGIN, [begun("/u/1").header("OCI-Chunk-Min-Length", "1099511627776")]);
            },
            Err(Kind::Limit),
        )
        .run(push_alone),
        Case::new(
            "a source that ends early",
            |world| {
                world.on(BEGIN, [begun("/u/1")]).on(SESSION, [Answer::new(201)]);
            },
            Err(Kind::Local),
        )
        .run(|client| {
            client.push_blob(&tagged(), &layer_descriptor(), &&layer()[..100], &[]).map(|_| Vec::new())
        }),
    ]);
}

fn layer_url_head() -> String {
    super::layer_url().replace("GET", "HEAD")
}

fn push_manifest(client: &Client) -> Result<Vec<u8>, Error> {
    client.push_manifest(&tagged(), media::MANIFEST, &manifest()).map(|_| Vec::new())
}

const PUT_MANIFEST: &str = "PUT https://reg.test/v2/team/app/manifests/1";

/// A manifest about another one.
fn about() -> Vec<u8> {
    let mut text: serde_json::Value = serde_json::from_slice(&manifest()).unwrap();
    text["subject"] = serde_json::to_value(imgc_image::Descriptor::of(media::MANIFEST, &manifest())).unwrap();
    text["artifactType"] = "application/x-signature".into();
    text.to_string().into_bytes()
}

fn push_about(client: &Client) -> Result<Vec<u8>, Error> {
    client.push_manifest(&tagged(), media::MANIFEST, &about()).map(|_| Vec::new())
}

#[test]
fn manifests() {
    check(vec![
        Case::new(
            "taken",
            |world| {
                world.on(PUT_MANIFEST, [Answer::new(201)]);
            },
            Ok(Vec::new()),
        )
        .run(push_manifest)
        .then(|world| {
            let seen = world.seen();
            assert_eq!(seen[0].body, manifest());
            assert_eq!(seen[0].header("content-type"), Some(media::MANIFEST));
        }),
        Case::new(
            "stored as something else",
            |world| {
                let lie = BlobDigest::of(b"other").to_string();
                world.on(PUT_MANIFEST, [Answer::new(201).header("Docker-Content-Digest", &lie)]);
            },
            Err(Kind::DigestMismatch),
        )
        .run(push_manifest),
        Case::new(
            "a blob is missing",
            |world| {
                world.on(
                    PUT_MANIFEST,
                    [Answer::new(404)
                        .body(br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"x"}]}"#)],
                );
            },
            Err(Kind::NotFound),
        )
        .run(push_manifest),
        Case::new(
            "overloaded",
            |world| {
                world.on(PUT_MANIFEST, [Answer::new(503), Answer::new(201)]);
            },
            Ok(Vec::new()),
        )
        .run(push_manifest),
        Case::new(
            "about another one, noted by the registry",
            |world| {
                world.on(PUT_MANIFEST, [Answer::new(201).header("OCI-Subject", "sha256:00")]);
            },
            Ok(Vec::new()),
        )
        .run(push_about)
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "about another one, noted by us",
            |world| {
                world.on(PUT_MANIFEST, [Answer::new(201)]).on("PUT https://reg.test/*", [Answer::new(201)]);
            },
            Ok(Vec::new()),
        )
        .run(push_about)
        .then(|world| {
            let last = world.seen().pop().unwrap();
            assert!(last.path.contains("/manifests/sha256-"), "{}", last.path);
            let index: imgc_image::Index = serde_json::from_slice(&last.body).unwrap();
            assert_eq!(index.manifests[0].digest, BlobDigest::of(&about()));
            assert_eq!(index.manifests[0].artifact_type.as_deref(), Some("application/x-signature"));
        }),
    ]);
}
