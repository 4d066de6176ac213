//! The value of `RUN --mount`: comma-separated fields, read as CSV.

use std::ops::Range;

use imgc_base::Diagnostic;
use imgc_base::diagnostic::did_you_mean;
use imgc_base::span::Span;
use thiserror::Error;

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MountType {
    /// Files of the context, a stage or an image.
    Bind,
    /// A directory that stays between builds.
    Cache,
    /// An empty file system in memory.
    Tmpfs,
    /// A secret as a file or a variable.
    Secret,
    /// The socket of an SSH agent.
    Ssh,
}

impl MountType {
    const ALL: [Self; 5] = [Self::Bind, Self::Cache, Self::Tmpfs, Self::Secret, Self::Ssh];

    /// As written in `type=`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
}

/// Who may use a cache mount at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Sharing {
    /// Everyone.
    #[default]
    Shared,
    /// Everyone, each with a directory of its own.
    Private,
    /// One at a time.
    Locked,
}

impl Sharing {
    const ALL: [Self; 3] = [Self::Shared, Self::Private, Self::Locked];

    /// As written in `sharing=`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Private => "private",
            Self::Locked => "locked",
        }
    }
}

/// The options of one mount. Defaults that need the working directory are left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions {
    /// `type`
    pub kind: MountType,
    /// `from`: a stage, image or named context.
    pub from: Option<String>,
    /// `source`, `src`
    pub source: Option<String>,
    /// `target`, `dst`, `destination`
    pub target: Option<String>,
    /// `id`
    pub id: Option<String>,
    /// `ro`, `rw` and their long forms; by default only cache and tmpfs can be written to.
    pub readonly: bool,
    /// `sharing` of a cache.
    pub sharing: Sharing,
    /// `required` of a secret or agent.
    pub required: bool,
    /// `size` of a tmpfs in bytes.
    pub size: Option<u64>,
    /// `mode`
    pub mode: Option<u32>,
    /// `uid`
    pub uid: Option<u32>,
    /// `gid`
    pub gid: Option<u32>,
    /// `env` of a secret: the variable that holds it.
    pub env: Option<String>,
}

impl MountOptions {
    /// The id of a secret: `id`, else `source`, else the last part of the target.
    pub fn secret_id(&self) -> Option<&str> {
        let target = || self.target.as_deref()?.trim_end_matches('/').rsplit('/').next();
        self.source.as_deref().or(self.id.as_deref()).or_else(target).filter(|id| !id.is_empty())
    }
}

/// What is wrong with a mount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct MountError {
    /// One line.
    pub message: String,
    /// The field in the value that was parsed.
    pub place: Range<usize>,
    /// What to do.
    pub help: Option<String>,
}

impl MountError {
    fn new(message: impl Into<String>, place: Range<usize>) -> Self {
        Self { message: message.into(), place, help: None }
    }

    fn near<'a>(mut self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.help = did_you_mean(given, known).map(|near| format!("did you mean `{near}`?"));
        self
    }

    /// As a diagnostic on the field. `value` is where the value stands; if it was changed on the way (quotes,
    /// continuations, variables) the whole value is marked.
    pub fn diagnostic(&self, code: &'static str, value: Span, length: usize) -> Diagnostic {
        let span = if (value.end - value.start) as usize == length {
            let start = value.start + self.place.start as u32;
            Span { start, end: value.start + self.place.end as u32, ..value }
        } else {
            value
        };
        let error = Diagnostic::error(code, self.message.clone()).at(span, "");
        match &self.help {
            Some(help) => error.help(help.clone()),
            None => error,
        }
    }
}

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "env",
];

/// Parses a value whose variables are expanded already, or that has none.
pub fn parse(value: &str) -> Result<MountOptions, MountError> {
    parse_with(value, |value| Ok(value.to_owned()))
}

/// Parses a value and expands each field's value with `expand`, `from` excepted. So a comma in a variable stays in
/// its field.
pub fn parse_with(
    value: &str,
    mut expand: impl FnMut(&str) -> Result<String, String>,
) -> Result<MountOptions, MountError> {
    let mut draft = Draft::default();
    for (field, place) in fields(value)? {
        let Some((key, raw)) = field.split_once('=') else {
            draft.flag(&field, place)?;
            continue;
        };
        let key = key.to_ascii_lowercase();
        let value = if key == "from" {
            raw.to_owned()
        } else {
            expand(raw).map_err(|message| MountError::new(message, place.clone()))?
        };
        draft.set(&key, value, place, &field)?;
    }
    draft.finish()
}

