//! One test per advisory that concerns a registry client; each is named after it.

use imgc_image::Document;
use imgc_image::manifest::media;

use super::{
    CANARY, Case, MANIFEST_URL, check, get_layer, get_manifest, gives_token, layer, layer_url, manifest,
    manifest_answer, tagged, wants_token,
};
use crate::testing::{Answer, World};
use crate::{Client, Config, Credential, Kind, Secret};

/// A manifest whose layer names other addresses for its bytes.
fn with_urls() -> Vec<u8> {
    let mut text: serde_json::Value = serde_json::from_slice(&manifest()).unwrap();
    text["layers"][0]["urls"] = serde_json::json!(["https://evil.test/layer"]);
    text.to_string().into_bytes()
}

fn pull(client: &Client) -> Result<Vec<u8>, crate::Error> {
    let (_, bytes) = client.manifest(&tagged())?;
    let Document::Manifest(manifest) = Document::parse(&bytes, None)? else { return Ok(Vec::new()) };
    let mut sink = crate::client::blob::Buffer::default();
    client.blob(&tagged(), &manifest.layers[0], &mut sink)?;
    Ok(sink.0)
}

/// `urls` of foreign layers got the registry's token.
#[test]
fn cve_2020_15157() {
    check(vec![
        Case::new(
            "urls are not followed",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [
                        wants_token(),
                        Answer::new(200).header("Content-Type", media::MANIFEST).body(&with_urls()),
                    ],
                );
                world.on("GET https://auth.reg.test/token", [gives_token()]);
                world
                    .on(&layer_url(), [Answer::new(404)])
                    .on("GET https://evil.test/layer", [Answer::new(200).body(&layer())]);
            },
            Err(Kind::NotFound),
        )
        .run(pull)
        .then(|world| assert!(world.seen().iter().all(|seen| seen.origin != "https://evil.test"))),
    ]);
}

fn storage_asks(world: &World, challenge: &str) {
    world.on(&layer_url(), [wants_token(), Answer::new(307).header("Location", "https://evil.test/layer")]);
    world.on("GET https://auth.reg.test/token", [gives_token()]);
    world.on("GET https://evil.test/layer", [Answer::new(401).header("WWW-Authenticate", challenge)]);
    world.on("GET https://evil.test/token", [Answer::new(200).body(br#"{"token":"anonymous-one"}"#)]);
}

/// A redirect to another host, which answers 401 and gets the token.
#[test]
fn ghsa_vh4v_2xq2_g5cg_and_cve_2026_49349() {
    check(vec![
        Case::new("Basic", |world| storage_asks(world, "Basic realm=\"x\""), Err(Kind::Unauthorized))
            .run(get_layer),
        Case::new(
            "Bearer",
            |world| storage_asks(world, "Bearer realm=\"https://evil.test/token\""),
            Err(Kind::Unauthorized),
        )
        .run(get_layer),
    ]);
}

/// `realm=` points at the attacker or at the cloud's metadata.
#[test]
fn cve_2026_48978_and_cve_2026_24845_and_cve_2026_33540() {
    check(vec![
        Case::new(
            "the attacker",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [Answer::new(401).header("WWW-Authenticate", "Bearer realm=\"https://evil.test/t\"")],
                );
                world.on("GET https://evil.test/t", [gives_token()]);
            },
            Err(Kind::Refused),
        )
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "the metadata service",
            |world| {
                let text = "Bearer realm=\"http://169.254.169.254/latest/meta-data\"";
                world.on(MANIFEST_URL, [Answer::new(401).header("WWW-Authenticate", text)]);
            },
            Err(Kind::Refused),
        ),
    ]);
}

