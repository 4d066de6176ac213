//! Secrets for servers that files and repositories are fetched from, by the names that `BuildKit` gives them.
//!
//! | secret | sent |
//! |---|---|
//! | `HTTP_AUTH_HEADER_<host>` | to `<host>`, as the value of `Authorization` |
//! | `HTTP_AUTH_TOKEN_<host>` | to `<host>`, as `Bearer <token>` |
//! | `GIT_AUTH_HEADER.<host>`, `GIT_AUTH_HEADER` | to git's server, as the value of `Authorization`; `basic` and `bearer` alone say how the token is sent |
//! | `GIT_AUTH_TOKEN.<host>`, `GIT_AUTH_TOKEN` | to git's server, as the password of `x-access-token` |
//!
//! `<host>` may have its port. A git secret without a host is for the server of the repository that was asked for, and
//! only if the way there is encrypted. Nothing is ever sent on to where a server redirects, unless it is the same
//! scheme, host and port.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::FetchError;
use super::guard;
use crate::options::Secret;

/// A scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, with its port if the address has one.
    pub authority: String,
}

impl Server {
    /// Where an address leads; `None` if it is not http.
    pub fn of(url: &str) -> Option<Self> {
        let address = guard::parse(url)?;
        let authority = address.authority.to_lowercase();
        let port = if address.scheme == "https" { ":443" } else { ":80" };
        let authority = authority.strip_suffix(port).unwrap_or(&authority).to_owned();
        Some(Self { scheme: address.scheme.to_owned(), authority })
    }

    /// What a secret may call it: with its port, then without.
    fn names(&self) -> Vec<&str> {
        let mut names = vec![self.authority.as_str()];
        if let Some((host, port)) = self.authority.rsplit_once(':')
            && !port.contains(']')
        {
            names.push(host);
        }
        names
    }
}

/// The value of `Authorization`; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    value: String,
    /// What of it is secret.
    secret: String,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Header(..)")
    }
}

impl Header {
    /// The value.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// The whole line.
    pub(super) fn line(&self) -> String {
        format!("Authorization: {}", self.value)
    }

    /// git's setting that sends it to one server.
    pub(super) fn git_key(remote: &str) -> String {
        match Server::of(remote) {
            Some(server) => format!("http.{}://{}/.extraHeader", server.scheme, server.authority),
            // Asked for http remotes only.
            None => "http.https://invalid/.extraHeader".to_owned(),
        }
    }

    /// A text without it.
    pub(super) fn hide(&self, text: &str) -> String {
        text.replace(&self.value, "***").replace(&self.secret, "***")
    }
}

/// The secrets of a build, as far as they are for servers.
#[derive(Debug, Clone, Copy)]
pub struct Accounts<'a>(&'a BTreeMap<String, Secret>);

impl<'a> Accounts<'a> {
    /// Looks among the secrets that were given.
    pub fn new(secrets: &'a BTreeMap<String, Secret>) -> Self {
        Self(secrets)
    }

    /// What is sent to a web server.
    pub(super) fn http(self, server: &Server) -> Result<Option<Header>, FetchError> {
        for host in server.names() {
            if let Some((_, text)) = self.read(&format!("HTTP_AUTH_HEADER_{host}"))? {
                return Ok(Some(Header { value: text.clone(), secret: text }));
            }
            if let Some((_, token)) = self.read(&format!("HTTP_AUTH_TOKEN_{host}"))? {
                return Ok(Some(Header { value: format!("Bearer {token}"), secret: token }));
            }
        }
        Ok(None)
    }

    /// What is sent to the server of a repository; `main` is that of the repository that was asked for.
    pub(super) fn git(self, remote: &str, main: Option<&Server>) -> Result<Option<Header>, FetchError> {
        let Some(server) = Server::of(remote) else { return Ok(None) };
        let mut ends: Vec<String> = server.names().iter().map(|host| format!(".{host}")).collect();
        if server.scheme == "https" && Some(&server) == main {
            ends.push(String::new());
        }
        for end in ends {
            let header = self.read(&format!("GIT_AUTH_HEADER{end}"))?;
            let token = self.read(&format!("GIT_AUTH_TOKEN{end}"))?;
            let found = match (header, token) {
                (Some((id, text)), token) => {
                    let scheme = text.to_ascii_lowercase();
                    match (scheme.as_str(), token) {
                        ("basic", Some((_, token))) => {
                            let value = format!("basic {}", STANDARD.encode(&token));
                            Header { value, secret: token }
                        }
                        ("bearer", Some((_, token))) => {
                            Header { value: format!("bearer {token}"), secret: token }
                        }
                        ("basic" | "bearer", None) => {
                            let why = format!("it names a scheme, but there is no GIT_AUTH_TOKEN{end}");
                            return Err(FetchError::Secret { id, why });
                        }
                        _ => Header { value: text.clone(), secret: text },
                    }
                }
                (None, Some((_, token))) => {
                    let pair = STANDARD.encode(format!("x-access-token:{token}"));
                    Header { value: format!("basic {pair}"), secret: token }
                }
                (None, None) => continue,
            };
            return Ok(Some(found));
        }
        Ok(None)
    }

