//! `--chmod`: octal, or the symbolic form with umask 0.
//!
//! The symbolic form is the one of BSD's `chmod` (the reference's library is a port of it): clauses apply from left
//! to right, and `X` looks at the mode that the file had before the first one.

use imgc_graph::Chmod;

use super::error::FileError;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const ALL: u32 = SET_UID | SET_GID | 0o777;
const EXECUTE: u32 = 0o111;

/// A change of mode, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// All twelve bits.
    Octal(u32),
    /// From left to right.
    Clauses(Vec<Clause>),
}

/// `u=rwX`: which bits, what to do, with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    /// The bits of the classes named; 0 if none was named.
    who: u32,
    operator: Operator,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// Bits, and whether `X` is among them.
    Bits { bits: u32, execute_if_any: bool },
    /// The bits of another class, as a shift.
    Copy(u32),
}

impl Change {
    /// Reads `--chmod`.
    pub(super) fn new(chmod: &Chmod) -> Result<Self, FileError> {
        match chmod {
            Chmod::Octal(mode) if *mode <= 0o7777 => Ok(Self::Octal(*mode)),
            Chmod::Octal(mode) => Err(FileError::Chmod(format!("{mode:o}"))),
            Chmod::Symbolic(text) => {
                parse(text).map(Self::Clauses).ok_or_else(|| FileError::Chmod(text.clone()))
            }
        }
    }

    /// The mode of something that had the mode `old`.
    pub(super) fn apply(&self, old: u32, is_dir: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Clauses(clauses) => {
                let execute = is_dir || old & EXECUTE != 0;
                clauses.iter().fold(old & 0o7777, |mode, clause| clause.apply(mode, execute))
            }
        }
    }

    /// The mode of directories that have to be made: the octal one, or 0755.
    pub(super) fn made_directory(change: Option<&Self>) -> u32 {
        match change {
            Some(Self::Octal(mode)) => *mode,
            _ => 0o755,
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, execute: bool) -> u32 {
        let (bits, mask) = match &self.value {
            Value::Bits { bits, execute_if_any } => {
                let extra = if *execute_if_any && execute { EXECUTE } else { 0 };
                (bits | extra, if self.who == 0 { 0o7777 } else { self.who })
            }
            Value::Copy(shift) => {
                let three = mode >> shift & 0o7;
                let classes = if self.who == 0 { 0o777 } else { self.who & 0o777 };
                (three << 6 | three << 3 | three, classes)
            }
        };
        let bits = bits & mask;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            // The sticky bit goes only where it is named.
            Operator::Set => {
                let cleared = match self.value {
                    Value::Copy(_) => mask,
                    Value::Bits { .. } if self.who == 0 => ALL,
                    Value::Bits { .. } => self.who,
                };
                mode & !cleared | bits
            }
        }
    }
}

/// Reads `[ugoa]*([-+=][rwxXst]*|[-+=][ugo])+`, separated by commas.
fn parse(text: &str) -> Option<Vec<Clause>> {
    let mut clauses = Vec::new();
    for part in text.split(',') {
        let at = part.find(['+', '-', '='])?;
        let who = part[..at].bytes().try_fold(0, |who, byte| {
            Some(
                who | match byte {
                    b'u' => SET_UID | 0o700,
                    b'g' => SET_GID | 0o070,
                    b'o' => 0o007,
                    b'a' => ALL,
                    _ => return None,
                },
            )
        })?;
        let mut rest = &part.as_bytes()[at..];
        while let [operator, tail @ ..] = rest {
            let operator = match operator {
                b'+' => Operator::Add,
                b'-' => Operator::Remove,
                b'=' => Operator::Set,
                _ => return None,
            };
            let end = tail.iter().position(|byte| b"+-=".contains(byte)).unwrap_or(tail.len());
            clauses.extend(clause(who, operator, &tail[..end])?);
            rest = &tail[end..];
        }
    }
    Some(clauses)
}

