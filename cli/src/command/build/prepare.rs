//! Everything before the first step runs: read, parse, lower, optimise.

use std::path::Path;

use imgc_base::diagnostic::{Diagnostic, Severity};
use imgc_base::event::EventSink;
use imgc_base::span::{SourceId, SourceMap};
use imgc_execute::{Bases, NamedContext};
use imgc_graph::{Graph, Op, Source};
use imgc_lower::checks::{self, CheckContext};
use imgc_registry::Client;
use imgc_store::Store;

use super::args::Args;
use super::context::{self, Input};
use super::options::{self, Asked};
use super::remote::With;
use crate::command::check;
use crate::failure::{Failure, code};
use crate::session::Session;

/// Largest graph file that is read, in bytes.
const GRAPH_BYTES: u64 = 64 << 20;

/// What is to be built, as it was asked for.
#[derive(Debug)]
pub struct Request {
    /// The Dockerfile and its context.
    pub input: Input,
    /// The options.
    pub asked: Asked,
    ignores: Vec<(String, Vec<String>)>,
}

impl Request {
    /// Reads the Dockerfile, the ignore files and the options.
    pub fn read(session: &Session, store: &Store, args: &Args) -> Result<Self, Failure> {
        // Wrong usage is said before anything is fetched.
        let mut asked = options::translate(session, args)?;
        let with = With {
            secrets: asked.build.secrets.clone(),
            keep_git_dir: matches!(
                asked.lower.build_arg("BUILDKIT_CONTEXT_KEEP_GIT_DIR"),
                Some("1" | "true" | "TRUE" | "True" | "t" | "T")
            ),
        };
        let input = match &args.graph {
            Some(path) => graph_input(args, path)?,
            None => context::read(session, store, &args.context, args.file.as_deref(), &with)?,
        };
        asked.lower.dockerfile_name = Path::new(&input.name)
            .file_name()
            .map_or_else(|| "Dockerfile".to_owned(), |name| name.to_string_lossy().into_owned());
        let asked_for = args.epoch.is_some()
            || asked.lower.build_args.contains_key(options::EPOCH)
            || environment_epoch();
        if !asked_for && args.graph.is_none() {
            let parsed = imgc_syntax::dockerfile::parse(SourceId(0), &input.text);
            if let Some(text) = imgc_lower::epoch_argument(&parsed.dockerfile, &asked.lower) {
                asked.build.epoch = options::read_epoch("ARG SOURCE_DATE_EPOCH of the file", &text)
                    .map_err(|failure| Failure { code: code::SPEC, ..failure })?;
            }
        }
        let mut ignores = vec![(String::new(), input.ignore.clone())];
        if let Some(dir) = &input.context {
            asked.build.contexts.insert(String::new(), dir.clone());
        }
        for (name, context) in &asked.contexts {
            if let NamedContext::Directory(dir) = context {
                asked.build.contexts.insert(name.clone(), dir.clone());
                ignores.push((name.clone(), context::read_ignore(dir, None)?));
            }
        }
        Ok(Self { input, asked, ignores })
    }

    /// Where base images come from. One value serves lowering and the build: what lowering found, the build brings.
    pub fn bases<'a>(
        &self,
        session: &'a Session,
        store: &'a Store,
        client: Option<&'a Client>,
        sink: &'a dyn EventSink,
        refresh: bool,
    ) -> Bases<'a> {
        let mut bases = Bases::new(store, &session.cancel, sink);
        if let Some(client) = client {
            bases = bases.with_registry(client, refresh);
        }
        for (name, context) in &self.asked.contexts {
            bases = bases.with_context(name, context.clone());
        }
        for (name, patterns) in &self.ignores {
            bases = bases.with_ignore(name, patterns.clone());
        }
        bases
    }
}

fn environment_epoch() -> bool {
    crate::environment::get(options::EPOCH).is_some()
}

/// A graph file stands in for the Dockerfile; the context is still a directory.
fn graph_input(args: &Args, path: &Path) -> Result<Input, Failure> {
    let file = fs_err::File::open(path).map_err(|error| Failure::usage(error.to_string()))?;
    let text = context::read_limited(&path.display().to_string(), file, GRAPH_BYTES)?;
    let dir = std::path::PathBuf::from(&args.context);
    Ok(Input { name: path.display().to_string(), text, context: Some(dir), ignore: Vec::new(), _held: None })
}

/// A build that is ready to run.
#[derive(Debug)]
pub struct Prepared {
    /// The texts.
    pub sources: SourceMap,
    /// The graph before the optimiser.
    pub plain: Graph,
    /// The graph after the optimiser, and the layer plan.
    pub optimised: imgc_optimise::Optimised,
    /// Things to say that do not stop the build.
    pub warnings: Vec<Diagnostic>,
}

