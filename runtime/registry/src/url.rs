//! Addresses: origins, and the checks on every address that a registry names.
//!
//! Everything that decides where a credential may go compares [`Origin`]s, never texts.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

use crate::error::{Error, Kind, clean};
use crate::limits;

/// Scheme, host and port: what a credential is bound to (security rule R6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// `https` rather than `http`.
    pub(crate) https: bool,
    /// Lower case; IPv6 addresses in brackets.
    pub(crate) host: String,
    /// Always explicit.
    pub(crate) port: u16,
}

/// How far away an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Never a registry: link-local (cloud metadata), unspecified, multicast.
    Never,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// Anywhere.
    Public,
}

impl Origin {
    /// A `host[:port]` as image names write it.
    pub(crate) fn of_host(https: bool, text: &str) -> Result<Self, Error> {
        let scheme = if https { "https" } else { "http" };
        parse(&format!("{scheme}://{text}/")).map(|url| Self::of(&url))
    }

    /// The origin of a checked address.
    pub(crate) fn of(url: &Uri) -> Self {
        let https = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
        Self { https, host, port }
    }

    /// An address below this origin. `path` starts with a slash.
    pub(crate) fn url(&self, path: &str) -> Result<Uri, Error> {
        parse(&format!("{self}{path}"))
    }

    /// An address that means this origin: a registry behind a proxy that it does not know of says `http` of itself, without a
    /// port or with the one that it is asked at. `None` if another server is meant.
    pub(crate) fn own(&self, url: &Uri) -> Result<Option<Uri>, Error> {
        let other = Self::of(url);
        if other == *self {
            return Ok(Some(url.clone()));
        }
        let downgraded = self.https && !other.https && (url.port().is_none() || other.port == self.port);
        let renamed = other.host != self.host && (other.https, other.port) == (self.https, self.port);
        if self.same_host(&other) && (downgraded || renamed) {
            self.url(url.path_and_query().map_or("/", |path| path.as_str())).map(Some)
        } else {
            Ok(None)
        }
    }

    /// True for one host under one name, and for the names of this machine.
    pub(crate) fn same_host(&self, other: &Self) -> bool {
        self.host == other.host || (self.is_loopback() && other.is_loopback())
    }

    /// How far away it is, if its host is an address rather than a name.
    pub(crate) fn literal(&self) -> Option<Reach> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        if bare == "localhost" || bare.ends_with(".localhost") {
            return Some(Reach::Loopback);
        }
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Some(reach(ip));
        }
        // `127.1`, `0x7f000001` and `2130706433` are addresses to some resolvers.
        let last = bare.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let odd = last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
        odd.then_some(Reach::Never)
    }

    /// True if its host is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.literal() == Some(Reach::Loopback)
    }

    /// `host:port` without the port that the scheme implies.
    pub(crate) fn host_port(&self) -> String {
        let implied = if self.https { 443 } else { 80 };
        if self.port == implied { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host_port())
    }
}

/// How far away an IP address is.
pub(crate) fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            if ip.is_unspecified() || a == 0 || ip.is_link_local() || ip.is_multicast() || a >= 240 {
                Reach::Never
            } else if ip.is_loopback() {
                Reach::Loopback
            } else if ip.is_private() || (a == 100 && (64..128).contains(&b)) {
                Reach::Private
            } else {
                Reach::Public
            }
        }
        IpAddr::V6(ip) => {
            if let Some(v4) = ip.to_ipv4_mapped() {
                return reach(IpAddr::V4(v4));
            }
            if ip.is_loopback() {
                Reach::Loopback
            } else if ip.is_unspecified() || ip.is_unicast_link_local() || ip.is_multicast() {
                Reach::Never
            } else if ip.is_unique_local() {
                Reach::Private
            } else if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = ip.segments() {
                // NAT64 reaches the IPv4 address inside.
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                reach(IpAddr::from([a, b, c, d]))
            } else {
                Reach::Public
            }
        }
    }
}

/// Parses an absolute address; refuses other schemes, accounts inside, and texts that are too long.
pub(crate) fn parse(text: &str) -> Result<Uri, Error> {
    let bad = |why: &str| Error::new(Kind::Protocol, format!("`{}` is no address: {why}", clean(text)));
    if text.len() > limits::URL_BYTES {
        return Err(Error::new(
            Kind::Limit,
            format!("an address is over the limit of {} bytes", limits::URL_BYTES),
        ));
    }
    if text.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'\\') {
        return Err(Error::new(Kind::Protocol, "an address has characters that addresses cannot have"));
    }
    let text = text.split('#').next().unwrap_or_default();
    let url: Uri = text.parse().map_err(|_| bad("it does not parse"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(bad("only http and https are followed"));
    }
    let Some(authority) = url.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(bad("it names no host"));
    };
    if authority.as_str().contains('@') {
        return Err(Error::new(Kind::Refused, "an address holds a user name or password"));
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if !port.is_empty()
        && port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0)
    {
        return Err(bad("its port is no number"));
    }
    Ok(url)
}