/// The permissions behind one operator; a class to copy from makes a clause of its own.
fn clause(who: u32, operator: Operator, permissions: &[u8]) -> Option<Vec<Clause>> {
    let (mut bits, mut execute_if_any, mut who_bits) = (0, false, who);
    let mut copies = Vec::new();
    for permission in permissions {
        match permission {
            b'r' => bits |= 0o444,
            b'w' => bits |= 0o222,
            b'x' => bits |= EXECUTE,
            b'X' => execute_if_any = true,
            // Means nothing to others alone.
            b's' if who == 0 || who & !0o007 != 0 => bits |= SET_UID | SET_GID,
            b't' if who == 0 || who & !0o007 != 0 => {
                bits |= STICKY;
                who_bits |= if who == 0 { 0 } else { STICKY };
            }
            b's' | b't' => {}
            b'u' => copies.push(6),
            b'g' => copies.push(3),
            b'o' => copies.push(0),
            _ => return None,
        }
    }
    let mut clauses = Vec::new();
    if copies.is_empty() || bits != 0 || execute_if_any {
        clauses.push(Clause { who: who_bits, operator, value: Value::Bits { bits, execute_if_any } });
    }
    for shift in copies {
        // A second value behind one `=` is added to the first.
        let operator = match operator {
            Operator::Set if !clauses.is_empty() => Operator::Add,
            other => other,
        };
        clauses.push(Clause { who, operator, value: Value::Copy(shift) });
    }
    Some(clauses)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn apply(text: &str, old: u32, is_dir: bool) -> u32 {
        Change::new(&Chmod::Symbolic(text.into())).unwrap().apply(old, is_dir)
    }

    #[test]
    fn table() {
        for (text, old, is_dir, want) in [
            ("+x", 0o644, false, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("a-w", 0o666, false, 0o444),
            ("go=", 0o777, false, 0o700),
            ("g=u", 0o640, false, 0o660),
            ("o+g-w", 0o664, false, 0o664),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("+t", 0o777, true, 0o1777),
            ("o+s", 0o755, false, 0o755),
            ("=r", 0o777, false, 0o444),
            ("u+x,g+x-w", 0o664, false, 0o754),
        ] {
            let got = apply(text, old, is_dir);
            assert_eq!(got, want, "{text} on {old:o}: {got:o}");
        }
    }

    #[test]
    fn refuses_what_is_no_mode() {
        for text in ["", "x", "u", "u=z", "b+x", "u+x,", ",", "9999"] {
            assert!(Change::new(&Chmod::Symbolic(text.into())).is_err(), "{text}");
        }
        assert!(Change::new(&Chmod::Octal(0o10_000)).is_err());
        assert_eq!(Change::new(&Chmod::Octal(0o4711)).unwrap().apply(0o644, true), 0o4711);
    }

    #[test]
    fn made_directories() {
        let octal = Change::Octal(0o700);
        assert_eq!(Change::made_directory(Some(&octal)), 0o700);
        assert_eq!(Change::made_directory(Some(&Change::Clauses(Vec::new()))), 0o755);
        assert_eq!(Change::made_directory(None), 0o755);
    }

    /// One clause, so that the two readings of a later `X` (old mode or mode so far) cannot differ.
    fn clauses() -> impl Strategy<Value = String> {
        let values = prop_oneof!["[rwx]{0,3}", "[rwxX]{1,4}", Just("u".to_owned()), Just("g".to_owned())];
        ("[ugoa]{0,3}", "[-+=]", values).prop_map(|(who, operator, value)| who + &operator + &value)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn as_coreutils(first in clauses(), second in "(,[ugo]{1,2}[-+=][rwx]{0,2})?", old in 0o400u32..0o777) {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("f");
            fs_err::write(&file, "").unwrap();
            fs_err::set_permissions(&file, std::fs::Permissions::from_mode(old)).unwrap();
            let text = first + &second;
            // Without a class, coreutils masks by the umask; ours is 0.
            let script = format!("umask 0; chmod -- '{text}' '{}'", file.display());
            let Ok(status) = Command::new("sh").args(["-c", &script]).status() else {
                eprintln!("SKIPPED: no `sh` and `chmod` here");
                return Ok(());
            };
            prop_assume!(status.success());
            let want = fs_err::metadata(&file).unwrap().permissions().mode() & 0o7777;
            let got = apply(&text, old, false);
            prop_assert_eq!(got, want, "{} on {:o}: {:o}, coreutils {:o}", text, old, got, want);
        }

        #[test]
        fn never_panics(text in "[ugoarwxXst+=,-]{0,12}", old in 0u32..0o10000) {
            if let Ok(change) = Change::new(&Chmod::Symbolic(text)) {
                prop_assert!(change.apply(old, true) <= 0o7777);
            }
        }
    }
}
