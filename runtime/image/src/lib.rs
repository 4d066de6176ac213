//! Images as data: layers (read, write, apply, scan), their indexes, compression, manifests, archives.
//!
//! | module | what it holds |
//! |---|---|
//! | [`entry`] | one path of a layer |
//! | [`index`] | a layer's entries, and their stored form |
//! | [`tree`] | several indexes seen as one file system |
//! | [`rooted`] | the one path API below a root descriptor |
//! | [`tar_read`] | a strict view of a tar stream |
//! | [`tar_write`] | the canonical layer writer |
//! | [`merge`] | one layer for several steps |
//! | [`flatten`] | what layers flatten to, as one digest: the certificate |
//! | [`unpack`] | a layer's tar to an index, and to a directory for overlay mounts |
//! | [`scan`] | an overlay upper directory to entries |
//! | [`normalise`] | bytes of files that only say when a step ran |
//! | [`implied`] | directories that a layer implies but does not hold |
//! | [`ownership`] | owners that this user may not set, kept beside the file |
//! | [`compress`] | gzip and zstd, the same bytes for any number of threads |
//! | [`decompress`] | archives from outside: gzip, bzip2, xz, zstd |
//! | [`digester`] | a stream's digest on a thread of its own |
//! | [`archive`] | tar files with random access: docker and OCI archives |
//! | [`source`] | blobs and contents of files, wherever they lie |
//! | [`layout`] | OCI layouts, in a directory or a tar |
//! | [`docker_archive`] | what `docker save` writes |
//! | [`output`] | images and root file systems written out |
//! | [`manifest`] | manifests, indexes, descriptors |
//! | [`split`] | a merged layer cut into several, none of which hides a byte of another |
//! | [`limits`] | how much of anything is accepted |
//!
//! Nothing here knows of a store, a registry or a build.

pub mod archive;
pub mod compress;
pub mod decompress;
pub mod digester;
pub mod docker_archive;
pub mod entry;
pub mod error;
pub mod flatten;
pub mod implied;
pub mod index;
pub mod layout;
pub mod limits;
pub mod manifest;
pub mod merge;
pub mod normalise;
pub mod output;
pub mod ownership;
pub mod rooted;
pub mod scan;
mod scratch;
mod seen;
pub mod source;
mod sparse;
pub mod split;
pub mod tar_read;
pub mod tar_write;
pub mod tree;
pub mod unpack;
mod visible;

#[cfg(test)]
mod testing;

pub use compress::Compression;
pub use entry::{Entry, Kind, Meta};
pub use error::ImageError;
pub use index::LayerIndex;
pub use manifest::{Descriptor, Document, Index, Manifest};
pub use rooted::Root;
pub use source::{Blobs, Contents};
pub use tree::{Layer, Tree};
