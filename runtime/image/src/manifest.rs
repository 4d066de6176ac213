//! Manifests and indexes (OCI image-spec `manifest.md`, `image-index.md`; docker's schema 2).
//!
//! What comes from elsewhere is kept as raw bytes beside the parsed form; what we write has one form: two-space-free
//! compact JSON with fields in this order.

use std::collections::BTreeMap;

use imgc_base::config::null_is_default;
use imgc_base::digest::BlobDigest;
use imgc_base::platform::Platform;
use serde::{Deserialize, Serialize};

use crate::error::ImageError;
use crate::limits;

/// Media types.
pub mod media {
    /// An OCI manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An OCI image config.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// The empty JSON document `{}` of artifacts.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// A docker schema 2 manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// A docker manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// A docker image config.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// A docker layer.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    /// True for both kinds of manifest.
    pub fn is_manifest(media_type: &str) -> bool {
        matches!(media_type, MANIFEST | DOCKER_MANIFEST)
    }

    /// True for both kinds of index.
    pub fn is_index(media_type: &str) -> bool {
        matches!(media_type, INDEX | DOCKER_LIST)
    }
}

/// Names a blob and says what it is (OCI image-spec `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: BlobDigest,
    /// Its size in bytes.
    pub size: u64,
    /// For entries of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformDoc>,
    /// Remarks.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A plain descriptor.
    pub fn new(media_type: &str, digest: BlobDigest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }

    /// The descriptor of a document.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, BlobDigest::of(bytes), bytes.len() as u64)
    }
}

/// A platform as documents write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformDoc {
    /// `amd64`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `linux`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Windows build.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

impl From<&Platform> for PlatformDoc {
    fn from(platform: &Platform) -> Self {
        let variant = (!platform.variant.is_empty()).then(|| platform.variant.clone());
        Self { architecture: platform.arch.clone(), os: platform.os.clone(), variant, os_version: None }
    }
}

impl PlatformDoc {
    /// The platform, normalised.
    pub fn platform(&self) -> Platform {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref().unwrap_or_default())
    }
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// OCI or docker; absent in some old OCI manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// Lowest first.
    #[serde(deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Remarks.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A multi-platform index, and the `index.json` of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// OCI index or docker list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The manifests.
    #[serde(default, deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Remarks.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Either of the two.
#[expect(clippy::large_enum_variant, reason = "one at a time is alive")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

