//! From CONTEXT and `-f` to a Dockerfile's text and a directory.

use std::io::Read;
use std::path::{Path, PathBuf};

use imgc_base::ImagePath;
use imgc_base::span::SourceMap;
use imgc_execute::context::Context;
use imgc_image::Root;
use imgc_store::Store;

use super::remote::{self, Place, With};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Largest Dockerfile that is read, in bytes.
const DOCKERFILE_BYTES: u64 = 64 << 20;
/// Where a Dockerfile is looked for.
const NAMES: [&str; 3] = ["Dockerfile", "Containerfile", "dockerfile"];
/// Largest ignore file that is read, in bytes.
const IGNORE_BYTES: u64 = 8 << 20;

/// What a build reads.
#[derive(Debug)]
pub struct Input {
    /// How messages call the Dockerfile.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The main context; none for a Dockerfile on stdin.
    pub context: Option<PathBuf>,
    /// Patterns of the ignore file that belongs to it.
    pub ignore: Vec<String>,
    /// A fetched context lives as long as this.
    pub _held: Option<Box<Context>>,
}

/// Finds and reads the Dockerfile and its ignore file.
pub fn read(
    session: &Session,
    store: &Store,
    context: &str,
    file: Option<&str>,
    with: &With,
) -> Result<Input, Failure> {
    if context == "-" && file == Some("-") {
        return Err(Failure::usage("stdin cannot be both the context and the Dockerfile")
            .help("give one of them as a path: `imgc build -f - .`"));
    }
    match remote::fetch(session, store, context, with)? {
        Place::Local => local(context, file, given(session, store, file, with)?),
        Place::Text(bytes) => {
            if let Some(file) = file {
                return Err(Failure::usage(format!(
                    "`-f {file}` and a Dockerfile from `{context}` do not go together"
                ))
                .help("give the context as a directory, and the Dockerfile with `-f -`"));
            }
            let name = if context == "-" { "stdin" } else { context };
            Ok(Input {
                name: name.to_owned(),
                text: text(name, &bytes)?,
                context: None,
                ignore: Vec::new(),
                _held: None,
            })
        }
        Place::Fetched(held) => fetched(held, context, file, given(session, store, file, with)?),
    }
}

/// A Dockerfile that is no file of a directory, with its name: of stdin, or of a web server.
fn given(
    session: &Session,
    store: &Store,
    file: Option<&str>,
    with: &With,
) -> Result<Option<(String, String)>, Failure> {
    match file {
        Some("-") => Ok(Some(("stdin".to_owned(), read_text("stdin", std::io::stdin().lock())?))),
        Some(url) if remote::is_address(url) => {
            Ok(Some((url.to_owned(), read_text(url, remote::file(session, store, url, with)?)?)))
        }
        _ => Ok(None),
    }
}

/// The Dockerfile at a path: the file itself, `-`, or that of a directory; its directory is the context.
pub fn read_for_check(path: &str) -> Result<Input, Failure> {
    if path == "-" {
        let text = read_text("stdin", std::io::stdin().lock())?;
        return Ok(Input { name: "stdin".to_owned(), text, context: None, ignore: Vec::new(), _held: None });
    }
    if Path::new(path).is_dir() {
        return local(path, None, None);
    }
    let file = Path::new(path);
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let ignore = read_ignore(dir, Some(file))?;
    Ok(Input {
        name: shown(file),
        text: open_text(file)?,
        context: Some(dir.to_owned()),
        ignore,
        _held: None,
    })
}

fn local(context: &str, file: Option<&str>, given: Option<(String, String)>) -> Result<Input, Failure> {
    let dir = PathBuf::from(context);
    let meta = fs_err::metadata(&dir).map_err(|error| {
        let failure = Failure::usage(format!("there is no context `{context}`: {}", error_kind(&error)));
        failure.help("give a directory: `imgc build -t app .`")
    })?;
    if !meta.is_dir() {
        return Err(Failure::usage(format!("the context `{context}` is not a directory")).help(format!(
            "a Dockerfile is given with `-f {context}`, an archive on stdin: `imgc build - < {context}`"
        )));
    }
    let (name, text, beside) = match (given, file) {
        (Some((name, text)), _) => (name, text, None),
        (None, Some(file)) => {
            let path = dockerfile_path(&dir, file);
            (shown(&path), open_text(&path)?, Some(path))
        }
        (None, None) => {
            let found = NAMES.into_iter().map(|name| dir.join(name)).find(|path| path.exists());
            let Some(path) = found else {
                return Err(Failure::new(code::SPEC, format!("there is no Dockerfile in `{context}`"))
                    .help("name it: `imgc build -f FILE .`"));
            };
            (shown(&path), open_text(&path)?, Some(path))
        }
    };
    let ignore = read_ignore(&dir, beside.as_deref())?;
    Ok(Input { name, text, context: Some(dir), ignore, _held: None })
}

