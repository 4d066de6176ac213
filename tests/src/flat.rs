//! An image as a list of paths, for comparing what two programs made.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use imgc_base::config::ImageConfig;
use imgc_base::digest::DiffId;
use imgc_base::path::ImagePath;
use imgc_image::layout::Layout;
use imgc_image::manifest::Document;
use imgc_image::unpack::unpack;
use imgc_image::{Kind, Layer, LayerIndex, Tree, compress, limits};

/// What an image is, apart from how it is cut into layers.
#[derive(Debug)]
pub struct Flat {
    /// Each path and all that is known of it but its time.
    pub paths: BTreeMap<String, String>,
    /// The time of each path.
    pub times: BTreeMap<String, i64>,
    /// The config.
    pub config: ImageConfig,
    /// How many layers it has.
    pub layers: usize,
}

/// Reads the only image, or the named one, of an OCI layout.
pub fn of_layout(dir: &Path, name: Option<&str>) -> Flat {
    let layout = Layout::open(dir).expect("a layout");
    let root = layout.find(name).or_else(|| layout.find(None)).expect("an image in the layout");
    let (document, _) = layout.manifest(root).expect("a manifest");
    let Document::Manifest(manifest) = document else { panic!("an index") };
    let config = layout.document(&manifest.config.digest, limits::CONFIG_BYTES).expect("a config");
    let config: ImageConfig = serde_json::from_slice(&config).expect("a config that parses");
    let layers = manifest.layers.iter().map(|layer| layout.blob(&layer.digest).expect("a layer"));
    of_blobs(layers, config)
}

/// Reads what containers/image writes as `dir:DIR`: a manifest, and blobs named by their digests.
pub fn of_dir(dir: &Path) -> Flat {
    let manifest = fs_err::read(dir.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("a manifest that parses");
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().expect("a digest");
        dir.join(digest.strip_prefix("sha256:").expect("sha256"))
    };
    let config = fs_err::read(blob(&manifest["config"])).expect("a config");
    let config: ImageConfig = serde_json::from_slice(&config).expect("a config that parses");
    let layers = manifest["layers"].as_array().expect("layers");
    of_blobs(layers.iter().map(|layer| fs_err::File::open(blob(layer)).expect("a layer")), config)
}

/// Flattens layers, lowest first.
fn of_blobs<R: Read>(blobs: impl Iterator<Item = R>, config: ImageConfig) -> Flat {
    let mut layers = Vec::new();
    for (number, blob) in blobs.enumerate() {
        let index: LayerIndex =
            unpack(compress::reader(blob).expect("a stream"), None).expect("a layer that reads");
        layers.push(Layer { diff_id: DiffId::of(&number.to_le_bytes()), index: index.into() });
    }
    of_tree(&Tree::new(layers), config)
}

/// Flattens a tree.
pub fn of_tree(tree: &Tree, config: ImageConfig) -> Flat {
    let mut flat =
        Flat { paths: BTreeMap::new(), times: BTreeMap::new(), config, layers: tree.layers().len() };
    let mut names: BTreeMap<(&DiffId, &ImagePath), Vec<String>> = BTreeMap::new();
    for found in tree.all() {
        let content = found.content();
        let meta = &content.meta;
        let kind = match &found.entry.kind {
            // A link's name is only one of several: what counts is what it holds.
            Kind::Hardlink { .. } => &content.kind,
            other => other,
        };
        let mut line = match kind {
            Kind::Dir { .. } => "dir".to_owned(),
            Kind::File { size, digest } => format!("file {size} {}", digest.short()),
            Kind::Symlink { target } => format!("link {}", String::from_utf8_lossy(target)),
            other => format!("{other:?}"),
        };
        if !matches!(kind, Kind::Symlink { .. }) {
            let _ = write!(line, " {:o}", meta.mode);
        }
        let _ = write!(line, " {}:{}", meta.uid, meta.gid);
        for (name, value) in &meta.xattrs {
            let _ = write!(line, " {}={}", String::from_utf8_lossy(name), value.escape_ascii());
        }
        let path = found.entry.path.to_absolute();
        names.entry((&found.layer.diff_id, &content.path)).or_default().push(path.clone());
        flat.times.insert(path.clone(), meta.mtime);
        flat.paths.insert(path, line);
    }
    // Which names are one file, by the first of them.
    for same in names.values().filter(|same| same.len() > 1) {
        for path in same {
            let _ = write!(flat.paths.entry(path.clone()).or_default(), " same as {}", same[0]);
        }
    }
    flat
}

/// The differences of two images, a line each: `- ` only in the first, `+ ` only in the second.
pub fn differences(first: &Flat, second: &Flat) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, line) in &first.paths {
        if second.paths.get(path) != Some(line) {
            lines.push(format!("- {path} {line}"));
        }
    }
    for (path, line) in &second.paths {
        if first.paths.get(path) != Some(line) {
            lines.push(format!("+ {path} {line}"));
        }
    }
    lines
}
