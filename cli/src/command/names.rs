//! What a short name stands for is said aloud, once, wherever a registry is meant.

use imgc_base::reference::Reference;

use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// Reads a name; says what was left out and filled in.
pub fn aloud(session: &Session, text: &str) -> Result<Reference, Failure> {
    let reference: Reference = text.parse()?;
    if let Some(remark) = implied(text, &reference) {
        render::talk(session, &remark);
    }
    Ok(reference)
}

/// Reads a name that an image is to get; says what was left out and filled in. A digest is the image's own, no name.
pub fn given(session: &Session, text: &str) -> Result<Reference, Failure> {
    let reference: Reference = text.parse()?;
    if reference.digest().is_some() {
        return Err(Failure::usage(format!("`{text}`: a name cannot hold a digest")));
    }
    aloud(session, text)
}

/// What was filled in.
fn implied(text: &str, reference: &Reference) -> Option<String> {
    let registry = !text.starts_with(reference.registry());
    let words = match (registry, reference.implied_tag()) {
        (false, false) => return None,
        (true, true) => "the registry and the tag `latest` are implied",
        (true, false) => "the registry is implied",
        (false, true) => "the tag `latest` is implied",
    };
    Some(format!("`{text}` is {reference}: {words}"))
}

/// The host of a registry as users write it: `https://` and a path are docker's old habits.
pub fn registry(text: &str) -> Result<String, Failure> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let host = host.split('/').next().unwrap_or_default();
    let hub = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
    if hub.contains(&host) {
        return Ok("docker.io".to_owned());
    }
    // The grammar of names decides what a host is.
    let host = host.to_owned();
    let probe: Result<Reference, _> = format!("{host}/probe").parse();
    match probe {
        Ok(probe) if probe.registry() == host => Ok(host),
        _ => Err(Failure::usage(format!("`{text}` is no registry"))
            .help("write its host, and its port if it has one: `reg.example.com:5000`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_filled_in() {
        for (text, expected) in [
            ("debian", Some("the registry and the tag `latest` are implied")),
            ("debian:12", Some("the registry is implied")),
            ("me/app", Some("the registry and the tag")),
            ("localhost:5000/app", Some("the tag `latest` is implied")),
            ("localhost:5000/app:1", None),
            ("docker.io/library/debian:12", None),
        ] {
            let said = implied(text, &text.parse().unwrap());
            match expected {
                Some(part) => assert!(said.as_deref().unwrap_or_default().contains(part), "{text}: {said:?}"),
                None => assert_eq!(said, None, "{text}"),
            }
        }
    }

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("reg.example.com", "reg.example.com"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("localhost:5000/", "localhost:5000"),
            ("https://reg.example.com:444/v2/", "reg.example.com:444"),
        ] {
            assert_eq!(registry(text).unwrap(), expected, "{text}");
        }
        for text in ["", "a b", "-u", "https://"] {
            assert!(registry(text).is_err(), "{text}");
        }
    }
}
