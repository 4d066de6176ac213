//! The test kit: hermetic environments, real peers, an independent flattener.
