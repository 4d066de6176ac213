//! What registries do that the specification does not say, or leaves open: answers that people meet every day.

use imgc_base::digest::BlobDigest;
use imgc_image::compress::{Compression, Compressor};
use imgc_image::manifest::media;

use super::{
    Case, MANIFEST_URL, REG, TOKEN, check, get_layer, get_manifest, gives_token, layer, layer_descriptor,
    layer_url, manifest, manifest_answer, tagged, wants_token,
};
use crate::testing::{Answer, Fault, World};
use crate::{Client, Error, Kind, Pushed};

const TOKEN_URL: &str = "GET https://auth.reg.test/token";
const BEGIN: &str = "POST https://reg.test/v2/team/app/blobs/uploads/";
const SESSION: &str = "PUT https://reg.test/u/1";

/// Manifest and token server, the token server with an answer of its own.
fn tokens(world: &World, answer: &str) {
    world.on(MANIFEST_URL, [wants_token(), manifest_answer()]);
    world.on(TOKEN_URL, [Answer::new(200).body(answer.replace("TOKEN", TOKEN).as_bytes())]);
}

/// A registry whose challenge has these lines.
fn challenged(world: &World, lines: &[&str]) {
    let answer = lines.iter().fold(Answer::new(401), |answer, line| answer.header("WWW-Authenticate", line));
    world.on(MANIFEST_URL, [answer, manifest_answer()]).on(TOKEN_URL, [gives_token()]);
}

