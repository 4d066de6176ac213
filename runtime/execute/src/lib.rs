//! Scheduler, one file per op, snapshots, build records.
