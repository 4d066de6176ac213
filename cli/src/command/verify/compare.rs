//! Where two builds of one thing went apart, or a build and an image: the first step, its files, the meaning of their
//! bytes.

use std::collections::BTreeMap;
use std::io::Read;

use imgc_base::digest::DiffId;
use imgc_execute::look::bytes::{self, Finding};
use imgc_execute::look::files::{self, FileChange, State};
use imgc_execute::look::record::Step;
use imgc_execute::look::why::Builds;
use imgc_image::{Contents, Layer, Tree};
use imgc_store::Store;

use super::open;
use super::place::Place;
use crate::command::diff::{self, Pair};
use crate::command::find::{self, Opened};
use crate::failure::Failure;

/// Most bytes of a file that are looked at.
const BYTES: u64 = 4 << 20;
/// Most files whose bytes are looked at.
const FILES: usize = 200;

/// How two builds differ.
pub struct Difference {
    /// The number of the second build.
    pub number: u32,
    /// The first step, in the order of the graph, whose layer differs. Without one the layers were put together
    /// differently.
    pub step: Option<Step>,
    /// Steps that gave the same before it, and all of them.
    pub steps: (usize, usize),
    /// The files of its layer that differ.
    pub files: Vec<(FileChange, Option<Finding>)>,
    /// Steps that use its result; whether they would differ by themselves is not known.
    pub followers: Vec<String>,
    /// Fields of the config that differ, of a comparison with an image.
    pub config: BTreeMap<String, Pair>,
}

impl Difference {
    fn new(number: u32) -> Self {
        Self {
            number,
            step: None,
            steps: (0, 0),
            files: Vec::new(),
            followers: Vec::new(),
            config: BTreeMap::new(),
        }
    }

    /// True if nothing of what an image is differs: layers are cut or compressed differently.
    pub fn is_form_alone(&self) -> bool {
        self.step.is_none() && self.files.is_empty() && self.config.is_empty()
    }
}

/// Looks for the first step that differs.
pub fn explain(first: &Place, other: &Place) -> Result<Difference, Failure> {
    let mut difference = Difference::new(other.number);
    let (Some(one), Some(two)) = (&first.record, &other.record) else { return Ok(difference) };
    difference.steps.1 = one.steps.len();
    let both = Builds::new(two, one);
    for (number, step) in one.steps.iter().enumerate() {
        let Some(same) = both.old(number) else { continue };
        if same.layer == step.layer {
            difference.steps.0 += 1;
            continue;
        }
        let (before, after) = (open(first)?, open(other)?);
        let (old, new) = (tree(&before, step.layer)?, tree(&after, same.layer)?);
        let values = first.values(other);
        for change in files::compare(&old, &new, true) {
            let finding = if difference.files.len() < FILES {
                let path = change.path.to_absolute();
                match (content(&before, change.before.as_ref())?, content(&after, change.after.as_ref())?) {
                    (Some(old), Some(new)) => bytes::explain(&path, &old, &new, &values),
                    _ => None,
                }
            } else {
                None
            };
            difference.files.push((change, finding));
        }
        difference.followers =
            one.followers(number).into_iter().map(|at| one.steps[at].step.clone()).collect();
        difference.step = Some(step.clone());
        break;
    }
    Ok(difference)
}

/// Looks for how an image of a store differs from a build: by its config, its files, and the first step of the build
/// that wrote one of those.
pub fn explain_image(
    store: &Store,
    image: &Opened,
    place: &Place,
    built: &Opened,
) -> Result<Difference, Failure> {
    let mut difference = Difference::new(place.number);
    difference.config = diff::pairs(diff::config(image, false)?, diff::config(built, false)?);
    // That an instruction has no layer of its own says how layers are cut.
    difference.config.retain(|name, _| !(name.starts_with("history.") && name.ends_with(".empty_layer")));
    let own = open(place)?;
    let (old, new) = (Tree::new(find::layers(store, image)?), Tree::new(find::layers(&own, built)?));
    let values: Vec<(String, String, String)> = Vec::new();
    for change in files::compare(&old, &new, true) {
        let finding = if difference.files.len() < FILES {
            let path = change.path.to_absolute();
            match (content(store, change.before.as_ref())?, content(&own, change.after.as_ref())?) {
                (Some(old), Some(new)) => bytes::explain(&path, &old, &new, &values),
                _ => None,
            }
        } else {
            None
        };
        difference.files.push((change, finding));
    }
    let Some(record) = &place.record else { return Ok(difference) };
    difference.steps.1 = record.steps.len();
    for (number, step) in record.steps.iter().enumerate() {
        let Some(diff_id) = step.layer else { continue };
        let index = own.ensure_layer(&diff_id)?;
        if difference.files.iter().any(|(change, _)| index.get(&change.path).is_some()) {
            difference.step = Some(step.clone());
            difference.followers =
                record.followers(number).into_iter().map(|at| record.steps[at].step.clone()).collect();
            difference.steps.0 = number;
            break;
        }
    }
    Ok(difference)
}

fn tree(store: &Store, layer: Option<DiffId>) -> Result<Tree, Failure> {
    let Some(diff_id) = layer else { return Ok(Tree::default()) };
    let index = store.ensure_layer(&diff_id)?;
    Ok(Tree::new(vec![Layer { diff_id, index }]))
}

fn content(store: &Store, state: Option<&State>) -> Result<Option<Vec<u8>>, Failure> {
    let Some((layer, path)) = state.and_then(|state| state.content.as_ref()) else { return Ok(None) };
    let mut bytes = Vec::new();
    Contents::open(store, layer, path)?.take(BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
