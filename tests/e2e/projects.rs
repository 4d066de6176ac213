//! Whole projects, in the shapes that public repositories have (`corpus/projects`), on a Debian base: built, looked at,
//! run; built again with every step known, the same digest, and the root of `-O0`.
//!
//! Projects that begin with one toolchain share a test, its store and so the toolchain's step.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use imgc_testkit::place::Done;
use imgc_testkit::{Place, peer, root};
use serde_json::Value;

use crate::place;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus/projects");
/// The ports of the servers; nothing else of the tests uses them.
const PORTS: std::ops::Range<u16> = 18_500..18_520;

/// A place with the Debian base.
struct Projects {
    place: Place,
    test: &'static str,
}

impl Projects {
    fn new(test: &'static str) -> Option<Self> {
        let debian = root::debian(test)?;
        let place = place();
        place.imgc(&["import", &debian.to_string_lossy(), "debian:bookworm", "--cmd", "bash"]).ok();
        Some(Self { place, test })
    }

    fn try_build(&self, project: &str, args: &[&str]) -> Done {
        let context = format!("{CORPUS}/{project}");
        let all: Vec<&str> = ["build", &context, "-t", project].iter().chain(args).copied().collect();
        let mut command = self.place.command();
        command.env("INDEX_TOKEN", "s3cr3t-t0ken");
        for (name, value) in std::env::vars().filter(|(name, _)| name.starts_with("PIP_INDEX")) {
            command.env(name, value);
        }
        Done::of(&command.args(all).output().unwrap())
    }

    /// Builds a project twice; the name of the image is the project's, unless `-t` is among the arguments. `None`,
    /// aloud, if an archive cannot be reached.
    #[track_caller]
    fn build(&self, project: &str, args: &[&str]) -> Option<()> {
        let built = self.try_build(project, args);
        if peer::unreachable(&format!("{}, {project}", self.test), &built) {
            return None;
        }
        let first = digest(&built.ok()).to_owned();
        let again = self.try_build(project, &[args, &["--prove"]].concat()).ok();
        let again = again.says(": 0 steps ran").says("proved for linux/");
        assert_eq!(digest(&again), first, "{project} gives another digest from the cache");
        Some(())
    }

    /// The config that containers of an image get.
    fn config(&self, image: &str) -> Value {
        let seen: Value = serde_json::from_str(&self.place.imgc(&["inspect", image]).ok().stdout).unwrap();
        seen[0]["Config"].clone()
    }

    /// What a program of an image prints.
    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let all: Vec<&str> = ["run"].iter().chain(args).copied().collect();
        self.place.imgc(&all).ok().stdout
    }

    /// Starts a server on a port, by its place among [`PORTS`].
    fn serve(&self, number: u16, args: &[&str]) -> Server {
        let port = PORTS.start + number;
        let port_text = format!("PORT={port}");
        let mut command = self.place.command();
        command.args(["run", "-e", &port_text]).args(args).stdout(Stdio::null());
        let log = self.place.path(format!("server-{port}.log"));
        command.stderr(fs_err::File::create(&log).unwrap().into_file());
        Server { child: command.spawn().unwrap(), port, log }
    }
}

/// The digest that a build ends with.
fn digest(done: &Done) -> &str {
    let line = done.stderr.lines().rfind(|line| line.starts_with("built sha256:"));
    line.and_then(|line| line.split(' ').nth(1)).unwrap_or_else(|| panic!("nothing built:\n{}", done.stderr))
}

struct Server {
    child: Child,
    port: u16,
    /// What it says on stderr.
    log: PathBuf,
}