impl Document {
    /// Reads a document whose media type was stated beside it (by a descriptor or a header).
    ///
    /// Refuses what is ambiguous (CVE-2021-41190): a stated type that differs from the document's own, or one document
    /// with both `manifests` and `layers`. Refuses docker's schema 1.
    pub fn parse(bytes: &[u8], stated: Option<&str>) -> Result<Self, ImageError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Probe {
            schema_version: Option<u32>,
            media_type: Option<String>,
            #[serde(default, deserialize_with = "present")]
            manifests: Option<serde_json::Value>,
            layers: Option<serde_json::Value>,
            fs_layers: Option<serde_json::Value>,
            config: Option<serde_json::Value>,
        }
        fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<serde_json::Value>, D::Error> {
            serde_json::Value::deserialize(from).map(Some)
        }
        let bad = |what: &str| ImageError::Manifest(what.to_owned());
        if bytes.len() as u64 > limits::MANIFEST_BYTES {
            return Err(ImageError::Limit { what: "a manifest".into(), limit: limits::MANIFEST_BYTES });
        }
        let probe: Probe = serde_json::from_slice(bytes).map_err(|e| bad(&format!("not a manifest: {e}")))?;
        if probe.schema_version == Some(1) || probe.fs_layers.is_some() {
            return Err(bad(
                "docker's manifest schema 1 is not supported; push the image again with any newer tool",
            ));
        }
        if probe.schema_version != Some(2) {
            return Err(bad("`schemaVersion` is not 2"));
        }
        let own = probe.media_type.as_deref();
        if let (Some(own), Some(stated)) = (own, stated)
            && own != stated
        {
            return Err(bad(&format!("it says `{own}` of itself but was announced as `{stated}`")));
        }
        // A list that is null is an empty one, but decides nothing where the rest of a manifest is there.
        let image = probe.layers.is_some() || probe.config.is_some();
        let lists = probe.manifests.is_some_and(|list| !list.is_null() || !image);
        if lists && image {
            return Err(bad("it has both `manifests` and `layers`"));
        }
        let kind = own.or(stated);
        let is_index = match kind {
            Some(kind) if media::is_index(kind) => true,
            Some(kind) if media::is_manifest(kind) => false,
            Some(kind) => return Err(bad(&format!("`{kind}` is not an image"))),
            None => lists,
        };
        if is_index != lists {
            return Err(bad("its content does not fit its media type"));
        }
        let document = if is_index {
            Self::Index(serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))?)
        } else {
            let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))?;
            if manifest.layers.len() > limits::LAYERS {
                return Err(ImageError::Limit {
                    what: "number of layers".into(),
                    limit: limits::LAYERS as u64,
                });
            }
            Self::Manifest(manifest)
        };
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_ambiguous_documents() {
        let digest = BlobDigest::of(b"");
        let config = format!(r#"{{"mediaType":"{}","digest":"{digest}","size":0}}"#, media::CONFIG);
        let table: [(String, Option<&str>, &str); 7] = [
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.into(), None, "schema 1"),
            (r#"{"schemaVersion":3}"#.into(), None, "not 2"),
            (format!(r#"{{"schemaVersion":2,"manifests":[],"layers":[],"config":{config}}}"#), None, "both"),
            (
                format!(r#"{{"schemaVersion":2,"layers":[],"config":{config}}}"#),
                Some(media::INDEX),
                "does not fit",
            ),
            (
                format!(
                    r#"{{"schemaVersion":2,"mediaType":"{}","layers":[],"config":{config}}}"#,
                    media::MANIFEST
                ),
                Some(media::DOCKER_MANIFEST),
                "announced",
            ),
            (r#"{"schemaVersion":2,"mediaType":"text/plain"}"#.into(), None, "not an image"),
            ("[]".into(), None, "not a manifest"),
        ];
        for (text, stated, expected) in table {
            let error = Document::parse(text.as_bytes(), stated).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let good = format!(r#"{{"schemaVersion":2,"layers":[],"config":{config}}}"#);
        assert!(matches!(Document::parse(good.as_bytes(), Some(media::MANIFEST)), Ok(Document::Manifest(_))));
        assert!(matches!(
            Document::parse(br#"{"schemaVersion":2,"manifests":[]}"#, None),
            Ok(Document::Index(_))
        ));
    }

    /// Programs in Go write null for a list or map that has nothing in it.
    #[test]
    fn null_is_nothing() {
        let digest = BlobDigest::of(b"");
        let config = format!(
            r#"{{"mediaType":"{}","digest":"{digest}","size":0,"annotations":null,"urls":null,"platform":null}}"#,
            media::CONFIG
        );
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":null,"annotations":null,"subject":null}}"#,
            media::MANIFEST
        );
        let Ok(Document::Manifest(manifest)) = Document::parse(text.as_bytes(), None) else {
            panic!("{text}")
        };
        assert!(manifest.layers.is_empty() && manifest.annotations.is_empty());
        for stated in [None, Some(media::INDEX)] {
            let text = r#"{"schemaVersion":2,"manifests":null,"annotations":null}"#;
            assert!(matches!(Document::parse(text.as_bytes(), stated), Ok(Document::Index(_))), "{stated:?}");
        }
        let entry = format!(
            r#"{{"mediaType":"{}","digest":"{digest}","size":0,"platform":{{"architecture":"amd64","os":null,"os.features":[]}}}}"#,
            media::MANIFEST
        );
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#);
        let Ok(Document::Index(index)) = Document::parse(text.as_bytes(), None) else { panic!("{text}") };
        assert_eq!(index.manifests[0].platform.as_ref().unwrap().os, "");
    }
}