/// The value of a `from` field that holds a variable, which is never expanded.
pub fn from_with_variable(value: &str) -> Option<String> {
    let list = fields(value).ok()?;
    list.into_iter().find_map(|(field, _)| {
        let (key, value) = field.split_once('=')?;
        let variable = value.trim_end_matches('$').contains('$');
        (key.eq_ignore_ascii_case("from") && variable).then(|| value.to_owned())
    })
}

/// Options as they come, before the type is known to be final.
#[derive(Default)]
struct Draft {
    kind: Option<MountType>,
    from: Option<(String, Range<usize>)>,
    source: Option<(String, Range<usize>)>,
    target: Option<String>,
    id: Option<(String, Range<usize>)>,
    readonly: Option<bool>,
    sharing: Option<(Sharing, Range<usize>)>,
    required: Option<(bool, Range<usize>)>,
    size: Option<(u64, Range<usize>)>,
    mode: Option<(u32, Range<usize>)>,
    uid: Option<(u32, Range<usize>)>,
    gid: Option<(u32, Range<usize>)>,
    env: Option<(String, Range<usize>)>,
    end: usize,
}

impl Draft {
    /// A field without `=`.
    fn flag(&mut self, field: &str, place: Range<usize>) -> Result<(), MountError> {
        self.end = place.end;
        match field.to_ascii_lowercase().as_str() {
            "readonly" | "ro" => self.readonly = Some(true),
            "readwrite" | "rw" => self.readonly = Some(false),
            "required" => self.required = Some((true, place)),
            _ => {
                let error =
                    MountError::new(format!("invalid field `{field}` must be a key=value pair"), place);
                return Err(if KEYS.contains(&field) { error } else { error.near(field, KEYS) });
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: String, place: Range<usize>, field: &str) -> Result<(), MountError> {
        self.end = place.end;
        let invalid = |place| MountError::new(format!("invalid value for {key}: `{value}`"), place);
        match key {
            "type" => {
                match MountType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(&value)) {
                    Some(kind) => self.kind = Some(kind),
                    None => {
                        return Err(MountError::new(format!("unsupported mount type `{value}`"), place)
                            .near(&value, MountType::ALL.map(MountType::name)));
                    }
                }
            }
            "from" => self.from = Some((value, place)),
            "source" | "src" => self.source = Some((value, place)),
            "target" | "dst" | "destination" => self.target = Some(value),
            "readonly" | "ro" => self.readonly = Some(boolean(&value).ok_or_else(|| invalid(place))?),
            "readwrite" | "rw" => self.readonly = Some(!boolean(&value).ok_or_else(|| invalid(place))?),
            "required" => {
                let value = boolean(&value).ok_or_else(|| invalid(place.clone()))?;
                self.required = Some((value, place));
            }
            "size" => {
                let value = bytes(&value).ok_or_else(|| MountError {
                    help: Some("write bytes, or a number with k, m or g: `64m`".to_owned()),
                    ..invalid(place.clone())
                })?;
                self.size = Some((value, place));
            }
            "id" => self.id = Some((value, place)),
            "sharing" => match Sharing::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(&value))
            {
                Some(sharing) => self.sharing = Some((sharing, place)),
                None => {
                    return Err(MountError::new(format!("unsupported sharing value `{value}`"), place)
                        .near(&value, Sharing::ALL.map(Sharing::name)));
                }
            },
            "mode" => {
                let value = number(&value, 8).ok_or_else(|| MountError {
                    help: Some("write it in octal: `0755`".to_owned()),
                    ..invalid(place.clone())
                })?;
                self.mode = Some((value, place));
            }
            "uid" => self.uid = Some((number(&value, 10).ok_or_else(|| invalid(place.clone()))?, place)),
            "gid" => self.gid = Some((number(&value, 10).ok_or_else(|| invalid(place.clone()))?, place)),
            "env" => self.env = Some((value, place)),
            _ => {
                return Err(
                    MountError::new(format!("unexpected key `{key}` in `{field}`"), place).near(key, KEYS)
                );
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<MountOptions, MountError> {
        let kind = self.kind.unwrap_or(MountType::Bind);
        let owned = matches!(kind, MountType::Secret | MountType::Ssh | MountType::Cache);
        let only = |key: &str, place: Option<&Range<usize>>, allowed: bool| match place {
            Some(place) if !allowed => {
                let message = format!("`{key}` is not allowed for mounts of type {}", kind.name());
                Err(MountError::new(message, place.clone()))
            }
            _ => Ok(()),
        };
        only("mode", place(self.mode.as_ref()), owned)?;
        only("uid", place(self.uid.as_ref()), owned)?;
        only("gid", place(self.gid.as_ref()), owned)?;
        only("size", place(self.size.as_ref()), kind == MountType::Tmpfs)?;
        only("sharing", place(self.sharing.as_ref()), kind == MountType::Cache)?;
        only("env", place(self.env.as_ref()), kind == MountType::Secret)?;
        only("required", place(self.required.as_ref()), matches!(kind, MountType::Secret | MountType::Ssh))?;
        only("from", place(self.from.as_ref()), kind != MountType::Secret)?;
        if kind == MountType::Secret {
            if let (Some(_), Some((_, place))) = (&self.source, &self.id) {
                return Err(MountError::new("both source and id can't be set", place.clone()));
            }
            if self.source.is_none() && self.id.is_none() && self.target.is_none() {
                return Err(MountError {
                    help: Some("name the secret: `id=NAME`".to_owned()),
                    ..MountError::new("invalid secret mount: one of source, id, target required", 0..self.end)
                });
            }
        }
        let text = |field: Option<(String, Range<usize>)>| {
            field.map(|(value, _)| value).filter(|value| !value.is_empty())
        };
        Ok(MountOptions {
            kind,
            from: text(self.from),
            source: text(self.source),
            target: self.target.filter(|value| !value.is_empty()),
            id: text(self.id),
            readonly: self.readonly.unwrap_or(!matches!(kind, MountType::Cache | MountType::Tmpfs)),
            sharing: self.sharing.map(|(value, _)| value).unwrap_or_default(),
            required: self.required.is_some_and(|(value, _)| value),
            size: self.size.map(|(value, _)| value),
            mode: self.mode.map(|(value, _)| value),
            uid: self.uid.map(|(value, _)| value),
            gid: self.gid.map(|(value, _)| value),
            env: text(self.env),
        })
    }
}

fn place<T>(field: Option<&(T, Range<usize>)>) -> Option<&Range<usize>> {
    field.map(|(_, place)| place)
}

/// Splits one CSV record: quotes only around a whole field, `""` for a quote within.
fn fields(value: &str) -> Result<Vec<(String, Range<usize>)>, MountError> {
    let mut list = Vec::new();
    let mut at = 0;
    if value.is_empty() {
        return Err(MountError::new("an empty mount", 0..0));
    }
    loop {
        let start = at;
        let mut field = String::new();
        if value[at..].starts_with('"') {
            at += 1;
            loop {
                let Some(end) = value[at..].find('"') else {
                    return Err(MountError::new("a quote is never closed", start..value.len()));
                };
                field.push_str(&value[at..at + end]);
                at += end + 1;
                if !value[at..].starts_with('"') {
                    break;
                }
                field.push('"');
                at += 1;
            }
            if !value[at..].is_empty() && !value[at..].starts_with(',') {
                return Err(MountError::new("text follows a quoted field", start..value.len()));
            }
        } else {
            let end = value[at..].find(',').map_or(value.len(), |end| at + end);
            field.push_str(&value[at..end]);
            at = end;
            if field.contains('"') {
                return Err(MountError {
                    help: Some("quotes go around the whole field: `\"id=a,b\"`".to_owned()),
                    ..MountError::new("a quote within an unquoted field", start..end)
                });
            }
        }
        list.push((field, start..at));
        if at == value.len() {
            return Ok(list);
        }
        at += 1;
    }
}

/// What Go's `strconv.ParseBool` takes.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn number(value: &str, radix: u32) -> Option<u32> {
    // `from_str_radix` takes a sign.
    value.starts_with(|char: char| char.is_ascii_digit()).then(|| u32::from_str_radix(value, radix).ok())?
}

/// A size: `64m`, `1.5 GiB`, `1024`. Units are powers of 1024.
#[allow(clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn bytes(value: &str) -> Option<u64> {
    let end = value.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(value.len());
    let (count, unit) = value.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    if !count.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let shift = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    let size = count.parse::<f64>().ok()? * (1u64 << shift) as f64;
    (size < 9_223_372_036_854_775_808.0).then_some(size as u64)
}

#[cfg(test)]
mod tests;
