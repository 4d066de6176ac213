//! `Merge` and `Diff`: stacks of layers put together and taken apart.

use std::sync::Arc;

use imgc_image::Tree;

use crate::error::ExecuteError;
use crate::value::{Root, Value};

/// The union of its inputs, later ones above earlier ones. The first keeps its base.
pub fn merge(inputs: &[Value]) -> Result<Value, ExecuteError> {
    let mut roots = inputs.iter().map(Value::root);
    let Some(first) = roots.next() else { return Ok(Value::Root(Arc::new(Root::default()))) };
    let mut merged = Root::clone(first?);
    for root in roots {
        let root = root?;
        for layer in root.tree.layers() {
            merged.tree = merged.tree.push(layer.clone());
        }
        merged.steps.extend(root.steps.iter().cloned());
    }
    Ok(Value::Root(Arc::new(merged)))
}

/// The layers of the second input that lie above the first.
pub fn diff(inputs: &[Value]) -> Result<Value, ExecuteError> {
    let [lower, upper] = inputs else { return Err(ExecuteError::Graph("`diff` takes two inputs")) };
    let (lower, upper) = (lower.root()?, upper.root()?);
    let below = lower.tree.layers();
    let above = upper.tree.layers();
    let shared = below.len() <= above.len() && below.iter().zip(above).all(|(a, b)| a.diff_id == b.diff_id);
    if !shared {
        return Err(ExecuteError::Graph("the second input of `diff` is not built on the first"));
    }
    let steps = upper.steps.get(lower.steps.len()..).unwrap_or_default().to_vec();
    let tree = Tree::new(above[below.len()..].to_vec());
    Ok(Value::Root(Arc::new(Root { tree, steps, ..Root::default() })))
}
