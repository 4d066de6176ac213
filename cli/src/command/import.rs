//! `imgc import`: a flat root filesystem becomes an image.

use std::io::Write;
use std::path::PathBuf;

use imgc_base::config::ContainerConfig;
use imgc_base::platform::Platform;
use imgc_base::reference::Reference;
use imgc_execute::import;

use super::{change, names};
use crate::failure::{Failure, code};
use crate::render;
use crate::session::Session;

/// Make an image of a root filesystem's tar archive
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mmdebstrap --variant=minbase --format=tar bookworm - | imgc import - debian:bookworm")]
pub struct Args {
    /// The archive, plain or compressed (`-` reads stdin)
    file: PathBuf,
    /// The image's name; without one it is kept by its digest
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
    /// For which platform it is (default: this machine's)
    #[arg(long)]
    platform: Option<Platform>,
    /// A remark for the history
    #[arg(short, long)]
    message: Option<String>,
    /// An instruction of a Dockerfile: `-c 'CMD ["app"]'`
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// The default program, a JSON array or words
    #[arg(long, value_name = "CMD")]
    cmd: Option<String>,
    /// A variable
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
}

/// Imports.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let name: Option<Reference> = args.name.as_deref().map(|text| names::given(session, text)).transpose()?;
    if let Some(url) =
        args.file.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"))
    {
        let name = args.name.as_deref().unwrap_or("NAME");
        return Err(Failure::usage(format!("`{url}` is not a file of this machine"))
            .help(format!("fetch it first: `curl -fL {url} | imgc import - {name}`")));
    }
    let store = session.store()?;
    let lease = store.begin_build()?;
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    let mut config = ContainerConfig { env: args.env.clone(), ..ContainerConfig::default() };
    if let Some(text) = &args.cmd {
        config.cmd = Some(match serde_json::from_str(text) {
            Ok(words) => words,
            Err(_) => text.split_whitespace().map(str::to_owned).collect(),
        });
    }
    let config = change::apply(&config, &platform, &args.changes)?;
    let epoch = crate::command::build::options::epoch(None)?;
    let message = args.message.clone();
    let descriptor = if args.file.as_os_str() == "-" {
        import::flat(&store, std::io::stdin().lock(), &platform, config, message, epoch)
    } else {
        let file = fs_err::File::open(&args.file).map_err(|error| Failure::chain(code::USAGE, &error))?;
        import::flat(
            &store,
            std::io::BufReader::with_capacity(256 << 10, file),
            &platform,
            config,
            message,
            epoch,
        )
    };
    let descriptor = descriptor.map_err(|error| Failure::chain(code::FAILED, &error))?;
    lease.finish()?;
    if let Some(name) = name {
        store.tag(&name, &descriptor)?;
    } else {
        store.keep(&descriptor)?;
        render::talk(session, &format!("the image has no name: imgc tag {} NAME", descriptor.digest.short()));
    }
    writeln!(std::io::stdout(), "{}", descriptor.digest)?;
    Ok(0)
}