#[test]
fn token_answers() {
    check(vec![
        Case::new(
            "fields that are null",
            |world| {
                tokens(world, r#"{"token":"TOKEN","access_token":null,"expires_in":null,"issued_at":null}"#);
            },
            Ok(manifest()),
        ),
        Case::new(
            "no `token`, but null",
            |world| tokens(world, r#"{"token":null,"access_token":"TOKEN"}"#),
            Ok(manifest()),
        ),
        Case::new(
            "a life time as a text",
            |world| tokens(world, r#"{"token":"TOKEN","expires_in":"300"}"#),
            Ok(manifest()),
        ),
        Case::new(
            "a life time that is no number",
            |world| tokens(world, r#"{"token":"TOKEN","expires_in":{"a":1}}"#),
            Ok(manifest()),
        ),
    ]);
}

#[test]
fn challenges() {
    check(vec![
        Case::new(
            "one header that does not read beside one that does",
            |world| {
                challenged(
                    world,
                    &[r#"NTLM "x"#, r#"Bearer realm="https://auth.reg.test/token",service="reg.test""#],
                );
            },
            Ok(manifest()),
        ),
        Case::new(
            "a Bearer without a token server beside Basic",
            |world| challenged(world, &[r#"Bearer error="x""#, r#"Basic realm="x""#]),
            Ok(manifest()),
        ),
        Case::new(
            "a realm without quotes",
            |world| challenged(world, &["Bearer realm=https://auth.reg.test/token,service=reg.test"]),
            Ok(manifest()),
        ),
        Case::new(
            "a comma at the end",
            |world| challenged(world, &[r#"Bearer realm="https://auth.reg.test/token",service="reg.test","#]),
            Ok(manifest()),
        ),
        Case::new(
            "blanks around the equal signs, and commas inside",
            |world| {
                challenged(
                    world,
                    &[r#"BEARER  Realm = "https://auth.reg.test/token" , Service="a,b=c" ,scope="""#],
                );
            },
            Ok(manifest()),
        ),
        Case::new("Basic without a realm", |world| challenged(world, &["Basic"]), Ok(manifest())),
    ]);
}

fn push(client: &Client) -> Result<Vec<u8>, Error> {
    push_from(client, &[])
}

fn push_from(client: &Client, from: &[String]) -> Result<Vec<u8>, Error> {
    let bytes = layer();
    client
        .push_blob(&tagged(), &layer_descriptor(), &bytes.as_slice(), from)
        .map(|pushed| if pushed == Pushed::Sent { b"sent".to_vec() } else { b"not sent".to_vec() })
}

fn push_or_mount(client: &Client) -> Result<Vec<u8>, Error> {
    push_from(client, &["team/base".to_owned()])
}

fn takes_uploads(world: &World) {
    world.on(BEGIN, [Answer::new(202).header("Location", "/u/1")]).on(SESSION, [Answer::new(201)]);
}

fn head(world: &World, status: u16) {
    let url = format!("HEAD {REG}/v2/team/app/blobs/{}", layer_descriptor().digest);
    world.on(&url, [Answer::new(status)]);
    takes_uploads(world);
}

fn mount(world: &World, answers: impl IntoIterator<Item = Answer>) {
    let query = format!("?mount={}&from=team/base", layer_descriptor().digest);
    world.on(&format!("{BEGIN}{query}"), answers);
    takes_uploads(world);
}

/// Looking for a blob, and mounting it, only saves work: where that is not possible, the blob is sent.
#[test]
fn savings_that_a_registry_does_not_offer() {
    let sent = || Ok(b"sent".to_vec());
    check(vec![
        Case::new("no HEAD", |world| head(world, 405), sent()).run(push),
        Case::new("no HEAD, said in another way", |world| head(world, 501), sent()).run(push),
        Case::new("a HEAD that only readers may send", |world| head(world, 403), sent()).run(push),
        Case::new("a HEAD that is a mistake", |world| head(world, 400), sent()).run(push),
        Case::new("no mounts", |world| mount(world, [Answer::new(405)]), sent()).run(push_or_mount),
        Case::new("a mount that is a mistake", |world| mount(world, [Answer::new(400)]), sent())
            .run(push_or_mount),
        Case::new("a mount of what is not there", |world| mount(world, [Answer::new(404)]), sent())
            .run(push_or_mount),
        Case::new("a mount that is not allowed", |world| mount(world, [Answer::new(403)]), sent())
            .run(push_or_mount),
        Case::new(
            "a mount that no token reaches",
            |world| {
                mount(world, [wants_token()]);
                world.on(TOKEN_URL, [gives_token()]);
            },
            sent(),
        )
        .run(push_or_mount)
        .config(|mut config| {
            config.given.clear();
            config
        }),
        Case::new("a mount that breaks", |world| mount(world, [Answer::new(500)]), Err(Kind::Network))
            .run(push_or_mount),
    ]);
}

#[test]
fn what_an_upload_is_answered_with() {
    let sent = || Ok(b"sent".to_vec());
    check(vec![
        Case::new(
            "200 for the whole",
            |world| {
                takes_uploads(world);
                world.on(SESSION, [Answer::new(200)]);
            },
            sent(),
        )
        .run(push),
        Case::new(
            "202 for the whole",
            |world| {
                takes_uploads(world);
                world.on(SESSION, [Answer::new(202)]);
            },
            sent(),
        )
        .run(push),
        Case::new(
            "200 and 201 for parts, without a Range",
            |world| {
                takes_uploads(world);
                world.on(SESSION, [Answer::new(413), Answer::new(201)]);
                world.on("GET https://reg.test/u/1", [Answer::new(204).header("Range", "0-0")]);
                world.on("PATCH https://reg.test/u/1", [Answer::new(200), Answer::new(201)]);
            },
            sent(),
        )
        .run(push),
        Case::new(
            "204 for a manifest",
            |world| {
                world.on("PUT https://reg.test/v2/team/app/manifests/1", [Answer::new(204)]);
            },
            Ok(manifest()),
        )
        .run(|client| client.push_manifest(&tagged(), media::MANIFEST, &manifest()).map(|_| manifest())),
    ]);
}

/// An answer as it stands on the line.
fn raw(head: &str, body: &[u8]) -> Answer {
    let bytes = [head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat();
    Answer::new(200).fault(Fault::Raw(bytes))
}

#[test]
fn http_as_it_is_spoken() {
    check(vec![
        Case::new(
            "HTTP/1.0 without a length",
            |world| {
                world.on(MANIFEST_URL, [raw("HTTP/1.0 200 OK", &manifest())]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "in chunks, with a trailer",
            |world| {
                let bytes = manifest();
                let (a, b) = bytes.split_at(7);
                let body =
                    [b"7\r\n", a, b"\r\n", format!("{:X};x=y\r\n", b.len()).as_bytes(), b, b"\r\n0\r\n\r\n"]
                        .concat();
                world.on(MANIFEST_URL, [raw("HTTP/1.1 200\ntransfer-encoding: Chunked", &body)]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "a blob in chunks",
            |world| {
                let bytes = layer();
                let body = [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n0\r\n\r\n"].concat();
                world.on(&layer_url(), [raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", &body)]);
            },
            Ok(layer()),
        )
        .run(get_layer),
        Case::new(
            "a type with parameters in upper case",
            |world| {
                let kind = "application/vnd.oci.image.manifest.v1+json; Charset=UTF-8";
                world.on(MANIFEST_URL, [Answer::new(200).header("content-type", kind).body(&manifest())]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "headers in lower case",
            |world| {
                let line = r#"www-authenticate: bearer realm="https://auth.reg.test/token""#;
                let first = raw(&format!("HTTP/1.1 401 Unauthorized\ncontent-length: 0\n{line}"), b"");
                world.on(MANIFEST_URL, [first, manifest_answer()]).on(TOKEN_URL, [gives_token()]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "HEAD without a length is no length",
            |world| {
                let answer = Answer::new(200)
                    .header("Content-Type", media::MANIFEST)
                    .header("Content-Length", "0")
                    .header("Docker-Content-Digest", &BlobDigest::of(&manifest()).to_string());
                world.on(&MANIFEST_URL.replace("GET", "HEAD"), [answer]);
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .run(|client| {
            let found = client.resolve(&tagged())?;
            assert_eq!(found.size, manifest().len() as u64);
            get_manifest(client)
        }),
        Case::new(
            "a registry that always compresses",
            |world| {
                let mut packed = Compressor::new(Compression::Gzip, Vec::new()).unwrap();
                std::io::Write::write_all(&mut packed, &manifest()).unwrap();
                let answer = Answer::new(200)
                    .header("Content-Type", media::MANIFEST)
                    .header("Content-Encoding", "gzip")
                    .body(&packed.finish().unwrap());
                world.on(MANIFEST_URL, [answer]);
            },
            Ok(manifest()),
        ),
    ]);
}

/// A registry or its storage that does not give the rest of a blob gives the whole.
#[test]
fn no_rest_of_a_blob() {
    check(vec![
        Case::new(
            "416",
            |world| {
                let whole = Answer::new(200).body(&layer());
                world.on(&layer_url(), [whole.clone().fault(Fault::Cut(9_000)), Answer::new(416), whole]);
            },
            Ok(layer()),
        )
        .run(get_layer)
        .then(|world| {
            let ranges: Vec<bool> = world.seen().iter().map(|seen| seen.header("range").is_some()).collect();
            assert_eq!(ranges, [false, true, false]);
        }),
        Case::new(
            "416 in any case",
            |world| {
                world.on(
                    &layer_url(),
                    [Answer::new(200).body(&layer()).fault(Fault::Cut(9_000)), Answer::new(416)],
                );
            },
            Err(Kind::Protocol),
        )
        .run(get_layer),
    ]);
}
