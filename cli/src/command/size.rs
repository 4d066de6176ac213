//! `imgc size`: where an image's bytes are, and which of them are there for nothing.

mod html;

use std::io::Write;
use std::path::PathBuf;

use imgc_base::diagnostic::count;
use imgc_base::platform::Platform;
use imgc_execute::look::size::{self, LayerSize, Sizes};
use imgc_image::Tree;
use serde_json::json;

use super::find::{self, Opened};
use crate::failure::Failure;
use crate::render::{table, units};
use crate::session::Session;

/// Rows of each list as text.
const ROWS: usize = 12;

/// Show where the bytes of an image are: layers, instructions, directories, and bytes wasted under other layers
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgc size app
  imgc size app --html app.html
  imgc size app --json | jq '.wasted[0]'")]
pub struct Args {
    /// A name or id
    image: String,
    /// Write a page with a treemap to FILE; `-` is stdout
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// The image for this platform, of several
    #[arg(long)]
    platform: Option<Platform>,
}

/// A layer and the instruction that made it.
pub struct Row {
    number: usize,
    size: LayerSize,
    compressed: u64,
    by: String,
}

/// Shows.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let opened = find::open(&store, &args.image, args.platform.as_ref())?;
    let tree = Tree::new(find::layers(&store, &opened)?);
    let sizes = size::measure(&tree);
    let rows = rows(&opened, &sizes);
    let mut out = std::io::stdout().lock();
    if session.global.json {
        writeln!(out, "{}", object(&args.image, &opened, &sizes, &rows))?;
        return Ok(0);
    }
    if let Some(path) = &args.html {
        let page = html::page(&args.image, &sizes, &rows);
        if path.as_os_str() == "-" {
            write!(out, "{page}")?;
        } else {
            fs_err::write(path, page)?;
            crate::render::talk(session, &format!("wrote {}", path.display()));
        }
        return Ok(0);
    }
    text(&mut out, &args.image, &sizes, &rows)
}

/// Layers with their instructions; a history that does not fit names none.
fn rows(opened: &Opened, sizes: &Sizes) -> Vec<Row> {
    let mut made = opened.config.history.iter().filter(|entry| !entry.empty_layer);
    let fits = made.clone().count() == sizes.layers.len();
    let layers = sizes.layers.iter().zip(&opened.manifest.layers).enumerate();
    layers
        .map(|(at, (size, blob))| {
            let by = if fits { made.next().and_then(|entry| entry.created_by.clone()) } else { None };
            let by = units::printable(&by.unwrap_or_default().replace('\n', " "));
            Row { number: at + 1, size: *size, compressed: blob.size, by }
        })
        .collect()
}

fn text(out: &mut impl Write, name: &str, sizes: &Sizes, rows: &[Row]) -> Result<u8, Failure> {
    let (visible, waste) = (sizes.visible(), sizes.waste());
    writeln!(
        out,
        "{name}: {} in {}, {}, {} compressed; {} wasted\n",
        units::bytes(visible.bytes),
        count(visible.files, "file"),
        count(rows.len(), "layer"),
        units::bytes(rows.iter().map(|row| row.compressed).sum()),
        units::bytes(waste.bytes)
    )?;
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let by = imgc_graph::describe::cut(&row.by, 60);
            let (held, wasted) = (row.size.held, row.size.wasted);
            let numbers = [units::bytes(held.bytes), held.files.to_string(), units::bytes(wasted.bytes)];
            let mut line = vec![row.number.to_string()];
            line.extend(numbers);
            line.extend([units::bytes(row.compressed), by]);
            line
        })
        .collect();
    write!(out, "{}", table::table(&["LAYER", "SIZE", "FILES", "WASTED", "COMPRESSED", "MADE BY"], &lines))?;

    let mut directories: Vec<_> = sizes.directories.iter().filter(|(path, _)| !path.is_root()).collect();
    // Two levels say where to look; deeper ones are in the page and the JSON.
    directories.retain(|(path, _)| path.parts().count() <= 2);
    directories.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(b.0)));
    let lines: Vec<Vec<String>> = directories
        .iter()
        .take(ROWS)
        .map(|(path, total)| {
            vec![units::bytes(total.bytes), total.files.to_string(), units::printable(&path.to_absolute())]
        })
        .collect();
    write!(out, "\n{}", table::table(&["SIZE", "FILES", "DIRECTORY"], &lines))?;

    if !sizes.wasted.is_empty() {
        let lines: Vec<Vec<String>> = sizes
            .wasted
            .iter()
            .take(ROWS)
            .map(|wasted| {
                vec![
                    units::bytes(wasted.bytes),
                    (wasted.layer + 1).to_string(),
                    format!("{} ({})", wasted.by + 1, wasted.how.name()),
                    units::printable(&wasted.path.to_absolute()),
                ]
            })
            .collect();
        write!(out, "\n{}", table::table(&["WASTED", "IN LAYER", "HIDDEN BY", "PATH"], &lines))?;
        if sizes.wasted.len() > ROWS {
            writeln!(out, "and {} more: `--json` or `--html` show all", sizes.wasted.len() - ROWS)?;
        }
    }
    Ok(0)
}

fn object(name: &str, opened: &Opened, sizes: &Sizes, rows: &[Row]) -> serde_json::Value {
    let total = |total: size::Total| json!({"files": total.files, "bytes": total.bytes});
    let layers: Vec<_> = rows
        .iter()
        .zip(&opened.config.rootfs.diff_ids)
        .map(|(row, diff_id)| {
            json!({
                "layer": row.number, "diffId": diff_id.to_string(), "held": total(row.size.held),
                "wasted": total(row.size.wasted), "whiteouts": row.size.whiteouts,
                "compressed": row.compressed, "createdBy": row.by,
            })
        })
        .collect();
    let files: Vec<_> = sizes
        .files
        .iter()
        .map(|file| json!({"path": file.path.to_absolute(), "bytes": file.bytes, "layer": file.layer + 1}))
        .collect();
    let wasted: Vec<_> = sizes
        .wasted
        .iter()
        .map(|wasted| {
            json!({
                "path": wasted.path.to_absolute(), "bytes": wasted.bytes, "layer": wasted.layer + 1,
                "hiddenBy": wasted.by + 1, "how": wasted.how.name(),
            })
        })
        .collect();
    let directories: Vec<_> = sizes
        .directories
        .iter()
        .map(|(path, sum)| json!({"path": path.to_absolute(), "files": sum.files, "bytes": sum.bytes}))
        .collect();
    json!({
        "v": 1, "image": name, "digest": opened.descriptor.digest.to_string(), "visible": total(sizes.visible()),
        "waste": total(sizes.waste()), "layers": layers, "directories": directories, "files": files, "wasted": wasted,
    })
}