/// Resolves a `Location` against the address that answered with it (RFC 3986, 5.2, without `..`).
pub(crate) fn join(base: &Uri, location: &str) -> Result<Uri, Error> {
    let origin = Origin::of(base);
    let lower = location.get(..8).unwrap_or(location).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return parse(location);
    }
    if let Some(rest) = location.strip_prefix("//") {
        return parse(&format!("{}://{rest}", if origin.https { "https" } else { "http" }));
    }
    if location.starts_with('/') {
        return origin.url(location);
    }
    let scheme = location.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.contains(':') {
        return Err(Error::new(Kind::Protocol, format!("`{}` is no http address", clean(location))));
    }
    let path = base.path();
    if location.starts_with('?') {
        return origin.url(&format!("{path}{location}"));
    }
    let dir = &path[..=path.rfind('/').unwrap_or(0)];
    origin.url(&format!("{dir}{location}"))
}

/// Adds a query parameter.
pub(crate) fn with_query(url: &Uri, name: &str, value: &str) -> Result<Uri, Error> {
    let text = url.to_string();
    let mark = match url.query() {
        None => "?",
        Some("") => "",
        Some(_) => "&",
    };
    parse(&format!("{text}{mark}{name}={}", encode(value)))
}

/// Percent-encodes a query value; `:` and `/` stay readable, as registries expect of digests and scopes.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    out
}

/// Public suffixes of two labels under which unrelated people have names. Not the whole public suffix list: a name
/// below one that is missing here is treated as one site.
const SHARED: &[&str] = &[
    "co.uk",
    "org.uk",
    "ac.uk",
    "com.au",
    "net.au",
    "org.au",
    "com.br",
    "com.cn",
    "net.cn",
    "org.cn",
    "co.jp",
    "ne.jp",
    "or.jp",
    "co.kr",
    "co.in",
    "co.nz",
    "com.tw",
    "com.tr",
    "com.mx",
    "com.sg",
    "com.hk",
    "co.za",
    "github.io",
    "gitlab.io",
    "amazonaws.com",
    "azurecr.io",
    "azurewebsites.net",
    "cloudapp.net",
    "windows.net",
    "cloudfront.net",
    "appspot.com",
    "run.app",
    "herokuapp.com",
    "fly.dev",
    "netlify.app",
    "vercel.app",
    "pages.dev",
    "workers.dev",
    "web.app",
    "firebaseapp.com",
    "ngrok.io",
    "ngrok.app",
    "onrender.com",
    "duckdns.org",
    "nip.io",
    "sslip.io",
];

