//! What steps are called in progress and records: `[build 2/5] RUN make`.

use imgc_base::Platform;
use imgc_syntax::dockerfile::ast::Kind;
use imgc_syntax::expand::{Lexer, Variables};

use crate::env::Env;
use crate::plan::Planned;
use crate::stages::Named;

/// Counts the steps of a stage.
#[derive(Debug)]
pub(crate) struct Titles {
    stage: String,
    number: usize,
    total: usize,
    platform: bool,
}

impl Titles {
    pub(crate) fn new(label: String, stage: &Planned<'_>, platform: bool) -> Self {
        let pulls = usize::from(matches!(stage.base, Named::Image(_) | Named::Context(_)));
        let steps = stage
            .commands
            .iter()
            .filter(|command| {
                matches!(
                    command.instruction.kind,
                    Kind::Run(_) | Kind::Copy(_) | Kind::Add(_) | Kind::Workdir(_)
                )
            })
            .count();
        Self { stage: label, number: pulls, total: pulls + steps, platform }
    }

    /// The title of the next step.
    pub(crate) fn next(&mut self, text: &str, platform: &Platform, env: &Env, trigger: bool) -> String {
        self.number += 1;
        let mut parts = Vec::new();
        if self.platform {
            parts.push(format!("{platform}{}", cross(platform, env)));
        }
        if !self.stage.is_empty() {
            parts.push(self.stage.clone());
        }
        let width = self.total.max(1).to_string().len();
        parts.push(format!("{:>width$}/{}", self.number, self.total));
        format!("[{}] {}{text}", parts.join(" "), if trigger { "ONBUILD " } else { "" })
    }
}

/// `->arm64`, if a stage on one platform knows that it builds for another.
fn cross(own: &Platform, env: &Env) -> String {
    let target: Option<Platform> = match env.value("TARGETPLATFORM") {
        Some(text) => text.parse().ok(),
        None => env.value("TARGETARCH").filter(|arch| !arch.is_empty()).map(|arch| {
            let os = env.value("TARGETOS").unwrap_or(&own.os);
            Platform::new(os, arch, env.value("TARGETVARIANT").unwrap_or_default())
        }),
    };
    match target {
        Some(target) if target.os != own.os => format!("->{target}"),
        Some(target) if target.arch != own.arch => {
            let variant =
                if target.variant.is_empty() { String::new() } else { format!("/{}", target.variant) };
            format!("->{}{variant}", target.arch)
        }
        _ => String::new(),
    }
}

/// A text for people: known variables expanded, the rest as written, one line, not too long.
pub(crate) fn shown(text: &str, escape: char, env: &Env) -> String {
    let expanded =
        Lexer::display(escape).expand(text, env).map_or_else(|_| text.to_owned(), |done| done.text);
    let line = expanded.lines().next().unwrap_or_default();
    let cut = line.char_indices().nth(400).map_or(line.len(), |(at, _)| at);
    let more = if cut < line.len() || expanded.trim_end().len() > line.len() { "..." } else { "" };
    format!("{}{more}", &line[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossing() {
        let own: Platform = "linux/amd64".parse().unwrap();
        for (vars, expected) in [
            (vec![], ""),
            (vec![("TARGETPLATFORM", "linux/arm/v7")], "->arm/v7"),
            (vec![("TARGETARCH", "arm64")], "->arm64"),
            (vec![("TARGETARCH", "amd64")], ""),
            (vec![("TARGETOS", "windows"), ("TARGETARCH", "amd64")], "->windows/amd64"),
        ] {
            let mut env = Env::default();
            for (name, value) in vars {
                env.set(name, value);
            }
            assert_eq!(cross(&own, &env), expected);
        }
    }

    #[test]
    fn texts_for_people() {
        let mut env = Env::default();
        env.set("V", "1");
        assert_eq!(shown("make \"$V\" $W\nmore", '\\', &env), "make \"1\" $W...");
        assert_eq!(shown("it's", '\\', &env), "it's");
    }
}
