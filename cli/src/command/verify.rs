//! `imgc verify`: builds again where everything that should not matter is different, and compares.

mod compare;
mod place;
mod show;
mod vary;

use std::collections::BTreeSet;

use imgc_base::event::Silent;
use imgc_base::reference::Reference;
use imgc_graph::{Graph, Op, Source};
use imgc_store::Store;

use self::place::Place;
use self::vary::Vary;
use super::build;
use super::build::prepare::{Prepared, Request};
use crate::failure::{Failure, code};
use crate::session::Session;

/// Build several times where what should not matter differs, and compare (exit code 6 if the results differ)
///
/// Each build has an empty store that holds only the base images. If the manifests differ, the first step that gave
/// another layer is named, with its files and what their differing bytes mean.
#[derive(Debug, clap::Args)]
#[command(
    mut_args(super::fewer_build_options),
    mut_arg("outputs", |arg| arg.hide(true)),
    after_help = "Examples:
  imgc verify .
  imgc verify --vary time,cpus,load --times 4 -f app.Dockerfile ."
)]
pub struct Args {
    /// What differs from the second build on (default: all but load and readdir)
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    vary: Vec<Vary>,
    /// How many builds
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=100))]
    times: u32,
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
    let client = session.client()?;
    build::call::refuse(&args.build)?;
    let request = Request::read(session, &store, &args.build)?;
    let bases = request.bases(session, &store, client.as_ref(), &Silent, false);
    let prepared = Prepared::new(&args.build, &request, &bases)?;

    let wanted: BTreeSet<Vary> =
        if args.vary.is_empty() { Vary::usual() } else { args.vary.iter().copied().collect() };
    let (varied, not_varied) = vary::possible(&wanted);
    let work = store.work_dir("verify")?;
    let images = images(&prepared.plain);
    let mut builds: Vec<Place> = Vec::new();
    let mut difference = None;
    for number in 1..=args.times {
        session.cancel.check().map_err(|_| Failure::new(code::INTERRUPTED, "interrupted"))?;
        let varied = if number == 1 { BTreeSet::new() } else { varied.clone() };
        crate::render::talk(session, &format!("build {number} of {}", args.times));
        let mut place = Place::new(work.path(), number, &varied)?;
        place.seed(&store, &images)?;
        place.build(session, &args.build, &varied)?;
        if let Some(first) = builds.first()
            && first.digest != place.digest
        {
            difference = Some(compare::explain(first, &place)?);
        }
        builds.push(place);
        if difference.is_some() {
            break;
        }
    }
    let report = show::Report { builds: &builds, varied: &varied, not_varied: &not_varied, difference };
    report.show(session)?;
    Ok(if report.difference.is_none() { 0 } else { code::DIFFERENT })
}

/// The names of the images that a graph starts from.
fn images(graph: &Graph) -> BTreeSet<Reference> {
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
