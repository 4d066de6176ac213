//! `imgc run`: one program in an image, in the foreground.

use std::path::PathBuf;

use imgc_base::cancel::Cancel;
use imgc_base::config::ContainerConfig;
use imgc_base::path::ImagePath;
use imgc_image::{ImageError, Kind, Layer, Tree};
use imgc_sandbox::{Attach, Command, MountSpec, Network, Status, What};
use imgc_store::Store;

use crate::error::ExecuteError;
use crate::kept::Container;
use crate::users;

/// What a run was asked for; everything left out comes from the image.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Program and arguments; empty takes the image's `CMD`.
    pub args: Vec<String>,
    /// Instead of the image's `ENTRYPOINT`; `Some([])` clears it.
    pub entrypoint: Option<Vec<String>>,
    /// More or other variables.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: Option<String>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// Name of the machine inside.
    pub hostname: Option<String>,
    /// The machine's network.
    pub network: bool,
    /// The root cannot be written to.
    pub read_only: bool,
    /// Directories of the machine: source, target, read only.
    pub volumes: Vec<(PathBuf, String, bool)>,
    /// Memory file systems.
    pub tmpfs: Vec<String>,
    /// Lines of `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
    /// Input and terminal.
    pub attach: Attach,
}

/// Runs a program on the layers of an image, lowest first, with its changes in a container; returns how it ended.
pub fn run(
    store: &Store,
    layers: Vec<Layer>,
    config: &ContainerConfig,
    options: &RunOptions,
    container: &Container,
    cancel: &Cancel,
) -> Result<Status, ExecuteError> {
    let tree = Tree::new(layers);
    let command = command(store, &tree, config, options, container)?;
    let exit = imgc_sandbox::run(&command, &mut |_, _| {}, cancel)?;
    Ok(exit.status)
}

fn command(
    store: &Store,
    tree: &Tree,
    config: &ContainerConfig,
    options: &RunOptions,
    container: &Container,
) -> Result<Command, ExecuteError> {
    let entrypoint = options.entrypoint.as_ref().or(config.entrypoint.as_ref());
    // Another entrypoint resets the image's CMD (docker).
    let default = if options.entrypoint.is_some() { None } else { config.cmd.as_ref() };
    let rest =
        if options.args.is_empty() { default.cloned().unwrap_or_default() } else { options.args.clone() };
    let args: Vec<String> = entrypoint.into_iter().flatten().cloned().chain(rest).collect();
    if args.is_empty() {
        return Err(ExecuteError::Missing {
            message: "the image names no program to run".to_owned(),
            help: "name one: `imgc run IMAGE PROGRAM`".to_owned(),
        });
    }
    let user = users::resolve(tree, store, options.user.as_deref().unwrap_or(&config.user))?;
    let mut lower = Vec::new();
    for layer in tree.layers() {
        lower.push(store.ensure_tree(&layer.diff_id)?);
    }
    let path =
        |text: &str| ImagePath::clean(text).map_err(|error| ExecuteError::Image(ImageError::from(error)));
    let mut mounts = Vec::new();
    for (number, volume) in config.volumes.keys().enumerate() {
        let target = path(volume)?;
        let what = volume_of(tree, &lower, &target, number, container)?;
        mounts.push(MountSpec { target, what });
    }
    for target in &options.tmpfs {
        mounts.push(MountSpec { target: path(target)?, what: What::Tmpfs { size: None, mode: 0o1777 } });
    }
    for (source, target, readonly) in &options.volumes {
        mounts.push(MountSpec {
            target: path(target)?,
            what: What::Bind { source: source.clone(), readonly: *readonly },
        });
    }
    // A volume that the user gives replaces the image's own.
    let given: Vec<ImagePath> = mounts
        .iter()
        .filter(|mount| matches!(mount.what, What::Bind { .. }))
        .map(|mount| mount.target.clone())
        .collect();
    mounts.retain(|mount| matches!(mount.what, What::Bind { .. }) || !given.contains(&mount.target));
    Ok(Command {
        args,
        env: environment(config, options, &user),
        cwd: path(options.cwd.as_deref().unwrap_or(&config.working_dir))?,
        uid: user.uid,
        gid: user.gid,
        groups: user.groups,
        hostname: options.hostname.clone().unwrap_or_else(|| "imgc".to_owned()),
        network: if options.network { Network::Host } else { Network::None },
        mounts,
        lower,
        hosts: options.hosts.clone(),
        hostname_file: true,
        readonly_root: options.read_only,
        attach: options.attach,
        upper: container.upper(),
        work: container.work(),
        ..Command::default()
    })
}

/// A volume of the image's own: it begins with what the image has there, owner and mode included, as docker's do.
fn volume_of(
    tree: &Tree,
    lower: &[PathBuf],
    target: &ImagePath,
    number: usize,
    container: &Container,
) -> Result<What, ExecuteError> {
    let source = match tree.resolve(target, true) {
        Ok(source) if tree.get(&source).is_some_and(|found| matches!(found.entry.kind, Kind::Dir { .. })) => {
            source
        }
        _ => return Ok(What::Tmpfs { size: None, mode: 0o755 }),
    };
    let (upper, work) = container.volume(number)?;
    Ok(What::Overlay { lower: lower.to_vec(), upper, work, source, readonly: false })
}

fn environment(config: &ContainerConfig, options: &RunOptions, user: &users::User) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = config
        .env
        .iter()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut set =
        |name: &str, value: &str, replace: bool| match env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) if replace => value.clone_into(old),
            Some(_) => {}
            None => env.push((name.to_owned(), value.to_owned())),
        };
    for (name, value) in &options.env {
        set(name, value, true);
    }
    set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", false);
    set("HOME", &user.home, false);
    if options.attach == Attach::Terminal {
        set("TERM", "xterm", false);
    }
    env
}
