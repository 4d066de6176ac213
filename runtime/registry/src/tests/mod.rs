//! Tests of the whole client: scripted servers, and a real registry where one is installed.

mod accounts;
mod advisories;
mod auth;
mod downloads;
mod lists;
mod live;
mod manifests;
mod mirrors;
mod odd;
mod proxy;
mod stop;
mod uploads;

use std::sync::{Mutex, Once, PoisonError};

use imgc_base::digest::BlobDigest;
use imgc_base::reference::Reference;
use imgc_image::Descriptor;
use imgc_image::manifest::media;

use crate::testing::{Answer, World};
use crate::{Client, Config, Credential, Error, Kind};

/// The registry of the scripts.
pub(crate) const REG: &str = "https://reg.test";
/// Its token server.
pub(crate) const TOKENS: &str = "https://auth.reg.test";
/// The password that must not be seen elsewhere.
pub(crate) const CANARY: &str = "canary-7c1d-password";
/// The same as it travels.
const CANARY_64: &str = "bWU6Y2FuYXJ5LTdjMWQtcGFzc3dvcmQ=";
/// The token that must not be seen elsewhere.
pub(crate) const TOKEN: &str = "canary-91be-token";
/// The refresh token that must not be seen elsewhere.
pub(crate) const REFRESH: &str = "canary-55aa-refresh";

/// One scripted case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) script: fn(&World),
    pub(crate) config: fn(Config) -> Config,
    pub(crate) run: fn(&Client) -> Result<Vec<u8>, Error>,
    pub(crate) want: Result<Vec<u8>, Kind>,
    /// Further checks of what happened.
    pub(crate) then: fn(&World),
}

impl Case {
    pub(crate) fn new(name: &'static str, script: fn(&World), want: Result<Vec<u8>, Kind>) -> Self {
        Self { name, script, config: |config| config, run: get_manifest, want, then: |_| {} }
    }

    pub(crate) fn run(mut self, run: fn(&Client) -> Result<Vec<u8>, Error>) -> Self {
        self.run = run;
        self
    }

    pub(crate) fn config(mut self, config: fn(Config) -> Config) -> Self {
        self.config = config;
        self
    }

    pub(crate) fn then(mut self, then: fn(&World)) -> Self {
        self.then = then;
        self
    }
}

/// Everything that the HTTP library logged in this process.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut all = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_str(&record.args().to_string());
        all.push('\n');
    }

    fn flush(&self) {}
}

