//! `-o`: where a result goes besides the store.

use std::io::Write;
use std::path::{Path, PathBuf};

use imgc_base::path::{ImagePath, PathError};
use imgc_base::reference::Reference;
use imgc_execute::BuiltImage;
use imgc_image::output::{self, DockerImage};
use imgc_image::{Descriptor, Tree};
use imgc_store::Store;

use super::pairs;
use crate::command::find;
use crate::failure::{Failure, code};

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An OCI layout: an archive, or a directory.
    Oci { dest: Dest, names: Vec<String>, archive: bool },
    /// A docker archive.
    Docker { dest: Dest, names: Vec<String> },
    /// The root filesystem as a tar; of several platforms, one below a directory for each.
    Tar(Dest),
    /// The root filesystem as a directory; of several platforms, one below it for each.
    Local(PathBuf),
    /// Nothing besides what is kept of the steps.
    Nothing,
    /// The registry that each tag names, and under these names.
    Registry { names: Vec<String> },
    /// The registry, in these repositories, under the result's digest alone (`push-by-digest=true` of buildx: the parts
    /// of a later index).
    Digest { repositories: Vec<Reference> },
    /// The store, which every build writes anyway, under these names.
    Store { names: Vec<String> },
}

impl Output {
    /// Names for the result besides those of `-t`.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Registry { names } | Self::Store { names } => names,
            _ => &[],
        }
    }
}

/// A file, a directory or stdout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dest {
    /// Standard output.
    Stdout,
    /// A path.
    Path(PathBuf),
}

/// Why no level of compression can be asked for.
pub const NO_LEVEL: &str =
    "the level is part of the format, so that every machine writes the same blob: gzip, zstd or none";

/// The compression that an `-o` asks for.
pub fn compression(text: &str) -> Option<String> {
    pairs::fields(text).iter().find_map(|field| Some(field.strip_prefix("compression=")?.to_owned()))
}

/// Reads `-o`.
pub fn parse(text: &str) -> Result<Output, Failure> {
    let fields = pairs::fields(text);
    if let [single] = fields.as_slice()
        && !single.contains('=')
    {
        return Ok(if single == "-" {
            Output::Tar(Dest::Stdout)
        } else {
            Output::Local(PathBuf::from(single))
        });
    }
    let (mut kind, mut dest, mut name, mut push, mut by_digest) = (None, None, None, false, false);
    let mut tar = None;
    for field in &fields {
        match field.split_once('=') {
            Some(("type", value)) => kind = Some(value.to_owned()),
            Some(("dest" | "output", value)) => dest = Some(value.to_owned()),
            Some(("name", value)) => name = Some(value.to_owned()),
            Some(("push", value @ ("true" | "false"))) => push = value == "true",
            Some(("push-by-digest", value @ ("true" | "false"))) => by_digest = value == "true",
            Some(("tar", value @ ("true" | "false"))) => tar = Some(value == "true"),
            // What happens anyway.
            Some(
                ("name-canonical", "true" | "false")
                | ("oci-mediatypes" | "rewrite-timestamp" | "store" | "unpack" | "platform-split", "true")
                | ("force-compression", "false"),
            ) => {}
            // It is for all outputs, so it is read with `--compress`.
            Some(("compression", _)) => {}
            Some(("compression-level", _)) => {
                return Err(Failure::usage(format!("`-o {text}`: `{field}` is not supported")).help(NO_LEVEL));
            }
            Some(("force-compression", _)) => {
                return Err(Failure::usage(format!("`-o {text}`: `{field}` is not supported"))
                    .help("layers of a base image keep their bytes, always"));
            }
            _ => {
                return Err(Failure::usage(format!("`-o {text}`: `{field}` is not known"))
                    .help("write it as `type=oci|docker|tar|local|registry,dest=PATH`"));
            }
        }
    }
    let image = matches!(kind.as_deref(), Some("registry" | "image" | "store"));
    if image && dest.is_some() || push && !image {
        return Err(Failure::usage(format!("`-o {text}`: these fields do not go together"))
            .help("images have `name=` and `push=true`, files and directories have `dest=`"));
    }
    let names = |name: Option<String>| -> Vec<String> {
        name.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect()
    };
    let place = |dest: Option<String>| match dest.as_deref() {
        None | Some("-") => Dest::Stdout,
        Some(path) => Dest::Path(PathBuf::from(path)),
    };
    if by_digest {
        let pushes = push || kind.as_deref() == Some("registry");
        return match name {
            Some(name) if pushes => {
                let repositories =
                    names(Some(name)).iter().map(|name| repository(name)).collect::<Result<_, _>>()?;
                Ok(Output::Digest { repositories })
            }
            _ => Err(Failure::usage(format!("`-o {text}`: there is nothing to push to"))
                .help("`push-by-digest` goes with `name=HOST/NAME` and `push=true`")),
        };
    }
    match kind.as_deref() {
        Some("oci") => {
            let dest = place(dest);
            // Without a word about it, the name of `dest` decides.
            let named = matches!(&dest, Dest::Path(path) if !is_archive(path));
            let archive = tar.unwrap_or(!named);
            if !archive && dest == Dest::Stdout {
                return Err(Failure::usage(format!("`-o {text}`: a directory needs `dest=DIR`")));
            }
            Ok(Output::Oci { dest, names: names(name), archive })
        }
        Some("cacheonly") => Ok(Output::Nothing),
        Some("docker") => Ok(Output::Docker { dest: place(dest), names: names(name) }),
        Some("tar") => Ok(Output::Tar(place(dest))),
        Some("local") => match dest {
            Some(dest) => Ok(Output::Local(PathBuf::from(dest))),
            None => Err(Failure::usage("`-o type=local` needs `dest=DIR`")),
        },
        Some("image" | "store") if !push => Ok(Output::Store { names: names(name) }),
        Some("registry" | "image" | "store") => Ok(Output::Registry { names: names(name) }),
        Some(other) => Err(Failure::usage(format!("`-o type={other}` is not known"))
            .help("use oci, docker, tar, local, registry, image or cacheonly")),
        None => Err(Failure::usage(format!("`-o {text}` names no `type=`"))),
    }
}