/// A fetched context is not trusted: its Dockerfile is opened below it, and links end there. An ignore file says what is not
/// to be sent; what was fetched is here already, and docker leaves nothing of it out.
fn fetched(
    held: Box<Context>,
    context: &str,
    file: Option<&str>,
    given: Option<(String, String)>,
) -> Result<Input, Failure> {
    let root = Root::open(held.dir())?;
    let open = |name: &str| -> Result<Option<Vec<u8>>, Failure> {
        let path = ImagePath::clean(name).map_err(|error| Failure::usage(error.to_string()))?;
        let mut bytes = Vec::new();
        match root.file_resolved(&path) {
            Ok(file) => file.take(DOCKERFILE_BYTES + 1).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::new(
                    code::SPEC,
                    format!("cannot read `{name}`: {}", error_kind(&error)),
                ));
            }
        };
        Ok(Some(bytes))
    };
    let mut found = given;
    for name in file.map_or_else(|| NAMES.to_vec(), |file| vec![file]) {
        if found.is_none()
            && let Some(bytes) = open(name)?
        {
            found = Some((name.to_owned(), text(name, &bytes)?));
        }
    }
    let Some((name, text)) = found else {
        let wanted = file.unwrap_or("Dockerfile");
        return Err(Failure::new(code::SPEC, format!("there is no `{wanted}` in `{context}`")));
    };
    let dir = held.dir().to_path_buf();
    Ok(Input { name, text, context: Some(dir), ignore: Vec::new(), _held: Some(held) })
}

/// `-f` is relative to the working directory; if nothing is there, to the context (docker does the same).
fn dockerfile_path(context: &Path, file: &str) -> PathBuf {
    let path = PathBuf::from(file);
    if path.exists() || path.is_absolute() {
        return path;
    }
    let inside = context.join(file);
    if inside.exists() { inside } else { path }
}

/// `FILE.dockerignore` beside the Dockerfile wins over `.dockerignore` in the context.
pub fn read_ignore(context: &Path, dockerfile: Option<&Path>) -> Result<Vec<String>, Failure> {
    let own = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    let candidates = own.into_iter().chain([context.join(".dockerignore"), context.join(".containerignore")]);
    for path in candidates {
        match fs_err::File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(IGNORE_BYTES + 1).read_to_end(&mut bytes)?;
                if bytes.len() as u64 > IGNORE_BYTES {
                    return Err(Failure::new(code::SPEC, format!("`{}` is too large", path.display())));
                }
                return Ok(imgc_base::ignore::parse(&bytes));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Vec::new())
}

fn open_text(path: &Path) -> Result<String, Failure> {
    let file = fs_err::File::open(path).map_err(|error| {
        Failure::new(code::SPEC, format!("cannot read `{}`: {}", path.display(), error_kind(&error)))
    })?;
    read_text(&path.display().to_string(), file)
}

fn read_text(name: &str, from: impl Read) -> Result<String, Failure> {
    read_limited(name, from, DOCKERFILE_BYTES)
}

/// Reads a text of at most `limit` bytes.
pub fn read_limited(name: &str, from: impl Read, limit: u64) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    from.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(code::SPEC, format!("cannot read `{name}`: {}", error_kind(&error))))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::new(code::SPEC, format!("`{name}` is larger than {} MiB", limit >> 20)));
    }
    text(name, &bytes)
}

/// Text of bytes, or where it stops being text.
fn text(name: &str, bytes: &[u8]) -> Result<String, Failure> {
    if bytes.len() as u64 > DOCKERFILE_BYTES {
        return Err(Failure::new(
            code::SPEC,
            format!("`{name}` is larger than {} MiB", DOCKERFILE_BYTES >> 20),
        ));
    }
    let text = imgc_syntax::dockerfile::decode(name, bytes)
        .map_err(|found| Failure::diagnostics(vec![found], SourceMap::default()))?;
    Ok(text.to_owned())
}

fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    text.strip_prefix("./").map_or(text.clone(), str::to_owned)
}

fn error_kind(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
