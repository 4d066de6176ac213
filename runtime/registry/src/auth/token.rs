//! Getting a token from a token server (distribution's token authentication and `OAuth2` documents).

use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Method, Uri, header};

use super::{Token, TokenKey, realm, unauthorized};
use crate::error::{Error, Kind, clean};
use crate::limits;
use crate::retry::{Outcome, asked, passes, retry};
use crate::secret::{Credential, Secret};
use crate::url::{Origin, encode, join, parse, with_query};
use crate::wire::{Body, Site, Wire, read_limited};

/// The name of this program at token servers.
const CLIENT: &str = "imgc";

/// Fields may be null, and some servers write the number as a text.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// Asks for a token with the account, or anonymously.
pub(super) fn fetch(
    wire: &Wire<'_>,
    site: &Site,
    key: &TokenKey,
    account: Option<&Credential>,
) -> Result<Token, Error> {
    let realm = parse(&key.realm)
        .map_err(|error| Error::new(Kind::Protocol, format!("its token server's address: {error}")))?;
    let what = format!("failed to log in to `{}`", site.registry);
    let tell = |text: &str| wire.tell(text);
    retry(&*wire.config.clock, wire.cancel, &tell, || ask(wire, site, key, &realm, account))
        .map_err(|error| error.doing(what))
}

/// One exchange, with redirects.
fn ask(
    wire: &Wire<'_>,
    site: &Site,
    key: &TokenKey,
    realm: &Uri,
    account: Option<&Credential>,
) -> Result<Outcome<Token>, Error> {
    let home = Origin::of(realm);
    let mut url = realm.clone();
    for _ in 0..=limits::REDIRECTS {
        // The account belongs to the token server that was named, not to where that one leads.
        let own = Origin::of(&url) == home;
        let account = account.filter(|_| own);
        realm::check(wire.config, site, &url, account.is_some())?;
        let (method, url_asked, headers, body) = request(key, &url, account)?;
        let body = body.as_ref().map_or(Body::Empty, |text| Body::Bytes {
            bytes: text.expose().as_bytes(),
            kind: "application/x-www-form-urlencoded",
        });
        let mut answer = match wire.raw(site, &method, &url_asked, &headers, body) {
            Ok(answer) => answer,
            Err(error) if error.passes() => return Ok(Outcome::Again(error, None)),
            Err(error) => return Err(error),
        };
        let status = answer.status();
        if status.is_redirection() && method == Method::GET {
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let location =
                location.ok_or_else(|| Error::new(Kind::Protocol, "a redirect without an address"))?;
            url = join(&url, location)?;
            continue;
        }
        if passes(status) {
            let wait = asked(answer.headers(), wire.config.clock.now());
            let kind = if status.as_u16() == 429 { Kind::RateLimited } else { Kind::Network };
            let error =
                Error::new(kind, format!("its token server answered {status}")).with_status(status.as_u16());
            return Ok(Outcome::Again(error, wait));
        }
        let bytes = read_limited(answer.body_mut(), limits::TOKEN_BYTES, "a token server's answer");
        if !status.is_success() {
            let said = bytes
                .map(|bytes| wire.auth.redact(&clean(&String::from_utf8_lossy(&bytes))))
                .unwrap_or_default();
            return Err(match status.as_u16() {
                400 | 401 | 404 => unauthorized(site, account, "")
                    .note(format!("its token server answered {status}: {said}")),
                403 => Error::new(Kind::Denied, format!("its token server answered {status}: {said}")),
                _ => Error::new(Kind::Protocol, format!("its token server answered {status}: {said}")),
            }
            .with_status(status.as_u16()));
        }
        return token(&bytes?, wire.config.clock.now()).map(Outcome::Done);
    }
    Err(Error::new(Kind::Limit, "its token server redirects too often"))
}

type Request = (Method, Uri, Vec<(header::HeaderName, Secret)>, Option<Secret>);

/// GET with a password or nothing, POST with a refresh token.
fn request(key: &TokenKey, url: &Uri, account: Option<&Credential>) -> Result<Request, Error> {
    if let Some(Credential::Identity(token)) = account {
        let scope = key.scopes.join(" ");
        let form = format!(
            "grant_type=refresh_token&service={}&client_id={CLIENT}&scope={}&refresh_token={}",
            encode(&key.service),
            encode(&scope),
            encode(token.expose())
        );
        return Ok((Method::POST, url.clone(), Vec::new(), Some(Secret::new(form))));
    }
    let mut url = url.clone();
    if !key.service.is_empty() {
        url = with_query(&url, "service", &key.service)?;
    }
    for scope in &key.scopes {
        url = with_query(&url, "scope", scope)?;
    }
    let mut headers = Vec::new();
    if let Some(user) = account.and_then(Credential::user) {
        url = with_query(&url, "account", user)?;
    }
    if let Some(encoded) = account.and_then(Credential::encoded) {
        headers.push((header::AUTHORIZATION, Secret::new(format!("Basic {}", encoded.expose()))));
    }
    Ok((Method::GET, url, headers, None))
}

/// Reads a token server's answer.
fn token(bytes: &[u8], now: Duration) -> Result<Token, Error> {
    let answer: Answer = serde_json::from_slice(bytes)
        .map_err(|_| Error::new(Kind::Protocol, "its token server's answer does not read"))?;
    let value = answer.token.filter(|token| !token.is_empty()).or(answer.access_token).unwrap_or_default();
    // A token travels in a header: anything else in it would end the header.
    let fits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return Err(Error::new(Kind::Protocol, "its token server's answer holds no token"));
    }
    let stated = match &answer.expires_in {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    let life = stated.filter(|life| life.is_finite() && *life >= 60.0).unwrap_or(60.0);
    let life = Duration::try_from_secs_f64(life).unwrap_or(limits::TOKEN_LIFE).min(limits::TOKEN_LIFE);
    // Ten seconds for the way, and for clocks that differ.
    let until = now + life.saturating_sub(Duration::from_secs(10));
    Ok(Token { value: Secret::new(value), until })
}
