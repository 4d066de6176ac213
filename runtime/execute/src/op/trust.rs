//! `--ca-bundle`: certificate authorities lent to commands, for networks whose proxy or archive has a private one.
//!
//! The bundle lies in the sandbox's own `/dev`, which no layer holds, and the variables by which programs find it are
//! lent like those of proxies: neither is in a key. What a command chose itself with `ENV` or `ARG` stays.

use imgc_base::ImagePath;
use imgc_sandbox::{MountSpec, What};

use crate::error::ExecuteError;

/// Where commands see the bundle.
const BUNDLE: &str = "/dev/imgc/ca-bundle.crt";
/// Where apt is told of it; read besides its other configuration (apt.conf(5), `APT_CONFIG`).
const APT: &str = "/dev/imgc/apt.conf";
/// The variables by which programs find a bundle: OpenSSL and Go, curl, git, pip, Python's requests, cargo, npm, Node.js.
const NAMES: [&str; 8] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "npm_config_cafile",
    "NODE_EXTRA_CA_CERTS",
];

/// The files of a bundle.
pub(super) fn mounts(bundle: &[u8]) -> Result<Vec<MountSpec>, ExecuteError> {
    let apt = format!("Acquire::https::CaInfo \"{BUNDLE}\";\n");
    [(BUNDLE, bundle.to_vec()), (APT, apt.into_bytes())]
        .into_iter()
        .map(|(path, bytes)| {
            let target = ImagePath::clean(path).map_err(imgc_image::ImageError::from)?;
            Ok(MountSpec { target, what: What::File { bytes, mode: 0o644, uid: 0, gid: 0 } })
        })
        .collect()
}

/// The variables that name them.
pub(super) fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.into_iter().map(|name| (name, BUNDLE)).chain([("APT_CONFIG", APT)])
}
