//! May this token server get the password?
//!
//! A registry names its token server itself, so a hostile one could name any (CVE-2026-48978 and its kind). HTTPS is
//! required, plain HTTP only on the host of a plain registry. The password goes to the registry's own site, to the
//! built-in pair of Docker Hub, or where the configuration says so.

use ureq::http::Uri;

use crate::config::Config;
use crate::error::{Error, Kind};
use crate::url::{Origin, same_site};
use crate::wire::Site;

/// Checks an address that is about to be asked for a token. `secret` says whether an account goes with it.
pub(crate) fn check(config: &Config, site: &Site, url: &Uri, secret: bool) -> Result<(), Error> {
    let origin = Origin::of(url);
    let registry = &site.registry;
    if !origin.https && (site.origin.https || !origin.same_host(&site.origin)) {
        return Err(Error::new(
            Kind::Refused,
            format!("`{registry}` names a token server without encryption (`{origin}`)"),
        ));
    }
    if !secret || origin.same_host(&site.origin) || same_site(&origin.host, &site.origin.host) {
        return Ok(());
    }
    let trusted = config.own.get(registry).is_some_and(|own| own.realms.contains(&origin.host));
    if trusted && origin.https {
        return Ok(());
    }
    Err(Error::new(
        Kind::Refused,
        format!("`{registry}` wants its password to be sent to `{origin}`, which belongs to someone else"),
    )
    .with_help(format!(
        "if that is right, say so in imgc's configuration: [registry.\"{registry}\"] realms = [\"{}\"]",
        origin.host
    )))
}
