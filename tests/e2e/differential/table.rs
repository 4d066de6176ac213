//! The tables of cases: text files that hold Dockerfiles, the files around them, and what is known of the result.
//!
//! A file is a list of cases. What stands before the first case belongs to all of them.
//!
//! | line | what it says |
//! |---|---|
//! | `%% NAME` | a case begins; its Dockerfile is every line that begins with no `%` |
//! | `%file PATH MODE TEXT` | a file of the context; `\n`, `\t`, `\s`, `\r`, `\\` in paths and texts |
//! | `%dir PATH MODE`, `%link PATH TARGET`, `%hard PATH OTHER`, `%fifo PATH MODE` | the same for other kinds |
//! | `%xattr PATH NAME VALUE` | an extended attribute of a file of the context |
//! | `%tar PATH KIND NAME MODE UID:GID TEXT` | an entry of an archive in the context, compressed as its name says |
//! | `%beside PATH TEXT` | a file beside the context |
//! | `%flags WORDS`, `%imgc WORDS`, `%buildah WORDS` | arguments of both programs, or of one |
//! | `%image NAME` | what follows, up to `%main`, is the Dockerfile of an image that is built first |
//! | `%alone REASON` | buildah departs from the reference or cannot: only what the case says is compared |
//! | `%except WHAT REASON` | a path or a field of the config that buildah makes otherwise |
//! | `%is PATH LINE`, `%none PATH` | what the reference has at a path: `file MODE UID:GID TEXT`, `dir ...`, `link TARGET` |
//! | `%config FIELD JSON` | what the reference has in the config; `null` if nothing |
//! | `%fails CODE TEXT` | the build fails, and says this |

use std::path::Path;

/// A case.
#[derive(Debug, Default, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    /// Images that are built first: names and Dockerfiles.
    pub(super) images: Vec<(String, String)>,
    pub(super) dockerfile: String,
    pub(super) files: Vec<Made>,
    pub(super) imgc: Vec<String>,
    pub(super) buildah: Vec<String>,
    pub(super) alone: Option<String>,
    pub(super) except: Vec<String>,
    pub(super) is: Vec<(String, String)>,
    pub(super) none: Vec<String>,
    pub(super) config: Vec<(String, serde_json::Value)>,
    pub(super) fails: Option<(i32, String)>,
}

/// Something in the context, or beside it.
#[derive(Debug, Clone)]
pub(super) enum Made {
    File { path: String, mode: u32, text: Vec<u8> },
    Dir { path: String, mode: u32 },
    Link { path: String, target: String },
    Hard { path: String, other: String },
    Fifo { path: String, mode: u32 },
    Xattr { path: String, name: String, value: Vec<u8> },
    Tar { path: String, entry: TarEntry },
    Beside { path: String, text: Vec<u8> },
}

/// An entry of an archive.
#[derive(Debug, Clone)]
pub(super) struct TarEntry {
    /// `file`, `dir`, `link` or `hard`.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// The content, or where a link points.
    pub(super) text: Vec<u8>,
}

/// Reads a table; panics with the line that it does not understand.
pub(super) fn read(path: &Path) -> Vec<Case> {
    let text = fs_err::read_to_string(path).expect("a table of cases");
    let mut common = Case::default();
    let mut cases: Vec<Case> = Vec::new();
    let mut image: Option<usize> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("%%") {
            let mut case = common.clone();
            name.trim().clone_into(&mut case.name);
            assert!(
                cases.iter().all(|other| other.name != case.name),
                "{}:{}: twice",
                path.display(),
                number + 1
            );
            cases.push(case);
            image = None;
            continue;
        }
        let in_case = !cases.is_empty();
        let case = cases.last_mut().unwrap_or(&mut common);
        let Some(directive) = line.strip_prefix('%') else {
            // Text before the first case is talk.
            if in_case {
                let to = match image {
                    Some(image) => &mut case.images[image].1,
                    None => &mut case.dockerfile,
                };
                to.push_str(line);
                to.push('\n');
            }
            continue;
        };
        match directive {
            "main" => image = None,
            _ if directive.starts_with("image ") => {
                image = Some(case.images.len());
                case.images.push((directive[6..].to_owned(), String::new()));
            }
            _ => {
                case.directive(directive)
                    .unwrap_or_else(|| panic!("{}:{}: not understood: {line}", path.display(), number + 1));
            }
        }
    }
    // Blank lines between cases are no part of a Dockerfile.
    for case in &mut cases {
        case.dockerfile.truncate(case.dockerfile.trim_end_matches('\n').len());
        case.dockerfile.push('\n');
    }
    cases
}