/// True if two hosts belong to one owner as far as names tell: equal, or below one registered domain.
pub(crate) fn same_site(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let is_ip = |host: &str| host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    if is_ip(a) || is_ip(b) {
        return false;
    }
    match (site(a), site(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The registered domain of a host; `None` for single labels and for public suffixes.
fn site(host: &str) -> Option<&str> {
    let host = host.trim_end_matches('.');
    let tail = |labels: usize| -> Option<&str> {
        let mut at = host.len();
        for _ in 0..labels {
            if at == 0 {
                return None;
            }
            at = host[..at].rfind('.').unwrap_or(0);
        }
        Some(host[at..].trim_start_matches('.'))
    };
    let count = host.split('.').count();
    let two = (count >= 2).then(|| tail(2)).flatten()?;
    // Below a suffix of two labels, three make an owner; regions of a cloud stand between (`eu-west-1.amazonaws.com`).
    if !SHARED.contains(&two) {
        return Some(two);
    }
    // A country's own order (`co.uk`): below it the third label is the owner's. Below a provider each host is another's.
    let country = two.split_once('.').is_some_and(|(second, top)| {
        matches!(second, "co" | "com" | "org" | "net" | "ac" | "ne" | "or") && top.len() == 2
    });
    if country { tail(3).filter(|_| count >= 3) } else { (count >= 3).then_some(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_resolve() {
        let base = parse("https://reg.example:5000/v2/a/blobs/uploads/?x=1").unwrap();
        for (location, want) in [
            ("https://reg.example:5000/u/1", "https://reg.example:5000/u/1"),
            ("HTTPS://Other/x", "https://other/x"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("/v2/u?_state=a%2Fb", "https://reg.example:5000/v2/u?_state=a%2Fb"),
            ("?digest=1", "https://reg.example:5000/v2/a/blobs/uploads/?digest=1"),
            ("u2", "https://reg.example:5000/v2/a/blobs/uploads/u2"),
            ("/x#fragment", "https://reg.example:5000/x"),
        ] {
            let got = join(&base, location).unwrap();
            assert_eq!(got.to_string().to_lowercase(), want.to_lowercase(), "{location}");
        }
        for location in [
            "ftp://x/",
            "file:///etc/passwd",
            "http://u:p@x/",
            "http:///x",
            "https://x:99999/",
            "a b",
            "javascript:1",
        ] {
            assert!(join(&base, location).is_err(), "{location}");
        }
        assert!(join(&base, &"x".repeat(limits::URL_BYTES + 1)).is_err());
    }

    #[test]
    fn addresses_that_mean_the_origin() {
        let origin = Origin::of_host(true, "reg.test:5000").unwrap();
        for (address, want) in [
            ("https://reg.test:5000/u?a=b", Some("https://reg.test:5000/u?a=b")),
            ("http://reg.test/u?a=b", Some("https://reg.test:5000/u?a=b")),
            ("http://REG.test:5000/u", Some("https://reg.test:5000/u")),
            ("http://reg.test:80/u", None),
            ("http://reg.test:5001/u", None),
            ("https://reg.test/u", None),
            ("http://other.test:5000/u", None),
        ] {
            let got = origin.own(&parse(address).unwrap()).unwrap();
            assert_eq!(got.map(|url| url.to_string()).as_deref(), want, "{address}");
        }
        let here = Origin::of_host(false, "localhost:5000").unwrap();
        let own = |address: &str| here.own(&parse(address).unwrap()).unwrap().map(|url| url.to_string());
        assert_eq!(own("http://127.0.0.1:5000/u").as_deref(), Some("http://localhost:5000/u"));
        assert_eq!(own("http://127.0.0.1:5001/u"), None);
        let plain = Origin::of_host(false, "reg.test").unwrap();
        assert_eq!(plain.own(&parse("https://reg.test/u").unwrap()).unwrap(), None);
    }

    #[test]
    fn addresses_are_classed() {
        for (host, want) in [
            ("localhost", Some(Reach::Loopback)),
            ("127.8.0.1", Some(Reach::Loopback)),
            ("[::1]", Some(Reach::Loopback)),
            ("[::ffff:127.0.0.1]", Some(Reach::Loopback)),
            ("10.0.0.1", Some(Reach::Private)),
            ("192.168.1.1", Some(Reach::Private)),
            ("100.64.0.1", Some(Reach::Private)),
            ("[fd00::1]", Some(Reach::Private)),
            ("169.254.169.254", Some(Reach::Never)),
            ("0.0.0.0", Some(Reach::Never)),
            ("[::]", Some(Reach::Never)),
            ("[fe80::1]", Some(Reach::Never)),
            ("[64:ff9b::a9fe:a9fe]", Some(Reach::Never)),
            ("2130706433", Some(Reach::Never)),
            ("127.1", Some(Reach::Never)),
            ("0x7f.1", Some(Reach::Never)),
            ("8.8.8.8", Some(Reach::Public)),
            ("docker.io", None),
        ] {
            assert_eq!(Origin::of_host(true, host).unwrap().literal(), want, "{host}");
        }
    }

    #[test]
    fn sites() {
        for (a, b, want) in [
            ("registry-1.docker.io", "auth.docker.io", true),
            ("registry.gitlab.com", "gitlab.com", true),
            ("reg.example.com", "reg.example.com", true),
            ("reg.example.com", "evil.com", false),
            ("example.com", "example.com.evil.com", false),
            ("notexample.com", "example.com", false),
            ("a.co.uk", "b.co.uk", false),
            ("a.azurecr.io", "b.azurecr.io", false),
            ("registry.firm.co.uk", "gitlab.firm.co.uk", true),
            ("firm.com.au", "auth.firm.com.au", true),
            ("co.uk", "a.co.uk", false),
            ("1.2.3.4.nip.io", "9.2.3.4.nip.io", false),
            ("a.firm.github.io", "b.firm.github.io", false),
            ("a.eu.amazonaws.com", "b.eu.amazonaws.com", false),
            ("localhost", "localhost", true),
            ("reg", "auth", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "1.0.0.1", false),
        ] {
            assert_eq!(same_site(a, b), want, "{a} {b}");
        }
    }
}
