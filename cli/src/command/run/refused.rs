//! Options of `docker run` that have no meaning here; each is refused with what to use instead.

/// The options, hidden from the help.
#[derive(Debug, clap::Args)]
#[group(id = "refused")]
#[expect(clippy::struct_excessive_bools, reason = "the flags of docker run")]
pub struct Refused {
    #[arg(short = 'd', long, hide = true)]
    detach: bool,
    #[arg(long, hide = true)]
    mount: Vec<String>,
    #[arg(short = 'm', long, hide = true)]
    memory: Option<String>,
    #[arg(long, hide = true)]
    cpus: Option<String>,
    #[arg(long, hide = true)]
    ulimit: Vec<String>,
    #[arg(long = "shm-size", hide = true)]
    shm_size: Option<String>,
    #[arg(long, hide = true)]
    privileged: bool,
    #[arg(long = "cap-add", hide = true)]
    cap_add: Vec<String>,
    #[arg(long = "cap-drop", hide = true)]
    cap_drop: Vec<String>,
    #[arg(long = "security-opt", hide = true)]
    security_opt: Vec<String>,
    #[arg(long, hide = true)]
    device: Vec<String>,
    #[arg(long, hide = true)]
    gpus: Option<String>,
    #[arg(long, hide = true)]
    init: bool,
    #[arg(long, hide = true)]
    pull: Option<String>,
    #[arg(short = 'l', long, hide = true)]
    label: Vec<String>,
    #[arg(long, hide = true)]
    restart: Option<String>,
    #[arg(long, hide = true)]
    dns: Vec<String>,
    #[arg(long, hide = true)]
    link: Vec<String>,
    #[arg(long = "volumes-from", hide = true)]
    volumes_from: Vec<String>,
    #[arg(short = 'P', long = "publish-all", hide = true)]
    publish_all: bool,
    #[arg(long, hide = true)]
    cidfile: Option<String>,
    #[arg(long = "log-driver", hide = true)]
    log_driver: Option<String>,
    #[arg(long = "stop-signal", hide = true)]
    stop_signal: Option<String>,
}

impl Refused {
    /// The first option that was given, and what to use instead.
    pub fn first(&self) -> Option<(&'static str, &'static str)> {
        let limits = "limit it from outside: `systemd-run --user --scope -p MemoryMax=... imgc run ...`";
        let rights =
            "the program never has more rights than its user; what needs them runs outside of `imgc`";
        [
            (self.detach, "--detach", "programs run in the foreground; put it into the background with the shell: `imgc run IMAGE &`"),
            (!self.mount.is_empty(), "--mount", "use `-v SOURCE:TARGET[:ro]` or `--tmpfs TARGET`"),
            (self.memory.is_some(), "--memory", limits),
            (self.cpus.is_some(), "--cpus", limits),
            (!self.ulimit.is_empty(), "--ulimit", "set it in the shell: `(ulimit -n 1024; imgc run IMAGE)`"),
            (self.shm_size.is_some(), "--shm-size", "give the program a directory in memory: `--tmpfs /dev/shm`"),
            (self.privileged, "--privileged", rights),
            (!self.cap_add.is_empty(), "--cap-add", rights),
            (!self.cap_drop.is_empty(), "--cap-drop", "run it as a user without privileges: `-u 1000`"),
            (!self.security_opt.is_empty(), "--security-opt", rights),
            (!self.device.is_empty(), "--device", rights),
            (self.gpus.is_some(), "--gpus", rights),
            (self.init, "--init", "a child that lost its parent becomes the program's own; put an init into the image if it reaps none"),
            (self.pull.is_some(), "--pull", "pull it first: `imgc pull IMAGE`"),
            (!self.label.is_empty(), "--label", "containers have no labels; give it a name: `--name NAME`"),
            (self.restart.is_some(), "--restart", "let a supervisor start it again, for example a systemd unit"),
            (!self.dns.is_empty(), "--dns", "names are resolved as this machine does; add one with `--add-host HOST:IP`"),
            (!self.link.is_empty(), "--link", "programs meet on this machine's network: `localhost:PORT`"),
            (!self.volumes_from.is_empty(), "--volumes-from", "show both the same directory: `-v SOURCE:TARGET`"),
            (self.publish_all, "--publish-all", "the program uses this machine's network: reach it at its own ports"),
            (self.cidfile.is_some(), "--cidfile", "choose the name yourself: `--name NAME`"),
            (self.log_driver.is_some(), "--log-driver", "the program writes to stdout and stderr: redirect them"),
            (self.stop_signal.is_some(), "--stop-signal", "every signal that `imgc run` gets goes to the program"),
        ]
        .into_iter()
        .find(|(given, ..)| *given)
        .map(|(_, name, instead)| (name, instead))
    }
}
