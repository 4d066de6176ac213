//! Logins: which token server may have the password, and what it may answer.

use std::time::Duration;

use super::{
    CANARY, Case, MANIFEST_URL, REFRESH, REG, TOKEN, TOKENS, check, count, get_manifest, gives_token,
    manifest, manifest_answer, wants_token,
};
use crate::testing::{Answer, World};
use crate::{Credential, Kind, Secret, Settings};

const TOKEN_URL: &str = "GET https://auth.reg.test/token";

fn challenge(text: &str) -> Answer {
    Answer::new(401).header("WWW-Authenticate", text)
}

/// A registry with its token server.
fn usual(world: &World, answers: impl IntoIterator<Item = Answer>) {
    world.on(MANIFEST_URL, answers).on(TOKEN_URL, [gives_token()]);
}

fn with_realm(world: &World, realm: &str) {
    let text = format!("Bearer realm=\"{realm}\",service=\"reg.test\"");
    world.on(MANIFEST_URL, [challenge(&text), manifest_answer()]);
}

/// The `Authorization` headers that an origin got.
fn shown_to(world: &World, origin: &str) -> Vec<String> {
    let seen = world.seen();
    seen.iter()
        .filter(|seen| seen.origin == origin)
        .filter_map(|seen| seen.header("authorization").map(str::to_owned))
        .collect()
}

