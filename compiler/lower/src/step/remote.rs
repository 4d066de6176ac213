//! Sources of `ADD` that are fetched: web servers and git remotes.

use imgc_base::Diagnostic;
use imgc_base::digest::{BlobDigest, DigestError};
use imgc_base::span::Span;
use imgc_graph::Unpack;
use imgc_syntax::giturl::{self, GitUrl};

use crate::build::{Builder, UNNAMED};
use crate::code::{CHECKSUM, SOURCE};
use crate::nodes::Input;

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A path or pattern.
    Path,
    /// A file of a web server.
    Http,
    /// A git remote.
    Git(Box<GitUrl>),
}

/// What a source is by its text.
pub(super) fn recognise(text: &str, span: Span) -> Result<Address, Diagnostic> {
    match giturl::parse(text) {
        Ok(Some(url)) if !url.like_a_path => return Ok(Address::Git(Box::new(url))),
        Ok(_) => {}
        Err(error) => return Err(Diagnostic::error(SOURCE, error.to_string()).at(span, "a git source")),
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Address::Http);
    }
    Ok(Address::Path)
}

/// What is copied from a fetched source.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) input: Input,
    pub(super) path: String,
    pub(super) unpack: Unpack,
}

/// A file of a web server.
pub(super) fn http(
    builder: &mut Builder<'_, '_>,
    url: &str,
    checksum: Option<(&str, Span)>,
    unpack: bool,
    span: Span,
) -> Result<Fetched, Diagnostic> {
    let checksum = checksum.map(|(text, span)| digest(text, span)).transpose()?;
    let (input, name) = builder.nodes.http(url, checksum, span)?;
    let unpack = if unpack { Unpack::Archives } else { Unpack::Never };
    Ok(Fetched { input, path: name.unwrap_or_else(|| UNNAMED.to_owned()), unpack })
}

/// A checkout.
pub(super) fn git(
    builder: &mut Builder<'_, '_>,
    url: &GitUrl,
    keep: Option<bool>,
    checksum: Option<(&str, Span)>,
    span: Span,
) -> Result<Fetched, Diagnostic> {
    if let (Some(flag), Some(query)) = (keep, url.keep_git_dir)
        && flag != query
    {
        return Err(Diagnostic::error(SOURCE, "inconsistent keep-git-dir configuration")
            .at(span, format!("says {query}; the flag says {flag}")));
    }
    if let (Some((flag, place)), Some(query)) = (checksum, &url.checksum)
        && flag != query
    {
        return Err(Diagnostic::error(CHECKSUM, format!("checksum mismatch \"{flag}\" != \"{query}\""))
            .at(place, "of the flag")
            .at(span, "of the address"));
    }
    if let Some((text, place)) = checksum
        && !is_commit(text)
    {
        return Err(Diagnostic::error(CHECKSUM, format!("`{text}` is no commit"))
            .at(place, "not the start of a commit's hash")
            .help("write 7 to 64 hexadecimal digits"));
    }
    let keep = keep.or(url.keep_git_dir).unwrap_or(false);
    let checksum = checksum.map(|(text, _)| text).or(url.checksum.as_deref());
    let input = builder.nodes.git(url, keep, checksum, span)?;
    Ok(Fetched { input, path: ".".to_owned(), unpack: Unpack::Never })
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn digest(text: &str, span: Span) -> Result<BlobDigest, Diagnostic> {
    text.parse().map_err(|error| {
        let (message, help) = match error {
            DigestError::Algorithm(_) => ("unsupported digest algorithm", "only `sha256:` is supported"),
            DigestError::Format(_) => {
                ("invalid checksum digest format", "write `--checksum=sha256:` and 64 hexadecimal digits")
            }
        };
        Diagnostic::error(CHECKSUM, message).at(span, "not a sha256 digest").help(help)
    })
}
