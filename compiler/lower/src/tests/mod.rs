//! Tests on whole files: a Dockerfile and a small world in, the graph or the errors out.

mod args;
mod copy;
mod errors;
mod images;
mod onbuild;
mod platforms;
mod random;
mod run;
mod stages;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imgc_base::config::ContainerConfig;
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::span::SourceMap;
use imgc_base::{Diagnostic, Platform};
use imgc_graph::world::FactKind;
use imgc_graph::{
    Exec, FactError, FileAction, Graph, ImageFacts, ImageOp, MountKind, NodeId, Op, Source, World,
};

use crate::{Lowered, Options, lower};

/// A world of a few images and one context.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    images: BTreeMap<String, ContainerConfig>,
    dirs: Vec<String>,
    asked: std::cell::RefCell<Vec<String>>,
}

impl Fake {
    /// `debian`, `alpine` (with an environment), `empty` (no layers).
    pub(crate) fn new() -> Self {
        let mut fake = Self::default();
        fake.has("debian", |_| {});
        fake.has("alpine", |config| {
            config.env = vec!["PATH=/bin".into(), "LANG=C".into()];
            config.cmd = Some(vec!["/bin/ash".into()]);
            config.working_dir = "/srv".into();
        });
        fake.has("empty", |_| {});
        fake
    }

    pub(crate) fn has(&mut self, name: &str, change: impl FnOnce(&mut ContainerConfig)) {
        let mut config = ContainerConfig::default();
        change(&mut config);
        self.images.insert(name.to_owned(), config);
    }
}

impl World for Fake {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageFacts, FactError> {
        self.asked.borrow_mut().push(format!("{name} {platform}"));
        let bare = name.strip_prefix("docker-image://").unwrap_or(name);
        let Some(config) = self.images.get(bare) else {
            return Err(FactError {
                kind: FactKind::NotFound,
                message: format!("no image `{name}`"),
                notes: Vec::new(),
                help: None,
            });
        };
        let key = format!("{bare} {platform}");
        Ok(ImageFacts {
            reference: bare.parse().ok(),
            digest: BlobDigest::of(key.as_bytes()),
            platform: platform.clone(),
            config: config.clone(),
            history: Vec::new(),
            author: None,
            layers: if bare == "empty" { Vec::new() } else { vec![DiffId::of(key.as_bytes())] },
        })
    }

    fn has_context(&self, name: &str) -> bool {
        self.dirs.iter().any(|dir| dir == name)
    }

    fn ignore(&self, context: &str) -> Result<Vec<String>, FactError> {
        Ok(if context.is_empty() { vec!["*.log".to_owned()] } else { Vec::new() })
    }
}

/// Options for `linux/amd64`.
pub(crate) fn options() -> Options {
    Options { build_platform: "linux/amd64".parse().unwrap(), ..Options::default() }
}

