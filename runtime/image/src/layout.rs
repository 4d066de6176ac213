//! OCI image layouts: a directory, or the same in a tar (OCI image-spec `image-layout.md`).
//!
//! A layout is somebody else's: no link in it is followed, a blob is a regular file, and what is read of it is
//! checked against its digest.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use imgc_base::digest::BlobDigest;
use imgc_base::path::ImagePath;
use rustix::fs::FileType;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::error::ImageError;
use crate::limits;
use crate::manifest::{Descriptor, Document, Index, media};
use crate::rooted::Root;
use crate::source::{self, Blobs, Checked};

/// The annotation that names an image in `index.json`; most tools put only a tag here.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's annotation with the full name.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The file that marks a layout.
pub const MARKER: &str = "oci-layout";
/// The list of its images.
pub const INDEX: &str = "index.json";
/// The only version there is.
pub const VERSION: &str = "1.0.0";

/// The content of the marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// `1.0.0`.
    pub image_layout_version: String,
}

/// An opened layout.
#[derive(Debug)]
pub struct Layout {
    place: Place,
    index: Index,
}

#[derive(Debug)]
enum Place {
    Dir(Root),
    Archive(Archive),
}

impl Layout {
    /// Opens a directory.
    pub fn open(dir: &Path) -> Result<Self, ImageError> {
        Self::read(Place::Dir(Root::open(dir).map_err(ImageError::io("an image layout"))?))
    }

    /// Opens a layout in a tar.
    pub fn open_archive(archive: Archive) -> Result<Self, ImageError> {
        Self::read(Place::Archive(archive))
    }

    /// True if an archive holds a layout.
    pub fn is_in(archive: &Archive) -> bool {
        archive.has(MARKER) && archive.has(INDEX)
    }

    fn read(place: Place) -> Result<Self, ImageError> {
        let json = |what: &str| {
            let what = what.to_owned();
            |source| ImageError::Json { what, source }
        };
        let marker: Marker = serde_json::from_slice(&place.small(MARKER, 4096)?).map_err(json(MARKER))?;
        if marker.image_layout_version != VERSION {
            let text = format!("version `{}` is not known", marker.image_layout_version.escape_debug());
            return Err(ImageError::Layout(text));
        }
        let bytes = place.small(INDEX, limits::MANIFEST_BYTES)?;
        match Document::parse(&bytes, None)? {
            Document::Index(index) => Ok(Self { place, index }),
            Document::Manifest(_) => Err(ImageError::Layout(format!("`{INDEX}` is no index"))),
        }
    }

    /// The images at the top, in the order of `index.json`, with their names if they have one.
    pub fn roots(&self) -> Vec<(Option<String>, Descriptor)> {
        self.index.manifests.iter().map(|root| (name_of(root).map(str::to_owned), root.clone())).collect()
    }

    /// The document behind [`Self::roots`].
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The image of a tag, a full name or a digest; without one, the only image there is, or `latest`.
    pub fn find(&self, wanted: Option<&str>) -> Option<&Descriptor> {
        let all = &self.index.manifests;
        let named = |name: &str| {
            all.iter().find(|root| {
                [REF_NAME, CONTAINERD_NAME]
                    .iter()
                    .any(|key| root.annotations.get(*key).is_some_and(|value| value == name))
                    || root.digest.to_string() == name
            })
        };
        match (wanted, all.as_slice()) {
            (Some(name), _) => named(name),
            (None, [only]) => Some(only),
            (None, _) => named("latest"),
        }
    }

    /// The bytes of a blob; the last read fails if they are not those of the digest.
    pub fn blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, ImageError> {
        let (source, size) = self.place.blob(digest)?;
        Ok(Box::new(Checked::new(source, *digest, size)))
    }

    /// The size of a blob in bytes.
    pub fn blob_size(&self, digest: &BlobDigest) -> Result<u64, ImageError> {
        Ok(self.place.blob(digest)?.1)
    }

    /// A whole small blob, checked.
    pub fn document(&self, digest: &BlobDigest, limit: u64) -> Result<Vec<u8>, ImageError> {
        let size = self.blob_size(digest)?;
        source::document(self, &Descriptor::new("", *digest, size), limit)
    }

    /// A manifest or index, checked against its descriptor.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<(Document, Vec<u8>), ImageError> {
        let bytes = source::document(self, descriptor, limits::MANIFEST_BYTES)?;
        Ok((Document::parse(&bytes, Some(&descriptor.media_type))?, bytes))
    }
}

impl Blobs for Layout {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        self.blob(digest).map_err(into_io)
    }

    fn size(&self, digest: &BlobDigest) -> io::Result<u64> {
        self.blob_size(digest).map_err(into_io)
    }
}

/// The name that an entry of `index.json` gives its image.
pub fn name_of(root: &Descriptor) -> Option<&str> {
    root.annotations.get(CONTAINERD_NAME).or_else(|| root.annotations.get(REF_NAME)).map(String::as_str)
}

