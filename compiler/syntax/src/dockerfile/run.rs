//! Commands: `RUN`, `CMD`, `ENTRYPOINT`, `SHELL`.

use imgc_base::Diagnostic;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Spanned;

use super::ast::{Command, Heredoc, Run, Word};
use super::error::{FLAG_VALUE, MOUNT, NO_VARIABLES, NOT_JSON};
use super::flag::Flags;
use super::heredoc::HeredocWord;
use super::instruction::{Head, Parser};
use super::text::Slice;
use crate::mount;

impl Parser<'_> {
    /// `RUN`
    pub(super) fn run(
        &mut self,
        head: &Head<'_>,
        mut flags: Flags<'_>,
        heredocs: Vec<(HeredocWord, Heredoc)>,
    ) -> Option<Run> {
        let mounts = flags.list("mount");
        for mount in &mounts {
            self.check_mount(mount);
        }
        let network = flags.text("network");
        let security = flags.text("security");
        self.check_choice("network", network.as_ref(), &["default", "none", "host"]);
        self.check_choice("security", security.as_ref(), &["sandbox", "insecure"]);
        Some(Run {
            mounts,
            network,
            security,
            devices: flags.list("device"),
            command: self.command(head, head.args)?,
            heredocs: heredocs.into_iter().map(|(_, heredoc)| heredoc).collect(),
        })
    }

    /// A command in JSON or shell form.
    pub(super) fn command(&mut self, head: &Head<'_>, args: Slice<'_>) -> Option<Command> {
        if args.is_empty() {
            self.missing(head, "at least one argument", "write the command after the keyword");
            return None;
        }
        Some(match self.json_or_none(args)? {
            Some(list) => Command::Exec(list, args.span()),
            None => Command::Shell(args.spanned()),
        })
    }

    /// `SHELL`
    pub(super) fn shell(&mut self, head: &Head<'_>) -> Option<Vec<Spanned<String>>> {
        match self.json_or_none(head.args)? {
            Some(list) if !list.is_empty() => Some(list),
            None if !head.args.is_empty() => {
                let words: Vec<String> =
                    head.args.as_str().split_whitespace().take(8).map(|word| format!("{word:?}")).collect();
                self.errors.push(
                    Diagnostic::error(NOT_JSON, "SHELL requires the arguments to be in JSON form")
                        .at(head.args.span(), "not a JSON array of strings")
                        .help(format!("write `SHELL [{}]`", words.join(", "))),
                );
                None
            }
            _ => {
                self.missing(head, "at least one argument", "for example `SHELL [\"/bin/bash\", \"-c\"]`");
                None
            }
        }
    }

    /// What can be said about a mount before its variables are expanded.
    fn check_mount(&mut self, mount: &Word) {
        let value = &mount.value;
        if let Some(from) = mount::from_with_variable(value) {
            self.errors.push(
                Diagnostic::error(
                    NO_VARIABLES,
                    "'from' doesn't support variable expansion, define alias stage instead",
                )
                .at(mount.span, format!("`{from}` holds a variable"))
                .help("write `FROM IMAGE-WITH-VARIABLE AS name` at the top and `from=name` here"),
            );
            return;
        }
        // With any of these the value that counts is the expanded one.
        if value.contains(['$', '\'', '"', self.escape]) {
            return;
        }
        if let Err(error) = mount::parse(value) {
            self.errors.push(error.diagnostic(MOUNT, mount.span, value.len()));
        }
    }

    fn check_choice(&mut self, flag: &str, value: Option<&Word>, choices: &[&str]) {
        let Some(value) = value else { return };
        if choices.contains(&value.value.as_str()) {
            return;
        }
        let list: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        let error = Diagnostic::error(FLAG_VALUE, format!("unsupported {flag} mode `{}`", value.value))
            .at(value.span, format!("not one of {}", list.join(", ")));
        self.errors.push(match did_you_mean(&value.value, choices.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if value.value.contains('$') => {
                error.note(format!("no variables are expanded in `--{flag}`"))
            }
            None => error,
        });
    }
}