/// Parses and lowers.
pub(crate) fn run(text: &str, options: &Options, world: &dyn World) -> Result<Lowered, Vec<Diagnostic>> {
    let mut sources = SourceMap::default();
    let id = sources.add("Dockerfile", text);
    let parsed = imgc_syntax::dockerfile::parse(id, text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    let lowered = lower(&parsed.dockerfile, &mut sources, options, world)?;
    if let Err(faults) = imgc_graph::verify::verify(&lowered.graph) {
        panic!("{faults:?}\n{text}");
    }
    Ok(lowered)
}

/// The graph of a right file.
pub(crate) fn graph(text: &str) -> Graph {
    match run(text, &options(), &Fake::new()) {
        Ok(lowered) => lowered.graph,
        Err(errors) => panic!("{}", shown(&errors, text)),
    }
}

/// The printed graph of a right file.
pub(crate) fn printed(text: &str) -> String {
    print(&graph(text))
}

/// The one image of a right file.
pub(crate) fn image(text: &str) -> ImageOp {
    image_of(&graph(text))
}

pub(crate) fn image_of(graph: &Graph) -> ImageOp {
    match &graph.node(graph.targets()[0]).op {
        Op::Image(image) => (**image).clone(),
        other => panic!("{other:?}"),
    }
}

/// The commands of a right file, in order.
pub(crate) fn execs(text: &str) -> Vec<Exec> {
    let graph = graph(text);
    let all = graph.nodes().filter_map(|id| match &graph.node(id).op {
        Op::Exec(exec) => Some(exec.clone()),
        _ => None,
    });
    all.collect()
}

/// The history of a right file.
pub(crate) fn history(text: &str) -> Vec<String> {
    image(text).history.into_iter().map(|entry| entry.created_by).collect()
}

/// The errors of a wrong file, as `CODE LINE:COLUMN message`.
pub(crate) fn errors(text: &str) -> String {
    errors_with(text, &options(), &Fake::new())
}

pub(crate) fn errors_with(text: &str, options: &Options, world: &dyn World) -> String {
    let parsed = imgc_syntax::dockerfile::parse(imgc_base::SourceId(0), text);
    if !parsed.diagnostics.is_empty() {
        return format!("(parser) {}", shown(&parsed.diagnostics, text));
    }
    match run(text, options, world) {
        Err(errors) => shown(&errors, text),
        Ok(_) => "no error\n".to_owned(),
    }
}

/// Diagnostics, one a line, with their helps.
pub(crate) fn shown(diagnostics: &[Diagnostic], text: &str) -> String {
    let mut sources = SourceMap::default();
    sources.add("", text);
    let mut out = String::new();
    for one in diagnostics {
        let place = one.labels.first().and_then(|label| sources.locate(label.span)).unwrap_or_default();
        writeln!(out, "{} {} {}", one.code, place.trim_start_matches(':'), one.message).unwrap();
        for help in &one.helps {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}

/// A graph for snapshots: one node a line, then what matters of it.
pub(crate) fn print(graph: &Graph) -> String {
    let mut out = String::new();
    for id in graph.nodes() {
        let node = graph.node(id);
        let inputs: Vec<String> =
            graph.inputs(id).iter().map(|input| format!("%{}", input.index())).collect();
        let head = format!("%{} = {}({}) {}", id.index(), node.op.name(), inputs.join(", "), node.platform);
        let step = if node.origin.step.is_empty() { String::new() } else { format!(" {}", node.origin.step) };
        writeln!(out, "{head}{step} {}", node.origin.title).unwrap();
        details(&mut out, graph, id);
    }
    out
}

fn details(out: &mut String, graph: &Graph, id: NodeId) {
    match &graph.node(id).op {
        Op::Source(Source::Image { reference, .. }) => writeln!(out, "    {reference}").unwrap(),
        Op::Source(Source::Scratch) | Op::Merge | Op::Diff | Op::Index => {}
        Op::Source(other) => writeln!(out, "    {other:?}").unwrap(),
        Op::Exec(exec) => {
            writeln!(out, "    args {:?}", exec.args).unwrap();
            let env: Vec<String> = exec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
            writeln!(out, "    env {}", env.join(" ")).unwrap();
            if !exec.cwd.is_root() || !exec.user.is_empty() {
                writeln!(out, "    in {} as {:?}", exec.cwd, exec.user).unwrap();
            }
            for mount in &exec.mounts {
                writeln!(out, "    mount {} {:?}", mount.target, mount.kind).unwrap();
            }
            for (name, script) in &exec.scripts {
                writeln!(out, "    script {name} {script:?}").unwrap();
            }
        }
        Op::File(file) => {
            for action in &file.actions {
                match action {
                    FileAction::Copy(copy) => writeln!(out, "    {copy:?}").unwrap(),
                    other => writeln!(out, "    {other:?}").unwrap(),
                }
            }
        }
        Op::Image(image) => {
            writeln!(out, "    config {}", serde_json::to_string(&image.config).unwrap()).unwrap();
            for entry in &image.history {
                let node = entry.node.map(|node| format!(" %{}", node.index())).unwrap_or_default();
                writeln!(out, "    history{node} {:?}", entry.created_by).unwrap();
            }
        }
    }
}

/// The names of mounts' kinds with their targets.
pub(crate) fn mounts(exec: &Exec) -> Vec<(String, MountKind)> {
    exec.mounts.iter().map(|mount| (mount.target.to_absolute(), mount.kind.clone())).collect()
}

#[test]
fn a_usual_file() {
    insta::assert_snapshot!(printed(
        "ARG VERSION=12\n\
         FROM alpine AS build\n\
         ARG MODE=fast\n\
         WORKDIR /src\n\
         COPY go.mod go.sum ./\n\
         RUN go mod download\n\
         COPY . .\n\
         RUN --mount=type=cache,target=/root/.cache make $MODE\n\
         FROM debian\n\
         ENV A=1 B=\"two words\"\n\
         COPY --from=build --chown=app:app --chmod=0755 /src/out /usr/bin/app\n\
         LABEL x=y\n\
         EXPOSE 80 53/udp\n\
         USER app\n\
         CMD [\"app\"]\n"
    ));
}
