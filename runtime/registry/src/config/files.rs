//! Reading configuration files: small, regular, and absent without complaint.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};
use crate::limits;

/// The bytes of a file; `None` if there is none.
pub(crate) fn read(file: &Path) -> Result<Option<Vec<u8>>, Error> {
    let failed = |source: io::Error| Error::new(Kind::Config, source.to_string());
    let opened = match fs_err::File::open(file) {
        Ok(opened) => opened,
        Err(error) if missing(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !opened.metadata().map_err(failed)?.is_file() {
        return Err(Error::new(Kind::Config, format!("`{}` is no regular file", file.display())));
    }
    let mut bytes = Vec::new();
    opened.take(limits::CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::CONFIG_BYTES {
        return Err(Error::new(
            Kind::Limit,
            format!("`{}` is over the limit of {} bytes", file.display(), limits::CONFIG_BYTES),
        ));
    }
    Ok(Some(bytes))
}

/// The text of a file; `None` if there is none.
pub(crate) fn read_text(file: &Path) -> Result<Option<String>, Error> {
    let Some(bytes) = read(file)? else { return Ok(None) };
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::new(Kind::Config, format!("`{}` is no UTF-8 text", file.display())))?;
    Ok(Some(text))
}

/// The files of a directory, sorted; none if there is no directory.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source: io::Error| Error::new(Kind::Config, source.to_string());
    let entries = match fs_err::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A file that another user keeps to himself does not concern us.
fn missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}