impl Server {
    /// Sends a request and reads the answer to its end, as soon as there is one.
    #[track_caller]
    fn ask(&mut self, request: &str) -> String {
        for _ in 0..300 {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                let mut answer = String::new();
                stream.write_all(request.as_bytes()).unwrap();
                if stream.read_to_string(&mut answer).is_ok()
                    && !answer.is_empty()
                    && !answer.contains(" 502 ")
                {
                    return answer;
                }
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the server ended:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not answer:\n{}", self.said());
    }

    fn said(&self) -> String {
        fs_err::read_to_string(&self.log).unwrap_or_default()
    }

    #[track_caller]
    fn get(&mut self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n"))
    }

    /// Ends it as a user does.
    fn end(mut self) {
        peer::run(Command::new("kill").arg(self.child.id().to_string()));
        self.child.wait().unwrap();
    }
}

/// A server that a failed test leaves behind would hold its port.
impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn projects_in_go() {
    let Some(projects) = Projects::new("projects_in_go") else { return };
    if projects.build("go-service", &["--build-arg", "VERSION=1.4"]).is_none() {
        return;
    }
    let config = projects.config("go-service");
    assert_eq!(config["User"], "nobody:nogroup");
    assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["CMD", "/service", "-check"]));
    assert_eq!(config["Healthcheck"]["Interval"], 10_000_000_000_u64);
    let mut server = projects.serve(0, &["go-service"]);
    assert!(server.get("/you").ends_with("hello, you (version 1.4, user 65534)\n"));
    // The image's own health check, beside it.
    let port = format!("PORT={}", server.port);
    assert_eq!(projects.run(&["-e", &port, "go-service", "-check"]), "");
    server.end();
    projects.place.imgc(&["run", "-e", &port, "go-service", "-check"]).fails_with(1);
    let files = projects.place.imgc(&["files", "-R", "go-service"]).ok().stdout;
    assert!(files.contains("/service") && !files.contains("README"), "{files}");

    let platforms = ["--platform", "linux/amd64,linux/arm64", "--build-arg", "VERSION=2.0"];
    projects.build("go-cross", &platforms).unwrap();
    for platform in ["linux/amd64", "linux/arm64"] {
        let template = ["-f", "{{.Os}}/{{.Architecture}} {{.Config.Labels.platform}}", "go-cross"];
        let seen =
            projects.place.imgc(&[&["inspect", "--platform", platform], &template[..]].concat()).ok().stdout;
        assert_eq!(seen, format!("{platform} {platform}\n"));
    }
    let host = imgc_base::Platform::host().arch.as_str().to_owned();
    assert_eq!(projects.run(&["go-cross", "version"]), format!("tool 2.0 stable linux/{host}\n"));
    assert_eq!(projects.run(&["go-cross"]), "usage: tool version\n");
    // The binaries alone, for another machine, as files of this one.
    let out = ["--target", "binaries", "--platform", "linux/arm64", "-o", "out", "-t", "binaries"];
    projects.try_build("go-cross", &[&out[..], &platforms[2..]].concat()).ok();
    let binary = fs_err::read(projects.place.path("out/tool")).unwrap();
    assert_eq!(&binary[18..20], &[0xb7, 0], "an ELF file for AArch64");
}

#[test]
fn projects_in_c_and_rust() {
    let Some(projects) = Projects::new("projects_in_c_and_rust") else { return };
    if projects.build("c-autotools", &[]).is_none() {
        return;
    }
    assert_eq!(projects.run(&["c-autotools"]), "wordcount 1.2.3\n");
    assert_eq!(projects.run(&["c-autotools", "one  two", "three"]), "3\n");
    projects.place.imgc(&["run", "c-autotools", " "]).fails_with(1);

    projects.build("c-cmake", &[]).unwrap();
    assert_eq!(projects.run(&["c-cmake"]), "2 3 5 7 11 13 17 19 \n");
    assert_eq!(projects.config("c-cmake")["User"], "65534:65534");
    let report = ["--target", "report", "-o", "report", "-t", "report"];
    projects.try_build("c-cmake", &report).ok();
    let report = fs_err::read_to_string(projects.place.path("report/report.txt")).unwrap();
    assert!(report.contains("100% tests passed"), "{report}");

    projects.build("distroless", &[]).unwrap();
    assert_eq!(projects.run(&["distroless"]), "user 65532 in /home/nonroot, hour 9\n");
    projects.place.imgc(&["run", "--entrypoint", "sh", "distroless"]).fails_with(127);
    projects.place.imgc(&["size", "distroless"]).ok();

    projects.build("rust-workspace", &[]).unwrap();
    assert_eq!(projects.run(&["rust-workspace", "hey", "you"]), "HEY YOU!\n");
    assert_eq!(projects.run(&["--entrypoint", "shout-cached", "rust-workspace", "hey"]), "HEY!\n");
    let who = projects.run(&["--entrypoint", "id", "rust-workspace"]);
    assert!(who.starts_with("uid=10001(appuser)"), "{who}");
}

