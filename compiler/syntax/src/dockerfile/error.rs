//! The codes of the Dockerfile parser's errors, and the collector that bounds them.

use imgc_base::Diagnostic;

/// There is nothing to build: no text, or only comments.
pub const EMPTY: &str = "E0101";
/// No instruction of this name.
pub const UNKNOWN_INSTRUCTION: &str = "E0102";
/// Something other than `ARG` stands before the first `FROM`.
pub const BEFORE_FROM: &str = "E0103";
/// Only `ARG`s: no stage.
pub const NO_STAGE: &str = "E0104";
/// A parser directive is repeated or has a wrong value.
pub const DIRECTIVE: &str = "E0105";
/// The instruction has no such flag.
pub const UNKNOWN_FLAG: &str = "E0106";
/// A flag is repeated, lacks its value or has a wrong one.
pub const FLAG_VALUE: &str = "E0107";
/// Too few or too many arguments.
pub const ARGUMENTS: &str = "E0108";
/// A JSON array holds something other than strings.
pub const NOT_STRINGS: &str = "E0109";
/// The line that ends a heredoc is missing.
pub const UNTERMINATED_HEREDOC: &str = "E0110";
/// A heredoc where only a path can stand.
pub const HEREDOC_PLACE: &str = "E0111";
/// Not `name=value`.
pub const PAIR: &str = "E0112";
/// A stage's name has characters that it may not have.
pub const STAGE_NAME: &str = "E0113";
/// A quote is never closed.
pub const UNCLOSED_QUOTE: &str = "E0114";
/// `HEALTHCHECK`: wrong type, time or number.
pub const HEALTHCHECK: &str = "E0115";
/// The instruction cannot be a trigger of `ONBUILD`.
pub const ONBUILD: &str = "E0116";
/// A variable where none is expanded.
pub const NO_VARIABLES: &str = "E0117";
/// The value of `--mount` is wrong.
pub const MOUNT: &str = "E0118";
/// `SHELL` without a JSON array.
pub const NOT_JSON: &str = "E0119";
/// A volume without a path.
pub const BLANK_VOLUME: &str = "E0120";
/// A NUL byte in the text.
pub const NUL: &str = "E0121";
/// The bytes are not UTF-8.
pub const NOT_UTF8: &str = "E0122";
/// The text is too long.
pub const TOO_LONG: &str = "E0123";
/// There are more errors than are listed.
pub const TOO_MANY: &str = "E0124";

/// More errors than anyone reads; a bound on memory and time for texts that are no Dockerfiles.
const MOST: usize = 1000;

/// Collects errors up to a bound.
#[derive(Debug, Default)]
pub(super) struct Errors {
    list: Vec<Diagnostic>,
    dropped: usize,
}

impl Errors {
    /// Adds one.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < MOST {
            self.list.push(diagnostic);
        } else {
            self.dropped += 1;
        }
    }

    /// How many there are so far, dropped ones included.
    pub(super) fn count(&self) -> usize {
        self.list.len() + self.dropped
    }

    /// Whether further ones are only counted: no need to think about their words.
    pub(super) fn full(&self) -> bool {
        self.list.len() >= MOST
    }

    /// The list, with a last entry that says how many are missing.
    pub(super) fn into_vec(mut self) -> Vec<Diagnostic> {
        if self.dropped > 0 {
            let text = format!("{} more errors are not listed", self.dropped);
            self.list.push(Diagnostic::error(TOO_MANY, text));
        }
        self.list
    }
}
