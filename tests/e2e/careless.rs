//! The careless Dockerfile: eight lines of `apt-get install`, lists removed at the end, a `chmod -R` of a large tree.
//! It is to come out as small as the one that somebody merged by hand, and each line stays cached by itself.

use imgc_testkit::{Done, Place, peer, root};
use serde_json::Value;

use crate::place;

const CARELESS: &str = "FROM debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends apt-utils
RUN apt-get install -y --no-install-recommends vim-tiny
RUN apt-get install -y --no-install-recommends net-tools
RUN apt-get install -y --no-install-recommends iputils-ping
RUN apt-get install -y --no-install-recommends apache2
RUN apt-get install -y --no-install-recommends apache2-utils
RUN apt-get install -y --no-install-recommends openssh-server
RUN apt-get install -y --no-install-recommends openssh-client
RUN rm -rf /var/lib/apt/lists/*
RUN chmod -R g+w /usr/share/vim /usr/lib/apache2
RUN mkdir -p /var/run/sshd
RUN echo 'root:root' | chpasswd
RUN sed -ri 's/^#?PermitRootLogin\\s+.*/PermitRootLogin yes/' /etc/ssh/sshd_config
EXPOSE 22
CMD [\"/usr/sbin/sshd\", \"-D\"]
";

/// The same by hand, in one command.
fn merged() -> String {
    let commands: Vec<&str> = CARELESS.lines().filter_map(|line| line.strip_prefix("RUN ")).collect();
    let rest: Vec<&str> = CARELESS.lines().filter(|line| !line.starts_with("RUN ")).collect();
    let (from, rest) = rest.split_first().unwrap();
    format!("{from}\nRUN {}\n{}\n", commands.join(" && "), rest.join("\n"))
}

fn json(place: &Place, args: &[&str]) -> Value {
    let done = place.imgc(&[&["--json"], args].concat()).ok();
    serde_json::from_str(&done.stdout).unwrap()
}

fn build(place: &Place, args: &[&str], dockerfile: &str) -> Done {
    place.write("ctx/Dockerfile", dockerfile);
    place.imgc(&[&["--progress", "plain", "build"], args, &["ctx"]].concat())
}

/// Own layers, their bytes as they are sent, and the files in them.
fn measured(place: &Place, image: &str) -> (usize, u64, Value) {
    let size = json(place, &["size", image]);
    let own = &size["layers"].as_array().unwrap()[1..];
    (own.len(), own.iter().map(|layer| layer["compressed"].as_u64().unwrap()).sum(), size)
}

#[test]
fn careless_lines_come_out_small() {
    let test = "careless_lines_come_out_small";
    let Some(debian) = root::debian(test) else { return };
    let place = place();
    place.imgc(&["import", &debian.to_string_lossy(), "debian:bookworm", "--cmd", "bash"]).ok();
    let built = build(&place, &["--prove", "-t", "careless"], CARELESS);
    if peer::unreachable(test, &built) {
        return;
    }
    built.ok().says("proved for linux/");
    build(&place, &["-t", "merged"], &merged()).ok();

    let (layers, bytes, size) = measured(&place, "careless");
    let (_, by_hand, _) = measured(&place, "merged");
    assert!(layers <= 3, "{layers} layers");
    // Logs name the commands, which are others: a part in a thousand.
    assert!(bytes <= by_hand + by_hand / 1000, "{bytes} bytes, by hand {by_hand}");
    let own_waste: Vec<&Value> = size["wasted"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|wasted| wasted["layer"].as_u64() > Some(1))
        .collect();
    assert!(own_waste.is_empty(), "{own_waste:?}");
    let files = json(&place, &["files", "careless", "/var/lib/apt/lists", "-R"]);
    assert_eq!(files["files"].as_array().unwrap().iter().filter(|file| file["type"] == "file").count(), 0);

    // The last line changes: it alone runs.
    let edited = CARELESS.replace("PermitRootLogin yes/'", "PermitRootLogin no/'");
    assert_ne!(edited, CARELESS);
    let said = build(&place, &["-t", "careless:2"], &edited).ok().stderr;
    let cached = said.lines().filter(|line| line.contains(" CACHED ") && line.contains("] RUN ")).count();
    assert_eq!((cached, said.matches(" DONE ").count()), (12, 1), "{said}");
}
