//! A web server with a certificate of a private authority.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use imgc_base::cancel::Cancel;
use imgc_registry::{Config, Trust};

use super::super::{Accounts, Web, http};
use super::place;

/// `openssl s_server`, ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn openssl(dir: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Serves the files of a directory; gives the address. `None`, aloud, without openssl.
fn serve(dir: &Path, constraint: &str) -> Option<(Server, String)> {
    let made = openssl(dir)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=Test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            &format!("basicConstraints={constraint}"),
        ])
        .args(["-keyout", "server.key", "-out", "server.crt"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        let mut stderr = std::io::stderr();
        drop(writeln!(
            stderr,
            "SKIPPED: a_private_authority_of_the_machine_is_trusted: openssl is not installed"
        ));
        return None;
    }
    let mut server = openssl(dir)
        .args(["s_server", "-accept", "127.0.0.1:0", "-HTTP", "-cert", "server.crt", "-key", "server.key"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let server = Server(server);
    let accepting = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("ACCEPT")).unwrap();
    let port = accepting.rsplit(':').next().unwrap().to_owned();
    // The server stops when nobody reads what it says.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Some((server, format!("https://127.0.0.1:{port}/file")))
}

#[test]
fn a_private_authority_of_the_machine_is_trusted() {
    // What `openssl req -x509` makes if nobody says otherwise is an authority and the server's certificate in one.
    for constraint in ["CA:FALSE", "CA:TRUE"] {
        trusted(constraint);
    }
}

fn trusted(constraint: &str) {
    let place = place();
    let dir = place.dir.path();
    fs_err::write(dir.join("file"), "HTTP/1.0 200 OK\r\n\r\nhello").unwrap();
    let Some((_server, url)) = serve(dir, constraint) else { return };
    let none = std::collections::BTreeMap::new();
    let get = |trust: &Trust| {
        let web = Web { trust, accounts: Accounts::new(&none) };
        http(&place.store, &url, None, None, Some(web), &Cancel::new())
    };
    let unknown = get(&Trust::default()).unwrap_err();
    assert!(unknown.help().unwrap().contains("SSL_CERT_FILE"), "{unknown:?}");

    let file = dir.join("server.crt").display().to_string();
    let env = |name: &str| (name == "SSL_CERT_FILE").then(|| file.clone());
    let trust = Trust::of(&Config::load(&env, dir).unwrap());
    let fetched = get(&trust).unwrap();
    assert_eq!(fs_err::read_to_string(fetched.path()).unwrap(), "hello");
}
