//! What `docker save` writes: `manifest.json`, configs, and layers in one tar.
//!
//! Every form since docker 1.10 is read: layers as `<id>/layer.tar`, equal ones as links to each other, layers
//! compressed or not, and the newer form that is an OCI layout as well, with everything below `blobs/sha256/`.

use imgc_base::config::ImageConfig;
use imgc_base::digest::BlobDigest;
use imgc_base::path::ImagePath;
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Section};
use crate::error::ImageError;
use crate::limits;

/// The list of images in an archive.
pub const MANIFEST: &str = "manifest.json";
/// Images, and names of an image, that one archive may hold.
const MANY: usize = 10_000;

/// One entry of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestItem {
    /// The member that is the config.
    pub config: String,
    /// Names, in docker's short form.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// The members that are the layers, lowest first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
}

/// An opened archive.
#[derive(Debug)]
pub struct DockerArchive {
    archive: Archive,
    images: Vec<DockerImage>,
}

/// One image of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerImage {
    /// Its names as written; may be none.
    pub tags: Vec<String>,
    /// Its config as it stands in the archive, for its digest is the image's id.
    pub config: Vec<u8>,
    /// The members that are its layers, lowest first; as many as the config has diff-ids.
    pub layers: Vec<String>,
}

impl DockerArchive {
    /// Reads the list of images and their configs.
    pub fn open(archive: Archive) -> Result<Self, ImageError> {
        if !archive.has(MANIFEST) {
            let text = if archive.has("repositories") {
                "the archive was written by docker before 1.10, or by a tool that knows no newer form"
            } else {
                "`manifest.json` is not in the archive"
            };
            return Err(ImageError::Layout(text.to_owned()));
        }
        let bytes = archive.document(MANIFEST, limits::MANIFEST_BYTES)?;
        let items: Vec<ManifestItem> = serde_json::from_slice(&bytes)
            .map_err(|source| ImageError::Json { what: format!("`{MANIFEST}`"), source })?;
        limit("number of images", items.len(), MANY)?;
        let images = items.into_iter().map(|item| image(&archive, item)).collect::<Result<_, _>>()?;
        Ok(Self { archive, images })
    }

    /// True if an archive has docker's list of images.
    pub fn is_in(archive: &Archive) -> bool {
        archive.has(MANIFEST)
    }

    /// The images, in the archive's order.
    pub fn images(&self) -> &[DockerImage] {
        &self.images
    }

    /// The bytes of a layer as they stand in the archive: plain or compressed ([`crate::compress::reader`]). Whether
    /// they have the config's diff-id is for the reader to check.
    pub fn layer(&self, member: &str) -> Result<Section, ImageError> {
        self.archive.member(member)
    }

    /// The size of a layer as it stands in the archive.
    pub fn layer_size(&self, member: &str) -> Option<u64> {
        self.archive.size(member)
    }
}

fn image(archive: &Archive, item: ManifestItem) -> Result<DockerImage, ImageError> {
    let broken = |text: String| ImageError::Layout(text);
    let tags = item.repo_tags.unwrap_or_default();
    let layers = item.layers.unwrap_or_default();
    limit("number of names", tags.len(), MANY)?;
    limit("number of layers", layers.len(), limits::LAYERS)?;
    for name in layers.iter().chain([&item.config]) {
        if !archive.has(name) {
            return Err(broken(format!("`{}` is not in the archive", name.escape_debug())));
        }
    }
    let config = archive.document(&item.config, limits::CONFIG_BYTES)?;
    if let Some(wanted) = digest_in(&item.config) {
        let digest = BlobDigest::of(&config);
        if digest != wanted {
            return Err(ImageError::Blob { digest: wanted, reason: format!("its bytes are {digest}") });
        }
    }
    let parsed: ImageConfig = serde_json::from_slice(&config)
        .map_err(|source| ImageError::Json { what: "an image's config".to_owned(), source })?;
    let wanted = parsed.rootfs.diff_ids.len();
    if wanted != layers.len() {
        return Err(broken(format!("an image has {} layers, but its config names {wanted}", layers.len())));
    }
    Ok(DockerImage { tags, config, layers })
}

/// The digest that a config's name states: `<hex>.json` or `blobs/sha256/<hex>`.
fn digest_in(member: &str) -> Option<BlobDigest> {
    let path = ImagePath::strict(member).ok()?;
    let name = std::str::from_utf8(path.name()?).ok()?;
    BlobDigest::from_hex(name.strip_suffix(".json").unwrap_or(name))
}