/// An upload's `Location` on another host got the login and the whole layer.
#[test]
fn cve_2026_50151() {
    check(vec![
        Case::new(
            "the layer stays here",
            |world| {
                world.on(
                    "POST https://reg.test/v2/team/app/blobs/uploads/",
                    [Answer::new(202).header("Location", "https://evil.test/u")],
                );
                world.on("PUT https://evil.test/u", [Answer::new(201)]);
            },
            Err(Kind::Refused),
        )
        .run(|client| {
            let bytes = layer();
            client
                .push_blob(&tagged(), &super::layer_descriptor(), &bytes.as_slice(), &[])
                .map(|_| Vec::new())
        })
        .then(|world| assert!(world.seen().iter().all(|seen| seen.body.is_empty()))),
    ]);
}

/// A host that matches in part only got a login; a broken helper led to another account.
#[test]
fn cve_2021_41092() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".docker/config.json");
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    let auths = r#""auths":{"https://reg.test":{"auth":"bWU6aHVzaA=="},"https://index.docker.io/v1/":{"auth":"bWU6aHVzaA=="}}"#;
    fs_err::write(&file, format!("{{{auths}}}")).unwrap();
    let load = || Config::load_below(&|_| None, dir.path(), &dir.path().join("etc")).unwrap();
    for registry in ["reg.test.evil.example", "areg.test", "eg.test", "reg.test:444", "test"] {
        assert_eq!(load().account(registry, "a").unwrap(), None, "{registry}");
    }
    fs_err::write(&file, format!(r#"{{"credsStore":"gone",{auths}}}"#)).unwrap();
    assert_eq!(load().account("reg.test", "a").unwrap_err().kind(), Kind::Config);
}

/// The token request went over plain HTTP.
#[test]
fn cve_2019_10214() {
    check(vec![
        Case::new(
            "no plain token server",
            |world| {
                let text = "Bearer realm=\"http://reg.test/token\"";
                world.on(MANIFEST_URL, [Answer::new(401).header("WWW-Authenticate", text)]);
                world.on("GET http://reg.test/token", [gives_token()]);
            },
            Err(Kind::Refused),
        )
        .then(|world| assert_eq!(world.seen().len(), 1)),
    ]);
}

/// A digest that is a path.
#[test]
fn cve_2024_3727() {
    for digest in ["sha256:../../../../etc/passwd", "sha256:", "../x:00", "sha256:AA"] {
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{digest}","size":1}},"layers":[]}}"#
        );
        assert!(Document::parse(text.as_bytes(), Some(media::MANIFEST)).is_err(), "{digest}");
    }
}

/// A document that is both a manifest and an index.
#[test]
fn cve_2021_41190() {
    check(vec![Case::new(
        "both at once",
        |world| {
            let mut text: serde_json::Value = serde_json::from_slice(&manifest()).unwrap();
            text["manifests"] = serde_json::json!([]);
            world.on(
                MANIFEST_URL,
                [Answer::new(200).header("Content-Type", media::MANIFEST).body(text.to_string().as_bytes())],
            );
        },
        Err(Kind::Protocol),
    )]);
}

/// Secrets in debug output.
#[test]
fn cve_2024_36127_and_cve_2025_0495() {
    let world = World::new();
    world.on(
        MANIFEST_URL,
        [Answer::new(401).header("WWW-Authenticate", "Basic realm=\"x\""), manifest_answer()],
    );
    let dir = tempfile::tempdir().unwrap();
    let config = world.config(dir.path()).with_credential("reg.test", Credential::basic("me", CANARY));
    let client = Client::new(config);
    get_manifest(&client).unwrap();
    let shown = format!("{client:#?} {:?} {:?}", client.config(), Secret::new(CANARY));
    assert!(!shown.contains(CANARY) && !shown.contains("bWU6"), "{shown}");
}

/// A helper's name that is a path, and a helper in a directory that is not absolute.
#[test]
fn cve_2025_15558() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".docker/config.json");
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    let env = |name: &str| (name == "PATH").then(|| ".:bin:..".to_owned());
    for helper in ["../../evil", "/bin/evil", "a b", "..", "evil"] {
        fs_err::write(&file, serde_json::json!({ "credsStore": helper }).to_string()).unwrap();
        let config = Config::load_below(&env, dir.path(), &dir.path().join("etc")).unwrap();
        assert!(config.account("reg.test", "a").is_err(), "{helper}");
    }
}
