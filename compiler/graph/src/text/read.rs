//! Nodes with entries to a graph.

use std::collections::{BTreeMap, BTreeSet};

use imgc_base::diagnostic::did_you_mean;
use imgc_base::platform::Platform;
use imgc_base::span::{SourceId, Span};

use super::fields::Fields;
use super::tree::{Document, Entry, NodeText};
use super::{Fault, MAX_FAULTS, read_image, words};
use crate::exec::{CacheSharing, Exec, Mount, MountKind, Network, Security};
use crate::file::{Chmod, Copy, CopyFrom, FileAction, FileOp, OwnerSpec, Unpack};
use crate::graph::{Graph, Node, NodeId, Origin};
use crate::op::{Op, Source};
use crate::verify::MAX_NODES;

/// The operations by name.
const OPS: &[&str] =
    &["scratch", "pull", "context", "http", "git", "exec", "file", "merge", "diff", "image", "index"];

/// The ids of nodes that were read already, by their number in the text.
pub(super) type Known = BTreeMap<u32, NodeId>;

pub(super) fn graph(document: &Document) -> Result<Graph, Vec<Fault>> {
    let mut graph = Graph::new();
    let mut known = Known::new();
    let mut faults = Vec::new();
    if let Some(node) = document.nodes.get(MAX_NODES) {
        return Err(vec![Fault::new(node.number_at.clone(), format!("more than {MAX_NODES} nodes"))]);
    }
    let numbers: BTreeSet<u32> = document.nodes.iter().map(|node| node.number).collect();
    let look_up = |known: &Known, number: u32, at: &std::ops::Range<usize>| {
        known.get(&number).copied().ok_or_else(|| {
            let message = if numbers.contains(&number) {
                format!("`%{number}` is used before it is defined: inputs come first, a graph has no cycle")
            } else {
                format!("there is no node `%{number}`")
            };
            Fault::new(at.clone(), message)
        })
    };
    for text in &document.nodes {
        if faults.len() >= MAX_FAULTS {
            break;
        }
        if known.contains_key(&text.number) {
            faults.push(Fault::new(text.number_at.clone(), format!("`%{}` is defined twice", text.number)));
            continue;
        }
        let mut inputs = Vec::new();
        for (number, at) in &text.inputs {
            match look_up(&known, *number, at) {
                Ok(id) => inputs.push(id),
                Err(fault) => faults.push(fault),
            }
        }
        match node(text, &known, &mut faults) {
            Ok(node) => {
                known.insert(text.number, graph.add(node, &inputs));
            }
            Err(fault) => faults.push(fault),
        }
    }
    // After a fault, what follows from it is no news.
    for (number, at) in &document.targets {
        match look_up(&known, *number, at) {
            Ok(id) => graph.add_target(id),
            Err(fault) if faults.is_empty() => faults.push(fault),
            Err(_) => {}
        }
    }
    if faults.is_empty() { Ok(graph) } else { Err(faults) }
}

/// Entries that every node may have.
struct Common {
    platform: Option<Platform>,
    origin: Origin,
}

/// Reads one node; faults of its entries are collected, an unknown op is returned.
fn node(text: &NodeText, known: &Known, faults: &mut Vec<Fault>) -> Result<Node, Fault> {
    let mut common = Common { platform: None, origin: Origin::default() };
    let mut entries = Entries { text, known, faults, seen: BTreeSet::new(), common: &mut common };
    let op = match text.op.as_str() {
        "scratch" => {
            entries.each(&[], |_, _| Ok(false));
            Op::Source(Source::Scratch)
        }
        "pull" => pull(&mut entries),
        "context" => context(&mut entries),
        "http" => http(&mut entries),
        "git" => git(&mut entries),
        "exec" => Op::Exec(exec(&mut entries)),
        "file" => Op::File(file(&mut entries)),
        "merge" | "diff" | "index" => {
            entries.each(&[], |_, _| Ok(false));
            match text.op.as_str() {
                "merge" => Op::Merge,
                "diff" => Op::Diff,
                _ => Op::Index,
            }
        }
        "image" => Op::Image(Box::new(read_image::image(&mut entries))),
        other => {
            let near = did_you_mean(other, OPS.iter().copied());
            return Err(Fault::new(text.op_at.clone(), format!("unknown operation `{other}`")).help(near));
        }
    };
    let platform = common.platform.unwrap_or_else(|| Platform::new("linux", "amd64", ""));
    let op = match op {
        Op::Image(mut image) if !has(text, "image-platform") => {
            image.platform = platform.clone();
            Op::Image(image)
        }
        Op::Source(Source::Image { reference, digest, layers, .. }) if !has(text, "for") => {
            Op::Source(Source::Image { reference, digest, platform: platform.clone(), layers })
        }
        op => op,
    };
    Ok(Node { op, platform, origin: common.origin })
}

fn has(text: &NodeText, key: &str) -> bool {
    text.entries.iter().any(|entry| entry.key == key)
}

/// The entries of one node on their way to fields.
pub(super) struct Entries<'a> {
    text: &'a NodeText,
    pub(super) known: &'a Known,
    faults: &'a mut Vec<Fault>,
    seen: BTreeSet<&'a str>,
    common: &'a mut Common,
}

