//! What `WWW-Authenticate` asks for.

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
    /// The strongest challenge that this client can answer. What does not read counts only if nothing else does.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let mut basic = false;
        let mut broken = None;
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            let Ok(text) = value.to_str() else { continue };
            if text.len() > limits::URL_BYTES {
                return Err(Error::new(Kind::Limit, "a WWW-Authenticate header is too long"));
            }
            let mut found = Vec::new();
            if !parse(text, &mut found) {
                broken = Some("its WWW-Authenticate header does not read");
            }
            for one in found {
                if one.scheme.eq_ignore_ascii_case("basic") {
                    basic = true;
                } else if one.scheme.eq_ignore_ascii_case("bearer") {
                    let realm = one.get("realm");
                    if realm.is_empty() {
                        broken = Some("its challenge names no token server");
                        continue;
                    }
                    return Ok(Self::Bearer { realm, service: one.get("service"), scope: one.get("scope") });
                }
            }
        }
        match broken {
            _ if basic => Ok(Self::Basic),
            Some(what) => Err(Error::new(Kind::Protocol, what)),
            None => Err(Error::new(
                Kind::Unauthorized,
                "it wants a login of a kind that this program does not know",
            )),
        }
    }
}

/// One challenge as it stands in the header.
struct One<'a> {
    scheme: &'a str,
    params: Vec<(&'a str, String)>,
}

impl One<'_> {
    fn get(&self, name: &str) -> String {
        let found = self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// Reads a list of challenges (RFC 9110, 11.6.1), also with what servers get wrong: values without quotes that need
/// them, commas too many. False if the rest does not read; the challenges before it count.
fn parse<'a>(text: &'a str, found: &mut Vec<One<'a>>) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return true;
        }
        let (word, after) = rest.split_at(rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len()));
        let Some(value) = after.trim_start().strip_prefix('=') else {
            if word.is_empty() {
                return false;
            }
            found.push(One { scheme: word, params: Vec::new() });
            rest = after;
            continue;
        };
        let Some((value, after)) = value_of(value.trim_start()) else { return false };
        let Some(one) = found.last_mut() else { return false };
        one.params.push((word, value));
        rest = after;
    }
}

/// The value of a parameter, and what follows it. `None` if a quote is not closed.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
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
            (vec![r#"Bearer realm="unclosed\"#], Err(Kind::Protocol)),
            (vec!["=x"], Err(Kind::Protocol)),
            (vec!["\"", full], Ok(bearer("https://a/t", "s", "repository:x:pull,push"))),
            (vec!["Bearer realm=https://a/t?x=1,service=s,,"], Ok(bearer("https://a/t?x=1", "s", ""))),
            (
                vec!["Negotiate abc==, NTLM, bearer  Realm = \"https://a/t\" ,SCOPE=\"\""],
                Ok(bearer("https://a/t", "", "")),
            ),
            (vec![r#"Bearer error="invalid_token""#, r#"Basic realm="a, b=c""#], Ok(Challenge::Basic)),
        ] {
            assert_eq!(read(&lines), want, "{lines:?}");
        }
    }
}
