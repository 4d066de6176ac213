//! The AST of a Dockerfile: what was written and where, before any name or variable is resolved.
//!
//! A [`Word`] is text whose variables are expanded later, in the scope that only lowering knows. Everything that
//! the grammar alone decides (flags, forms, heredocs, durations) is already a value here.

use imgc_base::span::{Span, Spanned};

/// A text that may hold variables and quotes; expanded in lowering by [`crate::expand`].
pub type Word = Spanned<String>;

/// A parsed Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The parser directives at the top.
    pub directives: Directives,
    /// Every instruction that parsed, in file order.
    pub instructions: Vec<Instruction>,
}

/// Parser directives (`# key=value` at the very top).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `\` or `` ` ``.
    pub escape: char,
    /// The value of `syntax`.
    pub syntax: Option<Spanned<String>>,
    /// The value of `check`, unparsed.
    pub check: Option<Spanned<String>>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// From the keyword to the end of the last line or heredoc body.
    pub span: Span,
    /// 1-based first line.
    pub line: u32,
    /// The keyword as it was written.
    pub keyword: Spanned<String>,
    /// The text after the keyword and its flags, with continuations joined and comments removed: what history shows.
    pub text: String,
    /// The comment lines directly above, without `#`, trimmed.
    pub comments: Vec<Spanned<String>>,
    /// Blank lines within continuations, for the build check.
    pub empty_continuation: Option<Span>,
    /// What it says.
    pub kind: Kind,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `FROM`
    From(From),
    /// `RUN`
    Run(Run),
    /// `CMD`
    Cmd(Command),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `LABEL`
    Label(Pairs),
    /// `ENV`
    Env(Pairs),
    /// `MAINTAINER`
    Maintainer(Spanned<String>),
    /// `EXPOSE`
    Expose(Vec<Word>),
    /// `ADD`
    Add(Copy),
    /// `COPY`
    Copy(Copy),
    /// `VOLUME`
    Volume(Vec<Word>),
    /// `USER`
    User(Word),
    /// `WORKDIR`
    Workdir(Word),
    /// `ARG`
    Arg(Vec<ArgDecl>),
    /// `ONBUILD`
    Onbuild(Onbuild),
    /// `STOPSIGNAL`
    Stopsignal(Word),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `SHELL`
    Shell(Vec<Spanned<String>>),
}

/// `FROM [--platform=P] image [AS name]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// `--platform`.
    pub platform: Option<Word>,
    /// The image or stage.
    pub image: Word,
    /// The keyword `AS` as written, for the build check.
    pub as_keyword: Option<Spanned<String>>,
    /// The stage's name as written; lower-cased by lowering.
    pub name: Option<Spanned<String>>,
}

/// A command in one of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Handed to the shell as one argument.
    Shell(Spanned<String>),
    /// A JSON array; no expansion.
    Exec(Vec<Spanned<String>>, Span),
}

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// `--mount=...`, unparsed: variables in values are expanded first (see [`crate::mount`]).
    pub mounts: Vec<Word>,
    /// `--network=...`
    pub network: Option<Word>,
    /// `--security=...`
    pub security: Option<Word>,
    /// `--device=...`
    pub devices: Vec<Word>,
    /// The command. With heredocs in shell form this is the first line only, `<<NAME` words included.
    pub command: Command,
    /// The bodies that follow, in order. Empty for the JSON form.
    pub heredocs: Vec<Heredoc>,
}

/// One heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter, quotes removed.
    pub name: String,
    /// False if any part of the delimiter was quoted.
    pub expand: bool,
    /// True for `<<-`; the body here is already stripped of leading tabs.
    pub strip_tabs: bool,
    /// The number before `<<`; `None` if there was none.
    pub fd: Option<u32>,
    /// The body, each line with its newline.
    pub body: String,
    /// The body as it stands in the file, for handing the text to a shell whole (tabs kept).
    pub raw_body: String,
    /// Where the body stands.
    pub span: Span,
}

/// `NAME=value ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// In order.
    pub pairs: Vec<(Word, Word)>,
    /// True for `ENV name rest of the line`.
    pub legacy: bool,
}

/// One name of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDecl {
    /// The name; may itself hold variables.
    pub name: Word,
    /// `None` for `ARG name`, `Some("")` for `ARG name=`.
    pub default: Option<Word>,
}

/// `COPY` and `ADD`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Sources in order.
    pub sources: Vec<CopySource>,
    /// The destination.
    pub dest: Word,
    /// `--from` (COPY only).
    pub from: Option<Word>,
    /// `--chown`
    pub chown: Option<Word>,
    /// `--chmod`
    pub chmod: Option<Word>,
    /// `--link`
    pub link: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`, taken literally.
    pub exclude: Vec<Spanned<String>>,
    /// `--checksum` (ADD only).
    pub checksum: Option<Word>,
    /// `--keep-git-dir` (ADD only); `None` if not given.
    pub keep_git_dir: Option<bool>,
    /// `--unpack` (ADD only); `None` if not given.
    pub unpack: Option<bool>,
}

/// One source of a `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path, pattern or URL.
    Path(Word),
    /// A file given in place, named by its delimiter.
    Heredoc(Heredoc),
}

/// `ONBUILD`: kept as text for the image, and parsed so that errors show now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// The trigger as stored in the image: the instruction's text, continuations joined, heredoc bodies included.
    pub text: String,
    /// The trigger, parsed.
    pub trigger: Box<Instruction>,
}

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`
    None,
    /// `HEALTHCHECK [options] CMD ...`. Times in nanoseconds; `None` if not given.
    Cmd {
        /// `--interval`
        interval: Option<i64>,
        /// `--timeout`
        timeout: Option<i64>,
        /// `--start-period`
        start_period: Option<i64>,
        /// `--start-interval`
        start_interval: Option<i64>,
        /// `--retries`
        retries: Option<i64>,
        /// The command.
        command: Command,
    },
}
