//! File actions to layer entries.
