//! What `WWW-Authenticate` asks for.

use http_auth::ChallengeParser;
use ureq::http::{HeaderMap, header};

use crate::error::{Error, Kind};
use crate::limits;

/// How a server wants to know who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token from a token server.
    Bearer {
        /// Where tokens come from. Checked before it is used.
        realm: String,
        /// Who the token is for.
        service: String,
        /// What the request would have needed.
        scope: String,
    },
}

impl Challenge {
    /// The strongest challenge that this client can answer.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let mut basic = false;
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            let Ok(text) = value.to_str() else { continue };
            if text.len() > limits::URL_BYTES {
                return Err(Error::new(Kind::Limit, "a WWW-Authenticate header is too long"));
            }
            for challenge in ChallengeParser::new(text) {
                let Ok(challenge) = challenge else {
                    return Err(Error::new(Kind::Protocol, "its WWW-Authenticate header does not read"));
                };
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = true;
                } else if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let find = |name: &str| {
                        let mut found =
                            challenge.params.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                        found.next().map(|(_, value)| value.to_unescaped()).unwrap_or_default()
                    };
                    let realm = find("realm");
                    if realm.is_empty() {
                        return Err(Error::new(Kind::Protocol, "its challenge names no token server"));
                    }
                    return Ok(Self::Bearer { realm, service: find("service"), scope: find("scope") });
                }
            }
        }
        if basic {
            return Ok(Self::Basic);
        }
        Err(Error::new(Kind::Unauthorized, "it wants a login of a kind that this program does not know"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Challenge, Kind> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::WWW_AUTHENTICATE, line.parse().unwrap());
        }
        Challenge::read(&headers).map_err(|error| error.kind())
    }

    fn bearer(realm: &str, service: &str, scope: &str) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.into(), scope: scope.into() }
    }

    #[test]
    fn forms_of_challenges() {
        let full = r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#;
        for (lines, want) in [
            (vec![full], Ok(bearer("https://a/t", "s", "repository:x:pull,push"))),
            (vec![r#"bearer REALM="https://a/t""#], Ok(bearer("https://a/t", "", ""))),
            (vec![r#"Basic realm="x""#], Ok(Challenge::Basic)),
            (vec![r#"Basic realm="x""#, full], Ok(bearer("https://a/t", "s", "repository:x:pull,push"))),
            (vec![r#"Basic realm="x", Bearer realm="https://a/t""#], Ok(bearer("https://a/t", "", ""))),
            (
                vec![r#"Bearer realm="https://a/\"q\"",service="a,b""#],
                Ok(bearer("https://a/\"q\"", "a,b", "")),
            ),
            (vec![r#"Negotiate, Basic realm="x""#], Ok(Challenge::Basic)),
            (vec!["Negotiate"], Err(Kind::Unauthorized)),
            (vec![], Err(Kind::Unauthorized)),
            (vec![r#"Bearer service="x""#], Err(Kind::Protocol)),
            (vec![r#"Bearer realm="unclosed"#], Err(Kind::Protocol)),
        ] {
            assert_eq!(read(&lines), want, "{lines:?}");
        }
    }
}