#[test]
fn projects_in_python() {
    let Some(projects) = Projects::new("projects_in_python") else { return };
    if projects.build("python-targets", &[]).is_none() {
        return;
    }
    assert_eq!(projects.run(&["python-targets"]), "production 6\n");
    projects.build("python-targets", &["--target", "dev", "-t", "dev"]).unwrap();
    assert_eq!(projects.run(&["dev"]), "development 6 --reload\n");
    projects.build("python-targets", &["--target", "test", "-t", "test"]).unwrap();
    let failing = projects.try_build("python-targets", &["--target", "test", "--build-arg", "FAIL=yes"]);
    failing.fails_with(1).says("AssertionError").says("Dockerfile:");

    for service in ["api", "worker", "gateway"] {
        let args = ["--target", service, "-t", service, "--build-arg", "REVISION=abc"];
        projects.build("multi-service", &args).unwrap();
        let labels = &projects.config(service)["Labels"];
        assert_eq!(labels["org.opencontainers.image.revision"], "abc");
    }
    assert_eq!(projects.run(&["worker", "hard"]), "worked on hard as 1500\n");
    assert_eq!(projects.config("worker")["StopSignal"], "SIGINT");
    assert_eq!(projects.run(&["gateway"]), "routes {'/api': 8001}\n");
    let mut api = projects.serve(1, &["api"]);
    assert!(api.get("/").ends_with("hello from the api\n"));
    api.end();

    projects.build("heredocs", &["--build-arg", "GREETING=good evening"]).unwrap();
    let all = "GOOD EVENING from bash\nsecond\ngood evening from python\ngood evening from sh\n\
               greeting = good evening\nport = $PORT\npath = \"${HOME}\"\n";
    assert_eq!(projects.run(&["heredocs"]), all);

    projects.build("onbuild/base", &["-t", "python:3-onbuild"]).unwrap();
    projects.build("onbuild/app", &["-t", "onbuild", "--build-arg", "CHANNEL=beta"]).unwrap();
    assert_eq!(projects.run(&["onbuild"]), "channel beta ['main.py', 'requirements.txt']\n");
    assert_eq!(projects.config("onbuild")["OnBuild"], Value::Null);

    projects.build("supervisord", &[]).unwrap();
    let mut server = projects.serve(2, &["-e", &format!("APP_PORT={}", PORTS.start + 3), "supervisord"]);
    assert!(server.get("/").ends_with("hello through nginx, user 33\n"));
    server.end();

    let settings = machine("pip.conf", &["/etc/pip.conf", "/etc/xdg/pip/pip.conf"]);
    let authorities = machine("ca", &["/etc/ssl/certs/ca-certificates.crt"]);
    let index = std::env::vars()
        .any(|(name, _)| name == "PIP_INDEX_URL")
        .then(|| "--secret=id=index,env=PIP_INDEX_URL".to_owned());
    let args: Vec<&str> =
        [&settings, &authorities, &index].into_iter().flatten().map(String::as_str).collect();
    if projects.build("python-web", &args).is_some() {
        let mut server = projects.serve(4, &["python-web"]);
        assert!(server.get("/").ends_with("hello from python, user 1001\n"));
        server.end();
        assert_eq!(projects.run(&["python-web", "python3", "-c", "print(1)"]), "1\n");
    }
}

/// A file of this machine as a secret, if it is there.
fn machine(id: &str, places: &[&str]) -> Option<String> {
    let found = places.iter().find(|place| Path::new(place).exists())?;
    Some(format!("--secret=id={id},src={found}"))
}

