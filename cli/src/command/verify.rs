//! `imgc verify`: builds again where everything that should not matter is different, and compares.

mod compare;
mod page;
mod place;
mod show;
mod vary;

use std::collections::BTreeSet;

use imgc_base::event::Silent;
use imgc_base::platform::Platform;
use imgc_base::reference::Reference as Name;
use imgc_execute::transfer::Platforms;
use imgc_graph::{Graph, Op, Source};
use imgc_image::manifest::{Document, media};
use imgc_image::{Descriptor, limits};
use imgc_store::Store;

use self::place::Place;
use self::vary::Vary;
use super::build::prepare::{Prepared, Request};
use super::{build, copy, find};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Build several times where what should not matter differs, and compare (exit code 6 if the results differ)
///
/// Each build has an empty store that holds only the base images. If the manifests differ, the first step that gave
/// another layer is named, with its files and what their differing bytes mean. With `--against` one build is compared
/// with an image that is there already.
///
/// The order of directories is the file system's: `--vary readdir` builds on another kind of one (`/dev/shm`, where
/// the store is on a disk), and says so where there is none.
#[derive(Debug, clap::Args)]
#[command(
    mut_args(super::fewer_build_options),
    mut_arg("outputs", |arg| arg.value_name("FORMAT|FILE").help(
        "The report: html or json to stdout, or a file that ends so, beside the text; may be given more than once"
    )),
    after_help = "Examples:
  imgc verify .
  imgc verify --vary time,cpus,load --times 4 -f app.Dockerfile .
  imgc verify --against docker://registry.example.com/app:1.2 .
  imgc verify -o report.html ."
)]
pub struct Args {
    /// What differs from the second build on (default: all but load and readdir)
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    vary: Vec<Vary>,
    /// How many builds (default: 2, or 1 with --against)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    times: Option<u32>,
    /// Compare with this image: `NAME` of the store, `docker://NAME`, `oci:DIR`, `archive:FILE`, `docker-archive:FILE`
    #[arg(long, value_name = "IMAGE")]
    against: Option<String>,
    #[command(flatten)]
    build: build::Args,
}

/// Verifies.
pub fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let store = session.store()?;
    for text in [Some(args.build.context.as_str()), args.build.file.as_deref()].into_iter().flatten() {
        if text == "-" {
            return Err(Failure::usage("what is verified is read several times, and stdin only once")
                .help("write it to a file"));
        }
    }
    show::check(&args.build.outputs)?;
    let client = session.client()?;
    build::call::refuse(&args.build)?;
    let request = Request::read(session, &store, &args.build)?;
    let bases = request.bases(session, &store, client.as_ref(), &Silent, false);
    let prepared = Prepared::new(&args.build, &request, &bases)?;

    let wanted: BTreeSet<Vary> =
        if args.vary.is_empty() { Vary::usual() } else { args.vary.iter().copied().collect() };
    let times = args.times.unwrap_or(if args.against.is_some() { 1 } else { 2 });
    if times < 2 && args.against.is_none() {
        return Err(Failure::usage("one build is compared with nothing").help("give `--against IMAGE`"));
    }
    let lease = store.begin_build()?;
    let reference = match &args.against {
        Some(name) => Some(Reference::find(session, &store, name, &args.build)?),
        None => None,
    };
    let work = store.work_dir("verify")?;
    let images = images(&prepared.plain);
    let elsewhere = if wanted.contains(&Vary::Readdir) {
        vary::other_file_system(work.path(), room(&store, &images))
    } else {
        None
    };
    let (varied, not_varied) = vary::possible(&wanted, elsewhere);
    // The first build has nothing varied.
    let (varied, not_varied) = if times > 1 { (varied, not_varied) } else { Default::default() };
    let mut builds: Vec<Place> = Vec::new();
    let mut difference = None;
    for number in 1..=times {
        session.cancel.check().map_err(|_| Failure::new(code::INTERRUPTED, "interrupted"))?;
        let varied = if number == 1 { BTreeSet::new() } else { varied.clone() };
        crate::render::talk(session, &format!("build {number} of {times}"));
        let mut place = Place::new(work.path(), number, &varied, elsewhere)?;
        place.seed(&store, &images)?;
        place.build(session, &args.build, &varied)?;
        if let Some(reference) = &reference
            && reference.descriptor.digest.to_string() != place.digest
        {
            difference = Some(reference.explain(&store, &place)?);
        } else if let Some(first) = builds.first()
            && first.digest != place.digest
        {
            difference = Some(compare::explain(first, &place)?);
        }
        builds.push(place);
        if difference.is_some() {
            break;
        }
    }
    lease.finish()?;
    let against = reference.as_ref().map(|found| (found.name.as_str(), found.descriptor.digest.to_string()));
    let report = show::Report {
        subject: &args.build.context,
        against,
        builds: &builds,
        varied: &varied,
        not_varied: &not_varied,
        difference,
    };
    report.show(session, &args.build.outputs)?;
    Ok(if report.difference.is_none() { 0 } else { code::DIFFERENT })
}

