//! Configuration files and credential helpers as people have them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{get_manifest, manifest, manifest_answer};
use crate::testing::{Answer, World};
use crate::{Client, Config, Credential, Kind, Saved, Secret};

/// A home directory with some files; names in `/etc` are below `etc/`.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            home.write(name, text);
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// A credential helper that is a shell script.
    fn helper(&self, name: &str, script: &str) {
        let file = format!("bin/docker-credential-{name}");
        self.write(&file, &format!("#!/bin/sh\n{script}\n"));
        fs_err::set_permissions(self.path(&file), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn config(&self) -> Result<Config, crate::Error> {
        self.config_with(&|_| None)
    }

    fn config_with(&self, more: &dyn Fn(&str) -> Option<String>) -> Result<Config, crate::Error> {
        let path = format!("bin:relative:{}:/usr/bin:/bin", self.path("bin").display());
        let env = |name: &str| if name == "PATH" { Some(path.clone()) } else { more(name) };
        Config::load_below(&env, self.dir.path(), &self.path("etc"))
    }

    fn account(&self, registry: &str, repository: &str) -> Result<Option<Credential>, Kind> {
        self.config().and_then(|config| config.account(registry, repository)).map_err(|error| {
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
            error.kind()
        })
    }
}

const DOCKER: &str = ".docker/config.json";
const CONTAINERS: &str = ".config/containers/auth.json";

#[expect(clippy::unnecessary_wraps, reason = "stands beside failures in tables")]
fn me(password: &str) -> Result<Option<Credential>, Kind> {
    Ok(Some(Credential::basic("me", password)))
}

#[test]
fn forms_of_accounts() {
    // `bWU6aHVzaA==` is `me:hush`.
    for (name, text, registry, want) in [
        ("by host", r#"{"auths":{"reg.test":{"auth":"bWU6aHVzaA=="}}}"#, "reg.test", me("hush")),
        (
            "with a scheme",
            r#"{"auths":{"https://reg.test":{"auth":"bWU6aHVzaA=="}}}"#,
            "reg.test",
            me("hush"),
        ),
        (
            "with a scheme and version",
            r#"{"auths":{"https://reg.test/v1/":{"auth":"bWU6aHVzaA=="}}}"#,
            "reg.test",
            me("hush"),
        ),
        (
            "with a port",
            r#"{"auths":{"reg.test:5000":{"auth":"bWU6aHVzaA=="}}}"#,
            "reg.test:5000",
            me("hush"),
        ),
        ("another port", r#"{"auths":{"reg.test:5000":{"auth":"bWU6aHVzaA=="}}}"#, "reg.test", Ok(None)),
        ("another host", r#"{"auths":{"reg.test":{"auth":"bWU6aHVzaA=="}}}"#, "evil-reg.test", Ok(None)),
        ("a host below", r#"{"auths":{"reg.test":{"auth":"bWU6aHVzaA=="}}}"#, "a.reg.test", Ok(None)),
        (
            "Docker Hub",
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6aHVzaA=="}}}"#,
            "docker.io",
            me("hush"),
        ),
        (
            "Docker Hub as podman writes it",
            r#"{"auths":{"docker.io":{"auth":"bWU6aHVzaA=="}}}"#,
            "docker.io",
            me("hush"),
        ),
        (
            "name and password apart",
            r#"{"auths":{"reg.test":{"username":"me","password":"hush"}}}"#,
            "reg.test",
            me("hush"),
        ),
        ("a colon in the password", r#"{"auths":{"reg.test":{"auth":"bWU6YTpi"}}}"#, "reg.test", me("a:b")),
        ("without padding", r#"{"auths":{"reg.test":{"auth":"bWU6aHVzaA"}}}"#, "reg.test", me("hush")),
        (
            "an identity token",
            r#"{"auths":{"reg.test":{"auth":"bWU6","identitytoken":"hush"}}}"#,
            "reg.test",
            Ok(Some(Credential::Identity(Secret::new("hush")))),
        ),
        (
            "a registry token",
            r#"{"auths":{"reg.test":{"registrytoken":"hush"}}}"#,
            "reg.test",
            Ok(Some(Credential::Bearer(Secret::new("hush")))),
        ),
        ("an empty entry", r#"{"auths":{"reg.test":{}}}"#, "reg.test", Ok(None)),
        ("an empty file", "", "reg.test", Ok(None)),
        (
            "fields that are null",
            r#"{"auths":null,"credHelpers":null,"credsStore":null}"#,
            "reg.test",
            Ok(None),
        ),
        (
            "an entry with nulls",
            r#"{"auths":{"reg.test":{"auth":"bWU6aHVzaA==","identitytoken":null,"email":null}}}"#,
            "reg.test",
            me("hush"),
        ),
        ("an entry that is null", r#"{"auths":{"reg.test":null}}"#, "reg.test", Ok(None)),
        ("in capitals", r#"{"auths":{"https://Reg.Test/":{"auth":"bWU6aHVzaA=="}}}"#, "reg.test", me("hush")),
        ("null", "null", "reg.test", Ok(None)),
        ("other settings", r#"{"detachKeys":"x","HttpHeaders":{"a":"b"}}"#, "reg.test", Ok(None)),
        ("no base64", r#"{"auths":{"reg.test":{"auth":"hush!"}}}"#, "reg.test", Err(Kind::Config)),
        ("no colon", r#"{"auths":{"reg.test":{"auth":"aHVzaA=="}}}"#, "reg.test", Err(Kind::Config)),
        ("no JSON", r#"{"auths":{"reg.test":{"auth":hush"#, "reg.test", Err(Kind::Config)),
    ] {
        assert_eq!(Home::new(&[(DOCKER, text)]).account(registry, "team/app"), want, "{name}");
    }
}

#[test]
fn order_of_files() {
    let spaces = r#"{"auths":{"reg.test":{"auth":"bWU6MQ=="},"reg.test/team":{"auth":"bWU6Mg=="},
        "reg.test/team/app":{"auth":"bWU6Mw=="}}}"#;
    let home = Home::new(&[(CONTAINERS, spaces)]);
    for (repository, want) in [("x", "1"), ("team/x", "2"), ("team/app", "3"), ("teams/app", "1"), ("", "1")]
    {
        assert_eq!(home.account("reg.test", repository), me(want), "{repository}");
    }
    home.write(DOCKER, r#"{"auths":{"reg.test":{"auth":"bWU6NA=="}}}"#);
    assert_eq!(home.account("reg.test", "team/app"), me("4"));
    home.write("run/containers/auth.json", r#"{"auths":{"other.test":{"auth":"bWU6NQ=="}}}"#);
    home.write("mine.json", r#"{"auths":{"reg.test":{"auth":"bWU6Ng=="}}}"#);
    let (run, mine) = (home.path("run"), home.path("mine.json"));
    let runtime = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| run.display().to_string());
    let config = home.config_with(&runtime).unwrap();
    assert_eq!(config.account("other.test", "a").unwrap(), Some(Credential::basic("me", "5")));
    let file = |name: &str| (name == "REGISTRY_AUTH_FILE").then(|| mine.display().to_string());
    let config = home.config_with(&file).unwrap();
    assert_eq!(config.account("reg.test", "a").unwrap(), Some(Credential::basic("me", "6")));
}

#[test]
fn helpers() {
    let home = Home::new(&[]);
    home.helper("good", r#"read -r server; echo "{\"ServerURL\":\"$server\",\"Username\":\"me\",\"Secret\":\"hush of $server\"}""#);
    home.helper("token", r#"echo '{"Username":"<token>","Secret":"hush"}'"#);
    home.helper("none", "echo credentials not found in native keychain; exit 1");
    home.helper("bad", "echo 'the keychain is locked'; exit 1");
    home.helper("silent", "exit 0");
    home.helper("env", r#"echo "{\"Username\":\"me\",\"Secret\":\"$SECRET_OF_THE_USER$HOME\"}""#);
    let auths = r#""auths":{"reg.test":{"auth":"bWU6aHVzaA=="}}"#;
    for (name, text, want) in [
        ("for one registry", r#"{"credHelpers":{"reg.test":"good"}}"#.to_owned(), me("hush of reg.test")),
        ("for all", r#"{"credsStore":"good"}"#.to_owned(), me("hush of reg.test")),
        ("for another one", r#"{"credHelpers":{"other.test":"good"}}"#.to_owned(), Ok(None)),
        (
            "before what the file holds",
            format!(r#"{{"credHelpers":{{"reg.test":"good"}},{auths}}}"#),
            me("hush of reg.test"),
        ),
        (
            "has a refresh token",
            r#"{"credsStore":"token"}"#.to_owned(),
            Ok(Some(Credential::Identity(Secret::new("hush")))),
        ),
        ("has nothing", r#"{"credsStore":"none"}"#.to_owned(), Ok(None)),
        ("has nothing, the file has", format!(r#"{{"credsStore":"none",{auths}}}"#), me("hush")),
        ("fails: no other account instead", format!(r#"{{"credsStore":"bad",{auths}}}"#), Err(Kind::Config)),
        ("says nothing", r#"{"credsStore":"silent"}"#.to_owned(), Err(Kind::Config)),
        ("is not installed", r#"{"credsStore":"absent"}"#.to_owned(), Err(Kind::Config)),
        (
            "is nobody for this registry",
            format!(r#"{{"credHelpers":{{"reg.test":""}},"credsStore":"bad",{auths}}}"#),
            me("hush"),
        ),
        ("is a path", r#"{"credHelpers":{"reg.test":"../../bin/good"}}"#.to_owned(), Err(Kind::Refused)),
        ("is a hidden file", r#"{"credHelpers":{"reg.test":".good"}}"#.to_owned(), Err(Kind::Refused)),
        ("sees no other variables", r#"{"credsStore":"env"}"#.to_owned(), me("")),
    ] {
        home.write(DOCKER, &text);
        assert_eq!(home.account("reg.test", "a"), want, "{name}");
    }
}

#[test]
fn a_login_keeps_the_rest_of_the_file() {
    let text = r#"{"auths":{"other.test":{"auth":"bWU6MQ=="}},"detachKeys":"ctrl-x","unknown":{"a":[1,2]}}"#;
    let home = Home::new(&[("real.json", text)]);
    fs_err::create_dir_all(home.path(".docker")).unwrap();
    fs_err::os::unix::fs::symlink("../real.json", home.path(DOCKER)).unwrap();
    let config = home.config().unwrap();
    let saved = config.save_login("docker.io", &Credential::basic("me", "hush")).unwrap();
    assert_eq!(saved, Saved::File(home.path(DOCKER)));
    assert!(fs_err::symlink_metadata(home.path(DOCKER)).unwrap().is_symlink());
    assert_eq!(fs_err::metadata(home.path("real.json")).unwrap().permissions().mode() & 0o777, 0o600);
    let read = |home: &Home| -> serde_json::Value {
        serde_json::from_str(&fs_err::read_to_string(home.path(DOCKER)).unwrap()).unwrap()
    };
    let mut want: serde_json::Value = serde_json::from_str(text).unwrap();
    want["auths"]["https://index.docker.io/v1/"] = serde_json::json!({ "auth": "bWU6aHVzaA==" });
    assert_eq!(read(&home), want);
    config.save_login("reg.test", &Credential::Identity(Secret::new("t"))).unwrap();
    assert_eq!(read(&home)["auths"]["reg.test"], serde_json::json!({ "identitytoken": "t" }));
    config.forget_login("reg.test").unwrap();
    config.forget_login("docker.io").unwrap();
    assert_eq!(read(&home), serde_json::from_str::<serde_json::Value>(text).unwrap());

    home.write("real.json", "{broken");
    assert_eq!(config.save_login("reg.test", &Credential::basic("a", "b")).unwrap_err().kind(), Kind::Config);
    assert_eq!(fs_err::read_to_string(home.path(DOCKER)).unwrap(), "{broken");
}

#[test]
fn a_login_goes_to_the_helper() {
    let home = Home::new(&[(DOCKER, r#"{"credsStore":"keep"}"#)]);
    let kept = home.path("kept");
    home.helper("keep", &format!("cat > {}.$1", kept.display()));
    let config = home.config().unwrap();
    let saved = config.save_login("reg.test", &Credential::basic("me", "hush")).unwrap();
    assert_eq!(saved, Saved::Helper("keep".into()));
    let sent: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(home.path("kept.store")).unwrap()).unwrap();
    assert_eq!(sent, serde_json::json!({ "ServerURL": "reg.test", "Username": "me", "Secret": "hush" }));
    let file = fs_err::read_to_string(home.path(DOCKER)).unwrap();
    assert!(!file.contains("hush") && file.contains("reg.test"), "{file}");
    assert_eq!(config.forget_login("reg.test").unwrap(), [Saved::Helper("keep".into())]);
    assert_eq!(fs_err::read_to_string(home.path("kept.erase")).unwrap(), "reg.test");
}

fn with_world(config: Config, world: &World) -> Client {
    Client::new(config.with_book(world.book.clone()).with_clock(world.clock.clone()))
        .with_observer(world.ears.clone())
}

#[test]
fn insecure_by_daemon_json() {
    let world = World::new();
    world.on("GET http://reg.test/v2/team/app/manifests/1", [manifest_answer()]);
    for (name, text, works) in [
        ("listed", r#"{"insecure-registries":["reg.test"],"debug":true}"#, true),
        ("with a scheme", r#"{"insecure-registries":["http://reg.test"]}"#, true),
        ("another one", r#"{"insecure-registries":["other.test"]}"#, false),
        ("nothing", r#"{"insecure-registries":null,"registry-mirrors":null}"#, false),
        ("an address range", r#"{"insecure-registries":["10.0.0.0/8"]}"#, false),
    ] {
        let home = Home::new(&[("etc/docker/daemon.json", text)]);
        let got = get_manifest(&with_world(home.config().unwrap(), &world));
        assert_eq!(got.is_ok(), works, "{name}: {got:?}");
    }
    let home = Home::new(&[("etc/docker/daemon.json", "{")]);
    assert_eq!(home.config().unwrap_err().kind(), Kind::Config);
}

#[test]
fn mirrors_of_docker_hub() {
    let world = World::new();
    world.on("GET https://hub-mirror.test/v2/library/debian/manifests/latest", [manifest_answer()]);
    world.on("GET https://registry-1.docker.io/v2/team/app/manifests/1", [manifest_answer()]);
    let home =
        Home::new(&[("etc/docker/daemon.json", r#"{"registry-mirrors":["https://hub-mirror.test/"]}"#)]);
    let client = with_world(home.config().unwrap(), &world);
    client.manifest(&"debian".parse().unwrap()).unwrap();
    client.manifest(&"team/app:1".parse().unwrap()).unwrap();
    assert_eq!(
        world.lines(),
        [
            "GET https://hub-mirror.test/v2/library/debian/manifests/latest",
            "GET https://hub-mirror.test/v2/team/app/manifests/1",
            "GET https://registry-1.docker.io/v2/team/app/manifests/1",
        ]
    );
}

#[test]
fn registries_conf() {
    let text = r#"
[[registry]]
prefix = "reg.test/team"
location = "moved.test/inner"
[[registry.mirror]]
location = "near.test/team"
pull-from-mirror = "digest-only"
[[registry]]
location = "bad.test"
blocked = true
[[registry]]
location = "plain.test"
insecure = true
"#;
    let alias = "[aliases]\nsoft = \"reg.test/soft\"\n";
    let home = Home::new(&[
        ("etc/containers/registries.conf", text),
        ("etc/containers/registries.conf.d/10-names.conf", alias),
    ]);
    let config = home.config().unwrap();
    assert_eq!(config.alias("soft"), Some("reg.test/soft"));
    for (text, full) in
        [("soft:1", "reg.test/soft:1"), ("a/soft", "a/soft"), ("localhost:5/soft", "localhost:5/soft")]
    {
        assert_eq!(config.expand(text), full);
    }
    let world = World::new();
    world.on("GET https://moved.test/v2/inner/app/manifests/1", [manifest_answer()]);
    world.on("GET https://near.test/*", [manifest_answer()]);
    world.on("GET http://plain.test/v2/a/manifests/1", [manifest_answer()]);
    world.on("PUT https://moved.test/*", [Answer::new(201)]);
    let client = with_world(config, &world);
    assert_eq!(get_manifest(&client).unwrap(), manifest());
    assert_eq!(super::get_by_digest(&client).unwrap(), manifest());
    assert_eq!(
        world.lines()[..2].iter().map(|line| line.split("/v2/").next().unwrap()).collect::<Vec<_>>(),
        ["GET https://moved.test", "GET https://near.test"]
    );
    client.push_manifest(&super::tagged(), imgc_image::manifest::media::MANIFEST, &manifest()).unwrap();
    assert!(world.lines()[2].starts_with("PUT https://moved.test/v2/inner/app/"));
    assert_eq!(client.manifest(&"bad.test/a:1".parse().unwrap()).unwrap_err().kind(), Kind::Refused);
    client.manifest(&"plain.test/a:1".parse().unwrap()).unwrap();

    let own = home.path("own.conf");
    home.write("own.conf", "[[registry]]\nlocation = \"reg.test\"\nblocked = true\n");
    let env = |name: &str| (name == "CONTAINERS_REGISTRIES_CONF").then(|| own.display().to_string());
    let client = with_world(home.config_with(&env).unwrap(), &world);
    assert_eq!(get_manifest(&client).unwrap_err().kind(), Kind::Refused);
}

/// Version 1, which old installations still have.
#[test]
fn registries_conf_of_old() {
    let text = r#"
[registries.search]
registries = ["docker.io"]
[registries.insecure]
registries = ["reg.test"]
[registries.block]
registries = ["bad.test"]
"#;
    let home = Home::new(&[("etc/containers/registries.conf", text)]);
    let world = World::new();
    world.on("GET http://reg.test/v2/team/app/manifests/1", [manifest_answer()]);
    let client = with_world(home.config().unwrap(), &world);
    assert_eq!(get_manifest(&client).unwrap(), manifest());
    assert_eq!(client.manifest(&"bad.test/a:1".parse().unwrap()).unwrap_err().kind(), Kind::Refused);
    for error in [
        client.ping("bad.test").unwrap_err(),
        client.catalog("bad.test").unwrap_err(),
        client.search("bad.test", "x", 5).unwrap_err(),
        client.login("bad.test", &Credential::basic("me", "hush")).unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Refused, "{error}");
    }
}

/// The variable that build servers set instead of a file.
#[test]
fn accounts_in_a_variable() {
    let home =
        Home::new(&[(DOCKER, r#"{"auths":{"reg.test":{"auth":"bWU6MQ=="},"b.test":{"auth":"bWU6Mg=="}}}"#)]);
    let account = |text: &str, registry: &str| {
        let env = |name: &str| (name == "DOCKER_AUTH_CONFIG").then(|| text.to_owned());
        home.config_with(&env).unwrap().account(registry, "a").map_err(|error| error.kind())
    };
    let text = r#"{"auths":{"reg.test":{"auth":"bWU6aHVzaA=="}}}"#;
    assert_eq!(account(text, "reg.test"), me("hush"));
    assert_eq!(account(text, "b.test"), me("2"));
    assert_eq!(account(" ", "reg.test"), me("1"));
    assert_eq!(account("{", "reg.test"), Err(Kind::Config));
}

/// Docker Hub's password goes to Docker Hub's token server and to no mirror.
#[test]
fn docker_hub() {
    let world = World::new();
    let challenge = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#;
    world.on(
        "GET https://registry-1.docker.io/v2/team/app/manifests/1",
        [Answer::new(401).header("WWW-Authenticate", challenge), manifest_answer()],
    );
    world.on("GET https://auth.docker.io/token", [Answer::new(200).body(br#"{"token":"hub-token"}"#)]);
    world.on("GET https://hub-mirror.test/*", [Answer::new(401).header("WWW-Authenticate", challenge)]);
    let home = Home::new(&[
        (DOCKER, r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6aHVzaA=="}}}"#),
        ("etc/docker/daemon.json", r#"{"registry-mirrors":["https://hub-mirror.test"]}"#),
    ]);
    let client = with_world(home.config().unwrap(), &world);
    client.manifest(&"team/app:1".parse().unwrap()).unwrap();
    for seen in world.seen() {
        let shown = seen.header("authorization").unwrap_or_default();
        let own = match seen.origin.as_str() {
            "https://auth.docker.io" => true,
            "https://registry-1.docker.io" => !shown.contains("Basic"),
            _ => !shown.contains("Basic") && !seen.path.contains("me"),
        };
        assert!(own || shown.is_empty(), "{seen:?}");
    }
    assert!(world.seen().iter().any(|seen| seen.header("authorization") == Some("Basic bWU6aHVzaA==")));
}

#[test]
fn own_configuration() {
    let text = r#"
[registry."reg.test"]
ca = "ca.crt"
mirrors = ["https://near.test"]
realms = ["login.test"]
upload-elsewhere = true
part = 8388608
[registry."plain.test"]
insecure = true
[cache]
max-size = "40 GB"
"#;
    let other = "[registry.\"plain.test\"]\ninsecure = false\n";
    let home = Home::new(&[("etc/imgc/config.toml", text), (".config/imgc/config.toml", other)]);
    let config = home.config().unwrap();
    let want = crate::Settings {
        ca: Some(home.path("etc/imgc/ca.crt")),
        insecure: false,
        mirrors: vec!["https://near.test".into()],
        realms: vec!["login.test".into()],
        upload_elsewhere: true,
        part: Some(8 << 20),
    };
    assert_eq!(config.own["reg.test"], want);
    assert!(!config.own["plain.test"].insecure, "the user's file is read last");
    let world = World::new();
    world.on("GET https://near.test/v2/team/app/manifests/1", [manifest_answer()]);
    assert_eq!(get_manifest(&with_world(config, &world)).unwrap(), manifest());

    let home = Home::new(&[(".config/imgc/config.toml", "[registry.\"a.test\"]\ninsecur = true\n")]);
    let error = home.config().unwrap_err();
    assert!(error.to_string().contains("insecur"), "{error}");
}
