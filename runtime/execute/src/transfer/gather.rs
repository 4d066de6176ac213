//! From a manifest or index to everything that belongs to it.

use std::collections::BTreeMap;

use imgc_base::digest::BlobDigest;
use imgc_image::{Descriptor, Document, ImageError, limits};

use super::Platforms;
use crate::bases::for_platform;
use crate::error::ExecuteError;

/// Indexes in indexes that are followed.
const DEPTH: usize = 4;
/// Manifests of one image.
const MANIFESTS: usize = 1000;

/// What belongs to an image.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Manifests and indexes with their bytes; what another one names comes before it.
    pub documents: Vec<(Descriptor, Vec<u8>, Document)>,
    /// Configs and layers.
    pub blobs: BTreeMap<BlobDigest, Descriptor>,
}

/// Gives the bytes of a document, or `None` if it is not there.
pub type Read<'r> = dyn Fn(&Descriptor) -> Result<Option<Vec<u8>>, ExecuteError> + 'r;

/// Reads manifests and lists what they need. `read` gives the bytes of a document, `None` if it is not there; what an
/// index names may be absent unless it was asked for by its platform.
pub fn gather(
    root: &Descriptor,
    name: &str,
    platforms: &Platforms,
    read: &Read<'_>,
) -> Result<Parts, ExecuteError> {
    let mut parts = Parts::default();
    visit(root, name, platforms, read, 0, &mut parts)?;
    Ok(parts)
}

fn visit(
    descriptor: &Descriptor,
    name: &str,
    platforms: &Platforms,
    read: &Read<'_>,
    depth: usize,
    parts: &mut Parts,
) -> Result<(), ExecuteError> {
    if depth > DEPTH || parts.documents.len() > MANIFESTS {
        return Err(ImageError::Manifest("its indexes name too many manifests".to_owned()).into());
    }
    if parts.documents.iter().any(|(known, ..)| known.digest == descriptor.digest) {
        return Ok(());
    }
    let Some(bytes) = read(descriptor)? else {
        if depth > 0 && *platforms == Platforms::All {
            return Ok(());
        }
        return Err(ImageError::Missing(format!("manifest {}", descriptor.digest)).into());
    };
    if bytes.len() as u64 > limits::MANIFEST_BYTES || BlobDigest::of(&bytes) != descriptor.digest {
        let reason = "its bytes have another digest".to_owned();
        return Err(ImageError::Blob { digest: descriptor.digest, reason }.into());
    }
    let stated = Some(descriptor.media_type.as_str()).filter(|kind| !kind.is_empty());
    let document = Document::parse(&bytes, stated)?;
    match &document {
        Document::Manifest(manifest) => {
            for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
                let known = parts.blobs.entry(blob.digest).or_insert_with(|| blob.clone());
                if known.size != blob.size {
                    let reason = format!("it is announced with {} and with {} bytes", known.size, blob.size);
                    return Err(ImageError::Blob { digest: blob.digest, reason }.into());
                }
            }
        }
        Document::Index(index) => match platforms {
            Platforms::All => {
                for child in &index.manifests {
                    visit(child, name, platforms, read, depth + 1, parts)?;
                }
            }
            Platforms::These(wanted) => {
                for platform in wanted {
                    let child = for_platform(name, index, platform).map_err(ExecuteError::Fact)?;
                    let only = Platforms::These(vec![platform.clone()]);
                    visit(&child, name, &only, read, depth + 1, parts)?;
                }
            }
        },
    }
    parts.documents.push((descriptor.clone(), bytes, document));
    Ok(())
}

#[cfg(test)]
mod tests {
    use imgc_base::platform::Platform;
    use imgc_image::manifest::media;

    use super::*;

    fn texts() -> (BTreeMap<BlobDigest, Vec<u8>>, Descriptor) {
        let mut all = BTreeMap::new();
        let mut entries = Vec::new();
        for arch in ["amd64", "arm64"] {
            let config = Descriptor::of(media::CONFIG, arch.as_bytes());
            let text = serde_json::json!({"schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": []});
            let bytes = text.to_string().into_bytes();
            let mut entry = Descriptor::of(media::MANIFEST, &bytes);
            entry.platform = Some((&Platform::new("linux", arch, "")).into());
            all.insert(entry.digest, bytes);
            entries.push(entry);
        }
        let text = serde_json::json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries});
        let bytes = text.to_string().into_bytes();
        let root = Descriptor::of(media::INDEX, &bytes);
        all.insert(root.digest, bytes);
        (all, root)
    }

    #[test]
    fn by_platform_or_all() {
        let (mut all, root) = texts();
        let arm = Platforms::These(vec![Platform::new("linux", "arm64", "")]);
        let read = |wanted: &Descriptor| Ok(all.get(&wanted.digest).cloned());
        let parts = gather(&root, "x", &arm, &read).unwrap();
        assert_eq!((parts.documents.len(), parts.blobs.len()), (2, 1));
        assert_eq!(parts.documents.last().unwrap().0.digest, root.digest, "what names others comes last");
        let parts = gather(&root, "x", &Platforms::All, &read).unwrap();
        assert_eq!((parts.documents.len(), parts.blobs.len()), (3, 2));
        let s390 = Platforms::These(vec![Platform::new("linux", "s390x", "")]);
        let error = gather(&root, "x", &s390, &read).unwrap_err().to_string();
        assert!(error.contains("not made for linux/s390x"), "{error}");
        // An image for one platform was pulled: the rest of its index is elsewhere.
        let gone = *all.keys().find(|digest| **digest != root.digest).unwrap();
        all.remove(&gone);
        let read = |wanted: &Descriptor| Ok(all.get(&wanted.digest).cloned());
        assert_eq!(gather(&root, "x", &Platforms::All, &read).unwrap().documents.len(), 2);
        let wrong = |_: &Descriptor| Ok(Some(b"{}".to_vec()));
        assert!(gather(&root, "x", &Platforms::All, &wrong).is_err());
    }
}
