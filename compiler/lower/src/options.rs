//! What a build was asked for, as far as it decides the graph. Its network, epoch, proxies and limits do not: they
//! belong to the machine, and the executor gives them.

use std::collections::BTreeMap;

use imgc_base::Platform;

/// What a build was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The stage to build, by name in any case or by number; `None` builds the last.
    pub target: Option<String>,
    /// Values of build arguments. One without a value counts as not given.
    pub build_args: BTreeMap<String, Option<String>>,
    /// The platforms to build for; empty builds for [`Options::build_platform`].
    pub platforms: Vec<Platform>,
    /// The platform of this machine: `BUILDPLATFORM`.
    pub build_platform: Platform,
    /// Labels that win over those of the file.
    pub labels: BTreeMap<String, String>,
    /// Annotations of each manifest.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of the manifest for one platform, which win: name and value.
    pub platform_annotations: Vec<(Platform, String, String)>,
    /// Named contexts: `docker-image://NAME`, `oci-layout://DIR[:TAG]`, `oci:DIR[:TAG]`, a git or http address, or a
    /// directory.
    pub contexts: BTreeMap<String, String>,
    /// What steps of stages without a name are called after: `Dockerfile#12`.
    pub dockerfile_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            target: None,
            build_args: BTreeMap::new(),
            platforms: Vec::new(),
            build_platform: Platform::host(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            platform_annotations: Vec::new(),
            contexts: BTreeMap::new(),
            dockerfile_name: "Dockerfile".to_owned(),
        }
    }
}

impl Options {
    /// The value given for a build argument.
    pub fn build_arg(&self, name: &str) -> Option<&str> {
        self.build_args.get(name)?.as_deref()
    }

    /// True if the result is an index, not one image.
    pub fn makes_index(&self) -> bool {
        crate::image::is_index(self, &crate::image::platforms(self))
    }
}