fn listen_to_logs() {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// Runs cases; after each one looks for leaks everywhere.
pub(crate) fn check(cases: Vec<Case>) {
    listen_to_logs();
    let mut failures = Vec::new();
    for case in cases {
        let dir = tempfile::tempdir().unwrap();
        let world = World::new();
        (case.script)(&world);
        let config = world.config(dir.path()).with_credential("reg.test", Credential::basic("me", CANARY));
        let client = Client::new((case.config)(config)).with_observer(world.ears.clone());
        let got = (case.run)(&client);
        let shown = got
            .as_ref()
            .err()
            .map(|error| format!("{error} {error:?} {:?} {:?}", error.notes(), error.help()));
        match (&case.want, &got) {
            (Ok(want), Ok(got)) if want == got => {}
            (Err(want), Err(got)) if *want == got.kind() => {}
            _ => failures.push(format!(
                "{}: wanted {:?}, got {:?}\n{}",
                case.name,
                case.want.as_ref().map(Vec::len),
                got.as_ref().map(Vec::len),
                world.lines().join("\n")
            )),
        }
        for leak in leaks(&world, &format!("{} {:?}", shown.unwrap_or_default(), client)) {
            failures.push(format!("{}: {leak}", case.name));
        }
        if world.seen().len() > 60 {
            failures.push(format!("{}: {} requests", case.name, world.seen().len()));
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (case.then)(&world)));
        if result.is_err() {
            failures.push(format!("{}: its further checks fail\n{}", case.name, world.lines().join("\n")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Where secrets were seen that do not belong there.
fn leaks(world: &World, shown: &str) -> Vec<String> {
    let mut found = Vec::new();
    for seen in world.seen() {
        let text = seen.text();
        let own = |allowed: &[&str]| allowed.contains(&seen.origin.as_str());
        let password = text.contains(CANARY) || text.contains(CANARY_64);
        if password && !own(&[REG, TOKENS, "http://reg.test"]) {
            found.push(format!("the password was sent to {}", seen.origin));
        }
        if text.contains(TOKEN) && !own(&[REG, "http://reg.test"]) {
            found.push(format!("the token was sent to {}", seen.origin));
        }
        if text.contains(REFRESH) && !own(&[TOKENS]) {
            found.push(format!("the refresh token was sent to {}", seen.origin));
        }
    }
    // Taken, so that nothing is searched twice; a leak may be told of a case that ran beside.
    let log = std::mem::take(&mut *LOG.lock().unwrap_or_else(PoisonError::into_inner));
    let heard = world.ears.heard().join("\n");
    for secret in [CANARY, CANARY_64, TOKEN, REFRESH] {
        for (place, text) in [("an error", shown), ("a log", &log), ("a note", &heard)] {
            if text.contains(secret) {
                found.push(format!("a secret is in {place}: {secret}"));
            }
        }
    }
    found
}

/// A layer of some length, other bytes everywhere.
pub(crate) fn layer() -> Vec<u8> {
    let mut state = 1_u32;
    (0..40_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

pub(crate) fn layer_descriptor() -> Descriptor {
    Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", &layer())
}

/// A manifest of that layer.
pub(crate) fn manifest() -> Vec<u8> {
    let config = Descriptor::of(media::CONFIG, b"{}");
    let text = serde_json::json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": [layer_descriptor()],
    });
    text.to_string().into_bytes()
}

/// The answer with that manifest.
pub(crate) fn manifest_answer() -> Answer {
    Answer::new(200).header("Content-Type", media::MANIFEST).body(&manifest())
}

pub(crate) fn tagged() -> Reference {
    "reg.test/team/app:1".parse().unwrap()
}

pub(crate) fn by_digest() -> Reference {
    format!("reg.test/team/app@{}", BlobDigest::of(&manifest())).parse().unwrap()
}

pub(crate) fn get_manifest(client: &Client) -> Result<Vec<u8>, Error> {
    client.manifest(&tagged()).map(|(descriptor, bytes)| {
        assert_eq!(descriptor.digest, BlobDigest::of(&bytes));
        bytes
    })
}

pub(crate) fn get_by_digest(client: &Client) -> Result<Vec<u8>, Error> {
    client.manifest(&by_digest()).map(|(_, bytes)| bytes)
}

/// Pulls the layer into memory.
pub(crate) fn get_layer(client: &Client) -> Result<Vec<u8>, Error> {
    let mut sink = crate::client::blob::Buffer::default();
    client.blob(&tagged(), &layer_descriptor(), &mut sink)?;
    Ok(sink.0)
}

/// The address of the manifest.
pub(crate) const MANIFEST_URL: &str = "GET https://reg.test/v2/team/app/manifests/1";

/// A request for the layer.
pub(crate) fn layer_url() -> String {
    format!("GET {REG}/v2/team/app/blobs/{}", layer_descriptor().digest)
}

/// Asks for a token.
pub(crate) fn wants_token() -> Answer {
    Answer::new(401).header(
        "WWW-Authenticate",
        r#"Bearer realm="https://auth.reg.test/token",service="reg.test",scope="repository:team/app:pull""#,
    )
}

/// Gives one.
pub(crate) fn gives_token() -> Answer {
    Answer::new(200).body(format!(r#"{{"token":"{TOKEN}","expires_in":300}}"#).as_bytes())
}

/// How many requests had this method and address, whatever the query.
pub(crate) fn count(world: &World, line: &str) -> usize {
    world.lines().iter().filter(|own| own.split('?').next() == Some(line)).count()
}
