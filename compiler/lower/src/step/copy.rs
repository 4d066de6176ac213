//! `COPY` and `ADD`

use imgc_base::Diagnostic;
use imgc_base::path::ImagePath;
use imgc_base::span::Span;
use imgc_graph::{Chmod, Copy, CopyFrom, FileAction, FileOp, NodeId, Op, OwnerSpec, Unpack};
use imgc_syntax::dockerfile::ast::{self, CopySource, Heredoc, Word};
use imgc_syntax::expand::Lexer;

use super::mount::number;
use super::remote::{self, Address, Fetched};
use super::{Outcome, add, chmod, owner, word};
use crate::build::{Builder, Place};
use crate::code::{CHECKSUM, CHOWN, PATH, SOURCE};
use crate::env::expand_error;
use crate::gofmt::append;
use crate::nodes::Input;
use crate::state::State;

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Copy,
    Add,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Copy => "COPY",
            Self::Add => "ADD",
        }
    }
}

/// The flags and destination, expanded.
#[derive(Debug)]
struct Expanded {
    dest: String,
    path: ImagePath,
    into_dir: bool,
    chown: Option<(String, OwnerSpec)>,
    chmod: Option<(String, Chmod)>,
    checksum: Option<(String, Span)>,
}

/// One source, expanded.
#[derive(Debug)]
struct Source {
    text: String,
    address: Address,
    span: Span,
}

