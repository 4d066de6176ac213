//! A graph to text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imgc_base::config::{ContainerConfig, Healthcheck, History};
use imgc_base::path::ImagePath;
use imgc_base::reference::Reference;

use super::HEAD;
use super::lex::quote;
use super::words::{self, word};
use crate::describe::numbers;
use crate::exec::{Exec, Mount, MountKind};
use crate::file::{Chmod, Copy, FileAction, OwnerSpec, Unpack};
use crate::graph::{Graph, Node, NodeId};
use crate::op::{ImageOp, Op, Source};

/// Prints a graph as text that [`super::parse`] reads back to an equal one.
pub fn print(graph: &Graph) -> String {
    let numbers: BTreeMap<NodeId, usize> =
        graph.nodes().enumerate().map(|(number, id)| (id, number)).collect();
    let mut out = Printer { text: format!("{HEAD}\n"), numbers };
    for id in graph.nodes() {
        out.node(graph, id);
    }
    out.text.push('\n');
    for target in graph.targets() {
        let target = out.number(*target);
        let _ = writeln!(out.text, "target {target}");
    }
    out.text
}

/// Each node as it stands in the whole text.
pub fn print_nodes(graph: &Graph) -> BTreeMap<NodeId, String> {
    let mut out = Printer { text: String::new(), numbers: numbers(graph) };
    let nodes = graph.nodes().map(|id| {
        out.node(graph, id);
        (id, std::mem::take(&mut out.text).trim_start().to_owned())
    });
    nodes.collect()
}

struct Printer {
    text: String,
    numbers: BTreeMap<NodeId, usize>,
}

fn text(value: &str) -> String {
    quote(value.as_bytes())
}

fn path(path: &ImagePath) -> String {
    quote(&[b"/", path.as_bytes()].concat())
}

fn list<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> String {
    let texts: Vec<String> = values.into_iter().map(|value| text(value.as_ref())).collect();
    format!("[{}]", texts.join(" "))
}

/// ` name="value"`, or nothing.
fn named(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!(" {name}={}", text(value))).unwrap_or_default()
}

/// ` word`, or nothing.
fn flag(word: &str, set: bool) -> String {
    if set { format!(" {word}") } else { String::new() }
}

impl Printer {
    fn number(&self, id: NodeId) -> String {
        // A history of an unverified graph may name a node that is gone.
        self.numbers.get(&id).map_or_else(|| format!("%{}", u32::MAX), |number| format!("%{number}"))
    }