/// Refuses an output that cannot hold what is built.
pub fn check(output: &Output, index: bool) -> Result<(), Failure> {
    if index && matches!(output, Output::Docker { .. }) {
        return Err(Failure::usage("this output holds one image, but the build is for several platforms")
            .help("use `-o type=oci`, `type=local` or `type=tar`, or build one `--platform`"));
    }
    Ok(())
}

fn repository(name: &str) -> Result<Reference, Failure> {
    let reference: Reference = name.parse()?;
    if reference.digest().is_some() || !reference.implied_tag() {
        return Err(Failure::usage(format!("`{name}` is no repository: `push-by-digest` gives no tag")));
    }
    Ok(reference)
}

/// Writes a result.
pub fn write(output: &Output, image: &BuiltImage, tags: &[String], store: &Store) -> Result<(), Failure> {
    // A graph that is given says only now what it makes.
    check(output, !image.members.is_empty())?;
    match output {
        Output::Store { .. } | Output::Registry { .. } | Output::Digest { .. } | Output::Nothing => Ok(()),
        Output::Oci { dest, names, archive } => {
            let names = if names.is_empty() { tags } else { names };
            let names: Vec<Option<String>> =
                if names.is_empty() { vec![None] } else { names.iter().cloned().map(Some).collect() };
            let roots: Vec<_> = names.into_iter().map(|name| (name, image.descriptor.clone())).collect();
            match dest {
                Dest::Path(path) if !archive => output::write_layout(path, &roots, store)?,
                dest => to_file(dest, |out| Ok(output::write_layout_archive(out, &roots, store)?))?,
            }
            Ok(())
        }
        Output::Docker { dest, names } => {
            let tags = if names.is_empty() { tags.to_vec() } else { names.clone() };
            let images = [DockerImage { manifest: image.descriptor.clone(), tags }];
            to_file(dest, |out| Ok(output::write_docker_archive(out, &images, store)?))
        }
        Output::Tar(dest) if image.members.is_empty() => {
            to_file(dest, |out| Ok(output::write_root_tar(&image.tree, store, out)?))
        }
        Output::Local(dir) if image.members.is_empty() => write_directory(dir, &image.tree, store),
        Output::Tar(_) | Output::Local(_) => {
            let lease = store.begin_build()?;
            let mut roots = Vec::new();
            for member in find::open_all(store, &image.descriptor)? {
                let tree = Tree::new(find::layers(store, &member)?);
                for layer in tree.layers() {
                    store.ensure_tree(&layer.diff_id)?;
                }
                // `linux_arm_v7`: one name, whatever a base says its platform is.
                roots.push((member.platform().to_string().replace('/', "_"), tree));
            }
            match output {
                Output::Local(dir) => {
                    for (name, tree) in &roots {
                        write_directory(&dir.join(name), tree, store)?;
                    }
                }
                Output::Tar(dest) => {
                    let below = |(name, tree)| Ok((ImagePath::clean(name)?, tree));
                    let roots: Vec<(ImagePath, Tree)> = roots
                        .into_iter()
                        .map(below)
                        .collect::<Result<_, PathError>>()
                        .map_err(|error| Failure::chain(code::FAILED, &error))?;
                    to_file(dest, |out| Ok(output::write_root_tars(&roots, store, out)?))?;
                }
                _ => {}
            }
            Ok(lease.finish()?)
        }
    }
}

fn write_directory(dir: &Path, tree: &Tree, store: &Store) -> Result<(), Failure> {
    fs_err::create_dir_all(dir)?;
    let root = imgc_image::Root::open(dir)?;
    output::write_root_dir(tree, store, &root)?;
    Ok(())
}

