//! Why file actions could not be done, in the user's terms, with what to do about it.

use std::io;

use imgc_base::cancel::Cancelled;
use imgc_base::glob::PatternError;
use imgc_base::path::{ImagePath, PathError};
use imgc_image::ImageError;

use crate::users::UserError;

/// Why a `COPY`, `ADD` or `WORKDIR` could not be done.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A source does not exist.
    #[error("`{path}` not found in {place}")]
    NotFound {
        /// As written, made absolute.
        path: String,
        /// `the build context`, `the stage`.
        place: &'static str,
        /// The ignore file hides it.
        ignored: bool,
        /// Where links lead from it.
        leads: Option<String>,
        /// A name that is there and looks alike.
        similar: Option<String>,
    },
    /// A file would replace a directory.
    #[error("cannot replace directory `{0}` with a file")]
    DirToFile(ImagePath),
    /// A directory would replace something else.
    #[error("cannot copy a directory to `{path}`: it is a {noun} there")]
    FileToDir {
        /// Where.
        path: ImagePath,
        /// What stands there.
        noun: &'static str,
    },
    /// A part of the destination is no directory.
    #[error("cannot make directory `{path}`: `{at}` is a {noun}")]
    NotADirectory {
        /// What was to be made.
        path: ImagePath,
        /// The part that is in the way.
        at: ImagePath,
        /// What stands there.
        noun: &'static str,
    },
    /// Several files go to one name.
    #[error("several files are copied to `{0}`, which is no directory")]
    SeveralToOne(ImagePath),
    /// A file of a kind that images cannot hold.
    #[error("`{path}` in the build context is a {noun}; devices are not copied")]
    Special {
        /// Where.
        path: ImagePath,
        /// What it is.
        noun: &'static str,
    },
    /// The build context is nested too deep.
    #[error("`{path}` is nested more than {limit} directories deep")]
    Deep {
        /// Where.
        path: ImagePath,
        /// How deep is accepted.
        limit: usize,
    },
    /// The directory that holds the context cannot be used.
    #[error("failed to open the build context `{dir}`")]
    Context {
        /// Which directory, on this machine.
        dir: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An owner that cannot be known.
    #[error("`--link` copies cannot use names in `--chown`: `{0}`")]
    LinkOwner(String),
    /// A mode that does not read.
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777")]
    Chmod(String),
    /// A member of an archive cannot be placed.
    #[error("`{path}` in the archive `{archive}` {why}")]
    Member {
        /// Which archive.
        archive: String,
        /// Which member.
        path: ImagePath,
        /// What is wrong.
        why: &'static str,
    },
    /// The archive does not unpack.
    #[error("failed to unpack `{archive}`")]
    Archive {
        /// Which archive.
        archive: String,
        /// Why.
        #[source]
        source: ImageError,
    },
    /// The content of a file is not what was expected.
    #[error("the content of `{0}` changed while it was copied")]
    Changed(ImagePath),
    /// A pattern that does not read.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A user or group that the image does not have.
    #[error(transparent)]
    User(#[from] UserError),
    /// A path that cannot be in an image.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file or archive could not be read or written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The build was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A number that does not belong to any input.
    #[error("internal: the copy names input {0}, which does not exist")]
    Input(usize),
}

impl FileError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotFound { ignored: true, path, leads, .. } => {
                let path = leads.as_ref().unwrap_or(path).trim_start_matches('/');
                Some(format!("the ignore file excludes it: remove the pattern, or add `!{path}`"))
            }
            Self::NotFound { leads: Some(leads), place, .. } => {
                Some(format!("it is a link to `{leads}`, which is not in {place}"))
            }
            Self::NotFound { similar: Some(similar), .. } => Some(format!("did you mean `{similar}`?")),
            Self::SeveralToOne(path) => Some(format!("write a slash behind the destination: `{path}/`")),
            Self::FileToDir { noun: "symbolic link", .. } => {
                Some("copy to the place that the link leads to, or remove the link first".to_owned())
            }
            Self::Special { .. } => Some("add it to `.dockerignore`".to_owned()),
            Self::LinkOwner(_) => Some("give numbers: `--chown=1000:1000`".to_owned()),
            Self::Changed(_) | Self::Image(ImageError::Changed(_)) => {
                Some(
                    "nothing may write to the build context during a build; if it was a stage's or an image's file, the store \
                     is damaged: `imgc store verify --full --repair`"
                        .to_owned(),
                )
            }
            Self::User(error) => error.help(),
            _ => None,
        }
    }
}
