//! What goes wrong with layers and archives.

use std::io;

use imgc_base::digest::BlobDigest;
use imgc_base::path::{ImagePath, PathError};

/// Why a layer, an archive or a directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A call to the system failed on a path inside an image.
    #[error("failed to {action} `{path}`")]
    At {
        /// What was tried: `open`, `make directory`.
        action: &'static str,
        /// Where, inside the image.
        path: ImagePath,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Reading or writing a stream failed.
    #[error("failed to read or write {what}")]
    Io {
        /// Which stream.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The tar stream is broken or says two things at once.
    #[error("broken archive: {0}")]
    Tar(String),
    /// A path in an archive is refused.
    #[error("broken archive: {0}")]
    Path(#[from] PathError),
    /// A number from outside is over its limit.
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// What is too large.
        what: String,
        /// How much is accepted.
        limit: u64,
    },
    /// A stored index does not read back.
    #[error("broken layer index: {0}")]
    Index(&'static str),
    /// A file changed between being hashed and being read again.
    #[error("`{0}` changed while it was read")]
    Changed(ImagePath),
    /// A name that would act as a whiteout in a layer.
    #[error("`{0}` cannot be in a layer: names that start with `.wh.` mean deletion there")]
    WhiteoutName(ImagePath),
    /// Too many symbolic links.
    #[error("too many symbolic links in `{0}`")]
    Loop(ImagePath),
    /// A manifest or index is not what it should be.
    #[error("broken manifest: {0}")]
    Manifest(String),
    /// An image layout or a docker archive is not what it should be.
    #[error("broken image layout: {0}")]
    Layout(String),
    /// A blob's bytes are not those that its digest and size say.
    #[error("blob {digest} is broken: {reason}")]
    Blob {
        /// Which blob.
        digest: BlobDigest,
        /// What differs.
        reason: String,
    },
    /// Something named by a document is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// A JSON document does not read.
    #[error("failed to read {what}")]
    Json {
        /// Which document.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl ImageError {
    /// For `map_err` on a call that concerned a path inside an image.
    pub fn at<E: Into<io::Error>>(action: &'static str, path: &ImagePath) -> impl FnOnce(E) -> Self {
        move |source| Self::At { action, path: path.clone(), source: source.into() }
    }

    /// For `map_err` on a stream.
    pub fn io<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { what, source: source.into() }
    }

    /// The system's error behind this one, if there is one.
    pub fn io_source(&self) -> Option<&io::Error> {
        match self {
            Self::At { source, .. } | Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
