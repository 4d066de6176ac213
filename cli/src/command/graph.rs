//! `imgc graph`: the plan of a build as a picture.

use std::io::Write;
use std::path::{Path, PathBuf};

use imgc_base::event::Silent;
use imgc_graph::draw::{self, Drawing};

use crate::command::build;
use crate::command::build::prepare::{Prepared, Request};
use crate::failure::Failure;
use crate::session::Session;

/// Draw the plan of a build
///
/// `html` is one file that needs no network: the graph before and after the optimiser, with the definition of each
/// node. Without `--output FILE` the picture goes to stdout.
#[derive(Debug, clap::Args)]
#[command(
    mut_args(super::fewer_build_options),
    mut_arg("outputs", |arg| arg.value_name("FORMAT|FILE").help(
        "How and where: html, svg, dot, mermaid, json, text, or a file with such an ending; may be given for both"
    )),
    after_help = "Examples:
  imgc graph -o html --output plan.html .
  imgc graph -o plan.svg .
  imgc graph -o mermaid . >> README.md"
)]
pub struct Args {
    #[command(flatten)]
    build: build::Args,
}

/// What can be drawn; also how such a file ends.
const FORMATS: [(&str, &[&str]); 6] = [
    ("html", &["html", "htm"]),
    ("svg", &["svg"]),
    ("dot", &["dot", "gv"]),
    ("mermaid", &["mermaid", "mmd"]),
    ("json", &["json"]),
    ("text", &["text", "txt"]),
];

/// Draws.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let (format, file) = wanted(&args.build.outputs)?;
    let format = format.unwrap_or(if session.global.json { "json" } else { "text" });
    let store = session.store()?;
    let client = session.client()?;
    build::call::refuse(&args.build)?;
    let request = Request::read(session, &store, &args.build)?;
    let bases = request.bases(session, &store, client.as_ref(), &Silent, args.build.pull);
    let prepared = Prepared::new(&args.build, &request, &bases)?;
    let graph = &prepared.optimised.graph;
    let text = match format {
        "html" => imgc_optimise::draw::html(&title(&args.build), &prepared.plain, &prepared.optimised),
        "svg" => draw::svg(graph, &Drawing::default()),
        "dot" => imgc_graph::dot::print(graph),
        "mermaid" => imgc_graph::mermaid::print(graph),
        "json" => imgc_graph::json::print(graph),
        _ => imgc_graph::tree::print(graph),
    };
    match file {
        Some(path) => {
            fs_err::write(&path, text)?;
            crate::render::talk(session, &format!("wrote {}", path.display()));
        }
        None => write!(std::io::stdout().lock(), "{text}")?,
    }
    Ok(0)
}

/// The format and the file out of what was given with `-o`.
fn wanted(outputs: &[String]) -> Result<(Option<&'static str>, Option<PathBuf>), Failure> {
    let (mut format, mut file) = (None, None);
    for text in outputs {
        if let Some((name, _)) = FORMATS.iter().find(|(name, _)| name == text) {
            format = Some(*name);
        } else if text != "-" {
            file = Some(PathBuf::from(text));
        }
    }
    if let (None, Some(path)) = (format, &file) {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let known = FORMATS
            .iter()
            .find(|(_, endings)| ending.as_deref().is_some_and(|ending| endings.contains(&ending)));
        let Some((name, _)) = known else {
            return Err(Failure::usage(format!("`-o {}` is no format and no file of one", path.display()))
                .help("use html, svg, dot, mermaid, json or text"));
        };
        format = Some(*name);
    }
    Ok((format, file))
}

/// What the page is called: the context, and the stage.
fn title(args: &build::Args) -> String {
    let dir = std::path::absolute(&args.context).ok();
    let name = dir.as_deref().and_then(Path::file_name);
    let name = name.map_or_else(|| args.context.clone(), |name| name.to_string_lossy().into_owned());
    match &args.target {
        Some(target) => format!("{name}: {target}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_files_are_told_apart() {
        let wanted = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            wanted(&texts).map(|(format, file)| (format, file.map(|path| path.display().to_string())))
        };
        assert_eq!(wanted(&[]).unwrap(), (None, None));
        assert_eq!(wanted(&["svg"]).unwrap(), (Some("svg"), None));
        assert_eq!(wanted(&["a/b.HTML"]).unwrap(), (Some("html"), Some("a/b.HTML".to_owned())));
        assert_eq!(wanted(&["dot", "out.txt"]).unwrap(), (Some("dot"), Some("out.txt".to_owned())));
        assert!(wanted(&["what"]).is_err());
    }
}
