//! Content store: blobs, trees, refs, step results, locks.
