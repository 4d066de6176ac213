//! Golden
