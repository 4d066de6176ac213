//! The build checks.
