//! Real input: a compiler installed by `apt-get` on a Debian root, a C server, a slim second stage; other tools take the
//! result, and the server answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use imgc_testkit::{peer, root};

use crate::place;

/// A port that nothing else of the tests uses.
const PORT: u16 = 18_437;

#[test]
fn a_server_in_two_stages() {
    let test = "a_server_in_two_stages";
    let Some(debian) = root::debian(test) else { return };
    let place = place();
    place.imgc(&["import", &debian.to_string_lossy(), "debian:bookworm", "--cmd", "bash"]).ok();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/server");
    let args = ["build", "-q", "-t", "server", "-t", "team/server:1", "-o", "type=oci,dest=out", example];
    let built = place.imgc(&args);
    if peer::unreachable(test, &built) {
        return;
    }
    let digest = built.ok().stdout.trim().to_owned();
    place.imgc(&["images"]).ok().prints("server:latest").prints("team/server:1");
    place.imgc(&["history", "server"]).ok().prints("ENTRYPOINT");

    let mut server = place
        .command()
        .args(["run", "-e", &format!("PORT={PORT}"), "server"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("as user 10001"), "{said}");
    assert!(answer().ends_with("hello from a container"));
    peer::run(Command::new("kill").arg(server.id().to_string()));
    server.wait().unwrap();

    if let Some([skopeo]) = peer::need(test, ["skopeo"]) {
        let layout = format!("oci:{}:latest", place.path("out").display());
        let seen = peer::run(Command::new(&skopeo).args(["inspect", &layout]));
        let seen: serde_json::Value = serde_json::from_slice(&seen).unwrap();
        assert_eq!(seen["Digest"], digest.as_str());
        assert_eq!(seen["Architecture"], imgc_base::Platform::host().arch.as_str());
    }
    if let Some([umoci, crun]) = peer::need(test, ["umoci", "crun"])
        && peer::is_root()
    {
        let layout = format!("{}:latest", place.path("out").display());
        let bundle = place.path("bundle");
        peer::run(Command::new(&umoci).args(["unpack", "--image", &layout]).arg(&bundle));
        assert!(bundle.join("rootfs/usr/local/bin/server").exists());
        run_by_crun(&crun, &bundle, test);
    }
    place.imgc(&["store", "verify", "--full"]).ok();
}

/// The bundle's config asks for a terminal and a network of its own; a test has neither.
fn run_by_crun(crun: &std::path::Path, bundle: &std::path::Path, test: &str) {
    let path = bundle.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = serde_json::json!(["/usr/local/bin/server"]);
    config["process"]["env"].as_array_mut().unwrap().push(format!("PORT={PORT}").into());
    if let Some(spaces) = config["linux"]["namespaces"].as_array_mut() {
        spaces.retain(|space| space["type"] != "network" && space["type"] != "cgroup");
    }
    fs_err::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    let state = bundle.join("state");
    let name = format!("imgc-test-{}", std::process::id());
    let mut child = Command::new(crun)
        .arg("--root")
        .arg(&state)
        .args(["--cgroup-manager=disabled", "run", "--bundle"])
        .arg(bundle)
        .arg(&name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 9];
    let started = child.stdout.as_mut().unwrap().read_exact(&mut said).is_ok();
    if started {
        assert!(answer().ends_with("hello from a container"));
    }
    drop(Command::new(crun).arg("--root").arg(&state).args(["kill", &name, "KILL"]).output());
    let output = child.wait_with_output().unwrap();
    if !started {
        peer::skipped(
            test,
            &format!("crun cannot run here: {}", String::from_utf8_lossy(&output.stderr).trim()),
        );
    }
}

fn answer() -> String {
    for _ in 0..100 {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", PORT)) {
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the server does not answer");
}
