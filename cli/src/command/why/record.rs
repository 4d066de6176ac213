//! Records of builds: the last ones that differ, for each context, file, target and platforms.

use std::path::{Path, PathBuf};

use imgc_base::{BlobDigest, clock};
use imgc_execute::look::record::BuildRecord;

use crate::command::build::Args;
use crate::environment;
use crate::failure::{Failure, code};

/// Largest record that is read, in bytes.
const LIMIT: u64 = 256 << 20;
/// How many builds are kept for each.
const KEPT: usize = 10;

/// The records of earlier builds of the same thing, the last one at the end.
pub fn read(args: &Args, context: &str) -> Result<Vec<BuildRecord>, Failure> {
    match path(args, context) {
        Some(path) => from(&path),
        None => Ok(Vec::new()),
    }
}

/// Adds the record of a build. What cannot be kept is lost: no build fails for it.
pub fn keep(args: &Args, mut record: BuildRecord) {
    let Some(path) = path(args, &args.context) else { return };
    record.when = clock::wall().as_secs();
    let mut all = from(&path).unwrap_or_default();
    // A build that did nothing says nothing: the last change stays there to be explained.
    let nothing_new = record.steps.iter().all(|step| step.cached)
        && all.last().is_some_and(|last| {
            last.steps.iter().map(|step| step.key).eq(record.steps.iter().map(|step| step.key))
        });
    if nothing_new {
        return;
    }
    all.push(record);
    let first = all.len().saturating_sub(KEPT);
    drop(write(&path, &all[first..]));
}

/// Reads a file of records; one that is not there or of another form holds none.
pub fn from(path: &Path) -> Result<Vec<BuildRecord>, Failure> {
    use std::io::Read as _;
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::chain(code::MACHINE, &error)),
    };
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes)?;
    let all: Vec<BuildRecord> = serde_json::from_slice(&bytes).unwrap_or_default();
    let sound = |record: &BuildRecord| {
        let below = |at: usize, input: usize| input < at;
        record.v == BuildRecord::FORM
            && record
                .steps
                .iter()
                .enumerate()
                .all(|(at, step)| step.inputs.iter().chain(&step.root).all(|&input| below(at, input)))
    };
    Ok(all.into_iter().filter(sound).collect())
}

fn write(path: &Path, records: &[BuildRecord]) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let Some(dir) = path.parent() else { return Ok(()) };
    // Arguments of commands are for the user alone.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut new = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer(&mut new, records)?;
    new.persist(path)?;
    Ok(())
}

/// Where the records of a build lie.
fn path(args: &Args, context: &str) -> Option<PathBuf> {
    let dir = environment::state_dir()?.join("why");
    let absolute = |text: &str| {
        std::path::absolute(text).map_or_else(|_| text.to_owned(), |path| path.display().to_string())
    };
    // `a/.` and `a` are one context.
    let context = absolute(context);
    let context = context.trim_end_matches("/.").to_owned();
    let mut name = vec!["why-1".to_owned(), context];
    name.push(args.file.as_deref().map(absolute).unwrap_or_default());
    name.push(args.graph.as_ref().map(|path| absolute(&path.display().to_string())).unwrap_or_default());
    name.push(args.target.clone().unwrap_or_default());
    name.extend(args.platforms.iter().cloned());
    Some(dir.join(format!("{}.json", &BlobDigest::of(name.join("\0").as_bytes()).hex()[..24])))
}
