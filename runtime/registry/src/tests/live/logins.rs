//! A registry with passwords; the login file is docker's, both ways.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Live, image, installed, pull_all, run};
use crate::{Client, Config, Credential, Kind, Saved};

/// The password of the account `me`, and its bcrypt form.
const PASSWORD: &str = "word-of-tests";
const HASHED: &str = "me:$2b$04$abcdefghijklmnopqrstuubNb3V0BQjIYXkJW1l3szYItNtXq9ejq\n";

fn server(dir: &Path) -> String {
    fs_err::write(dir.join("htpasswd"), HASHED).unwrap();
    format!("auth: {{htpasswd: {{realm: tests, path: {}}}}}\n", dir.join("htpasswd").display())
}

fn load(home: &Path) -> Config {
    Config::load_below(&|_| None, home, &home.join("etc")).unwrap()
}

#[test]
fn logins() {
    let Some(live) = Live::start(server) else { return };
    let home = tempfile::tempdir().unwrap();
    let (blobs, root) = image();
    let name = live.reference("team/app:1");
    let client = || Client::new(load(home.path()));

    let error = client().push(&name, &root, &blobs, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    assert!(error.help().unwrap().contains("imgc login"));
    let error = client().login(&live.registry(), &Credential::basic("me", "wrong")).unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    let file = home.path().join(".docker/config.json");
    assert!(!file.exists(), "a wrong login is not kept");

    let saved = client().login(&live.registry(), &Credential::basic("me", PASSWORD)).unwrap();
    assert_eq!(saved, Saved::File(file.clone()));
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    client().push(&name, &root, &blobs, &[]).unwrap();
    pull_all(&client(), &name, &blobs);

    if installed("skopeo") {
        // Skopeo reads what we wrote ...
        let address = format!("docker://{name}");
        let path = file.to_str().unwrap();
        let raw = run("skopeo", &["inspect", "--raw", "--tls-verify=false", "--authfile", path, &address]);
        assert_eq!(Some(&raw), blobs.0.get(&root.digest));
        // ... and we read what skopeo writes.
        let other = tempfile::tempdir().unwrap();
        let auth = other.path().join(".config/containers/auth.json");
        fs_err::create_dir_all(auth.parent().unwrap()).unwrap();
        run(
            "skopeo",
            &[
                "login",
                "--tls-verify=false",
                "--authfile",
                auth.to_str().unwrap(),
                "-u",
                "me",
                "-p",
                PASSWORD,
                &live.registry(),
            ],
        );
        pull_all(&Client::new(load(other.path())), &name, &blobs);
    }

    assert_eq!(client().logout(&live.registry()).unwrap(), [Saved::File(file)]);
    assert_eq!(client().manifest(&name).unwrap_err().kind(), Kind::Unauthorized);
    assert!(client().logout(&live.registry()).unwrap().is_empty());
}
