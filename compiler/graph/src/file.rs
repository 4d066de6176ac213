//! `COPY`, `ADD`, `WORKDIR`: ordered file actions on a root.

use std::fmt;

use imgc_base::path::ImagePath;

/// File actions, done in order, that together make one layer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileOp {
    /// In order.
    pub actions: Vec<FileAction>,
}

/// One file action.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum FileAction {
    /// Copies from another tree.
    Copy(Box<Copy>),
    /// Makes a directory and its missing parents, mode 0755; an existing one is left as it is.
    MakeDir {
        /// Where.
        path: ImagePath,
        /// Who owns what is made.
        owner: Option<OwnerSpec>,
    },
    /// Writes a file whose content was given in place, with missing parents.
    Write {
        /// Where; if `into_dir`, the directory.
        dest: ImagePath,
        /// Name below `dest` if it is (or is to be) a directory.
        name: String,
        /// True if `dest` was written with a trailing slash.
        into_dir: bool,
        /// The content.
        #[serde(serialize_with = "crate::json::bytes")]
        content: Vec<u8>,
        /// Mode; 0644 if `None`.
        chmod: Option<Chmod>,
        /// Owner; 0:0 if `None`.
        owner: Option<OwnerSpec>,
    },
}

/// Copies from another tree.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Copy {
    /// Where from.
    pub from: CopyFrom,
    /// Paths or Go patterns, relative to the root of the source, in order.
    pub sources: Vec<String>,
    /// Where to.
    pub dest: ImagePath,
    /// True if the destination was written with a trailing slash, or is `.` or empty: a directory.
    pub into_dir: bool,
    /// Owner of what is copied; `None` keeps (stages) or is 0:0 (contexts, URLs).
    pub owner: Option<OwnerSpec>,
    /// Mode of what is copied.
    pub chmod: Option<Chmod>,
    /// Archives are unpacked.
    pub unpack: Unpack,
    /// `--link`: the copy does not look at the root.
    pub link: bool,
    /// `--parents`: keep the path of each source.
    pub parents: bool,
    /// Patterns of what is left out, relative to each copied root.
    pub exclude: Vec<String>,
}

/// Where a copy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CopyFrom {
    /// Number of the input (1 or more; 0 is the root copied onto).
    pub input: usize,
    /// True if the input's files have no owners and times of their own (a context, a URL): 0:0, the step's time.
    pub foreign: bool,
}

/// Whether archives are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unpack {
    /// Copied as they are.
    #[default]
    Never,
    /// A local file that is an archive by its content is unpacked; others are copied (`ADD`).
    Archives,
}

/// `user[:group]`; names are resolved in the root that is copied onto.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OwnerSpec {
    /// Name or number.
    pub user: String,
    /// Name or number; `None` takes the user's.
    pub group: Option<String>,
}

impl OwnerSpec {
    /// True if no name must be looked up in a root.
    pub fn is_numeric(&self) -> bool {
        let number = |text: &str| text.parse::<u32>().is_ok();
        number(&self.user) && self.group.as_deref().is_none_or(number)
    }
}

impl fmt::Display for OwnerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, ":{group}"))
    }
}

/// A change of mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    /// All twelve bits.
    Octal(u32),
    /// `u=rwX,go=rX`, umask 0, checked by the front end.
    Symbolic(String),
}

impl fmt::Display for Chmod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octal(mode) => write!(f, "{mode:04o}"),
            Self::Symbolic(text) => f.write_str(text),
        }
    }
}

impl serde::Serialize for Chmod {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