impl Prepared {
    /// Parses, lowers, optimises.
    pub fn new(args: &Args, request: &Request, bases: &Bases<'_>) -> Result<Self, Failure> {
        let mut sources = SourceMap::default();
        let (plain, warnings) = if args.graph.is_some() {
            (from_graph(request, bases)?, Vec::new())
        } else {
            from_dockerfile(request, bases, &mut sources)?
        };
        if let Err(errors) = imgc_graph::verify::verify(&plain) {
            let mut failure = Failure::new(code::SPEC, "the graph is wrong");
            failure.notes = errors.iter().map(ToString::to_string).collect();
            return Err(failure);
        }
        let optimised = imgc_optimise::optimise(&plain, &request.asked.optimise);
        Ok(Self { sources, plain, optimised, warnings })
    }
}

impl Prepared {
    /// Those of some names that name no step and no stage with steps.
    pub fn unknown_steps<'n>(&self, names: &'n std::collections::BTreeSet<String>) -> Vec<&'n str> {
        let only = |name: &String| imgc_execute::NoCache::Only([name.clone()].into());
        let known = |name: &String| {
            let only = only(name);
            self.plain.nodes().any(|id| only.covers(&self.plain.node(id).origin.step))
        };
        names.iter().filter(|name| !known(name)).map(String::as_str).collect()
    }
}

fn from_dockerfile(
    request: &Request,
    bases: &Bases<'_>,
    sources: &mut SourceMap,
) -> Result<(Graph, Vec<Diagnostic>), Failure> {
    let id = sources.add(request.input.name.clone(), request.input.text.as_str());
    let parsed = imgc_syntax::dockerfile::parse(id, &request.input.text);
    let (errors, mut warnings): (Vec<_>, Vec<_>) =
        parsed.diagnostics.into_iter().partition(|found| found.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(Failure::diagnostics(errors, std::mem::take(sources)));
    }
    match imgc_lower::lower(&parsed.dockerfile, sources, &request.asked.lower, bases) {
        Ok(lowered) => {
            warnings.extend(lowered.diagnostics);
            let context = CheckContext {
                options: &request.asked.lower,
                ignore: &request.input.ignore,
                world: Some(bases),
                all_stages: false,
            };
            let findings = checks::run(&parsed.dockerfile, &context);
            // `# check=error=true` makes findings errors.
            if findings.iter().any(|found| found.severity == Severity::Error) {
                // A directive that does not read is an error of the file.
                let rules = findings.iter().all(|found| check::rule_of(found).is_some());
                let mut failure = Failure::diagnostics(findings, std::mem::take(sources));
                if rules {
                    failure.code = code::FINDINGS;
                }
                return Err(failure);
            }
            warnings.extend(findings);
            Ok((lowered.graph, warnings))
        }
        Err(diagnostics) => Err(Failure::diagnostics(diagnostics, std::mem::take(sources))),
    }
}

/// A graph in its text form. Its images are looked for by name and must be the ones it names by digest.
fn from_graph(request: &Request, bases: &Bases<'_>) -> Result<Graph, Failure> {
    let graph = imgc_graph::text::parse(&request.input.text).map_err(|errors| {
        let mut failure = Failure::new(code::SPEC, format!("`{}` is no graph", request.input.name));
        failure.notes = errors.iter().map(ToString::to_string).collect();
        failure
    })?;
    for id in graph.nodes() {
        if let Op::Source(Source::Image { reference, digest, platform, layers }) = &graph.node(id).op {
            let found = bases.find(reference, platform)?;
            if found.descriptor.digest != *digest {
                return Err(Failure::new(
                    code::SPEC,
                    format!("`{reference}` is not the image that the graph names"),
                )
                .note(format!("the graph: {digest}"))
                .note(format!("found: {}", found.descriptor.digest)));
            }
            // Keys are made of the layers: with others two images could be taken for one.
            if found.config.rootfs.diff_ids != *layers {
                return Err(Failure::new(
                    code::SPEC,
                    format!("{} of the graph has not the layers of `{reference}`", graph.name(id)),
                )
                .note(format!("the graph: {}", list(layers)))
                .note(format!("found: {}", list(&found.config.rootfs.diff_ids))));
            }
        }
    }
    Ok(graph)
}

fn list(layers: &[imgc_base::digest::DiffId]) -> String {
    if layers.is_empty() {
        return "none".to_owned();
    }
    layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
