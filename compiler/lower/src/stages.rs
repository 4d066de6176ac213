//! The stages of a file, and what names mean in it.

use imgc_base::Diagnostic;
use imgc_base::Reference;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Span;
use imgc_graph::World;
use imgc_syntax::dockerfile::ast::{Dockerfile, From, Instruction, Kind};
use imgc_syntax::giturl::{self, GitUrl};

use crate::code::{CIRCULAR, CONTEXT, STAGE_INDEX, STAGE_ORDER, TARGET};
use crate::options::Options;

/// One stage.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// Its `FROM`.
    pub(crate) from: &'a From,
    /// The instruction of that `FROM`.
    pub(crate) instruction: &'a Instruction,
    /// Its name in lower case.
    pub(crate) name: Option<String>,
    /// What follows the `FROM`.
    pub(crate) body: &'a [Instruction],
}

/// A file, cut into stages.
#[derive(Debug)]
pub(crate) struct Stages<'a> {
    /// What stands before the first `FROM`.
    pub(crate) global: &'a [Instruction],
    /// The stages in file order.
    pub(crate) list: Vec<Stage<'a>>,
}

/// What a name after `FROM`, `--from=` or `from=` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// The empty tree.
    Scratch,
    /// A stage of the file.
    Stage(usize),
    /// A named context.
    Context(String),
    /// An image.
    Image(String),
}

/// What a named context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Context {
    /// The empty tree.
    Scratch,
    /// An image, as the world calls it.
    Image(String),
    /// A directory.
    Directory,
    /// A git remote.
    Git(Box<GitUrl>),
    /// A file of a web server.
    Http(String),
}

impl<'a> Stages<'a> {
    /// Cuts a file.
    pub(crate) fn split(file: &'a Dockerfile) -> Self {
        let all = &file.instructions;
        let starts: Vec<usize> =
            all.iter().enumerate().filter(|(_, one)| one.is_from()).map(|(at, _)| at).collect();
        let end = |number: usize| starts.get(number + 1).copied().unwrap_or(all.len());
        let list = starts.iter().enumerate().filter_map(|(number, &start)| {
            let Kind::From(from) = &all[start].kind else { return None };
            let name = from.name.as_ref().map(|name| name.value.to_lowercase());
            Some(Stage { from, instruction: &all[start], name, body: &all[start + 1..end(number)] })
        });
        Self { global: &all[..starts.first().copied().unwrap_or(all.len())], list: list.collect() }
    }

    /// How messages call a stage.
    pub(crate) fn label(&self, index: usize) -> String {
        match self.list.get(index).and_then(|stage| stage.name.as_ref()) {
            Some(name) => name.clone(),
            None => format!("stage-{index}"),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter_map(|stage| stage.name.as_deref())
    }

    /// The last stage of a name before another; names are alike in any case.
    pub(crate) fn before(&self, name: &str, before: usize) -> Option<usize> {
        let name = name.to_lowercase();
        self.list[..before].iter().rposition(|stage| stage.name.as_ref() == Some(&name))
    }

    /// The stage to build.
    pub(crate) fn target(&self, wanted: Option<&str>) -> Result<usize, Diagnostic> {
        let Some(wanted) = wanted else { return Ok(self.list.len() - 1) };
        if let Some(index) = self.before(wanted, self.list.len()) {
            return Ok(index);
        }
        if let Some(index) = number(wanted).filter(|&index| index < self.list.len()) {
            return Ok(index);
        }
        let error = Diagnostic::error(TARGET, format!("target stage `{wanted}` could not be found"));
        let names: Vec<&str> = self.names().collect();
        Err(match did_you_mean(wanted, names.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => {
                error.note("no stage of the file has a name: write `FROM image AS name`")
            }
            None => error.note(format!("the file's stages are: {}", names.join(", "))),
        })
    }

    /// What a name after `FROM` means in a stage: an earlier stage, a named context, or an image.
    pub(crate) fn base(&self, name: &str, stage: usize, contexts: &Contexts<'_>) -> Named {
        if name == "scratch" {
            return Named::Scratch;
        }
        if let Some(earlier) = self.before(name, stage) {
            return Named::Stage(earlier);
        }
        contexts.find_image(name).map_or_else(|| Named::Image(name.to_owned()), Named::Context)
    }

    /// What a name after `--from=` means in a stage: the number or name of an earlier stage, else as after `FROM`.
    pub(crate) fn source(
        &self,
        name: &str,
        span: Span,
        stage: usize,
        contexts: &Contexts<'_>,
    ) -> Result<Named, Diagnostic> {
        if name.eq_ignore_ascii_case("scratch") {
            return Ok(Named::Scratch);
        }
        if let Some(index) = number(name) {
            if index >= self.list.len() {
                let count = self.list.len();
                return Err(Diagnostic::error(STAGE_INDEX, format!("invalid stage index {index}"))
                    .at(span, format!("the file has {count} {}", if count == 1 { "stage" } else { "stages" }))
                    .note("stages are counted from 0"));
            }
            return self.ordered(index, span, stage);
        }
        if let Some(earlier) = self.before(name, stage) {
            return Ok(Named::Stage(earlier));
        }
        if let Some(later) = self.before(name, self.list.len()) {
            return self.ordered(later, span, stage);
        }
        Ok(contexts.find_image(name).map_or_else(|| Named::Image(name.to_owned()), Named::Context))
    }

    fn ordered(&self, used: usize, span: Span, stage: usize) -> Result<Named, Diagnostic> {
        if used < stage {
            return Ok(Named::Stage(used));
        }
        if used == stage || self.reaches(used, stage) {
            let label = self.label(stage);
            return Err(Diagnostic::error(
                CIRCULAR,
                format!("circular dependency detected on stage: {label}"),
            )
            .at(span, if used == stage { "copies from itself" } else { "is made from this stage" })
            .at(self.list[used].instruction.span, "the stage copied from"));
        }
        let (from, to) = (self.label(used), self.label(stage));
        let message =
            format!("cannot copy from stage `{from}`, it needs to be defined before current stage `{to}`");
        Err(Diagnostic::error(STAGE_ORDER, message)
            .at(span, "used here")
            .at(
                self.list[used].from.name.as_ref().map_or(self.list[used].instruction.span, |name| name.span),
                "defined here",
            )
            .help(format!("move stage `{from}` above stage `{to}`")))
    }

    /// True if a stage's text names another one, directly or over others.
    fn reaches(&self, from: usize, to: usize) -> bool {
        let mut seen = vec![false; self.list.len()];
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let stage = &self.list[at];
            open.extend(self.before(&stage.from.image.value, at));
            for instruction in stage.body {
                let names: Vec<String> = match &instruction.kind {
                    Kind::Copy(copy) => copy.from.iter().map(|from| from.value.clone()).collect(),
                    Kind::Run(run) => {
                        run.mounts.iter().filter_map(|mount| mount_from(&mount.value)).collect()
                    }
                    _ => Vec::new(),
                };
                for name in names {
                    let index = number(&name).filter(|&index| index < self.list.len());
                    open.extend(index.or_else(|| self.before(&name, self.list.len())));
                }
            }
        }
        false
    }

