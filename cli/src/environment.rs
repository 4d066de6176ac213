//! The only place that reads the environment.

use std::path::PathBuf;

/// A variable, if it is set, not empty and UTF-8.
pub fn get(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A directory of the XDG base directory specification.
fn xdg(name: &str, below_home: &str) -> Option<PathBuf> {
    let given = get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    given.or_else(|| home().map(|home| home.join(below_home)))
}

/// The user's home.
pub fn home() -> Option<PathBuf> {
    get("HOME").map(PathBuf::from)
}

/// Where the store is unless asked otherwise.
pub fn data_dir() -> Option<PathBuf> {
    xdg("XDG_DATA_HOME", ".local/share").map(|dir| dir.join("imgc"))
}

/// Where caches are.
pub fn cache_dir() -> Option<PathBuf> {
    xdg("XDG_CACHE_HOME", ".cache").map(|dir| dir.join("imgc"))
}

/// Where build records are.
pub fn state_dir() -> Option<PathBuf> {
    xdg("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("imgc"))
}

/// The proxy variables that are lent to steps, in both spellings, as they are set.
pub fn proxies() -> Vec<(String, String)> {
    [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "FTP_PROXY",
        "ftp_proxy",
        "NO_PROXY",
        "no_proxy",
        "ALL_PROXY",
        "all_proxy",
    ]
    .into_iter()
    .filter_map(|name| Some((name.to_owned(), get(name)?)))
    .collect()
}

/// What git needs of the environment.
pub fn for_git() -> Vec<(String, String)> {
    [
        "PATH",
        "HOME",
        "SSH_AUTH_SOCK",
        "GIT_SSH_COMMAND",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GIT_SSL_CAINFO",
        "GIT_CONFIG_GLOBAL",
    ]
    .into_iter()
    .filter_map(|name| Some((name.to_owned(), get(name)?)))
    .chain(proxies())
    .collect()
}

/// Names of variables that stand for options of this program.
pub fn own_names() -> Vec<std::ffi::OsString> {
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.as_encoded_bytes().starts_with(b"IMGC_"))
        .collect()
}

/// True on a CI machine: no prompts, no moving progress.
pub fn is_ci() -> bool {
    get("CI").is_some_and(|value| value != "false" && value != "0")
}