    fn entry(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "  {key}{}{value}", if value.starts_with(' ') { "" } else { " " });
    }

    fn text_entry(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.entry(key, &text(value));
        }
    }

    fn flag_entry(&mut self, key: &str, set: bool) {
        if set {
            let _ = writeln!(self.text, "  {key}");
        }
    }

    fn node(&mut self, graph: &Graph, id: NodeId) {
        let Node { op, platform, origin } = graph.node(id);
        let _ = write!(self.text, "\n{} = {}", self.number(id), op.name());
        for input in graph.inputs(id) {
            let input = self.number(input);
            let _ = write!(self.text, " {input}");
        }
        self.text.push_str(" {\n");
        self.text_entry("step", &origin.step);
        self.text_entry("title", &origin.title);
        if let Some(span) = origin.span {
            self.entry("span", &format!("{} {} {}", span.source.0, span.start, span.end));
        }
        self.entry("platform", &platform.to_string());
        match op {
            Op::Source(source) => self.source(source),
            Op::Exec(exec) => self.exec(exec),
            Op::File(file) => file.actions.iter().for_each(|action| self.action(action)),
            Op::Image(image) => {
                if image.platform != *platform {
                    self.entry("image-platform", &image.platform.to_string());
                }
                self.image(image);
            }
            Op::Merge | Op::Diff | Op::Index => {}
        }
        self.text.push_str("}\n");
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Scratch => {}
            Source::Image { reference, digest, platform, layers } => {
                self.entry("reference", &text(reference));
                self.entry("digest", &digest.to_string());
                self.entry("for", &platform.to_string());
                for layer in layers {
                    self.entry("layer", &layer.to_string());
                }
            }
            Source::Context { name, ignore } => {
                self.text_entry("name", name);
                for pattern in ignore {
                    self.entry("ignore", &text(pattern));
                }
            }
            Source::Http { url, checksum, filename } => {
                self.entry("url", &text(url));
                if let Some(checksum) = checksum {
                    self.entry("checksum", &checksum.to_string());
                }
                if let Some(filename) = filename {
                    self.entry("filename", &text(filename));
                }
            }
            Source::Git { remote, reference, subdir, keep_git_dir, submodules, checksum } => {
                self.entry("remote", &text(remote));
                self.text_entry("reference", reference);
                self.text_entry("subdir", subdir);
                self.flag_entry("keep-git-dir", *keep_git_dir);
                self.flag_entry("no-submodules", !*submodules);
                if let Some(checksum) = checksum {
                    self.entry("checksum", &text(checksum));
                }
            }
        }
    }

    fn exec(&mut self, exec: &Exec) {
        self.entry("args", &list(&exec.args));
        for (name, value) in &exec.env {
            self.entry("env", &format!("{} {}", text(name), text(value)));
        }
        if !exec.cwd.is_root() {
            self.entry("cwd", &path(&exec.cwd));
        }
        self.text_entry("user", &exec.user);
        for mount in &exec.mounts {
            self.mount(mount);
        }
        for (name, script) in &exec.scripts {
            self.entry("script", &format!("{} {}", text(name), text(script)));
        }
        if exec.network != crate::exec::Network::default() {
            self.entry("network", word(words::NETWORK, &exec.network));
        }
        if exec.security != crate::exec::Security::default() {
            self.entry("security", word(words::SECURITY, &exec.security));
        }
        self.text_entry("hostname", &exec.hostname);
    }

    fn mount(&mut self, mount: &Mount) {
        let owner = |mode: u32, uid: u32, gid: u32| format!(" mode={mode:04o} uid={uid} gid={gid}");
        let rest = match &mount.kind {
            MountKind::Bind { input, source, writable } => {
                format!(" from={input} source={}{}", path(source), flag("writable", *writable))
            }
            MountKind::Cache { id, sharing, readonly, from, mode, uid, gid } => {
                let from =
                    from.as_ref().map(|(input, source)| format!(" from={input} source={}", path(source)));
                format!(
                    " id={} sharing={}{}{}{}",
                    text(id),
                    word(words::SHARING, sharing),
                    flag("readonly", *readonly),
                    from.unwrap_or_default(),
                    owner(*mode, *uid, *gid)
                )
            }
            MountKind::Tmpfs { size } => format!(" size={size}"),
            MountKind::Secret { id, required, mode, uid, gid, env, file } => format!(
                " id={}{}{}{}{}",
                text(id),
                flag("required", *required),
                named("env", env.as_deref()),
                flag("no-file", !*file),
                owner(*mode, *uid, *gid)
            ),
            MountKind::Ssh { id, required, mode, uid, gid } => {
                format!(" id={}{}{}", text(id), flag("required", *required), owner(*mode, *uid, *gid))
            }
        };
        self.entry("mount", &format!("{} {}{rest}", mount.kind.name(), path(&mount.target)));
    }

    fn action(&mut self, action: &FileAction) {
        let owned = |owner: Option<&OwnerSpec>| {
            owner.map_or_else(String::new, |owner| {
                named("user", Some(&owner.user)) + &named("group", owner.group.as_deref())
            })
        };
        let mode = |chmod: Option<&Chmod>| match chmod {
            None => String::new(),
            Some(Chmod::Octal(mode)) => format!(" mode={mode:04o}"),
            Some(Chmod::Symbolic(text)) => named("chmod", Some(text)),
        };
        match action {
            FileAction::Copy(copy) => {
                let Copy { from, sources, dest, into_dir, owner, chmod, unpack, link, parents, exclude } =
                    &**copy;
                let exclude =
                    if exclude.is_empty() { String::new() } else { format!(" exclude={}", list(exclude)) };
                let flags = [
                    flag("foreign", from.foreign),
                    flag("into-dir", *into_dir),
                    flag("unpack", *unpack == Unpack::Archives),
                    flag("link", *link),
                    flag("parents", *parents),
                ];
                let (owner, mode) = (owned(owner.as_ref()), mode(chmod.as_ref()));
                let value = format!("{} {} from={}", list(sources), path(dest), from.input);
                self.entry("copy", &format!("{value}{}{owner}{mode}{exclude}", flags.concat()));
            }
            FileAction::MakeDir { path: dir, owner } => {
                self.entry("mkdir", &format!("{}{}", path(dir), owned(owner.as_ref())));
            }
            FileAction::Write { dest, name, into_dir, content, chmod, owner } => {
                let (owner, mode) = (owned(owner.as_ref()), mode(chmod.as_ref()));
                let value = format!("{} name={}{}", path(dest), text(name), flag("into-dir", *into_dir));
                self.entry("write", &format!("{value}{owner}{mode} content={}", quote(content)));
            }
        }
    }

    fn image(&mut self, image: &ImageOp) {
        self.config(&image.config);
        if let Some(author) = &image.author {
            self.entry("author", &text(author));
        }
        if let Some(base) = &image.base {
            self.entry("base", &text(&reference(base)));
        }
        for History { created, created_by, author, comment, empty_layer } in &image.base_history {
            let value = [
                named("created", created.as_deref()),
                named("by", created_by.as_deref()),
                named("author", author.as_deref()),
                named("comment", comment.as_deref()),
                flag("empty", *empty_layer),
            ];
            let _ = writeln!(self.text, "  base-history{}", value.concat());
        }
        for entry in &image.history {
            let node = entry.node.map(|node| format!(" {}", self.number(node))).unwrap_or_default();
            self.entry("history", &format!("{}{node}", text(&entry.created_by)));
        }
        for (name, value) in &image.annotations {
            self.entry("annotation", &format!("{} {}", text(name), text(value)));
        }
    }

    fn config(&mut self, config: &ContainerConfig) {
        self.text_entry("user", &config.user);
        for port in config.exposed_ports.keys() {
            self.entry("port", &text(port));
        }
        for value in &config.env {
            self.entry("env", &text(value));
        }
        for (key, words) in
            [("entrypoint", &config.entrypoint), ("cmd", &config.cmd), ("shell", &config.shell)]
        {
            if let Some(words) = words {
                self.entry(key, &list(words));
            }
        }
        if let Some(health) = &config.healthcheck {
            self.healthcheck(health);
        }
        self.flag_entry("args-escaped", config.args_escaped);
        for volume in config.volumes.keys() {
            self.entry("volume", &text(volume));
        }
        self.text_entry("workdir", &config.working_dir);
        for trigger in &config.on_build {
            self.entry("onbuild", &text(trigger));
        }
        for (name, value) in &config.labels {
            self.entry("label", &format!("{} {}", text(name), text(value)));
        }
        if let Some(signal) = &config.stop_signal {
            self.entry("stop-signal", &text(signal));
        }
    }

    fn healthcheck(&mut self, health: &Healthcheck) {
        let Healthcheck { test, interval, timeout, start_period, start_interval, retries } = health;
        let mut value = list(test);
        for (name, number) in [
            ("interval", interval),
            ("timeout", timeout),
            ("start-period", start_period),
            ("start-interval", start_interval),
            ("retries", retries),
        ] {
            if *number != 0 {
                let _ = write!(value, " {name}={number}");
            }
        }
        self.entry("healthcheck", &value);
    }
}

/// The name, without a tag that only was implied: read back, it is implied again.
fn reference(base: &Reference) -> String {
    if base.implied_tag() { format!("{}/{}", base.registry(), base.repository()) } else { base.to_string() }
}
