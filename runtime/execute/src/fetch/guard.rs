//! Which addresses a build file may make this machine call.
//!
//! `http` and `https` only. Link-local addresses (where clouds serve credentials) are never called; a server on the
//! public net may not send us on to a private one. Names are looked up again by the connection itself: this keeps
//! honest mistakes and plain redirects out, not a name server that answers differently twice.

use std::net::{IpAddr, ToSocketAddrs};

use super::FetchError;

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Zone {
    /// The public net, or a name that cannot be looked up here.
    Public,
    /// This machine or its own network.
    Private,
    /// Link-local.
    Link,
}

/// The parts of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// `http` or `https`.
    pub(super) scheme: &'a str,
    /// Host and port, without user information.
    pub(super) authority: &'a str,
    /// From the first slash on, without the fragment.
    pub(super) path: &'a str,
}

/// Takes an address apart; `None` if it is not http.
pub(super) fn parse(url: &str) -> Option<Address<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let authority = rest[..end].rsplit('@').next().unwrap_or_default();
    let clean = !authority.is_empty() && url.bytes().all(|byte| byte.is_ascii_graphic() || byte >= 0x80);
    clean.then_some(Address { scheme, authority, path: &rest[end..] })
}

/// The address that a `Location` header means (RFC 3986 section 5, without dot segments: servers work those out).
pub(super) fn follow(from: &str, location: &str) -> Option<String> {
    if location.contains("://") {
        return Some(location.to_owned());
    }
    let base = parse(from)?;
    let root = format!("{}://{}", base.scheme, base.authority);
    Some(if let Some(rest) = location.strip_prefix("//") {
        format!("{}://{rest}", base.scheme)
    } else if location.starts_with('/') {
        root + location
    } else {
        let path = base.path.split('?').next().unwrap_or_default();
        let dir = path.rfind('/').map_or("/", |at| &path[..=at]);
        format!("{root}{dir}{location}")
    })
}

/// Where the host of an address lies: the nearest of all that its name gives.
pub(super) fn zone(address: &Address<'_>) -> Zone {
    let (host, port) = match address.authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(80)),
        _ => (address.authority, 80_u16),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = (host, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    found.iter().map(|socket| zone_of(socket.ip())).max().unwrap_or(Zone::Public)
}

fn zone_of(ip: IpAddr) -> Zone {
    match ip {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => zone_of(IpAddr::V4(v4)),
            None if v6.is_unicast_link_local() => Zone::Link,
            None if v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() => Zone::Private,
            None => Zone::Public,
        },
        IpAddr::V4(v4) if v4.is_link_local() => Zone::Link,
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_unspecified() || v4.is_private() => Zone::Private,
        IpAddr::V4(_) => Zone::Public,
    }
}

/// Refuses an address that must not be called; `before` is the zone of the one that led here.
pub(super) fn check(url: &str, before: Option<Zone>) -> Result<Zone, FetchError> {
    let refuse = |why: &str| FetchError::Address { url: url.to_owned(), why: why.to_owned() };
    let address = parse(url).ok_or_else(|| refuse("only http and https addresses can be fetched"))?;
    match (zone(&address), before) {
        (Zone::Link, _) => Err(refuse("it is a link-local address")),
        (Zone::Private, Some(Zone::Public)) => {
            Err(refuse("a public server redirects to this machine or a private network"))
        }
        (zone, _) => Ok(zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parts = |url| parse(url).map(|a| (a.scheme, a.authority, a.path));
        assert_eq!(parts("https://u:p@h:8080/a/b?c#d"), Some(("https", "h:8080", "/a/b?c")));
        assert_eq!(parts("HTTP://h"), Some(("http", "h", "")));
        for bad in ["file:///etc/passwd", "ftp://h/", "http://", "h/a", "http://h/a b", "http://h/\n"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn redirects_are_resolved() {
        for (location, want) in [
            ("https://o/x", "https://o/x"),
            ("//o/x", "http://o/x"),
            ("/x?y", "http://h:1/x?y"),
            ("x", "http://h:1/a/x"),
        ] {
            assert_eq!(follow("http://h:1/a/b?q=1/2", location).as_deref(), Some(want), "{location}");
        }
    }

    #[test]
    fn link_local_and_private_redirects_are_refused() {
        assert!(check("http://169.254.169.254/latest", None).is_err());
        assert!(check("http://[fe80::1]/", None).is_err());
        assert!(check("http://[::ffff:169.254.169.254]/", None).is_err());
        assert!(check("http://127.0.0.1/", None).is_ok());
        assert!(check("http://127.0.0.1/", Some(Zone::Private)).is_ok());
        assert!(check("http://10.0.0.1/", Some(Zone::Public)).is_err());
        assert!(check("file:///etc/passwd", Some(Zone::Private)).is_err());
    }
}
