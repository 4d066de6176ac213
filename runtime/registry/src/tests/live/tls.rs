//! HTTPS with a private authority, and with client certificates.

use std::path::Path;

use super::{Live, image, installed, pull_all, run};
use crate::{Client, Config, Kind, Settings};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Makes an authority and a certificate that it signed: `NAME.crt`, `NAME.key`.
fn certificate(dir: &Path, name: &str) {
    let at = |file: &str| dir.join(file).to_str().unwrap().to_owned();
    if !dir.join("ca.crt").exists() {
        run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=Test Authority",
                "-keyout",
                &at("ca.key"),
                "-out",
                &at("ca.crt"),
            ],
        );
    }
    run(
        "openssl",
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &at(&format!("{name}.key")),
            "-out",
            &at(&format!("{name}.csr")),
        ],
    );
    fs_err::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    run(
        "openssl",
        &[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &at(&format!("{name}.csr")),
            "-CA",
            &at("ca.crt"),
            "-CAkey",
            &at("ca.key"),
            "-CAcreateserial",
            "-extfile",
            &at("names"),
            "-out",
            &at(&format!("{name}.crt")),
        ],
    );
}

fn server(dir: &Path) -> String {
    certificate(dir, "server");
    let at = |file: &str| dir.join(file).display().to_string();
    format!("  tls: {{certificate: {}, key: {}}}\n", at("server.crt"), at("server.key"))
}

fn home(live: &Live) -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".config/containers/certs.d").join(live.registry());
    fs_err::create_dir_all(&dir).unwrap();
    (home, dir)
}

fn load(home: &Path) -> Config {
    Config::load_below(&|_| None, home, &home.join("etc")).unwrap()
}

#[test]
fn a_private_authority() {
    if !installed("openssl") {
        return;
    }
    let Some(live) = Live::start(server) else { return };
    let (home, dir) = home(&live);
    let (blobs, root) = image();
    let name = live.reference("team/app:1");

    let error = Client::new(load(home.path())).push(&name, &root, &blobs, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.help().unwrap().contains("certs.d"), "{error:?}");

    let authority = live.dir.path().join("ca.crt");
    let settings = Settings { ca: Some(authority.clone()), ..Settings::default() };
    let client = Client::new(load(home.path()).with_settings(&live.registry(), settings));
    client.push(&name, &root, &blobs, &[]).unwrap();

    fs_err::copy(&authority, dir.join("ca.crt")).unwrap();
    pull_all(&Client::new(load(home.path())), &name, &blobs);

    let file = authority.clone();
    let env = |name: &str| (name == "SSL_CERT_FILE").then(|| text(&file).to_owned());
    let other = tempfile::tempdir().unwrap();
    let config = Config::load_below(&env, other.path(), &other.path().join("etc")).unwrap();
    pull_all(&Client::new(config), &name, &blobs);

    let insecure = Config::empty(other.path()).with_insecure(&live.registry());
    pull_all(&Client::new(insecure), &name, &blobs);

    fs_err::write(dir.join("ca.crt"), "not a certificate").unwrap();
    let error = Client::new(load(home.path())).manifest(&name).unwrap_err();
    assert_eq!(error.kind(), Kind::Config, "{error}");
}

#[test]
fn a_client_certificate() {
    if !installed("openssl") {
        return;
    }
    let server = |dir: &Path| {
        let text = server(dir);
        certificate(dir, "client");
        text.replace('}', &format!(", clientcas: [{}]}}", dir.join("ca.crt").display()))
    };
    let Some(live) = Live::start(server) else { return };
    let (home, dir) = home(&live);
    let (blobs, root) = image();
    let name = live.reference("team/app:1");
    fs_err::copy(live.dir.path().join("ca.crt"), dir.join("ca.crt")).unwrap();
    assert!(Client::new(load(home.path())).push(&name, &root, &blobs, &[]).is_err());

    fs_err::copy(live.dir.path().join("client.crt"), dir.join("client.cert")).unwrap();
    let error = Client::new(load(home.path())).ping(&live.registry()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config, "{error}");
    fs_err::copy(live.dir.path().join("client.key"), dir.join("client.key")).unwrap();
    let client = Client::new(load(home.path()));
    client.push(&name, &root, &blobs, &[]).unwrap();
    pull_all(&client, &name, &blobs);
}

/// A certificate that the server made for itself: an authority and a server at once, for these names, for so long.
fn self_signed(dir: &Path, names: &str) -> String {
    let at = |file: &str| dir.join(file).to_str().unwrap().to_owned();
    let names = format!("subjectAltName={names}");
    let (key, crt) = (at("self.key"), at("self.crt"));
    let args =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    run(
        "openssl",
        &[&args[..], &["-subj", "/CN=self", "-addext", &names, "-keyout", &key, "-out", &crt]].concat(),
    );
    format!("  tls: {{certificate: {crt}, key: {key}}}\n")
}

/// What docker's own manual makes for a registry of one's own, put where docker looks for it.
#[test]
fn a_self_signed_certificate() {
    if !installed("openssl") {
        return;
    }
    let Some(live) = Live::start(|dir| self_signed(dir, "DNS:localhost,IP:127.0.0.1")) else { return };
    let (home, dir) = home(&live);
    let (blobs, root) = image();
    let name = live.reference("team/app:1");
    let certificate = live.dir.path().join("self.crt");
    let other = tempfile::tempdir().unwrap();
    self_signed(other.path(), "DNS:localhost,IP:127.0.0.1");

    // Not trusted; and another one of the same names is not this one.
    assert_eq!(Client::new(load(home.path())).manifest(&name).unwrap_err().kind(), Kind::Tls);
    fs_err::copy(other.path().join("self.crt"), dir.join("ca.crt")).unwrap();
    assert_eq!(Client::new(load(home.path())).manifest(&name).unwrap_err().kind(), Kind::Tls);

    fs_err::copy(&certificate, dir.join("ca.crt")).unwrap();
    let client = Client::new(load(home.path()));
    client.push(&name, &root, &blobs, &[]).unwrap();
    pull_all(&client, &name, &blobs);

    let env = |name: &str| (name == "SSL_CERT_FILE").then(|| text(&certificate).to_owned());
    let config = Config::load_below(&env, other.path(), &other.path().join("etc")).unwrap();
    pull_all(&Client::new(config), &name, &blobs);
}

#[test]
fn a_self_signed_certificate_of_another_name() {
    if !installed("openssl") {
        return;
    }
    let Some(live) = Live::start(|dir| self_signed(dir, "DNS:other.test")) else { return };
    let (home, dir) = home(&live);
    fs_err::copy(live.dir.path().join("self.crt"), dir.join("ca.crt")).unwrap();
    let error = Client::new(load(home.path())).ping(&live.registry()).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.to_string().contains("other.test"), "{error}");
}