impl<'a> Entries<'a> {
    /// Reads each entry; `read` says false to a key that it does not know. Keys are there for suggestions.
    pub(super) fn each(
        &mut self,
        keys: &[&'static str],
        mut read: impl FnMut(&str, &mut Fields<'_>) -> Result<bool, Fault>,
    ) {
        let text = self.text;
        for entry in &text.entries {
            if let Err(fault) = self.entry(entry, keys, &mut read) {
                self.faults.push(fault);
            }
        }
    }

    fn entry(
        &mut self,
        entry: &'a Entry,
        keys: &[&'static str],
        read: &mut impl FnMut(&str, &mut Fields<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let mut fields = Fields::new(entry);
        match entry.key.as_str() {
            "platform" => self.common.platform = Some(fields.parsed()?),
            "step" => self.common.origin.step = fields.text()?,
            "title" => self.common.origin.title = fields.text()?,
            "span" => {
                let (source, start, end) = (fields.number()?, fields.number()?, fields.number()?);
                self.common.origin.span = Some(Span::new(SourceId(source), start, end));
            }
            key => {
                if !read(key, &mut fields)? {
                    let known = keys.iter().copied().chain(["platform", "step", "title", "span"]);
                    let near = did_you_mean(key, known);
                    let message = format!("`{}` has no entry `{key}`", self.text.op);
                    return Err(Fault::new(entry.at.clone(), message).help(near));
                }
            }
        }
        fields.finish()?;
        if !self.seen.insert(&entry.key) && !MANY.contains(&entry.key.as_str()) {
            return Err(Fault::new(entry.at.clone(), format!("`{}` is given twice", entry.key)));
        }
        Ok(())
    }

    /// A fault unless the key was there.
    fn require(&mut self, key: &str) {
        if !has(self.text, key) {
            self.faults
                .push(Fault::new(self.text.op_at.clone(), format!("`{}` needs `{key}`", self.text.op)));
        }
    }

    pub(super) fn node(&mut self, number: u32, at: std::ops::Range<usize>) -> Option<NodeId> {
        let id = self.known.get(&number).copied();
        if id.is_none() {
            self.faults.push(Fault::new(at, format!("there is no node `%{number}` before this one")));
        }
        id
    }
}

/// Keys that may stand more than once.
const MANY: &[&str] = &[
    "layer",
    "ignore",
    "env",
    "mount",
    "script",
    "copy",
    "mkdir",
    "write",
    "port",
    "volume",
    "onbuild",
    "label",
    "base-history",
    "history",
    "annotation",
];

fn pull(entries: &mut Entries<'_>) -> Op {
    let (mut reference, mut layers) = (String::new(), Vec::new());
    let mut digest = imgc_base::digest::BlobDigest::from_bytes([0; 32]);
    let mut platform = Platform::new("linux", "amd64", "");
    entries.each(&["reference", "digest", "for", "layer"], |key, fields| {
        match key {
            "reference" => reference = fields.text()?,
            "digest" => digest = fields.parsed()?,
            "for" => platform = fields.parsed()?,
            "layer" => layers.push(fields.parsed()?),
            _ => return Ok(false),
        }
        Ok(true)
    });
    entries.require("digest");
    Op::Source(Source::Image { reference, digest, platform, layers })
}

fn context(entries: &mut Entries<'_>) -> Op {
    let (mut name, mut ignore) = (String::new(), Vec::new());
    entries.each(&["name", "ignore"], |key, fields| {
        match key {
            "name" => name = fields.text()?,
            "ignore" => ignore.push(fields.text()?),
            _ => return Ok(false),
        }
        Ok(true)
    });
    Op::Source(Source::Context { name, ignore })
}

fn http(entries: &mut Entries<'_>) -> Op {
    let (mut url, mut checksum, mut filename) = (String::new(), None, None);
    entries.each(&["url", "checksum", "filename"], |key, fields| {
        match key {
            "url" => url = fields.text()?,
            "checksum" => checksum = Some(fields.parsed()?),
            "filename" => filename = Some(fields.text()?),
            _ => return Ok(false),
        }
        Ok(true)
    });
    entries.require("url");
    Op::Source(Source::Http { url, checksum, filename })
}

fn git(entries: &mut Entries<'_>) -> Op {
    let (mut remote, mut reference, mut subdir) = (String::new(), String::new(), String::new());
    let (mut keep_git_dir, mut submodules, mut checksum) = (false, true, None);
    let known = ["remote", "reference", "subdir", "keep-git-dir", "no-submodules", "checksum"];
    entries.each(&known, |key, fields| {
        match key {
            "remote" => remote = fields.text()?,
            "reference" => reference = fields.text()?,
            "subdir" => subdir = fields.text()?,
            "keep-git-dir" => keep_git_dir = true,
            "no-submodules" => submodules = false,
            "checksum" => checksum = Some(fields.text()?),
            _ => return Ok(false),
        }
        Ok(true)
    });
    entries.require("remote");
    Op::Source(Source::Git { remote, reference, subdir, keep_git_dir, submodules, checksum })
}

fn exec(entries: &mut Entries<'_>) -> Exec {
    let mut exec = Exec {
        args: Vec::new(),
        env: Vec::new(),
        cwd: imgc_base::path::ImagePath::root(),
        user: String::new(),
        mounts: Vec::new(),
        scripts: Vec::new(),
        network: Network::default(),
        security: Security::default(),
        hostname: String::new(),
    };
    let keys = ["args", "env", "cwd", "user", "mount", "script", "network", "security", "hostname"];
    entries.each(&keys, |key, fields| {
        match key {
            "args" => exec.args = fields.list()?,
            "env" => exec.env.push((fields.text()?, fields.text()?)),
            "cwd" => exec.cwd = fields.path()?,
            "user" => exec.user = fields.text()?,
            "mount" => exec.mounts.push(mount(fields)?),
            "script" => exec.scripts.push((fields.text()?, fields.text()?)),
            "network" => exec.network = fields.choice(words::NETWORK)?,
            "security" => exec.security = fields.choice(words::SECURITY)?,
            "hostname" => exec.hostname = fields.text()?,
            _ => return Ok(false),
        }
        Ok(true)
    });
    exec
}

fn mount(fields: &mut Fields<'_>) -> Result<Mount, Fault> {
    let kind = fields.choice(&[("bind", 0), ("cache", 1), ("tmpfs", 2), ("secret", 3), ("ssh", 4)])?;
    let target = fields.path()?;
    let kind = match kind {
        0 => MountKind::Bind {
            input: fields.named_number("from")?.unwrap_or(1),
            source: fields.named_path("source")?.unwrap_or_default(),
            writable: fields.flag("writable"),
        },
        1 => {
            let source = fields.named_path("source")?.unwrap_or_default();
            MountKind::Cache {
                id: fields.named_text("id")?.unwrap_or_default(),
                sharing: fields.named_choice("sharing", words::SHARING)?.unwrap_or(CacheSharing::Shared),
                readonly: fields.flag("readonly"),
                from: fields.named_number("from")?.map(|input| (input, source)),
                mode: fields.named_mode("mode")?.unwrap_or(0o755),
                uid: fields.named_number("uid")?.unwrap_or(0),
                gid: fields.named_number("gid")?.unwrap_or(0),
            }
        }
        2 => MountKind::Tmpfs { size: fields.named_number("size")?.unwrap_or(0) },
        3 => MountKind::Secret {
            id: fields.named_text("id")?.unwrap_or_default(),
            required: fields.flag("required"),
            mode: fields.named_mode("mode")?.unwrap_or(0o400),
            uid: fields.named_number("uid")?.unwrap_or(0),
            gid: fields.named_number("gid")?.unwrap_or(0),
            env: fields.named_text("env")?,
            file: !fields.flag("no-file"),
        },
        _ => MountKind::Ssh {
            id: fields.named_text("id")?.unwrap_or_default(),
            required: fields.flag("required"),
            mode: fields.named_mode("mode")?.unwrap_or(0o600),
            uid: fields.named_number("uid")?.unwrap_or(0),
            gid: fields.named_number("gid")?.unwrap_or(0),
        },
    };
    Ok(Mount { target, kind })
}

fn file(entries: &mut Entries<'_>) -> FileOp {
    let mut actions = Vec::new();
    entries.each(&["copy", "mkdir", "write"], |key, fields| {
        actions.push(match key {
            "copy" => FileAction::Copy(Box::new(Copy {
                sources: fields.list()?,
                dest: fields.path()?,
                from: CopyFrom {
                    input: fields.named_number("from")?.unwrap_or(1),
                    foreign: fields.flag("foreign"),
                },
                into_dir: fields.flag("into-dir"),
                owner: owner(fields)?,
                chmod: chmod(fields)?,
                unpack: if fields.flag("unpack") { Unpack::Archives } else { Unpack::Never },
                link: fields.flag("link"),
                parents: fields.flag("parents"),
                exclude: fields.named_list("exclude")?.unwrap_or_default(),
            })),
            "mkdir" => FileAction::MakeDir { path: fields.path()?, owner: owner(fields)? },
            "write" => FileAction::Write {
                dest: fields.path()?,
                name: fields.named_text("name")?.unwrap_or_default(),
                into_dir: fields.flag("into-dir"),
                content: fields.named_bytes("content")?.unwrap_or_default(),
                chmod: chmod(fields)?,
                owner: owner(fields)?,
            },
            _ => return Ok(false),
        });
        Ok(true)
    });
    FileOp { actions }
}

fn owner(fields: &mut Fields<'_>) -> Result<Option<OwnerSpec>, Fault> {
    let group = fields.named_text("group")?;
    Ok(fields.named_text("user")?.map(|user| OwnerSpec { user, group }))
}

fn chmod(fields: &mut Fields<'_>) -> Result<Option<Chmod>, Fault> {
    let symbolic = fields.named_text("chmod")?.map(Chmod::Symbolic);
    Ok(fields.named_mode("mode")?.map(Chmod::Octal).or(symbolic))
}
