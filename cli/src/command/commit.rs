//! `imgc commit`: a kept container becomes an image.

use std::io::Write;

use imgc_execute::kept::{self, Commit};
use imgc_image::Tree;

use super::{change, find, names, rm};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Make an image of a container that `imgc run --keep` kept
///
/// The changes become one more layer. Times in it are those of the epoch, so that the same changes give the same image.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  imgc run --keep --name try app sh -c 'echo hello > /greeting'
  imgc commit -m 'with a greeting' try app:2")]
pub struct Args {
    /// The container, as `imgc ps` lists it
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The image's name
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
    /// Who made it
    #[arg(short, long)]
    author: Option<String>,
    /// A remark for the history
    #[arg(short, long)]
    message: Option<String>,
    /// An instruction of a Dockerfile: `-c 'CMD ["app"]'`
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// Accepted for docker's sake: the container does not run any more
    #[arg(short, long, hide = true)]
    pause: bool,
}

/// Commits.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    let name = args.name.as_deref().map(|text| names::given(session, text)).transpose()?;
    let Some(container) = rm::container(&store, &args.container)? else {
        return Err(missing(&store, &args.container)?);
    };
    let id = container.record.id.clone();
    if container.running {
        return Err(Failure::new(code::FAILED, format!("container {id} still runs")).help("stop it first"));
    }
    let lease = store.begin_build()?;
    let base = find::by_digest(&store, &container.record.manifest)?;
    let tree = Tree::new(find::layers(&store, &base)?);
    let epoch = super::build::options::epoch(None)?;
    let layer = container.layer(&store, &tree, epoch)?;
    let commit = Commit {
        config: change::apply(&base.config.config, &base.platform(), &args.changes)?,
        author: args.author.clone(),
        message: args.message.clone(),
        command: container.record.args.join(" "),
    };
    let descriptor = kept::commit(&store, (&base.manifest, &base.config), layer, commit, epoch)?;
    lease.finish()?;
    match &name {
        Some(name) => store.tag(name, &descriptor)?,
        None => store.keep(&descriptor)?,
    }
    let mut out = std::io::stdout().lock();
    if session.global.json {
        let name = name.map(|name| name.to_string());
        writeln!(
            out,
            "{}",
            serde_json::json!({"v": 1, "digest": descriptor.digest.to_string(), "name": name})
        )?;
    } else {
        writeln!(out, "{}", descriptor.digest)?;
    }
    Ok(0)
}

fn missing(store: &imgc_store::Store, wanted: &str) -> Result<Failure, Failure> {
    let known: Vec<String> = kept::list(store)?.into_iter().map(|container| container.record.id).collect();
    let mut failure = Failure::new(code::FAILED, format!("there is no container `{wanted}`"));
    if let Some(near) = imgc_base::diagnostic::did_you_mean(wanted, known.iter().map(String::as_str)) {
        failure = failure.help(format!("did you mean `{near}`?"));
    }
    Ok(failure.help("`imgc run --keep` keeps one; `imgc ps` lists them"))
}
