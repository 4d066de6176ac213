//! The scheduler: steps whose inputs are done run side by side, the longest way to a target first.
//!
//! It knows nothing of what a step does: it is given the graph's shape and a function. Workers are plain threads,
//! since a step mostly waits for a process; work on data inside a step goes to rayon.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, PoisonError};

use imgc_graph::{Graph, NodeId, Op};

/// How long a step is expected to hold up those behind it, without measuring: a command far longer than a copy.
fn weight(op: &Op) -> u64 {
    match op {
        Op::Exec(_) => 20,
        Op::File(_) | Op::Source(_) => 4,
        Op::Merge | Op::Diff | Op::Image(_) | Op::Index => 1,
    }
}

struct State<V> {
    /// Done nodes.
    values: BTreeMap<NodeId, V>,
    /// Inputs that a node still waits for.
    waits: BTreeMap<NodeId, usize>,
    /// Nodes that can run: by height, then in graph order.
    ready: BTreeSet<(u64, std::cmp::Reverse<NodeId>)>,
    running: usize,
    stopped: bool,
}

/// Runs `work` for every node, inputs before users, at most `jobs` at once, and returns the values.
///
/// The first failure stops the taking of new work; what runs already is waited for (`on_failure` is called at once so
/// that it can be told to stop). The first failure is returned: a later one may come of being told so.
pub fn run<V: Clone + Send, E: Send>(
    graph: &Graph,
    jobs: usize,
    on_failure: &(dyn Fn() + Sync),
    work: &(dyn Fn(NodeId, Vec<V>) -> Result<V, E> + Sync),
) -> Result<BTreeMap<NodeId, V>, E> {
    let heights = heights(graph);
    let mut waits = BTreeMap::new();
    let mut ready = BTreeSet::new();
    for id in graph.nodes() {
        let inputs: BTreeSet<NodeId> = graph.inputs(id).into_iter().collect();
        if inputs.is_empty() {
            ready.insert((heights[&id], std::cmp::Reverse(id)));
        } else {
            waits.insert(id, inputs.len());
        }
    }
    let state: Mutex<State<V>> =
        Mutex::new(State { values: BTreeMap::new(), waits, ready, running: 0, stopped: false });
    let wake = Condvar::new();
    let failure: Mutex<Option<E>> = Mutex::new(None);

    let worker = || {
        loop {
            let (id, inputs) = {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    if state.stopped || (state.ready.is_empty() && state.running == 0) {
                        wake.notify_all();
                        return;
                    }
                    if let Some((_, std::cmp::Reverse(id))) = state.ready.pop_last() {
                        state.running += 1;
                        let inputs =
                            graph.inputs(id).iter().map(|input| state.values[input].clone()).collect();
                        break (id, inputs);
                    }
                    state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let result = work(id, inputs);
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.running -= 1;
            match result {
                Ok(value) => {
                    state.values.insert(id, value);
                    for user in graph.users(id) {
                        let Some(left) = state.waits.get_mut(&user) else { continue };
                        *left -= 1;
                        if *left == 0 {
                            state.waits.remove(&user);
                            state.ready.insert((heights[&user], std::cmp::Reverse(user)));
                        }
                    }
                }
                Err(error) => {
                    state.stopped = true;
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    on_failure();
                }
            }
            wake.notify_all();
        }
    };
    let jobs = jobs.clamp(1, graph.len().max(1));
    if jobs == 1 {
        worker();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(worker);
            }
        });
    }
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(state.into_inner().unwrap_or_else(PoisonError::into_inner).values),
    }
}

/// The weight of the longest way from each node to a target.
fn heights(graph: &Graph) -> BTreeMap<NodeId, u64> {
    let nodes: Vec<NodeId> = graph.nodes().collect();
    let mut heights: BTreeMap<NodeId, u64> = BTreeMap::new();
    for &id in nodes.iter().rev() {
        let own = heights.get(&id).copied().unwrap_or(0) + weight(&graph.node(id).op);
        heights.insert(id, own);
        for input in graph.inputs(id) {
            let height = heights.entry(input).or_insert(0);
            *height = (*height).max(own);
        }
    }
    heights
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use imgc_base::Platform;
    use imgc_graph::{Node, Origin, Source};

    use super::*;

    fn add(graph: &mut Graph, op: Op, inputs: &[NodeId]) -> NodeId {
        graph.add(
            Node { op, platform: Platform::new("linux", "amd64", ""), origin: Origin::default() },
            inputs,
        )
    }

    /// A source, `width` chains of `depth` nodes on it, and one node over all.
    fn fan(width: usize, depth: usize) -> Graph {
        let mut graph = Graph::new();
        let root = add(&mut graph, Op::Source(Source::Scratch), &[]);
        let ends: Vec<NodeId> = (0..width)
            .map(|_| (0..depth).fold(root, |below, _| add(&mut graph, Op::Merge, &[below, below])))
            .collect();
        let top = add(&mut graph, Op::Index, &ends);
        graph.add_target(top);
        graph
    }

    #[test]
    fn every_node_once_after_its_inputs() {
        let graph = fan(5, 7);
        for jobs in [1, 3, 16] {
            let runs = AtomicUsize::new(0);
            let values = run(&graph, jobs, &|| {}, &|id, inputs: Vec<usize>| {
                runs.fetch_add(1, Ordering::SeqCst);
                assert_eq!(inputs.len(), graph.inputs(id).len());
                Ok::<_, ()>(1 + inputs.into_iter().max().unwrap_or(0))
            })
            .unwrap();
            assert_eq!(runs.into_inner(), graph.len());
            assert_eq!(values[&graph.targets()[0]], 9);
        }
    }

    /// A node that is told to stop fails too, and may stand before the one that failed.
    #[test]
    fn what_a_failure_stopped_says_nothing() {
        let graph = fan(2, 1);
        let told = AtomicUsize::new(0);
        let stop = || {
            told.fetch_add(1, Ordering::SeqCst);
        };
        let error = run(&graph, 2, &stop, &|id, _| match id.index() {
            0 => Ok(()),
            1 => {
                while told.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                Err("stopped")
            }
            _ => Err("the cause"),
        })
        .unwrap_err();
        assert_eq!(error, "the cause");
        assert_eq!(told.into_inner(), 2);
    }
}
