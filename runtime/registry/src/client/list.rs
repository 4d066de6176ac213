//! Lists: tags of a repository, repositories of a registry. Page by page.

use imgc_base::reference::Reference;
use serde::Deserialize;
use ureq::http::{Method, StatusCode, Uri, header};

use super::Client;
use super::site::{below, scope};
use crate::error::{Error, Kind};
use crate::exchange::{Ask, Reply};
use crate::limits;
use crate::url::{Origin, join};
use crate::wire::Site;

/// Entries asked for at once.
const PAGE: usize = 1000;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl Client {
    /// The tags of a repository, in the registry's order.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>, Error> {
        let doing = |error: Error| {
            error.doing(format!(
                "failed to list the tags of `{}/{}`",
                reference.registry(),
                reference.repository()
            ))
        };
        let site = self.main_site(reference).map_err(doing)?;
        let url = below(&site, &format!("/tags/list?n={PAGE}")).map_err(doing)?;
        let tag = |text: &str| {
            text.len() <= 128
                && !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        self.pages(&site, url, &scope(&site.repository, "pull"), |page| page.tags.unwrap_or_default(), &tag)
            .map_err(doing)
    }

    /// The repositories of a registry, as far as the account may see them.
    pub fn catalog(&self, registry: &str) -> Result<Vec<String>, Error> {
        let doing = |error: Error| error.doing(format!("failed to list the repositories of `{registry}`"));
        let site = self.registry_site(registry).map_err(doing)?;
        let url = site.origin.url(&format!("{}/v2/_catalog?n={PAGE}", site.path)).map_err(doing)?;
        let name = |text: &str| {
            text.len() <= 255
                && !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b))
        };
        self.pages(&site, url, "registry:catalog:*", |page| page.repositories.unwrap_or_default(), &name)
            .map_err(doing)
    }

    /// Follows `Link: <...>; rel="next"`. Names that are no names are left out, so that they never reach a terminal.
    fn pages(
        &self,
        site: &Site,
        first: Uri,
        scope: &str,
        take: impl Fn(Page) -> Vec<String>,
        valid: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<String>, Error> {
        let wire = self.wire();
        let mut all = Vec::new();
        let mut next = Some(first);
        let mut count = 0;
        while let Some(url) = next {
            count += 1;
            if count > limits::PAGES {
                return Err(Error::new(
                    Kind::Limit,
                    format!("the list has more than {} pages", limits::PAGES),
                ));
            }
            let ask = Ask::new(Method::GET, url.clone()).scope(scope.to_owned());
            let (reply, bytes) = wire.get(site, &ask, limits::PAGE_BYTES, "a page of a list")?;
            if reply.status() != StatusCode::OK {
                return Err(wire.failure(site, reply));
            }
            next = next_page(&reply)?;
            if next.as_ref() == Some(&url) {
                return Err(Error::new(Kind::Protocol, "a page of the list names itself as the next one"));
            }
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(Kind::Protocol, format!("a page of the list does not read: {error}"))
            })?;
            let entries = take(page);
            let before = entries.len();
            all.extend(entries.into_iter().filter(|entry| valid(entry)));
            if all.len() > limits::LISTED {
                return Err(Error::new(
                    Kind::Limit,
                    format!("the list has more than {} entries", limits::LISTED),
                ));
            }
            if before == 0 {
                break;
            }
        }
        Ok(all)
    }
}

/// The address of the next page; it must be at the same server.
pub(super) fn next_page(reply: &Reply) -> Result<Option<Uri>, Error> {
    let all = reply.headers().get_all(header::LINK);
    let Some(address) = all.iter().filter_map(|value| value.to_str().ok()).find_map(next_of) else {
        return Ok(None);
    };
    let url = join(&reply.url, address)?;
    let own = Origin::of(&reply.url).own(&url)?;
    own.map(Some).ok_or_else(|| Error::new(Kind::Refused, "the next page of the list is at another server"))
}

/// The address that a `Link` header calls the next one (RFC 8288). Addresses and quoted texts may hold commas.
fn next_of(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let (address, after) = rest.split_once('<')?.1.split_once('>')?;
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (params, next) = end.map_or((after, ""), |end| after.split_at(end));
        // Of several `rel` the first counts.
        let rel = params.split(';').find_map(|param| {
            let (name, value) = param.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
        });
        if rel.is_some_and(|rel| rel.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next"))) {
            return Some(address);
        }
        rest = next;
    }
}
