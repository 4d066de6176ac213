//! The secrets of one step: their values, what is hidden of them in its output, and what is left of them in its layer.
//!
//! A value is lent to the command and to nothing else. A command that prints it has it replaced by `***` in every log;
//! one that writes it into a file is warned about, since then it is in the image.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_base::ImagePath;
use imgc_graph::{Exec, MountKind};
use imgc_image::{Entry, ImageError, Kind, Root as Dir};
use memchr::memmem;

use crate::error::ExecuteError;
use crate::options::Secret;
use crate::run::Build;

/// Shorter lines of a secret are not hidden: they would blank out ordinary text.
const HIDDEN_BYTES: usize = 4;
/// Shorter secrets are not looked for in files: they would be found by chance.
const FOUND_BYTES: usize = 8;
/// How much of a file is searched at once, in bytes.
const BUFFER: usize = 256 << 10;
/// What stands in the output where a secret was.
const STARS: &[u8] = b"***";

/// Values by id; never printed.
pub struct Secrets(BTreeMap<String, Vec<u8>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Reads the secrets that a command's mounts name, as far as they were given.
    pub fn read(build: &Build<'_>, exec: &Exec) -> Result<Self, ExecuteError> {
        let mut values = BTreeMap::new();
        for mount in &exec.mounts {
            let MountKind::Secret { id, .. } = &mount.kind else { continue };
            if let Some(secret) = build.options.secrets.get(id)
                && !values.contains_key(id)
            {
                values.insert(id.clone(), value(id, secret)?);
            }
        }
        Ok(Self(values))
    }

    /// A value, if it was given.
    pub fn get(&self, id: &str) -> Option<&[u8]> {
        self.0.get(id).map(Vec::as_slice)
    }

    /// What is hidden in the output: the lines of every value, the longest first.
    pub fn hidden(&self) -> Hidden {
        let lines = self.0.values().flat_map(|value| value.split(|&byte| byte == b'\n'));
        let mut lines: Vec<Vec<u8>> =
            lines.map(|line| line.trim_ascii().to_vec()).filter(|line| line.len() >= HIDDEN_BYTES).collect();
        lines.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        lines.dedup();
        Hidden(lines)
    }

    /// The changed files that hold a value, as it is or in base64: its id and the path.
    pub fn left(&self, upper: &Dir, entries: &[Entry]) -> Result<Vec<(String, ImagePath)>, ImageError> {
        let mut found = Vec::new();
        for (id, value) in &self.0 {
            let forms = forms(value);
            if forms.is_empty() {
                continue;
            }
            for entry in entries {
                if matches!(entry.kind, Kind::File { .. })
                    && holds(upper.file(&entry.path)?, &forms).map_err(ImageError::at("read", &entry.path))?
                {
                    found.push((id.clone(), entry.path.clone()));
                }
            }
        }
        Ok(found)
    }
}

/// Texts that no log shows.
#[derive(Default)]
pub struct Hidden(Vec<Vec<u8>>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
}

impl Hidden {
    /// A line with stars where a secret was.
    pub fn hide(&self, line: &[u8]) -> Vec<u8> {
        let mut line = line.to_vec();
        for text in &self.0 {
            if memmem::find(&line, text).is_none() {
                continue;
            }
            let mut out = Vec::with_capacity(line.len());
            let mut from = 0;
            for at in memmem::find_iter(&line, text) {
                out.extend_from_slice(&line[from..at]);
                out.extend_from_slice(STARS);
                from = at + text.len();
            }
            out.extend_from_slice(&line[from..]);
            line = out;
        }
        line
    }

    /// How many bytes at the end of a line that is cut may be the start of a secret.
    pub fn begun(&self, line: &[u8]) -> usize {
        let longest = |text: &Vec<u8>| {
            (1..text.len().min(line.len() + 1)).rev().find(|&length| line.ends_with(&text[..length]))
        };
        self.0.iter().filter_map(longest).max().unwrap_or(0)
    }
}

/// What a value looks like in a file: itself, and base64 of it at each of the three places in a group.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let value = value.trim_ascii();
    if value.len() < FOUND_BYTES {
        return Vec::new();
    }
    let mut forms = vec![value.to_vec()];
    for skip in 0..3 {
        let groups = (value.len() - skip) / 3;
        forms.push(STANDARD.encode(&value[skip..skip + groups * 3]).into_bytes());
    }
    forms
}

/// True if a stream holds one of the texts.
fn holds(mut file: std::fs::File, texts: &[Vec<u8>]) -> std::io::Result<bool> {
    let finders: Vec<_> = texts.iter().map(memmem::Finder::new).collect();
    let keep = texts.iter().map(Vec::len).max().unwrap_or(0);
    let mut buffer = vec![0; BUFFER.max(keep * 2)];
    let mut length = 0;
    loop {
        let count = file.read(&mut buffer[length..])?;
        if count == 0 {
            return Ok(false);
        }
        length += count;
        if finders.iter().any(|finder| finder.find(&buffer[..length]).is_some()) {
            return Ok(true);
        }
        // A text may go on in what is read next.
        let start = length.saturating_sub(keep);
        buffer.copy_within(start..length, 0);
        length -= start;
    }
}

fn value(id: &str, secret: &Secret) -> Result<Vec<u8>, ExecuteError> {
    secret.read().map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => ExecuteError::Missing {
            message: format!("secret `{id}` cannot be used: {error}"),
            help: "give large files as a named context: `--build-context NAME=DIR` and `--mount=type=bind,from=NAME`"
                .to_owned(),
        },
        _ => ExecuteError::io(format!("read secret `{id}`"))(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let number = |(at, value): (usize, &&str)| (at.to_string(), value.as_bytes().to_vec());
        Secrets(values.iter().enumerate().map(number).collect())
    }

    #[test]
    fn output_has_stars() {
        let hidden = secrets(&["hunter2hunter2\n", "hunter2", "first line\r\nsecond\n", "x"]).hidden();
        for (line, want) in [
            ("hunter2", "***"),
            ("a hunter2hunter2 b hunter2", "a *** b ***"),
            ("<first line>", "<***>"),
            ("second", "***"),
            ("x hunter", "x hunter"),
        ] {
            assert_eq!(String::from_utf8_lossy(&hidden.hide(line.as_bytes())), want);
        }
        assert_eq!(hidden.begun(b"abc hunter2hun"), 10);
        assert_eq!(hidden.begun(b"abc"), 0);
        assert_eq!(hidden.begun(b""), 0);
    }

    #[test]
    fn files_are_searched_over_the_ends_of_buffers() {
        let forms = forms(b"correct horse battery\n");
        let find = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, bytes).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            holds(file, &forms).unwrap()
        };
        for before in [0, 1, 2, BUFFER - 30, BUFFER - 10, BUFFER, 3 * BUFFER - 7] {
            let bytes = [vec![b'.'; before], b"correct horse battery".to_vec()].concat();
            assert!(find(&bytes), "{before}");
            assert!(find(STANDARD.encode(&bytes).as_bytes()), "base64, {before}");
            assert!(!find(&bytes[..bytes.len() - 1]), "{before}");
        }
        assert!(super::forms(b"short").is_empty());
    }
}
