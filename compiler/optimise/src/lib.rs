//! Passes graph to graph, and the layer plan.