    /// A stage whose name is near, for messages about images that were not found.
    pub(crate) fn near(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.names()).filter(|near| *near != name)
    }
}

/// The `from` of a mount's value before its variables are expanded.
pub(crate) fn mount_from(value: &str) -> Option<String> {
    // A variable in another field may make the whole unreadable now; it is read again when it is expanded.
    imgc_syntax::mount::parse_with(value, |_| Ok("1".to_owned()))
        .ok()
        .and_then(|mount| mount.from)
        .or_else(|| value.split(',').find_map(|field| field.trim().strip_prefix("from=").map(str::to_owned)))
}

/// A number without a sign.
pub(crate) fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The contexts given by name.
#[derive(Clone, Copy)]
pub(crate) struct Contexts<'a> {
    pub(crate) options: &'a Options,
    pub(crate) world: &'a dyn World,
}

impl Contexts<'_> {
    fn exists(&self, name: &str) -> bool {
        self.options.contexts.contains_key(name) || self.world.has_context(name)
    }

    /// The context that replaces a stage of this name.
    pub(crate) fn find_stage(&self, name: &str) -> Option<String> {
        let found = self.options.contexts.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
        found.or_else(|| self.world.has_context(name).then(|| name.to_owned()))
    }

    /// The context that replaces an image of this name. `:latest` makes no difference.
    pub(crate) fn find_image(&self, name: &str) -> Option<String> {
        if self.exists(name) {
            return Some(name.to_owned());
        }
        let canonical = |name: &str| -> Option<String> {
            let reference: Reference = name.parse().ok()?;
            Some(reference.to_string())
        };
        let wanted = canonical(name)?;
        self.options.contexts.keys().find(|key| canonical(key).as_ref() == Some(&wanted)).cloned()
    }

    /// What a context is.
    pub(crate) fn kind(&self, name: &str, span: Span) -> Result<Context, Diagnostic> {
        let Some(value) = self.options.contexts.get(name) else { return Ok(Context::Directory) };
        if let Some(image) = value.strip_prefix("docker-image://") {
            return Ok(if image == "scratch" { Context::Scratch } else { Context::Image(value.clone()) });
        }
        if value.starts_with("oci-layout://") || value.starts_with("oci:") {
            return Ok(Context::Image(value.clone()));
        }
        if let Some(target) = value.strip_prefix("target:") {
            return Err(Diagnostic::error(
                CONTEXT,
                format!("context `{name}` is the target `{target}` of a bake file"),
            )
            .at(span, "used here")
            .help("build that target first and give its image: `docker-image://NAME`"));
        }
        match giturl::parse(value) {
            Ok(Some(url)) if !url.like_a_path || !self.world.has_context(name) => {
                return Ok(Context::Git(Box::new(url)));
            }
            Ok(_) => {}
            Err(error) => {
                return Err(
                    Diagnostic::error(CONTEXT, format!("context `{name}`: {error}")).at(span, "used here")
                );
            }
        }
        if value.starts_with("http://") || value.starts_with("https://") {
            return Ok(Context::Http(value.clone()));
        }
        Ok(Context::Directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_sign() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("12"), Some(12));
        for text in ["", "+1", "-1", "1a", "99999999999999999999999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn the_from_of_a_mount() {
        assert_eq!(mount_from("type=bind,from=a,target=$x").as_deref(), Some("a"));
        assert_eq!(mount_from("type=cache,id=$x,mode=$m,from=b,target=/c").as_deref(), Some("b"));
        assert_eq!(mount_from("type=bind,target=/x"), None);
    }
}