#[test]
fn projects_in_java_php_and_node() {
    let Some(projects) = Projects::new("projects_in_java_php_and_node") else { return };
    if projects.build("php-app", &[]).is_none() {
        return;
    }
    let mut server =
        projects.serve(5, &["php-app", "-S", &format!("127.0.0.1:{}", PORTS.start + 5), "-t", "public"]);
    assert!(server.get("/you").ends_with("hello, you, user 33\n"));
    server.end();

    projects.build("java-app", &["--build-arg", "VERSION=7"]).unwrap();
    assert_eq!(projects.run(&["java-app"]), "hello, world (7) as spring\n");
    assert_eq!(projects.run(&["java-app", "you"]), "hello, you (7) as spring\n");
    assert_eq!(projects.config("java-app")["Volumes"], serde_json::json!({"/tmp": {}}));

    let Some([npm]) = peer::need(projects.test, ["npm"]) else { return };
    let registry = peer::run(Command::new(npm).args(["config", "get", "registry"]));
    let registry = String::from_utf8_lossy(&registry).trim().trim_end_matches('/').to_owned();
    let registry = format!("--build-arg=NPM_REGISTRY={registry}");
    let authorities = machine("ca", &["/etc/ssl/certs/ca-certificates.crt"]);
    let mut args = vec![registry.as_str()];
    args.extend(authorities.as_deref());
    if projects.build("node-app", &args).is_none() {
        return;
    }
    let mut server = projects.serve(6, &["node-app"]);
    assert!(server.get("/").ends_with("1.0.0: 2 hours, user 1000\n"));
    server.end();
    let files = projects.place.imgc(&["files", "node-app", "/usr/src/app/node_modules"]).ok().stdout;
    assert!(files.contains("/ms") && !files.contains("/mri"), "{files}");
    args.extend(["--target", "test", "-t", "node-test"]);
    projects.build("node-app", &args).unwrap();
}

#[test]
fn projects_of_services() {
    let Some(projects) = Projects::new("projects_of_services") else { return };
    if projects.build("library-style", &[]).is_none() {
        return;
    }
    assert_eq!(projects.run(&["library-style"]), "3\n");
    assert_eq!(projects.run(&["library-style", "--version"]), "calc 1.4.2\n");
    let config = projects.config("library-style");
    assert_eq!((&config["User"], &config["StopSignal"]), (&"calc".into(), &"SIGINT".into()));
    assert_eq!(config["Volumes"], serde_json::json!({"/var/lib/calc/data": {}}));
    // The compiler was there for one step only.
    projects.place.imgc(&["run", "library-style", "sh", "-c", "tcc -v"]).fails_with(127);

    projects.build("cron-env", &["--build-arg", "x=y"]).unwrap();
    let table = projects.run(&["-e", "SCHEDULE=1 2 * * *", "cron-env", "crontab", "-l"]);
    assert!(table.ends_with("1 2 * * * echo \"$(date) \\$HOME\"\n"), "{table}");
    let done = projects.place.imgc(&["run", "cron-env", "timeout", "1", "cron", "-f"]);
    // `tini` has something to say if it cannot do its work.
    assert_eq!(done.fails_with(124).stderr, "");

    projects.build("nginx-site", &["--build-arg", "SITE_TITLE=My site"]).unwrap();
    let config = projects.config("nginx-site");
    assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["NONE"]));
    let mut server = projects.serve(7, &["nginx-site"]);
    let page = server.get("/about.html");
    assert!(page.ends_with("<!doctype html><title>My site</title><p>About us.</p>\n"), "{page}");
    server.end();

    projects.build("redis-volume", &[]).unwrap();
    let port = (PORTS.start + 8).to_string();
    let mut server = projects.serve(8, &["redis-volume", "--port", &port]);
    let answer = server.ask("SET a 1\r\nSAVE\r\nCONFIG GET dir\r\nQUIT\r\n");
    assert_eq!(answer, "+OK\r\n+OK\r\n*2\r\n$3\r\ndir\r\n$5\r\n/data\r\n+OK\r\n");
    server.end();
    assert_eq!(projects.run(&["redis-volume", "stat", "-c", "%U", "/data"]), "redis\n");

    projects.build("notebook", &["--build-arg", "NB_USER=ada"]).unwrap();
    assert_eq!(projects.run(&["notebook"]), "user ada in /home/ada\nLANG=en_US.UTF-8\n");

    let netrc = projects.place.write("netrc", "machine index login builder password s3cr3t\n");
    let netrc = format!("--secret=id=netrc,src={}", netrc.display());
    let context = format!("--build-context=index={CORPUS}/secrets/index");
    let args = ["--secret=id=token,env=INDEX_TOKEN", &netrc, &context];
    projects.build("secrets", &args).unwrap();
    assert_eq!(projects.run(&["secrets"]), "a private module\n");
    // A known step needs no secret; another one does.
    projects.try_build("secrets", &[&context]).ok();
    projects.try_build("secrets", &[&context, "--build-arg", "CHANNEL=other"]).fails_with(7).says("token");
}
