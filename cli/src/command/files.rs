//! `imgc files`: what is in an image, without running it.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use imgc_base::ImagePath;
use imgc_base::platform::Platform;
use imgc_image::tree::Found;
use imgc_image::{Kind, Tree};
use serde_json::json;

use super::find;
use crate::failure::{Failure, code};
use crate::render::{table, units};
use crate::session::Session;

/// List the files of an image, with the layer that each comes from
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgc files app /etc
  imgc files app -R --json | jq '.files[].path'")]
pub struct Args {
    /// A name or id
    image: String,
    /// A directory or file
    #[arg(value_name = "PATH", default_value = "/")]
    path: OsString,
    /// Directories with all that is below them
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// Lists.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let opened = find::open(&store, &args.image, args.platform.as_ref())?;
    let tree = Tree::new(find::layers(&store, &opened)?);
    let path = ImagePath::clean(args.path.as_bytes()).map_err(|error| Failure::usage(error.to_string()))?;
    let path = tree.resolve(&path, true)?;
    let found: Vec<Found<'_>> = match tree.get(&path) {
        Some(found) if !found.entry.kind.is_dir() => vec![found],
        _ => {
            let direct = |found: &Found<'_>| found.entry.path.parent().as_ref() == Some(&path);
            tree.below(&path).into_iter().filter(|found| args.recursive || direct(found)).collect()
        }
    };
    if found.is_empty() && !path.is_root() && tree.get(&path).is_none() {
        return Err(Failure::new(code::FAILED, format!("there is no `{path}` in `{}`", args.image)));
    }
    let number = |found: &Found<'_>| tree.layers().iter().position(|layer| std::ptr::eq(layer, found.layer));
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let files: Vec<_> = found.iter().map(|found| object(*found, number(found))).collect();
        writeln!(
            out,
            "{}",
            json!({"v": 1, "image": args.image, "path": path.to_absolute(), "files": files})
        )?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|found| {
            let meta = &found.entry.meta;
            let content = found.content();
            let name = match &found.entry.kind {
                Kind::Symlink { target } => {
                    format!("{} -> {}", found.entry.path.to_absolute(), String::from_utf8_lossy(target))
                }
                _ => found.entry.path.to_absolute(),
            };
            vec![
                mode(&content.kind, meta.mode),
                format!("{}:{}", meta.uid, meta.gid),
                size(&content.kind).to_string(),
                imgc_execute::rfc3339(meta.mtime).trim_end_matches('Z').replace('T', " "),
                number(found).map_or_else(String::new, |number| (number + 1).to_string()),
                units::printable(&name),
            ]
        })
        .collect();
    write!(out, "{}", table::table(&["MODE", "OWNER", "SIZE", "TIME", "LAYER", "PATH"], &rows))?;
    Ok(0)
}

fn size(kind: &Kind) -> u64 {
    match kind {
        Kind::File { size, .. } => *size,
        _ => 0,
    }
}

fn object(found: Found<'_>, layer: Option<usize>) -> serde_json::Value {
    let (entry, content) = (found.entry, found.content());
    let mut object = json!({
        "path": entry.path.to_absolute(),
        "kind": content.kind.noun(),
        "mode": format!("{:04o}", entry.meta.mode),
        "uid": entry.meta.uid,
        "gid": entry.meta.gid,
        "mtime": entry.meta.mtime,
        "layer": layer.map(|number| number + 1),
    });
    match &content.kind {
        Kind::File { size, digest } => {
            object["size"] = json!(size);
            object["digest"] = json!(digest.to_string());
        }
        Kind::Symlink { target } => object["target"] = json!(String::from_utf8_lossy(target)),
        Kind::Char { major, minor } | Kind::Block { major, minor } => {
            object["device"] = json!([major, minor]);
        }
        _ => {}
    }
    if let Kind::Hardlink { to } = &entry.kind {
        object["sameAs"] = json!(to.to_absolute());
    }
    object
}

/// As `ls -l` shows it: `-rwsr-xr-x`.
fn mode(kind: &Kind, mode: u32) -> String {
    let mut text = String::from(match kind {
        Kind::Dir { .. } => "d",
        Kind::Symlink { .. } => "l",
        Kind::Char { .. } => "c",
        Kind::Block { .. } => "b",
        Kind::Fifo => "p",
        _ => "-",
    });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_look_as_ls_shows_them() {
        let dir = Kind::Dir { opaque: false };
        assert_eq!(mode(&dir, 0o1777), "drwxrwxrwt");
        assert_eq!(mode(&Kind::Fifo, 0o4644), "prwSr--r--");
        assert_eq!(mode(&dir, 0o2750), "drwxr-s---");
    }
}
