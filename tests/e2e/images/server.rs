//! Debian's `docker-registry` on loopback: plain, or with TLS of a private authority and passwords.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use imgc_testkit::{Place, peer};

/// The password of the account `me`; tests look for it where it must not be.
pub(super) const PASSWORD: &str = "word-of-tests";
/// `me:word-of-tests` in base64, as `config.json` and requests have it.
pub(super) const ENCODED: &str = "bWU6d29yZC1vZi10ZXN0cw==";
/// The account in bcrypt, as `htpasswd` writes it.
const HASHED: &str = "me:$2b$04$abcdefghijklmnopqrstuubNb3V0BQjIYXkJW1l3szYItNtXq9ejq\n";

/// A running registry; it ends when dropped.
pub(super) struct Server {
    child: Child,
    /// `localhost:PORT`.
    pub(super) name: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// A registry without passwords and encryption; `None`, aloud, where it is not installed.
    pub(super) fn plain(test: &str, place: &Place) -> Option<Self> {
        Self::start(test, place, "")
    }

    /// A registry with passwords and a certificate of an authority that only the place's home trusts.
    pub(super) fn closed(test: &str, place: &Place) -> Option<Self> {
        peer::need(test, ["openssl"])?;
        let dir = place.path("registry");
        certificate(&dir);
        place.write("registry/htpasswd", HASHED);
        let at = |file: &str| dir.join(file).display().to_string();
        let more = format!(
            "  tls: {{certificate: {}, key: {}}}\nauth: {{htpasswd: {{realm: tests, path: {}}}}}\n",
            at("server.crt"),
            at("server.key"),
            at("htpasswd")
        );
        let server = Self::start(test, place, &more)?;
        let authority = fs_err::read(dir.join("ca.crt")).expect("a certificate");
        place.write(&format!("home/.config/containers/certs.d/{}/ca.crt", server.name), authority);
        Some(server)
    }

    fn start(test: &str, place: &Place, more: &str) -> Option<Self> {
        let [program] = peer::need(test, ["docker-registry"])?;
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("a port").port();
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: 127.0.0.1:{port}\n{more}",
            place.path("registry/data").display()
        );
        let config = place.write("registry/config.yml", text);
        let log = fs_err::File::create(place.path("registry/log")).expect("a log");
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.file().try_clone().expect("a log"))
            .stderr(log.into_file())
            .spawn()
            .expect("the registry starts");
        let server = Self { child, name: format!("localhost:{port}") };
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(started.elapsed() < Duration::from_mins(1), "the registry does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }
}

/// Makes `ca.crt`, and `server.crt` and `server.key` that it signed.
fn certificate(dir: &Path) {
    fs_err::create_dir_all(dir).expect("a directory");
    fs_err::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("a file");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for command in [
        format!("req -x509 {key} -days 2 -subj /CN=Authority -keyout ca.key -out ca.crt"),
        format!("req {key} -subj /CN=server -keyout server.key -out server.csr"),
        "x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -out server.crt".to_owned(),
    ] {
        peer::run(Command::new("openssl").args(command.split(' ')).current_dir(dir));
    }
}