pub(super) fn lower(
    builder: &mut Builder<'_, '_>,
    state: &mut State,
    place: &mut Place<'_>,
    copy: &ast::Copy,
    name: Name,
) -> Outcome {
    let mut errors = Vec::new();
    let expanded = flags(builder, state, copy, &mut errors);
    let sources = sources(builder, state, copy, name, &mut errors);
    let bodies = bodies(state, copy, &mut errors);
    if let Some(expanded) = &expanded {
        check(copy, expanded, &sources, bodies.len(), &mut errors);
    }
    let from = match &copy.from {
        None => None,
        Some(from) => match builder.input(&from.value, from.span, place.stage) {
            Ok(Some(input)) => Some(input),
            // Its stage failed, which is reported.
            Ok(None) => return if errors.is_empty() { Ok(()) } else { Err(errors) },
            Err(error) => {
                errors.push(error);
                None
            }
        },
    };
    let (true, Some(expanded)) = (errors.is_empty(), expanded) else { return Err(errors) };
    let mut work = Work { copy, name, expanded: &expanded, inputs: vec![state.root], actions: Vec::new() };
    for source in &sources {
        if let Err(error) = work.source(builder, source, from) {
            errors.push(error);
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for (heredoc, content) in bodies {
        work.write(heredoc, content);
    }
    let Work { inputs, actions, .. } = work;
    let created_by = history(copy, name, &expanded, &sources);
    let title =
        format!("{} {}{}", name.text(), shown_flags(copy), shown_paths(copy, &sources, &expanded.dest));
    let op = Op::File(FileOp { actions });
    let node: NodeId = add(builder, state, place, op, &title, &inputs);
    state.step(created_by, node);
    Ok(())
}

fn flags(
    builder: &Builder<'_, '_>,
    state: &State,
    copy: &ast::Copy,
    errors: &mut Vec<Diagnostic>,
) -> Option<Expanded> {
    let mut expand = |flag: &Option<Word>| -> Option<(String, Span)> {
        let flag = flag.as_ref()?;
        match word(builder, state, flag) {
            // A flag that expands to nothing counts as not given.
            Ok(done) => (!done.text.is_empty()).then_some((done.text, flag.span)),
            Err(error) => {
                errors.push(error);
                None
            }
        }
    };
    let (chown, chmod, checksum) = (expand(&copy.chown), expand(&copy.chmod), expand(&copy.checksum));
    let dest = match word(builder, state, &copy.dest) {
        Ok(done) => done.text,
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let mut keep = |result: Result<_, Diagnostic>| result.map_err(|error| errors.push(error)).ok();
    let chmod = chmod.and_then(|(text, span)| keep(chmod::parse(&text, span)).map(|mode| (text, mode)));
    let path = match state.cwd.resolve(&dest) {
        Ok(path) => path,
        Err(error) => {
            errors.push(Diagnostic::error(PATH, error.to_string()).at(copy.dest.span, "no path of an image"));
            return None;
        }
    };
    let chown = chown.and_then(|(text, span)| match owner::parse(&text, span) {
        Ok(owner) if copy.link && copy.chmod.is_none() && !owner.is_numeric() => {
            errors.push(
                Diagnostic::error(CHOWN, format!("`--link` with the owner `{text}` needs numbers"))
                    .at(span, "a name is looked up in the root, which `--link` does not look at")
                    .help("write the numbers: `--chown=1000:1000`"),
            );
            None
        }
        Ok(owner) => Some((text, owner)),
        Err(error) => {
            errors.push(error);
            None
        }
    });
    let last = dest.rsplit('/').next().unwrap_or_default();
    let into_dir = path.is_root() || matches!(last, "" | "." | "..");
    Some(Expanded { dest, path, into_dir, chown, chmod, checksum })
}

fn sources(
    builder: &Builder<'_, '_>,
    state: &State,
    copy: &ast::Copy,
    name: Name,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Source> {
    let mut sources = Vec::new();
    for source in &copy.sources {
        let CopySource::Path(path) = source else { continue };
        let text = match word(builder, state, path) {
            Ok(done) => done.text,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        // A source that expands to nothing is the root, as in BuildKit. With `--parents` paths stay as they are written.
        let text = if text.is_empty() && copy.parents { ".".to_owned() } else { text };
        match remote::recognise(&text, path.span) {
            Ok(address) => {
                if name == Name::Copy && address != Address::Path {
                    let what = if address == Address::Http { "URL" } else { "git ref" };
                    errors.push(
                        Diagnostic::error(SOURCE, format!("source can't be a {what} for COPY"))
                            .at(path.span, "COPY takes files of the context or of a stage")
                            .help("use ADD"),
                    );
                } else {
                    sources.push(Source { text, address, span: path.span });
                }
            }
            Err(error) => errors.push(error),
        }
    }
    sources
}

/// The contents of heredocs.
fn bodies<'c>(
    state: &State,
    copy: &'c ast::Copy,
    errors: &mut Vec<Diagnostic>,
) -> Vec<(&'c Heredoc, Vec<u8>)> {
    let mut bodies = Vec::new();
    for source in &copy.sources {
        let CopySource::Heredoc(heredoc) = source else { continue };
        let plain = ImagePath::clean(&heredoc.name)
            .is_ok_and(|path| path.as_bytes() == heredoc.name.as_bytes() && path.parts().count() == 1);
        if !plain {
            errors.push(
                Diagnostic::error(PATH, format!("`{}` is no name of a file", heredoc.name))
                    .at(heredoc.span, "the heredoc's name is the file's"),
            );
            continue;
        }
        if !heredoc.expand {
            bodies.push((heredoc, heredoc.body.clone().into_bytes()));
            continue;
        }
        match Lexer::heredoc().expand(&heredoc.body, &state.env) {
            Ok(done) => bodies.push((heredoc, done.text.into_bytes())),
            Err(error) => errors.push(expand_error(&error, &heredoc.body, heredoc.span, &state.env)),
        }
    }
    bodies
}

/// What goes together and what does not.
fn check(
    copy: &ast::Copy,
    expanded: &Expanded,
    sources: &[Source],
    bodies: usize,
    errors: &mut Vec<Diagnostic>,
) {
    if let Some((_, span)) = &expanded.checksum {
        let error = |message: &str, label: &str| Diagnostic::error(CHECKSUM, message).at(*span, label);
        if sources.len() + bodies != 1 {
            errors.push(error("checksum can't be specified for multiple sources", "of which source?"));
        } else if sources.iter().all(|source| source.address == Address::Path) {
            errors.push(error(
                "checksum requires HTTP(S) or Git sources",
                "the source is a file of the context",
            ));
        }
    }
    if let (Some(from), true) = (&copy.from, bodies > 0) {
        errors.push(
            Diagnostic::error(SOURCE, "a heredoc can't come from elsewhere")
                .at(from.span, "`--from` and a heredoc")
                .help("write two instructions"),
        );
    }
}

/// Collects actions and inputs.
struct Work<'w> {
    copy: &'w ast::Copy,
    name: Name,
    expanded: &'w Expanded,
    inputs: Vec<NodeId>,
    actions: Vec<FileAction>,
}

impl Work<'_> {
    fn source(
        &mut self,
        builder: &mut Builder<'_, '_>,
        source: &Source,
        from: Option<Input>,
    ) -> Result<(), Diagnostic> {
        let checksum = self.expanded.checksum.as_ref().map(|(text, span)| (text.as_str(), *span));
        let fetched = match &source.address {
            Address::Path => {
                let input = match from {
                    Some(input) => input,
                    None => builder.nodes.directory("", builder.world, source.span)?,
                };
                let unpacks = self.copy.unpack.unwrap_or(self.name == Name::Add);
                let unpack = if unpacks { Unpack::Archives } else { Unpack::Never };
                let path = if self.copy.parents {
                    // The first `/./` is a pivot; it must not be cleaned away.
                    source.text.trim_start_matches('/').to_owned()
                } else {
                    clean(&source.text, source.span)?
                };
                let input_number = number(input.node, &mut self.inputs);
                // Paths of one input next to each other are one action.
                if let Some(FileAction::Copy(last)) = self.actions.last_mut()
                    && last.from.input == input_number
                {
                    last.sources.push(path);
                    return Ok(());
                }
                Fetched { input, path, unpack }
            }
            Address::Http => {
                let unpack = self.copy.unpack.unwrap_or(false);
                remote::http(builder, &source.text, checksum, unpack, source.span)?
            }
            Address::Git(url) => remote::git(builder, url, self.copy.keep_git_dir, checksum, source.span)?,
        };
        let from =
            CopyFrom { input: number(fetched.input.node, &mut self.inputs), foreign: fetched.input.foreign };
        self.actions.push(FileAction::Copy(Box::new(Copy {
            from,
            sources: vec![fetched.path],
            dest: self.expanded.path.clone(),
            into_dir: self.expanded.into_dir,
            owner: self.owner(),
            chmod: self.chmod(),
            unpack: fetched.unpack,
            // With `--chmod` the link is not made, as in the reference implementation.
            link: self.copy.link && self.expanded.chmod.is_none(),
            parents: self.copy.parents,
            exclude: self.copy.exclude.iter().map(|pattern| pattern.value.clone()).collect(),
        })));
        Ok(())
    }

    fn write(&mut self, heredoc: &Heredoc, content: Vec<u8>) {
        self.actions.push(FileAction::Write {
            dest: self.expanded.path.clone(),
            name: heredoc.name.clone(),
            into_dir: self.expanded.into_dir,
            content,
            chmod: self.chmod(),
            owner: self.owner(),
        });
    }

    fn owner(&self) -> Option<OwnerSpec> {
        self.expanded.chown.as_ref().map(|(_, owner)| owner.clone())
    }

    fn chmod(&self) -> Option<Chmod> {
        self.expanded.chmod.as_ref().map(|(_, chmod)| chmod.clone())
    }
}

/// A source relative to the root it is copied from; `..` at the root stays there.
fn clean(text: &str, span: Span) -> Result<String, Diagnostic> {
    if text.contains('\0') || text.len() > 4 * imgc_base::path::MAX_PATH {
        return Err(Diagnostic::error(PATH, "a source that is no path").at(span, "no path of an image"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

fn history(copy: &ast::Copy, name: Name, expanded: &Expanded, sources: &[Source]) -> String {
    let mut text = name.text().to_owned();
    if copy.parents {
        text.push_str(" --parents");
    }
    if let Some((chown, _)) = &expanded.chown {
        append(&mut text, format_args!(" --chown={chown}"));
    }
    if let Some((chmod, _)) = &expanded.chmod {
        append(&mut text, format_args!(" --chmod={chmod}"));
    }
    format!("{text} {} # buildkit", shown_paths(copy, sources, &expanded.dest))
}

fn shown_paths(copy: &ast::Copy, sources: &[Source], dest: &str) -> String {
    let mut parts: Vec<String> = sources.iter().map(|source| source.text.clone()).collect();
    for source in &copy.sources {
        if let CopySource::Heredoc(heredoc) = source {
            parts.push(format!("<<{}", heredoc.name));
        }
    }
    parts.push(dest.to_owned());
    parts.join(" ")
}

/// The flags as written, for titles.
fn shown_flags(copy: &ast::Copy) -> String {
    let mut text = String::new();
    let words =
        [("from", &copy.from), ("chown", &copy.chown), ("chmod", &copy.chmod), ("checksum", &copy.checksum)];
    for (flag, value) in words {
        if let Some(value) = value {
            append(&mut text, format_args!("--{flag}={} ", value.value));
        }
    }
    for (flag, given) in [("link", copy.link), ("parents", copy.parents)] {
        if given {
            append(&mut text, format_args!("--{flag} "));
        }
    }
    for (flag, given) in [("keep-git-dir", copy.keep_git_dir), ("unpack", copy.unpack)] {
        if let Some(given) = given {
            append(&mut text, format_args!("--{flag}={given} "));
        }
    }
    for pattern in &copy.exclude {
        append(&mut text, format_args!("--exclude={} ", pattern.value));
    }
    text
}