    /// A secret as one line, with its id.
    fn read(self, id: &str) -> Result<Option<(String, String)>, FetchError> {
        let Some(secret) = self.0.get(id) else { return Ok(None) };
        let wrong = |why: &str| FetchError::Secret { id: id.to_owned(), why: why.to_owned() };
        let bytes = secret.read().map_err(|error| wrong(&error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is no text"))?;
        let text = text.trim().to_owned();
        if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(wrong("it is empty or has several lines"));
        }
        Ok(Some((id.to_owned(), text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::SecretBytes;

    fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        let secret = |text: &str| Secret::Value(SecretBytes(text.as_bytes().to_vec()));
        pairs.iter().map(|(id, text)| ((*id).to_owned(), secret(text))).collect()
    }

    fn http(pairs: &[(&str, &str)], url: &str) -> Option<String> {
        let secrets = secrets(pairs);
        Accounts::new(&secrets).http(&Server::of(url)?).unwrap().map(|header| header.value)
    }

    fn git(pairs: &[(&str, &str)], remote: &str, main: &str) -> Option<String> {
        let secrets = secrets(pairs);
        let main = Server::of(main);
        Accounts::new(&secrets).git(remote, main.as_ref()).unwrap().map(|header| header.value)
    }

    #[test]
    fn web_servers() {
        let pairs = [("HTTP_AUTH_TOKEN_h", "t\n"), ("HTTP_AUTH_HEADER_o:8080", "Basic x")];
        for (url, want) in [
            ("https://h/x", Some("Bearer t")),
            ("https://H:443/x", Some("Bearer t")),
            ("http://h:81/x", Some("Bearer t")),
            ("https://h.evil/x", None),
            ("https://h@evil/x", None),
            ("http://o:8080/x", Some("Basic x")),
            ("http://o:8081/x", None),
            ("http://o/x", None),
        ] {
            assert_eq!(http(&pairs, url).as_deref(), want, "{url}");
        }
    }

    #[test]
    fn repositories() {
        let token = Some("basic eC1hY2Nlc3MtdG9rZW46dA==");
        let general = [("GIT_AUTH_TOKEN", "t")];
        let main = "https://h/a.git";
        for (remote, want) in [
            ("https://h/a.git", token),
            ("https://h/other.git", token),
            ("http://h/a.git", None),
            ("https://h:444/a.git", None),
            ("https://evil/a.git", None),
            ("ssh://git@h/a.git", None),
            ("git@h:a.git", None),
        ] {
            assert_eq!(git(&general, remote, main).as_deref(), want, "{remote}");
        }
        // Over http only if the host is named.
        assert_eq!(git(&general, "http://h/a.git", "http://h/a.git"), None);
        let named = [("GIT_AUTH_TOKEN.h", "t"), ("GIT_AUTH_TOKEN", "other")];
        assert_eq!(git(&named, "http://h/a.git", main).as_deref(), token);
        assert_eq!(git(&named, "https://h/a.git", main).as_deref(), token);
        assert_eq!(git(&[("GIT_AUTH_HEADER", "Basic abc")], main, main).as_deref(), Some("Basic abc"));
        let both = [("GIT_AUTH_TOKEN", "u:p"), ("GIT_AUTH_HEADER", "basic")];
        assert_eq!(git(&both, main, main).as_deref(), Some("basic dTpw"));
        let bearer = [("GIT_AUTH_TOKEN.h", "t"), ("GIT_AUTH_HEADER.h", "bearer")];
        assert_eq!(git(&bearer, main, main).as_deref(), Some("bearer t"));
    }

    #[test]
    fn what_no_header_can_carry() {
        for text in ["", " \n", "a\nb", "a\r\nX-Evil: 1"] {
            let secrets = secrets(&[("HTTP_AUTH_TOKEN_h", text)]);
            let server = Server::of("https://h/").unwrap();
            let error = Accounts::new(&secrets).http(&server).unwrap_err();
            assert!(matches!(error, FetchError::Secret { .. }), "{text:?}");
        }
        let secrets = secrets(&[("GIT_AUTH_HEADER", "basic")]);
        let main = Server::of("https://h/a.git");
        assert!(Accounts::new(&secrets).git("https://h/a.git", main.as_ref()).is_err());
    }

    #[test]
    fn nothing_is_printed() {
        let header = Header { value: "Bearer abc".to_owned(), secret: "abc".to_owned() };
        assert_eq!(format!("{header:?}"), "Header(..)");
        assert_eq!(header.hide("got Bearer abc and abc"), "got *** and ***");
    }
}