#[test]
fn tokens() {
    check(vec![
        Case::new("a token with the account", |world| usual(world, [wants_token(), manifest_answer()]), Ok(manifest()))
            .then(|world| {
                assert_eq!(shown_to(world, REG), [format!("Bearer {TOKEN}")]);
                assert_eq!(shown_to(world, TOKENS).len(), 1);
                let path = &world.seen()[1].path;
                assert_eq!(path, "/token?service=reg.test&scope=repository:team/app:pull&account=me");
            }),
        Case::new("a token without an account", |world| usual(world, [wants_token(), manifest_answer()]), Ok(manifest()))
            .config(|mut config| { config.given.clear(); config })
            .then(|world| assert!(shown_to(world, TOKENS).is_empty())),
        Case::new("one token for two requests", |world| usual(world, [wants_token(), manifest_answer()]), Ok(manifest()))
            .run(|client| { get_manifest(client)?; get_manifest(client) })
            .then(|world| {
                assert_eq!(count(world, TOKEN_URL), 1);
                assert_eq!(count(world, MANIFEST_URL), 3);
            }),
        Case::new("`access_token` instead of `token`", |world| {
            usual(world, [wants_token(), manifest_answer()]);
            world.on(TOKEN_URL, [Answer::new(200).body(format!(r#"{{"access_token":"{TOKEN}"}}"#).as_bytes())]);
        }, Ok(manifest())),
        Case::new("a token that has run out", |world| {
            usual(world, [wants_token(), manifest_answer()]);
        }, Ok(manifest())).run(|client| {
            get_manifest(client)?;
            client.config().clock.sleep(Duration::from_secs(299), &imgc_base::Cancel::new()).unwrap();
            get_manifest(client)
        }).then(|world| assert_eq!(count(world, TOKEN_URL), 2)),
        Case::new("a token that is refused once", |world| {
            usual(world, [wants_token(), wants_token(), manifest_answer()]);
        }, Ok(manifest())).then(|world| assert_eq!(count(world, TOKEN_URL), 2)),
        Case::new("a token that is always refused", |world| usual(world, [wants_token()]), Err(Kind::Unauthorized))
            .then(|world| assert!(world.seen().len() <= 6)),
        Case::new("more is asked than we thought", |world| {
            let text = r#"Bearer realm="https://auth.reg.test/token",scope="repository:team/app:pull repository:base:pull""#;
            usual(world, [challenge(text), manifest_answer()]);
        }, Ok(manifest())).then(|world| {
            assert!(world.seen()[1].path.contains("scope=repository:base:pull"), "{}", world.seen()[1].path);
        }),
        Case::new("the token server refuses", |world| {
            usual(world, [wants_token()]);
            world.on(TOKEN_URL, [Answer::new(401).body(br#"{"details":"incorrect username or password"}"#)]);
        }, Err(Kind::Unauthorized)).then(|world| assert_eq!(count(world, TOKEN_URL), 1)),
        Case::new("the token server does not allow it", |world| {
            usual(world, [wants_token()]);
            world.on(TOKEN_URL, [Answer::new(403)]);
        }, Err(Kind::Denied)),
        Case::new("the token server is overloaded", |world| {
            usual(world, [wants_token(), manifest_answer()]);
            world.on(TOKEN_URL, [Answer::new(503), Answer::new(429).header("Retry-After", "3"), gives_token()]);
        }, Ok(manifest())),
        Case::new("the token server is broken", |world| {
            usual(world, [wants_token()]);
            world.on(TOKEN_URL, [Answer::new(500)]);
        }, Err(Kind::Network)).then(|world| assert_eq!(count(world, TOKEN_URL), 5)),
        Case::new("no JSON", |world| {
            usual(world, [wants_token()]);
            world.on(TOKEN_URL, [Answer::new(200).body(b"<html>")]);
        }, Err(Kind::Protocol)),
        Case::new("no token", |world| {
            usual(world, [wants_token()]);
            world.on(TOKEN_URL, [Answer::new(200).body(b"{}")]);
        }, Err(Kind::Protocol)),
        Case::new("a token that would end its header", |world| {
            usual(world, [wants_token()]);
            world.on(TOKEN_URL, [Answer::new(200).body(br#"{"token":"a\r\nX-Evil: 1"}"#)]);
        }, Err(Kind::Protocol)),
        Case::new("a token as long as a book", |world| {
            usual(world, [wants_token()]);
            let long = format!(r#"{{"token":"{}"}}"#, "a".repeat(100_000));
            world.on(TOKEN_URL, [Answer::new(200).body(long.as_bytes())]);
        }, Err(Kind::Limit)),
        Case::new("an odd life time", |world| {
            usual(world, [wants_token(), manifest_answer()]);
            world.on(TOKEN_URL, [Answer::new(200).body(format!(r#"{{"token":"{TOKEN}","expires_in":-1e300}}"#).as_bytes())]);
        }, Ok(manifest())),
    ]);
}

#[test]
fn realms() {
    check(vec![
        Case::new(
            "without encryption",
            |world| {
                with_realm(world, "http://auth.reg.test/token");
                world.on("GET http://auth.reg.test/token", [gives_token()]);
            },
            Err(Kind::Refused),
        )
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "somebody else's",
            |world| {
                with_realm(world, "https://evil.test/token");
                world.on("GET https://evil.test/token", [gives_token()]);
            },
            Err(Kind::Refused),
        )
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "somebody else's with a similar name",
            |world| {
                with_realm(world, "https://reg.test.evil.example/token");
            },
            Err(Kind::Refused),
        ),
        Case::new(
            "somebody else's, without an account",
            |world| {
                with_realm(world, "https://tokens.other.test/token");
                world.on("GET https://tokens.other.test/token", [Answer::new(200).body(br#"{"token":"x"}"#)]);
            },
            Ok(manifest()),
        )
        .config(|mut config| {
            config.given.clear();
            config
        }),
        Case::new(
            "this machine",
            |world| {
                with_realm(world, "https://127.0.0.1/token");
                world.on("GET https://127.0.0.1/token", [gives_token()]);
            },
            Err(Kind::Refused),
        )
        .config(|mut config| {
            config.given.clear();
            config
        })
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "the cloud's metadata",
            |world| {
                with_realm(world, "https://169.254.169.254/token");
                world.on("GET https://169.254.169.254/token", [gives_token()]);
            },
            Err(Kind::Refused),
        )
        .config(|mut config| {
            config.given.clear();
            config
        }),
        Case::new(
            "a name that leads inwards",
            |world| {
                world.serve_at("https://inner.reg.test", Some("10.0.0.7".parse().unwrap()));
                with_realm(world, "https://inner.reg.test/token");
                world.on("GET https://inner.reg.test/token", [gives_token()]);
            },
            Err(Kind::Refused),
        ),
        Case::new("no address", |world| with_realm(world, "token"), Err(Kind::Protocol)),
        Case::new("another scheme", |world| with_realm(world, "file:///etc/passwd"), Err(Kind::Protocol)),
        Case::new(
            "with an account inside",
            |world| with_realm(world, "https://a:b@auth.reg.test/"),
            Err(Kind::Protocol),
        ),
        Case::new(
            "the token server leads elsewhere",
            |world| {
                usual(world, [wants_token(), manifest_answer()]);
                world.on(TOKEN_URL, [Answer::new(302).header("Location", "https://evil.test/t")]);
                world.on("GET https://evil.test/t", [Answer::new(200).body(br#"{"token":"anonymous-one"}"#)]);
            },
            Ok(manifest()),
        ),
        Case::new(
            "the token server leads out of encryption",
            |world| {
                usual(world, [wants_token()]);
                world.on(TOKEN_URL, [Answer::new(302).header("Location", "http://auth.reg.test/t")]);
                world.on("GET http://auth.reg.test/t", [gives_token()]);
            },
            Err(Kind::Refused),
        ),
        Case::new(
            "the token server leads inwards",
            |world| {
                usual(world, [wants_token()]);
                world.on(TOKEN_URL, [Answer::new(302).header("Location", "https://192.168.0.1/t")]);
            },
            Err(Kind::Refused),
        ),
        Case::new(
            "the token server leads in a circle",
            |world| {
                usual(world, [wants_token()]);
                world.on(TOKEN_URL, [Answer::new(302).header("Location", "/token")]);
            },
            Err(Kind::Limit),
        ),
    ]);
}

/// What a policy allows is tested without the leak check for that host: the password is meant to go there.
#[test]
fn a_realm_that_the_user_trusts() {
    let world = World::new();
    with_realm(&world, "https://login.partner.example/token");
    world.on("GET https://login.partner.example/token", [gives_token()]);
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { realms: vec!["login.partner.example".into()], ..Settings::default() };
    let config = world.config(dir.path()).with_settings("reg.test", settings);
    let client = crate::Client::new(config.with_credential("reg.test", Credential::basic("me", CANARY)));
    assert_eq!(get_manifest(&client).unwrap(), manifest());
    assert_eq!(shown_to(&world, "https://login.partner.example").len(), 1);
}

#[test]
fn schemes() {
    check(vec![
        Case::new(
            "Basic",
            |world| {
                world.on(MANIFEST_URL, [challenge("Basic realm=\"x\""), manifest_answer()]);
            },
            Ok(manifest()),
        )
        .then(|world| assert_eq!(shown_to(world, REG), [format!("Basic {}", super::CANARY_64)])),
        Case::new(
            "a wrong password is tried once",
            |world| {
                world.on(MANIFEST_URL, [challenge("Basic realm=\"x\"")]);
            },
            Err(Kind::Unauthorized),
        )
        .then(|world| assert_eq!(world.seen().len(), 2)),
        Case::new(
            "Basic without an account",
            |world| {
                world.on(MANIFEST_URL, [challenge("Basic realm=\"x\"")]);
            },
            Err(Kind::Unauthorized),
        )
        .config(|mut config| {
            config.given.clear();
            config
        })
        .then(|world| assert_eq!(world.seen().len(), 1)),
        Case::new(
            "Basic or Bearer",
            |world| {
                let both = wants_token().header("WWW-Authenticate", "Basic realm=\"x\"");
                usual(world, [both, manifest_answer()]);
            },
            Ok(manifest()),
        )
        .then(|world| assert_eq!(shown_to(world, REG), [format!("Bearer {TOKEN}")])),
        Case::new(
            "a scheme that we do not know",
            |world| {
                world.on(MANIFEST_URL, [challenge("Negotiate")]);
            },
            Err(Kind::Unauthorized),
        ),
        Case::new(
            "no scheme",
            |world| {
                world.on(MANIFEST_URL, [Answer::new(401)]);
            },
            Err(Kind::Unauthorized),
        ),
        Case::new(
            "a challenge that does not read",
            |world| {
                world.on(MANIFEST_URL, [challenge("Bearer realm=\"unclosed")]);
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "a challenge as long as a book",
            |world| {
                world.on(
                    MANIFEST_URL,
                    [challenge(&format!("Bearer realm=\"https://a/{}\"", "a".repeat(9_000)))],
                );
            },
            Err(Kind::Limit),
        ),
        Case::new(
            "an identity token",
            |world| {
                usual(world, [wants_token(), manifest_answer()]);
                world.on("POST https://auth.reg.test/token", [gives_token()]);
            },
            Ok(manifest()),
        )
        .config(|config| config.with_credential("reg.test", Credential::Identity(Secret::new(REFRESH))))
        .then(|world| {
            let seen = world.seen();
            let form = String::from_utf8(seen[1].body.clone()).unwrap();
            assert!(form.contains("grant_type=refresh_token") && form.contains(REFRESH), "{form}");
            assert_eq!(shown_to(world, REG), [format!("Bearer {TOKEN}")]);
        }),
        Case::new(
            "an identity token and a stranger's server",
            |world| with_realm(world, "https://evil.test/token"),
            Err(Kind::Refused),
        )
        .config(|config| config.with_credential("reg.test", Credential::Identity(Secret::new(REFRESH)))),
        Case::new(
            "a token that is sent as it is",
            |world| {
                world.on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(|config| config.with_credential("reg.test", Credential::Bearer(Secret::new(TOKEN))))
        .then(|world| assert_eq!(shown_to(world, REG), [format!("Bearer {TOKEN}")])),
        Case::new(
            "a token that is sent as it is, refused",
            |world| usual(world, [wants_token()]),
            Err(Kind::Unauthorized),
        )
        .config(|config| config.with_credential("reg.test", Credential::Bearer(Secret::new(TOKEN)))),
        Case::new(
            "a server that sends the password back",
            |world| {
                let echo = format!(
                    r#"{{"errors":[{{"code":"X","message":"{CANARY} {} {TOKEN}"}}]}}"#,
                    super::CANARY_64
                );
                usual(world, [wants_token(), Answer::new(400).body(echo.as_bytes())]);
            },
            Err(Kind::Protocol),
        ),
        Case::new(
            "a token server that sends the password back",
            |world| {
                usual(world, [wants_token()]);
                world.on(
                    TOKEN_URL,
                    [Answer::new(401).body(format!("no such account: me {CANARY}").as_bytes())],
                );
            },
            Err(Kind::Unauthorized),
        ),
    ]);
}

#[test]
fn plain_registries() {
    const PLAIN: &str = "GET http://reg.test/v2/team/app/manifests/1";
    check(vec![
        Case::new(
            "never plain unless marked",
            |world| {
                world.on(PLAIN, [manifest_answer()]);
            },
            Err(Kind::Network),
        )
        .then(|world| assert!(world.seen().is_empty())),
        Case::new(
            "plain and marked",
            |world| {
                world.on(PLAIN, [challenge("Basic realm=\"x\""), manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(|config| config.with_insecure("reg.test")),
        Case::new(
            "HTTPS is taken where there is some",
            |world| {
                world.on(PLAIN, [manifest_answer()]).on(MANIFEST_URL, [manifest_answer()]);
            },
            Ok(manifest()),
        )
        .config(|config| config.with_insecure("reg.test"))
        .then(|world| assert!(world.seen().iter().all(|seen| seen.origin == REG))),
        Case::new(
            "its own token server",
            |world| {
                world.on(PLAIN, [challenge("Bearer realm=\"http://reg.test/token\""), manifest_answer()]);
                world.on("GET http://reg.test/token", [gives_token()]);
            },
            Ok(manifest()),
        )
        .config(|config| config.with_insecure("reg.test")),
        Case::new(
            "this machine's under another name",
            |world| {
                let answer = challenge("Bearer realm=\"http://127.0.0.1:5001/token\"");
                world.on("GET http://localhost:5000/v2/team/app/manifests/1", [answer, manifest_answer()]);
                world.on("GET http://127.0.0.1:5001/token", [Answer::new(200).body(br#"{"token":"t"}"#)]);
            },
            Ok(manifest()),
        )
        .config(|config| config.with_credential("localhost:5000", Credential::basic("you", "word")))
        .run(|client| client.manifest(&"localhost:5000/team/app:1".parse().unwrap()).map(|(_, bytes)| bytes))
        .then(|world| assert_eq!(shown_to(world, "http://127.0.0.1:5001").len(), 1)),
        Case::new(
            "somebody's plain token server",
            |world| {
                world
                    .on(PLAIN, [challenge("Bearer realm=\"http://auth.reg.test/token\""), manifest_answer()]);
                world.on("GET http://auth.reg.test/token", [gives_token()]);
            },
            Err(Kind::Refused),
        )
        .config(|config| config.with_insecure("reg.test")),
    ]);
}
