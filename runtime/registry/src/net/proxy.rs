//! Proxies by the usual variables: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.

use std::net::IpAddr;

use ureq::Proxy;

use crate::error::{Error, Kind};
use crate::url::Origin;

/// What the environment says of proxies.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    none: Vec<String>,
}

/// Hides accounts inside of proxy addresses.
impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("none", &self.none)
            .finish()
    }
}

impl Proxies {
    /// Reads the variables; lower case wins, as in curl.
    pub(crate) fn new(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            env(&name.to_ascii_lowercase()).or_else(|| env(name)).filter(|value| !value.trim().is_empty())
        };
        // `HTTP_PROXY` in upper case can be set by a web request where a program runs as CGI.
        let cgi = env("REQUEST_METHOD").is_some();
        let all = get("ALL_PROXY");
        let http = env("http_proxy").or_else(|| if cgi { None } else { env("HTTP_PROXY") });
        Self {
            http: http.filter(|value| !value.trim().is_empty()).or_else(|| all.clone()),
            https: get("HTTPS_PROXY").or(all),
            none: get("NO_PROXY")
                .unwrap_or_default()
                .split([',', ' '])
                .map(|part| part.trim().to_ascii_lowercase())
                .filter(|part| !part.is_empty())
                .collect(),
        }
    }

    /// The proxy for an origin. Loopback never goes through one.
    pub(crate) fn of(&self, origin: &Origin) -> Result<Option<Proxy>, Error> {
        let Some(address) = (if origin.https { &self.https } else { &self.http }) else { return Ok(None) };
        if origin.is_loopback() || self.excluded(origin) {
            return Ok(None);
        }
        let bad = || {
            Error::new(Kind::Config, "the proxy's address (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) does not read")
        };
        Proxy::new(address.trim()).map(Some).map_err(|_| bad())
    }

    fn excluded(&self, origin: &Origin) -> bool {
        let host = origin.host.trim_start_matches('[').trim_end_matches(']');
        let ip: Option<IpAddr> = host.parse().ok();
        self.none.iter().any(|rule| {
            if rule == "*" {
                return true;
            }
            if let (Some(ip), Some((net, bits))) = (ip, rule.split_once('/')) {
                return in_network(ip, net, bits).unwrap_or(false);
            }
            let (name, port) = match rule.rsplit_once(':') {
                Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') => {
                    (name, Some(port))
                }
                _ => (rule.as_str(), None),
            };
            if port.is_some_and(|port| port != origin.port.to_string()) {
                return false;
            }
            let name = name.trim_start_matches("*.").trim_start_matches('.');
            let name = name.trim_start_matches('[').trim_end_matches(']');
            host == name || (ip.is_none() && host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
        })
    }
}

/// True if an address is in `net/bits`; `None` if that does not read.
fn in_network(ip: IpAddr, net: &str, bits: &str) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    match (ip, net.parse().ok()?) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
            Some(ip.to_bits() & mask == net.to_bits() & mask)
        }
        (IpAddr::V6(ip), IpAddr::V6(net)) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
            Some(ip.to_bits() & mask == net.to_bits() & mask)
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_forms() {
        for (rules, origin, proxied) in [
            ("", "reg.example.com", true),
            ("*", "reg.example.com", false),
            ("example.com", "reg.example.com", false),
            (".example.com", "reg.example.com", false),
            ("*.example.com", "reg.example.com", false),
            ("example.com", "example.com", false),
            ("ample.com", "example.com", true),
            ("reg.example.com:443", "reg.example.com", false),
            ("reg.example.com:5000", "reg.example.com", true),
            ("10.0.0.0/8", "10.2.3.4", false),
            ("10.0.0.0/8", "11.2.3.4", true),
            ("10.0.0.0/0", "11.2.3.4", false),
            ("10.0.0.0/99", "10.2.3.4", true),
            ("fd00::/8", "[fd00::1]", false),
            ("other, reg.example.com", "reg.example.com", false),
            ("", "localhost:5000", false),
            ("", "127.0.0.1:5000", false),
        ] {
            let env = |name: &str| match name {
                "https_proxy" => Some("http://proxy.example:3128".to_owned()),
                "NO_PROXY" => Some(rules.to_owned()),
                _ => None,
            };
            let proxies = Proxies::new(&env);
            let origin = Origin::of_host(true, origin).unwrap();
            assert_eq!(proxies.of(&origin).unwrap().is_some(), proxied, "{rules} {origin}");
        }
    }
}