impl Case {
    fn directive(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        let mut parts = rest.splitn(3, ' ');
        let mut next = || parts.next();
        match word {
            "file" => {
                let (path, mode) = (text(next()?), octal(next()?)?);
                self.files.push(Made::File { path, mode, text: unescape(next().unwrap_or_default()) });
            }
            "dir" => self.files.push(Made::Dir { path: next()?.to_owned(), mode: octal(next()?)? }),
            "fifo" => self.files.push(Made::Fifo { path: next()?.to_owned(), mode: octal(next()?)? }),
            "xattr" => {
                let (path, name) = (next()?.to_owned(), next()?.to_owned());
                self.files.push(Made::Xattr { path, name, value: unescape(next()?) });
            }
            "link" => self.files.push(Made::Link { path: next()?.to_owned(), target: next()?.to_owned() }),
            "hard" => self.files.push(Made::Hard { path: next()?.to_owned(), other: next()?.to_owned() }),
            "tar" => {
                let (path, entry) = rest.split_once(' ')?;
                self.files.push(Made::Tar { path: path.to_owned(), entry: TarEntry::parse(entry)? });
            }
            "beside" => {
                let (path, text) = rest.split_once(' ')?;
                self.files.push(Made::Beside { path: path.to_owned(), text: unescape(text) });
            }
            "flags" => {
                self.imgc.extend(rest.split(' ').map(str::to_owned));
                self.buildah.extend(rest.split(' ').map(str::to_owned));
            }
            "imgc" => self.imgc.extend(rest.split(' ').map(str::to_owned)),
            "buildah" => self.buildah.extend(rest.split(' ').map(str::to_owned)),
            "alone" => self.alone = Some(rest.to_owned()),
            "except" => {
                // The reason is for the reader; a difference without one is not accepted.
                let (what, _reason) = rest.split_once(' ')?;
                self.except.push(text(what));
            }
            "is" => {
                let (path, line) = rest.split_once(' ')?;
                self.is.push((text(path), expected(line)?));
            }
            "none" => self.none.push(text(rest)),
            "config" => {
                let (field, value) = rest.split_once(' ')?;
                self.config.push((field.to_owned(), serde_json::from_str(value).ok()?));
            }
            "fails" => {
                let (code, text) = rest.split_once(' ')?;
                self.fails = Some((code.parse().ok()?, text.to_owned()));
            }
            _ => return None,
        }
        Some(())
    }
}

impl TarEntry {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let (kind, name) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let mode = octal(parts.next()?)?;
        let (uid, gid) = parts.next()?.split_once(':')?;
        let text = unescape(parts.next().unwrap_or_default());
        Some(Self { kind, name, mode, uid: uid.parse().ok()?, gid: gid.parse().ok()?, text })
    }
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok()
}

/// Undoes the escapes of a text.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(b's') => b' ',
                Some(other) => other,
                None => b'\\',
            },
            other => other,
        });
    }
    out
}

/// Undoes the escapes of a path.
fn text(text: &str) -> String {
    String::from_utf8_lossy(&unescape(text)).into_owned()
}

/// The line of a flat image that `%is` speaks of.
fn expected(line: &str) -> Option<String> {
    let mut parts = line.splitn(4, ' ');
    match parts.next()? {
        "file" => {
            let (mode, owner) = (parts.next()?, parts.next()?);
            let content = unescape(parts.next().unwrap_or_default());
            let digest = imgc_base::digest::FileDigest::of(&content);
            Some(format!("file {} {} {mode} {owner}", content.len(), digest.short()))
        }
        "dir" => Some(line.to_owned()),
        "link" => Some(format!("link {} ", parts.next()?)),
        _ => None,
    }
}