/// Writes images of the store to an archive.
pub fn save(
    dest: &Dest,
    format: &str,
    images: &[(Descriptor, Vec<Reference>)],
    store: &Store,
) -> Result<(), Failure> {
    if format == "oci" {
        let roots: Vec<(Option<String>, Descriptor)> = images
            .iter()
            .flat_map(|(descriptor, names)| {
                let names: Vec<Option<String>> = match names.as_slice() {
                    [] => vec![None],
                    names => names.iter().map(|name| Some(name.to_string())).collect(),
                };
                names.into_iter().map(|name| (name, descriptor.clone()))
            })
            .collect();
        return to_file(dest, |out| Ok(output::write_layout_archive(out, &roots, store)?));
    }
    let mut members = Vec::new();
    for (descriptor, names) in images {
        let opened = find::open_all(store, descriptor)?;
        let [single] = opened.as_slice() else {
            return Err(Failure::usage("a docker archive holds images of one platform each")
                .help("use `--format oci`"));
        };
        members.push(DockerImage {
            manifest: single.descriptor.clone(),
            tags: names.iter().map(Reference::familiar).collect(),
        });
    }
    to_file(dest, |out| Ok(output::write_docker_archive(out, &members, store)?))
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tar")
}

/// Writes a file that appears under its name only when it is whole.
pub fn to_file(
    dest: &Dest,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match dest {
        Dest::Stdout => {
            let stdout = std::io::stdout();
            if std::io::IsTerminal::is_terminal(&stdout) {
                return Err(Failure::new(code::USAGE, "an archive is not written to a terminal")
                    .help("name a file, or send stdout elsewhere"));
            }
            let mut out = std::io::BufWriter::with_capacity(256 << 10, stdout.lock());
            write(&mut out)?;
            Ok(out.flush()?)
        }
        Dest::Path(path) => {
            if let Ok(meta) = fs_err::metadata(path)
                && !meta.is_file()
            {
                // A pipe or a device is written as it is.
                let mut out = std::io::BufWriter::new(fs_err::OpenOptions::new().write(true).open(path)?);
                write(&mut out)?;
                return Ok(out.flush()?);
            }
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let temp = tempfile::Builder::new().prefix(".imgc-").tempfile_in(dir)?;
            let mut out = std::io::BufWriter::with_capacity(256 << 10, temp.as_file());
            write(&mut out)?;
            out.flush()?;
            drop(out);
            temp.as_file().sync_data()?;
            rustix::fs::fchmod(temp.as_file(), rustix::fs::Mode::from_raw_mode(0o644))
                .map_err(std::io::Error::from)?;
            temp.persist(path).map_err(|error| error.error)?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let path = |text: &str| Dest::Path(PathBuf::from(text));
        for (text, expected) in [
            ("out", Output::Local("out".into())),
            ("-", Output::Tar(Dest::Stdout)),
            ("type=oci,dest=a.tar", Output::Oci { dest: path("a.tar"), names: vec![], archive: true }),
            ("type=oci,dest=a", Output::Oci { dest: path("a"), names: vec![], archive: false }),
            ("type=oci,dest=a,tar=true", Output::Oci { dest: path("a"), names: vec![], archive: true }),
            (
                "type=oci,dest=a.tar,tar=false",
                Output::Oci { dest: path("a.tar"), names: vec![], archive: false },
            ),
            ("type=oci", Output::Oci { dest: Dest::Stdout, names: vec![], archive: true }),
            ("type=cacheonly", Output::Nothing),
            (
                r#"type=oci,dest=a.tar,"name=x:1,x:2""#,
                Output::Oci { dest: path("a.tar"), names: vec!["x:1".into(), "x:2".into()], archive: true },
            ),
            ("type=docker,dest=a,name=x:1", Output::Docker { dest: path("a"), names: vec!["x:1".into()] }),
            ("type=tar", Output::Tar(Dest::Stdout)),
            ("type=local,dest=d", Output::Local("d".into())),
            ("type=image", Output::Store { names: vec![] }),
            ("type=image,name=a:1", Output::Store { names: vec!["a:1".into()] }),
            (
                r#"type=image,"name=a:1,h/b",push=true,oci-mediatypes=true"#,
                Output::Registry { names: vec!["a:1".into(), "h/b".into()] },
            ),
            ("type=image,compression=zstd,name=a", Output::Store { names: vec!["a".into()] }),
            (
                "type=image,name=h/a,push-by-digest=true,name-canonical=true,push=true",
                Output::Digest { repositories: vec!["h/a".parse().unwrap()] },
            ),
            ("type=registry,name=a", Output::Registry { names: vec!["a".into()] }),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for text in [
            "type=registry,dest=x",
            "type=oci,push=true",
            "type=local",
            "type=oci,tar=false",
            "type=zip,dest=a",
            "dest=a",
            "type=oci,color=red",
            "type=oci,compression=gzip,compression-level=9",
            "type=image,force-compression=true",
            "type=image,push-by-digest=true,name=a",
            "type=image,push-by-digest=true,push=true,name=a:1",
            "type=image,push-by-digest=true,push=true",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
