//! Words that stand for values, one table for printing and reading.

use crate::exec::{CacheSharing, Network, Security};

pub(super) const NETWORK: &[(&str, Network)] =
    &[("default", Network::Default), ("none", Network::None), ("host", Network::Host)];

pub(super) const SECURITY: &[(&str, Security)] =
    &[("sandbox", Security::Sandbox), ("insecure", Security::Insecure)];

pub(super) const SHARING: &[(&str, CacheSharing)] =
    &[("shared", CacheSharing::Shared), ("private", CacheSharing::Private), ("locked", CacheSharing::Locked)];

/// The word of a value.
pub(super) fn word<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(word, _)| *word)
}