/// The path of a blob in a layout.
pub fn blob_path(digest: &BlobDigest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The marker's bytes as this program writes them.
pub fn marker() -> Vec<u8> {
    format!("{{\"imageLayoutVersion\":\"{VERSION}\"}}").into_bytes()
}

/// An empty `index.json`.
pub fn empty_index() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        manifests: Vec::new(),
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    }
}

fn into_io(error: ImageError) -> io::Error {
    let kind = match &error {
        ImageError::Missing(_) => io::ErrorKind::NotFound,
        other => other.io_source().map_or(io::ErrorKind::Other, io::Error::kind),
    };
    io::Error::new(kind, error)
}

impl Place {
    fn blob(&self, digest: &BlobDigest) -> Result<(Box<dyn Read + Send>, u64), ImageError> {
        self.file(&blob_path(digest)).map_err(|error| match error {
            ImageError::Missing(_) => ImageError::Missing(format!("blob {digest}")),
            other => other,
        })
    }

    fn file(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), ImageError> {
        match self {
            Self::Archive(archive) => {
                let missing = || ImageError::Missing(format!("`{name}`"));
                let size = archive.size(name).ok_or_else(missing)?;
                Ok((Box::new(archive.member(name)?), size))
            }
            Self::Dir(root) => {
                let path = ImagePath::strict(name)?;
                let file =
                    root.file(&path).map_err(|error| match error.io_source().map(io::Error::kind) {
                        Some(io::ErrorKind::NotFound) => ImageError::Missing(format!("`{name}`")),
                        _ => error,
                    })?;
                let stat = rustix::fs::fstat(file.as_fd()).map_err(ImageError::at("stat", &path))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(ImageError::Layout(format!("`{name}` is no regular file")));
                }
                Ok((Box::new(file), stat.st_size.cast_unsigned()))
            }
        }
    }

    /// A document that has no digest.
    fn small(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let (source, size) = self.file(name)?;
        if size > limit {
            return Err(ImageError::Limit { what: format!("`{name}`"), limit });
        }
        let mut bytes = Vec::new();
        source.take(limit).read_to_end(&mut bytes).map_err(ImageError::io("an image layout"))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layout with one blob, and an `index.json` of the given descriptors.
    fn layout(blob: &[u8], roots: &[Descriptor]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        fs_err::write(dir.path().join(blob_path(&BlobDigest::of(blob))), blob).unwrap();
        fs_err::write(dir.path().join(MARKER), marker()).unwrap();
        let index = Index { manifests: roots.to_vec(), ..empty_index() };
        fs_err::write(dir.path().join(INDEX), serde_json::to_vec(&index).unwrap()).unwrap();
        dir
    }

    fn root(content: &[u8], name: Option<&str>) -> Descriptor {
        let mut descriptor = Descriptor::of(media::MANIFEST, content);
        if let Some(name) = name {
            descriptor.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        }
        descriptor
    }

    #[test]
    fn images_by_tag_and_digest() {
        let (one, two) = (root(b"1", Some("latest")), root(b"2", Some("v2")));
        let dir = layout(b"1", &[one.clone(), two.clone()]);
        let layout = Layout::open(dir.path()).unwrap();
        assert_eq!(layout.find(None), Some(&one));
        assert_eq!(layout.find(Some("v2")), Some(&two));
        assert_eq!(layout.find(Some(&two.digest.to_string())), Some(&two));
        assert_eq!(layout.find(Some("v3")), None);
        assert_eq!(layout.roots()[1].0.as_deref(), Some("v2"));
        assert_eq!(layout.document(&one.digest, 10).unwrap(), b"1");
        assert!(matches!(layout.document(&two.digest, 10), Err(ImageError::Missing(_))));
        assert_eq!(Blobs::size(&layout, &two.digest).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// A blob that is a link to a file of the host (go-containerregistry 7f937fe5) is refused; wrong bytes are too.
    #[test]
    fn hostile_layouts() {
        let dir = layout(b"1", &[root(b"1", None)]);
        let at = |content: &[u8]| dir.path().join(blob_path(&BlobDigest::of(content)));
        let secret = dir.path().join("secret");
        fs_err::write(&secret, "link").unwrap();
        std::os::unix::fs::symlink(&secret, at(b"link")).unwrap();
        fs_err::write(at(b"two"), "2wo").unwrap();
        fs_err::create_dir(at(b"dir")).unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        for content in [&b"link"[..], b"two", b"dir"] {
            assert!(layout.document(&BlobDigest::of(content), 10).is_err());
        }
        assert!(matches!(layout.document(&BlobDigest::of(b"1"), 0), Err(ImageError::Limit { .. })));
    }

    #[test]
    fn what_is_no_layout() {
        for (name, content) in [
            (MARKER, "{}"),
            (MARKER, "{\"imageLayoutVersion\":\"2.0.0\"}"),
            (INDEX, "[]"),
            (INDEX, "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:../../x\"}]}"),
        ] {
            let dir = layout(b"1", &[]);
            fs_err::write(dir.path().join(name), content).unwrap();
            assert!(Layout::open(dir.path()).is_err(), "{name} {content}");
        }
        assert!(Layout::open(Path::new("/nonexistent/layout")).is_err());
    }
}
