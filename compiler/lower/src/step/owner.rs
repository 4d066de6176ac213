//! `user[:group]`

use imgc_base::Diagnostic;
use imgc_base::span::Span;
use imgc_graph::OwnerSpec;

use crate::code::CHOWN;

/// Reads the value of `--chown`.
pub(super) fn parse(text: &str, span: Span) -> Result<OwnerSpec, Diagnostic> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let fits = |name: &str| !name.contains([':', '\n', '\0', '/']);
    if text.is_empty() || !fits(user) || !group.is_none_or(fits) {
        return Err(Diagnostic::error(CHOWN, format!("invalid owner `{text}`"))
            .at(span, "not USER or USER:GROUP")
            .help("write `--chown=1000:1000` or `--chown=name:group`"));
    }
    let or_root = |name: &str| if name.is_empty() { "0".to_owned() } else { name.to_owned() };
    Ok(OwnerSpec { user: or_root(user), group: group.filter(|group| !group.is_empty()).map(str::to_owned) })
}

/// The owner of what `WORKDIR` makes: the current user.
pub(super) fn of_user(user: &str) -> Option<OwnerSpec> {
    if user.is_empty() {
        return None;
    }
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    Some(OwnerSpec { user: user.to_owned(), group: (!group.is_empty()).then(|| group.to_owned()) })
}