fn limit(what: &str, count: usize, limit: usize) -> Result<(), ImageError> {
    if count > limit {
        return Err(ImageError::Limit { what: what.to_owned(), limit: limit as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use imgc_base::digest::DiffId;

    use super::*;
    use crate::entry::{Entry, Kind, Meta};
    use crate::tar_write::LayerWriter;
    use crate::testing::path;

    /// Members in the given order; a content that starts with `->` is a symbolic link.
    fn archive(members: &[(&str, &[u8])]) -> Archive {
        let mut tar = LayerWriter::new(Vec::new());
        for (name, content) in members {
            let kind = match content.strip_prefix(b"->") {
                Some(target) => Kind::Symlink { target: target.to_vec() },
                None => Kind::File {
                    size: content.len() as u64,
                    digest: imgc_base::digest::FileDigest::of(content),
                },
            };
            tar.entry_with(&Entry { path: path(name), kind, meta: Meta::default() }, *content).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&tar.finish().unwrap()).unwrap();
        Archive::open(file, tempfile::tempfile).unwrap()
    }

    fn config(layers: &[&[u8]]) -> Vec<u8> {
        let ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", DiffId::of(layer))).collect();
        format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            ids.join(",")
        )
        .into_bytes()
    }

    #[test]
    fn old_form_with_links_and_two_images() {
        let (one, two) = (config(&[b"L", b"L"]), config(&[b"L"]));
        let names = [&one, &two].map(|config| format!("{}.json", BlobDigest::of(config).hex()));
        let manifest = format!(
            r#"[{{"Config":"{}","RepoTags":["a:1","b:2"],"Layers":["x/layer.tar","y/layer.tar"]}},
                {{"Config":"{}","RepoTags":null,"Layers":["y/layer.tar"]}}]"#,
            names[0], names[1]
        );
        let opened = DockerArchive::open(archive(&[
            (&names[0], &one),
            (&names[1], &two),
            ("x/layer.tar", b"L"),
            ("y/layer.tar", b"->../x/layer.tar"),
            (MANIFEST, manifest.as_bytes()),
            ("repositories", b"{}"),
        ]))
        .unwrap();
        let [first, second] = opened.images() else { panic!("two images") };
        assert_eq!(
            (first.tags.as_slice(), second.tags.len()),
            (&["a:1".to_owned(), "b:2".to_owned()][..], 0)
        );
        assert_eq!(first.config, one);
        for member in &first.layers {
            let mut bytes = Vec::new();
            opened.layer(member).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!((bytes.as_slice(), opened.layer_size(member)), (&b"L"[..], Some(1)));
        }
    }

    #[test]
    fn form_that_is_a_layout_too() {
        let config = config(&[b"L"]);
        let at = |content: &[u8]| crate::layout::blob_path(&BlobDigest::of(content));
        let manifest =
            format!(r#"[{{"Config":"{}","RepoTags":["a:1"],"Layers":["{}"]}}]"#, at(&config), at(b"L"));
        let opened = DockerArchive::open(archive(&[
            (&at(&config), &config),
            (&at(b"L"), b"L"),
            ("index.json", br#"{"schemaVersion":2,"manifests":[]}"#),
            (MANIFEST, manifest.as_bytes()),
            ("oci-layout", &crate::layout::marker()),
        ]))
        .unwrap();
        assert_eq!(opened.images()[0].layers, [at(b"L")]);
        assert!(crate::layout::Layout::is_in(&opened.archive));
    }

    #[test]
    fn broken_archives() {
        let one = config(&[b"L"]);
        let wrong = format!("{}.json", BlobDigest::of(b"other").hex());
        let item = |config: &str, layer: &str| format!(r#"[{{"Config":"{config}","Layers":[{layer}]}}]"#);
        for (manifest, expected) in [
            ("{}".to_owned(), "failed to read `manifest.json`"),
            (item("c.json", ""), "an image has 0 layers"),
            (item("c.json", r#""L","L""#), "an image has 2 layers"),
            (item("c.json", r#""../../etc/passwd""#), "is not in the archive"),
            (item("/etc/passwd", r#""L""#), "is not in the archive"),
            (item("L", r#""L""#), "config"),
            (item("loop", r#""L""#), "is not in the archive"),
            (item(&wrong, r#""L""#), "its bytes are"),
        ] {
            let members = archive(&[
                ("c.json", &one),
                (&wrong, &one),
                ("L", b"L"),
                ("loop", b"->loop"),
                (MANIFEST, manifest.as_bytes()),
            ]);
            let error = DockerArchive::open(members).unwrap_err().to_string();
            assert!(error.contains(expected), "{manifest}: {error}");
        }
        let old = DockerArchive::open(archive(&[("repositories", b"{}")])).unwrap_err().to_string();
        assert!(old.contains("before 1.10"), "{old}");
    }
}