/// The image that builds are compared with.
struct Reference {
    /// As it was asked for.
    name: String,
    /// Its manifest or index.
    descriptor: Descriptor,
    /// For one platform.
    platform: Option<Platform>,
}

impl Reference {
    /// Brings it into the store if it is elsewhere.
    fn find(session: &Session, store: &Store, name: &str, args: &build::Args) -> Result<Self, Failure> {
        let platforms: Vec<Platform> = args.platforms.iter().filter_map(|text| text.parse().ok()).collect();
        let wanted = match platforms.as_slice() {
            [] => Platforms::default(),
            [one] => Platforms::These(vec![one.clone()]),
            _ => Platforms::All,
        };
        let descriptor = copy::bring(session, store, name, &wanted)?;
        Ok(Self { name: name.to_owned(), descriptor, platform: platforms.first().cloned() })
    }

    /// How a build differs from it.
    fn explain(&self, store: &Store, place: &Place) -> Result<compare::Difference, Failure> {
        let image = find::open_one(store, &self.name, &self.descriptor, self.platform.as_ref())?;
        let own = open(place)?;
        let digest =
            place.digest.parse().map_err(|_| Failure::new(code::FAILED, "a build without a digest"))?;
        let bytes = own.read_document(&digest, limits::MANIFEST_BYTES)?;
        let kind = match Document::parse(&bytes, None)? {
            Document::Index(_) => media::INDEX,
            Document::Manifest(_) => media::MANIFEST,
        };
        let built = find::open_one(&own, "the build", &Descriptor::of(kind, &bytes), self.platform.as_ref())?;
        compare::explain_image(store, &image, place, &built)
    }
}

/// How many bytes a build needs, roughly: its base images packed and unpacked, and as much again, and some.
fn room(store: &Store, images: &BTreeSet<Name>) -> u64 {
    const SOME: u64 = 512 << 20;
    let sizes = images.iter().filter_map(|name| {
        let descriptor = store.find(name).ok()??;
        let all = find::open_all(store, &descriptor).ok()?;
        Some(all.iter().flat_map(|image| &image.manifest.layers).map(|layer| layer.size).sum::<u64>())
    });
    sizes.sum::<u64>().saturating_mul(8).saturating_add(SOME)
}

/// The names of the images that a graph starts from.
fn images(graph: &Graph) -> BTreeSet<Name> {
    graph
        .nodes()
        .filter_map(|id| match &graph.node(id).op {
            Op::Source(Source::Image { reference, .. }) => reference.parse().ok(),
            _ => None,
        })
        .collect()
}

/// A store of a place, opened to look at its layers.
fn open(place: &Place) -> Result<Store, Failure> {
    Ok(Store::open(&place.store)?)
}
